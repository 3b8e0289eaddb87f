"""Pixels: decode by timestamp, find the face mesh, align, cut regions."""
