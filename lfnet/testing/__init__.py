"""Public checks for other people's heads and encoders."""
