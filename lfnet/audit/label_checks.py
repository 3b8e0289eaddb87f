"""Checks of labels: their distribution over splits, and their association with duration and frame coverage."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from lfnet.audit.finding import Check, Finding, Status, Test, interval, p_text
from lfnet.audit.statistics import MIN_CLEAR, MIN_CLEAR_SPLIT, association, split_difference
from lfnet.cohorts.scale import Scale
from lfnet.text import plural

__all__ = ["by_recording", "distribution", "label_association", "label_balance", "missing"]

SPLITS = ("train", "dev", "test")


def distribution(recordings: pd.DataFrame, scale: Scale) -> list[dict[str, Any]]:
    """Describe each split: split, recordings, people, labelled, mean, sd (ddof 0), bands {name: recordings}."""
    rows = []
    for split in (*SPLITS, "unlabelled"):
        own = recordings[recordings["split"] == split]
        if not len(own):
            continue
        labels = own["label"].dropna()
        bands = [scale.band(label).name for label in labels]
        rows.append(
            {
                "split": split,
                "recordings": len(own),
                "people": int(own["person_id"].nunique()),
                "labelled": len(labels),
                "mean": float(labels.mean()) if len(labels) else None,
                "sd": float(labels.std(ddof=0)) if len(labels) else None,
                "bands": {band.name: bands.count(band.name) for band in scale.bands},
            }
        )
    return rows


def label_balance(recordings: pd.DataFrame, scale: Scale, random: np.random.Generator, resamples: int) -> Check:
    """Check whether the splits differ in the height of labels or in their severity bands."""
    title = "labels of the splits"
    labelled = recordings[recordings["label"].notna()]
    y, splits = labelled["label"].to_numpy(float), labelled["split"].to_numpy()
    people = labelled["person_id"].to_numpy()
    tests: list[Test] = []
    if len(y):
        bands = np.array([scale.band(label).name for label in y])
        own = [bands == name for name in dict.fromkeys(bands)]
        one_hot = np.stack([column / np.sqrt(column.mean()) for column in own], axis=1)
        for name, values in (("location", stats.rankdata(y)[:, None]), ("bands", one_hot)):
            test = split_difference(name, values, people, splits, random, resamples)
            tests += [test] if test is not None else []
    means = ", ".join(f"{split} {y[splits == split].mean():.1f}" for split in SPLITS if (splits == split).any())
    absent = [
        f"no {band.name} recording in {split}"
        for split in SPLITS
        if (splits == split).any()
        for band in scale.bands
        if not any(scale.band(label).name == band.name for label in y[splits == split])
    ]
    if not tests:
        text = "fewer than two splits with labels, or too few people to compare"
        return Check.certain(Finding("labels", title, "not checked", text))

    few = _too_few(people, splits)

    def conclude(done: Sequence[Test], alpha: float) -> Finding:
        strongest = min(done, key=lambda test: test.adjusted)
        found = strongest.adjusted <= alpha
        if few and not found:
            return Finding(
                "labels", title, "not checked", f"{few} whether labels differ: means {means}", tests=tuple(done)
            )
        how = {"location": "in height", "bands": "in their severity bands"}[strongest.name]
        text = f"the splits' labels differ {how}: " if found else "the splits' labels do not visibly differ: "
        text += f"means {means}, {p_text(strongest.adjusted)}"
        text += f"; {', '.join(absent)}" if absent else ""
        advice = (
            "Make splits that are stratified by score (`lfnet cohort split DIR`). Where they are given, a model that "
            "predicts the training mean errs by the difference: compare with the row train_mean first."
        )
        status: Status = "warning" if found else "clear"
        return Finding("labels", title, status, text, advice if found else "", tests=tuple(done))

    return Check(tuple(tests), conclude)


def _too_few(people: np.ndarray, splits: np.ndarray) -> str:
    """Why nothing can be said on equal labels of the splits; "" where it can."""
    each = {split: len(set(people[splits == split])) for split in SPLITS if (splits == split).any()}
    if len(set(people)) < MIN_CLEAR:
        return f"{plural(len(set(people)), 'person')} with a label are too few to tell"
    small = [f"{plural(number, 'person')} in {split}" for split, number in each.items() if number < MIN_CLEAR_SPLIT]
    return f"{' and '.join(small)} are too few to tell" if small else ""


def label_association(
    name: str,
    what: str,
    values: Mapping[str, np.ndarray],
    recordings: pd.DataFrame,
    advice: str,
    random: np.random.Generator,
    resamples: int,
) -> Check:
    """Check whether a nuisance variable is associated with the label: over all splits, in each, and in each task.

    `values` are float [recordings], NaN where unknown, for "" (all clips of a recording) and for each task.
    """
    title = f"{what} vs label"
    y, people = recordings["label"].to_numpy(float), recordings["person_id"].to_numpy()
    splits = recordings["split"].to_numpy()
    parts = {"all recordings": ("", np.ones(len(y), bool))}
    parts |= {split: ("", splits == split) for split in SPLITS if (splits == split).any()}
    tasks = [task for task in values if task]
    parts |= {f"task {task}": (task, np.ones(len(y), bool)) for task in (tasks if len(tasks) > 1 else ())}
    tests = []
    for part, (task, rows) in parts.items():
        test = association(part, values[task][rows], y[rows], people[rows], splits[rows], random, resamples)
        tests += [test] if test is not None else []
    if not tests:
        known = values[""][np.isfinite(y)]
        same = len(known) and np.isfinite(known).all() and not np.ptp(known) > 0
        text = f"{what} is constant" if same else "too few people with labels"
        return Check.certain(Finding(name, title, "clear" if same else "not checked", text))

    number = len(set(people[np.isfinite(y) & np.isfinite(values[""])]))

    def conclude(done: Sequence[Test], alpha: float) -> Finding:
        strongest = min(done, key=lambda test: test.adjusted)
        found = strongest.adjusted <= alpha
        if number < MIN_CLEAR and not found:
            text = f"{plural(number, 'person')} with a label are too few to tell whether {what} is associated with it"
            return Finding(name, title, "not checked", text, tests=tuple(done))
        shown = strongest if found else done[0]
        text = f"{what} {'is associated' if found else 'is not visibly associated'} with the label: "
        text += interval(shown, "rank correlation")
        where = [test.name for test in done if test.adjusted <= alpha]
        text += f"; significant in {', '.join(where)}" if found else ""
        return Finding(name, title, "leak" if found else "clear", text, advice if found else "", tests=tuple(done))

    return Check(tuple(tests), conclude)


def missing(name: str, what: str, text: str) -> Check:
    """The check where the numbers are missing."""
    return Check.certain(Finding(name, f"{what} vs label", "not checked", text))


def by_recording(values: np.ndarray, clips: pd.DataFrame, recordings: pd.DataFrame) -> dict[str, np.ndarray]:
    """Average a number of clips over each recording's clips: for "" over all, and for each named task over its own."""
    frame = pd.DataFrame({"recording": clips["recording_id"], "task": clips["task"], "value": values})
    order = recordings["recording_id"]
    found = {"": frame.groupby("recording")["value"].mean().reindex(order).to_numpy(float)}
    for task in sorted(set(frame["task"]) - {""}):
        own = frame[frame["task"] == task].groupby("recording")["value"].mean()
        found[task] = own.reindex(order).to_numpy(float)
    return found
