"""Finished jobs on disk: one run folder, collections of them, and the record of a sweep."""
