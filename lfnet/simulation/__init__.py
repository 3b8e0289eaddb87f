"""A cohort and its features whose truth is known, and its oracle."""
