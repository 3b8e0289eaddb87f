"""Cohorts: clips, recordings, people, splits and labels.

A recording is one session of one person; its clips share one label. `Cohort`, `Scale`, `Band` and `Cutoff` can be
imported from here.
"""

from lfnet.lazy import lazy_imports

_MODULES = dict.fromkeys(("Band", "Cohort", "Cutoff", "Scale"), "cohort")  # it loads pandas
__all__ = list(_MODULES)
__getattr__, __dir__ = lazy_imports(__name__, _MODULES)
