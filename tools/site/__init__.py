"""Build the documentation site from docs/, README, experiments, notebooks, conf/ and the code."""
