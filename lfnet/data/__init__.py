"""Features as padded, masked windows for heads (the Lightning DataModule) and as arrays for scikit-learn.

Shapes are suffixes: B batch (windows), T frames, D features, N frames of all clips, W windows of a table, S streams.
"""
