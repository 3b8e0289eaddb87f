"""Minimum length of a segment for a feature of the pulse: one rule for video and for the simulated pulse."""

from collections.abc import Mapping

__all__ = ["is_long_enough"]


def is_long_enough(
    name: str,
    seconds: float,
    intervals: float,
    min_seconds: Mapping[str, float],
    min_intervals: Mapping[str, int],
) -> bool:
    """Return whether a segment is long enough for a feature; a feature without an entry needs no length.

    Parameters
    ----------
    name : str
        Name of the feature (`lfnet.pulse.variability.NAMES`).
    seconds : float
        Length of the segment.
    intervals : float
        Number of its interbeat intervals.
    min_seconds, min_intervals : mapping
        Minimum of both for each feature (conf/validity).

    Returns
    -------
    bool

    Examples
    --------
    >>> rules = {"RMSSD": 10, "SDNN": 30}, {"SampEn": 200}
    >>> [is_long_enough(name, 17, 20, *rules) for name in ("RMSSD", "SDNN", "SampEn")]
    [True, False, False]
    """
    return seconds >= min_seconds.get(name, 0) and intervals >= min_intervals.get(name, 0)
