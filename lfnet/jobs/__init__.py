"""Many jobs: what is finished, progress, launchers."""
