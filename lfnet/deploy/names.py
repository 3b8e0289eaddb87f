"""Names of an exported head's inputs and output."""

__all__ = ["FRAMES", "SCORE", "VALID"]

FRAMES, VALID, SCORE = "x_BTD", "mask_BT", "y_B"
