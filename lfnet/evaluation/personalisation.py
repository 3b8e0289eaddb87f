"""Adapt a model to a person with some labelled recordings: what it gains on the person's other recordings.

Only labels of recordings that are never scored are used; no weight of the model changes. Offsets of people are those of
`lfnet.evaluation.offsets`.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import pandas as pd

from lfnet.errors import LfnetError
from lfnet.evaluation.evidence import Evidence, RowScores, compute_evidence
from lfnet.evaluation.offsets import Offsets, fit_offsets

__all__ = [
    "AS_PREDICTED",
    "Gain",
    "adapted",
    "compute_gain",
    "labels_alone",
    "usable_recordings",
    "with_labels",
]


def usable_recordings(recordings: pd.DataFrame, others: Collection[str] = ()) -> pd.DataFrame:
    """Select the labelled recordings of people who are not among `others`, in natural order of person and name.

    `recordings` has recording_id, person_id, label and score. In natural order p1_2 comes before p1_10.
    """
    kept = recordings[recordings["label"].notna() & ~recordings["person_id"].isin(set(others))]
    names = list(zip(kept["person_id"], kept["recording_id"], strict=True))
    return kept.iloc[sorted(range(len(kept)), key=lambda row: _natural(*names[row]))].reset_index(drop=True)


def _natural(*names: str) -> list[tuple[int, int, str]]:
    words = [word for name in names for word in (*re.split(r"(\d+)", name), "")]
    return [(0, int(word), "") if word.isdigit() else (1, 0, word) for word in words]


def adapted(recordings: pd.DataFrame, offsets: Offsets, k: int, max_labels: int) -> pd.DataFrame:
    """Score each person's later recordings with the labels of k earlier ones.

    Parameters
    ----------
    recordings : DataFrame
        As `usable_recordings` returns them.
    offsets : Offsets
    k : int
        How many of a person's first recordings have a known label.
    max_labels : int
        How many of a person's first recordings are never scored, so that every k scores the same ones.

    Returns
    -------
    DataFrame
        recording_id, person_id, label, score; people without a later recording are left out.
    """
    if not 0 <= k <= max_labels:
        raise ValueError(f"k must be from 0 to {max_labels}, not {k}")
    place_N = recordings.groupby("person_id", sort=False).cumcount().to_numpy()
    later = recordings[place_N >= max_labels]
    known = recordings[place_N < k]
    offset = {
        person: offsets.person(own["label"].to_numpy(), own["score"].to_numpy())
        for person, own in known.groupby("person_id", sort=False)
    }
    moved = later["person_id"].map(offset).fillna(0.0).to_numpy(float) if k else 0.0
    scores = offsets.adjust(later["score"].to_numpy(float)) + moved
    columns = ["recording_id", "person_id", "label"]
    return later[columns].assign(score=scores).reset_index(drop=True)


AS_PREDICTED = "as predicted"


def with_labels(k: int) -> str:
    """Name of the row of scores adapted with k labelled recordings."""
    return f"k = {k}"


def labels_alone(k: int) -> str:
    """Name of the row that uses k labels of the person and no score."""
    return f"labels alone, k = {k}"


@dataclass(frozen=True)
class Gain:
    """Evidence on adaptation: rows AS_PREDICTED and, for k from 0 to `max_labels`, adapted scores and labels alone.

    `offsets` are those of each seed's model, `label_offsets` those of the labels themselves, without a model.
    """

    max_labels: int
    evidence: Evidence
    offsets: tuple[Offsets, ...]
    label_offsets: Offsets


def compute_gain(
    seeds: Sequence[pd.DataFrame], trained: Collection[str], *, max_labels: int | None = None, slope: bool = False
) -> Gain:
    """Measure errors on people's later recordings when the labels of k earlier ones are known, k = 0 … max_labels.

    Offsets are estimated on dev people of no other split and used on test people of no other split. A test person's
    first `max_labels` recordings are never scored, the later ones never used to adapt. The same estimator without a
    model ("labels alone") is reported too, because k labels alone predict the next one. Every row is compared with
    k = 0: scores plus the general offset of dev.

    Parameters
    ----------
    seeds : sequence of DataFrame
        Each trained model's predictions of recordings, with splits dev and test.
    trained : collection of str
        People of the train split.
    max_labels : int or None
        None: 3, or fewer where no person has more than 3 recordings.
    slope : bool
        As in `fit_offsets`.

    Returns
    -------
    Gain

    Raises
    ------
    LfnetError
        No person has enough recordings, or too few people to estimate offsets.
    """
    if max_labels is not None and max_labels < 1:
        raise LfnetError(f"--max {max_labels}: give 1 or more.")
    dev, test = ([frame[frame["split"] == split] for frame in seeds] for split in ("dev", "test"))

    def usable(frames: list[pd.DataFrame], others: list[pd.DataFrame]) -> list[pd.DataFrame]:
        pairs = zip(frames, others, strict=True)
        return [usable_recordings(frame, {*trained, *other["person_id"]}) for frame, other in pairs]

    of_dev, of_test = usable(dev, test), usable(test, dev)
    longest = int(of_test[0].groupby("person_id").size().max()) if len(of_test[0]) else 0
    if max_labels is None:
        max_labels = min(3, max(1, longest - 1))
    if longest <= max_labels:
        raise LfnetError(
            f"This needs test people with more than {max_labels} labelled recordings who are in no other split; the "
            f"largest number is {longest}. Give a lower --max; on the simulated cohort, fewer people with more "
            "recordings (cohort.people=60 cohort.people_shared=0)."
        )
    offsets = [_offsets(frame, slope) for frame in of_dev]
    label_dev, label_test = (frames[0].assign(score=0.0) for frames in (of_dev, of_test))
    labels = _offsets(label_dev, False)
    found = [_row(AS_PREDICTED, [adapted(frame, _IDENTITY, 0, max_labels) for frame in of_test])]
    for k in range(max_labels + 1):
        pairs = zip(of_test, offsets, strict=True)
        found.append(_row(with_labels(k), [adapted(frame, fitted, k, max_labels) for frame, fitted in pairs]))
    for k in range(max_labels + 1):
        found.append(_row(labels_alone(k), [adapted(label_test, labels, k, max_labels)], deterministic=True))
    return Gain(max_labels, compute_evidence(found, with_labels(0)), tuple(offsets), labels)


_IDENTITY = Offsets(general=0.0, slope=1.0, between=0.0, within=1.0, people=0, recordings=0)


def _offsets(recordings: pd.DataFrame, slope: bool) -> Offsets:
    try:
        return fit_offsets(recordings["label"], recordings["score"], recordings["person_id"], slope=slope)
    except LfnetError as error:
        raise LfnetError(f"dev people who are in neither train nor test: {error}") from error


def _row(name: str, seeds: Sequence[pd.DataFrame], deterministic: bool = False) -> RowScores:
    first = seeds[0]
    return RowScores(
        name,
        first["recording_id"].tolist(),
        first["person_id"].tolist(),
        first["label"].to_numpy(),
        [frame["score"].to_numpy() for frame in seeds],
        deterministic=deterministic,
    )
