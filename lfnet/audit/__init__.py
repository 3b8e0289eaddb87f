"""Where a cohort, its splits and its features leak."""
