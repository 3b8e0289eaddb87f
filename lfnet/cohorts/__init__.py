"""Cohorts: clips, recordings, people, splits and labels.

A recording is one session of one person; its clips share one label. `Cohort`, `Scale` and `Band` can be imported from
here.
"""

from typing import Any

__all__ = ["Band", "Cohort", "Scale"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'lfnet.cohorts' has no attribute {name!r}")
    from lfnet.cohorts import cohort  # loads pandas, so only on demand

    return getattr(cohort, name)
