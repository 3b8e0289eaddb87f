"""Features on disk, written once, checked and memory-mapped, and the pass over a video that fills them.

Axes in names: T frames or segments of a clip, D numbers of a vector, N faces, R skin regions, S streams or segments.
"""
