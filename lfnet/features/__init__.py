"""Vectors on disk: written once, checked, memory-mapped; the one pass over a video that fills them."""
