"""Scores become evidence: aggregation, metrics, baselines, intervals, comparisons, power. No torch, no files."""
