"""Check a cohort, its splits and its features for leaks and confounds."""
