"""Labels of a cut-off: 1 where a score reaches it, else 0."""

from dataclasses import replace

import numpy as np

from lfnet.cohorts.cohort import Cohort

__all__ = ["binarised"]


def binarised(cohort: Cohort) -> Cohort:
    """Return the cohort with the binary labels that `scale.binary_at` asks for; itself where it asks for none.

    Examples
    --------
    >>> import pandas as pd
    >>> from lfnet.cohorts.cohort import Scale, validate
    >>> names = ["a", "b", "c"]
    >>> clips = pd.DataFrame({
    ...     "clip_id": names, "recording_id": names, "person_id": names, "split": ["train", "dev", "test"],
    ...     "task": "", "label": [3, 20, 10], "path": "", "fps": 30, "n_frames": 900,
    ... })
    >>> bands = [{"name": "all", "low": 0, "high": 24}]
    >>> scale = Scale(name="PHQ-8", min=0, max=24, bands=bands, binary_at=10)
    >>> made = binarised(Cohort("three", validate(clips, scale, "clips"), scale))
    >>> made.scale.name, made.clips["label"].tolist()
    ('PHQ-8 ≥ 10', [0.0, 1.0, 1.0])
    """
    cutoff = cohort.scale.binary_at
    if cutoff is None:
        return cohort
    label = cohort.clips["label"]
    reached = (label >= cutoff).astype(np.float64).where(label.notna())
    return replace(cohort, clips=cohort.clips.assign(label=reached), scale=cohort.scale.binary(cutoff))
