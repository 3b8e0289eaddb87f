"""A face crop becomes a vector."""
