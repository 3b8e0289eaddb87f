"""Settings of an audit."""

from dataclasses import field
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
        Chance of one false alarm or more among all tests of one audit, but those of how people were filmed.
    filming_alpha : float
        The same among all numbers of how people were filmed; below `alpha`, an association is a leak, else a warning.
    resamples : int
        Permutations of a test.
    seed : int
        Of the permutations.
    frames : bool
        Whether the frames of videos are compared; each video is decoded once.
    min_likeness : float
        Likeness of two videos over time from which they count as copies (`lfnet.audit.courses.frame_copies`).
    min_correlation : float
        Correlation over time from which the features of two clips count as copies, where no frames are compared.
    min_overlap : float
        Share of the shorter clip that must overlap the other.
    same_person : dict
        Cosine of the mean vectors of two recordings from which they show one person, by the encoder's name.

    Examples
    --------
    >>> from lfnet.config import read
    >>> read(AuditSettings, {"alpha": "x"}, "audit")
    Traceback (most recent call last):
    lfnet.errors.LfnetError: audit.alpha=x: give a number above 0 and below 1.
    """

    alpha: Annotated[float, Field(gt=0, lt=1)] = 0.005
    filming_alpha: Annotated[float, Field(gt=0, lt=1)] = 0.05
    resamples: Annotated[int, Field(ge=99)] = 19999
    seed: Annotated[int, Field(ge=0)] = 0
    frames: bool = True
    min_likeness: Annotated[float, Field(gt=0, le=1)] = 0.62
    min_correlation: Annotated[float, Field(gt=0, le=1)] = 0.8
    min_overlap: Annotated[float, Field(gt=0, le=1)] = 0.5
    same_person: dict[str, Annotated[float, Field(gt=-1, lt=1)]] = field(default_factory=lambda: {"mobileface": 0.45})
