"""Join the training and dev splits of one cohort with the recordings of another one, on which its models are tested."""

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Literal

import pandas as pd

from lfnet.cohorts.cohort import Cohort
from lfnet.errors import LfnetError

__all__ = ["join_cohorts", "named_as_test"]


def join_cohorts(
    train: Cohort, test: Cohort, on: Literal["test", "all"] = "test", *, same_ids: bool = True
) -> tuple[Cohort, dict[str, str]]:
    """Return one cohort with train and dev of `train`, and as its test split recordings of `test`.

    Labels stay as they are: those of train and dev on the scale of `train`, those of test on that of `test`. Clips and
    recordings of `train` get the name of their cohort before their id, those of `test` keep theirs, so that scores of
    models of several cohorts are of the same recordings.

    Parameters
    ----------
    train, test : Cohort
    on : "test" or "all"
        The test split of `test`, or all of its labelled recordings.
    same_ids : bool
        Whether an id that is in both cohorts is one person. Such people are reported as shared between splits.

    Returns
    -------
    cohort : Cohort
        Named after `test`, with its scale.
    before : dict
        The clips of `train`: id → id before.

    Raises
    ------
    LfnetError
        `test` has no such recording.

    Examples
    --------
    >>> from lfnet.cohorts.scale import Scale
    >>> from lfnet.cohorts.validation import validate
    >>> scale = Scale(name="PHQ-8", min=0, max=24, bands=[{"name": "all", "low": 0, "high": 24}])
    >>> def cohort(name, people):
    ...     clips = pd.DataFrame({"clip_id": people, "recording_id": people, "person_id": people, "task": "",
    ...         "split": ["train", "dev", "test"], "label": [3, 20, 9], "path": "", "fps": 30, "n_frames": 900})
    ...     return Cohort(name, validate(clips, scale, name), scale)
    >>> joined, before = join_cohorts(cohort("a", ["x", "y", "z"]), cohort("b", ["u", "v", "w"]))
    >>> joined.clips[["clip_id", "split"]].to_numpy().tolist()
    [['a:x', 'train'], ['a:y', 'dev'], ['w', 'test']]
    >>> before
    {'a:x': 'x', 'a:y': 'y'}
    """
    kept = train.clips[train.clips["split"].isin(["train", "dev"])]
    prefix = f"{train.name}:"
    known = set(test.clips["clip_id"])
    while any(prefix + clip in known for clip in kept["clip_id"]):
        prefix += ":"
    named = {"clip_id": prefix + kept["clip_id"], "recording_id": prefix + kept["recording_id"]}
    if not same_ids:
        named["person_id"] = prefix + kept["person_id"]
    before = dict(zip(named["clip_id"], kept["clip_id"], strict=True))
    asked = test.clips["split"] == "test" if on == "test" else test.clips["label"].notna()
    tested = test.clips[asked].assign(split="test")
    if tested.empty:
        what = "recording in split test" if on == "test" else "labelled recording"
        advice = "give test_split=all to test on all that have a label" if on == "test" else "check its labels"
        raise LfnetError(f"test_cohort {test.name} has no {what}: {advice}.")
    about = None
    if train.about is not None and test.about is not None:
        shared = [name for name in train.about if name in test.about]
        first = train.about.loc[list(before.values()), shared].set_axis(list(before), axis=0)
        about = pd.concat([first, test.about.loc[tested["clip_id"], shared]]) if shared else None
    joined = Cohort(
        name=test.name,
        clips=pd.concat([kept.assign(**named), tested], ignore_index=True),
        scale=test.scale,
        aligned=test.aligned,
        simulated=train.simulated or test.simulated,
        warnings=(),
        about=about,
    )
    own = tuple(dict.fromkeys([*joined.warnings, *_of_files(train), *_of_files(test)]))
    return replace(joined, warnings=own), before


def _of_files(cohort: Cohort) -> tuple[str, ...]:
    """The warnings of a cohort that are not about its splits, which the joined one has of its own."""
    about_splits = ("people in more than one split", "test labels are absent", "people in two splits")
    return tuple(text for text in cohort.warnings if not text.startswith(about_splits))


def named_as_test(text: str, names: Iterable[str]) -> str:
    """A message on a cohort's settings as one on those of the cohort to test on. names: of the settings.

    Examples
    --------
    >>> named_as_test("cohort.root: /data/cohort.root is absent. Give scale@cohort.scale=phq9.", ["root", "scale"])
    'test_cohort.root: /data/cohort.root is absent. Give scale@test_cohort.scale=phq9.'
    """
    known = "|".join(map(re.escape, names))
    return re.sub(rf"(?<![\w/\\.-])cohort(?=\.(?:{known})\b)", "test_cohort", text)
