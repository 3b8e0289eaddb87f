"""Out of the lab: a run becomes a bundle that scores new video without torch."""
