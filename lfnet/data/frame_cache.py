"""Frames, and problems of features, that the data modules of one process share.

Without torch and Lightning: every command that has settings has such a cache, also where it only checks or prints them.
"""

from dataclasses import dataclass, field

from lfnet.data.frames import Frames
from lfnet.features import health

__all__ = ["FrameCache"]


@dataclass
class FrameCache:
    """Frames of one cohort, and what the check of their features found, for all jobs of a process.

    One cohort only: a second would double what a sweep needs where frames are computed.
    """

    frames: tuple[str, Frames] | None = None
    checked: dict[str, health.Report] = field(default_factory=dict)
