"""Bundles: export a trained head with its networks and settings, and score new video without PyTorch."""
