"""Turn scores into evidence: aggregation, metrics, baselines, intervals, comparisons, power. No torch, no files.

Axes of arrays, as suffixes of their names: N recordings, P people, S seeds, K scores of one recording (or kinds of
sum), B resamples, R rows of a table, L levels.
"""
