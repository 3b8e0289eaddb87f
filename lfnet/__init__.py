"""lfnet: honest ablations for depression severity regression from facial video.

A research instrument, never a diagnosis. Importing this package imports nothing heavy: torch, mediapipe and cv2 are
imported by the rooms that need them.
"""

__version__ = "0.1.0"

RESEARCH_ONLY = "Research instrument, not a diagnosis: scores describe a model, not a person's health."
