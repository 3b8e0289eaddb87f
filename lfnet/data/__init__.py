"""Features become padded, masked windows, served by the Lightning DataModule."""
