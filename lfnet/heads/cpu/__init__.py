"""Kernels and memory settings that make training on a CPU fast; a reader of a head does not need them.

Each kernel computes what the plain PyTorch code at its head does, to rounding, and falls back to it on other devices,
without gradients and in an export.
"""
