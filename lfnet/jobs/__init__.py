"""One job from settings to run folder, and many jobs: names, skipping, progress, launchers."""
