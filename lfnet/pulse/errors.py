"""Measured error of RMSSD and SDNN by SNR and value, and which features are withheld for it.

The table errors.csv holds, for each cell of SNR and value found, the error as a share of the value that at least 68 %
of drawn pulses with known intervals keep to. experiments/pulse/variability.py makes it; `segments` is the number of
segments in a cell. The SD of the drawn intervals is uniform on a log scale and true values are 10 to 120 ms.
"""

import csv
import math
from bisect import bisect
from functools import cache
from pathlib import Path

__all__ = ["COVERAGE", "MEASURED", "SNR_FROM", "TABLE", "VALUE_FROM", "error_share", "feature_errors", "follows"]

COVERAGE = 0.68  # minimum share of the drawn pulses whose error is at most the stated one
TABLE = Path(__file__).with_name("errors.csv")
# Lower limits of the cells: dB, and ms. Below the first one, the first cell counts.
SNR_FROM = (1.0, 5.0, 7.0, 9.0, 11.0)
VALUE_FROM = (0.0, 15.0, 25.0, 40.0, 60.0, 90.0, 130.0)

# Features of differences between successive intervals are off where RMSSD is, features of the spread of all intervals
# where SDNN is. Of the first in each row the error is measured; the next are the same quantity in other units, with the
# same relative error; of the last no error is known.
_FAMILIES = {
    "RMSSD": (("SDSD", "CVSD", "SD1"), ("pNN20", "pNN50", "HF", "SampEn", "ApEn", "HFD", "KFD", "DFA_alpha1")),
    "SDNN": (
        ("CVNN", "SDHR", "SD2"),
        ("MadNN", "IQRNN", "MinHR", "MaxHR", "HTI", "TINN", "VLF", "LF", "TP", "LFHF", "LFn", "HFn", "SD1SD2"),
    ),
}
MEASURED = tuple(_FAMILIES)


def follows(name: str) -> str | None:
    """Return the measured feature that decides whether feature `name` is withheld; None for features of the mean.

    Examples
    --------
    >>> follows("pNN50"), follows("SDNN"), follows("MeanHR")
    ('RMSSD', 'SDNN', None)
    """
    return next((root for root, kin in _FAMILIES.items() if name == root or any(name in each for each in kin)), None)


def error_share(name: str, value: float, snr: float) -> float:
    """Return the error of a value of RMSSD or SDNN as a share of the value.

    Parameters
    ----------
    name : {"RMSSD", "SDNN"}
        Feature.
    value : float
        Its value in ms.
    snr : float
        dB of the segment (`lfnet.pulse.quality.snr`).

    Returns
    -------
    float
        NaN where `value` or `snr` is NaN.

    Examples
    --------
    >>> error_share("RMSSD", 150.0, snr=4.0) > 0.5 > error_share("RMSSD", 20.0, snr=9.5)
    True
    """
    if not (math.isfinite(value) and math.isfinite(snr)):
        return float("nan")
    row, column = (max(0, bisect(cells, x) - 1) for cells, x in ((SNR_FROM, snr), (VALUE_FROM, value)))
    return _table()[name][row][column]


def feature_errors(values: dict[str, float], snr: float) -> dict[str, float]:
    """Return the error of each feature of a segment for which one is known, in the feature's own unit.

    Parameters
    ----------
    values : dict of str to float
        Features by name (`lfnet.pulse.variability.variability`).
    snr : float
        dB of the segment.

    Returns
    -------
    dict of str to float

    Examples
    --------
    >>> found = feature_errors({"RMSSD": 50.0, "SDNN": 60.0, "SD1": 35.0, "MeanHR": 70.0}, snr=14.0)
    >>> sorted(found), round(found["SD1"] / found["RMSSD"], 2)
    (['RMSSD', 'SD1', 'SDNN'], 0.7)
    """
    found: dict[str, float] = {}
    for root, (same, _) in _FAMILIES.items():
        share = error_share(root, values[root], snr)
        found |= {name: share * values[name] for name in (root, *same) if name in values}
    return found


@cache
def _table() -> dict[str, list[list[float]]]:
    with TABLE.open(encoding="utf-8", newline="") as file:
        rows = {
            (row["feature"], float(row["snr_from"]), float(row["value_from"])): float(row["error_share"])
            for row in csv.DictReader(file)
        }
    return {name: [[rows[name, snr, value] for value in VALUE_FROM] for snr in SNR_FROM] for name in _FAMILIES}
