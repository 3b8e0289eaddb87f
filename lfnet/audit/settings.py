"""Settings of an audit."""

from typing import Annotated

from pydantic import Field

from lfnet.config import settings

__all__ = ["AuditSettings"]


@settings
class AuditSettings:
    """Settings of an audit (conf/audit/default.yaml).

    Parameters
    ----------
    alpha : float
        Chance of one false alarm or more among all tests of one audit.
    resamples : int
        Permutations of a test.
    seed : int
        Of the permutations.
    min_correlation : float
        Correlation over time from which the features of two clips count as copies.
    min_overlap : float
        Share of the shorter clip that must overlap the other.

    Examples
    --------
    >>> from lfnet.config import read
    >>> read(AuditSettings, {"alpha": "x"}, "audit")
    Traceback (most recent call last):
    lfnet.errors.LfnetError: audit.alpha=x: give a number above 0 and below 1.
    """

    alpha: Annotated[float, Field(gt=0, lt=1)] = 0.005
    resamples: Annotated[int, Field(ge=99)] = 19999
    seed: Annotated[int, Field(ge=0)] = 0
    min_correlation: Annotated[float, Field(gt=0, le=1)] = 0.8
    min_overlap: Annotated[float, Field(gt=0, le=1)] = 0.5
