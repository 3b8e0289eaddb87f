"""Pixels: decode by timestamp, find the face mesh, align, cut regions.

Axes in names: N frames, H height, W width, C colour channels or coordinates, L mesh points, P polygon corners or points
of a transform, R regions, B blendshapes.
"""
