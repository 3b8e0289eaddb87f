"""Scores become evidence: aggregation, metrics, trivial baselines. No torch, no files."""
