"""What adapting to a person gains, against the number of labelled recordings: rows of scores for `evidence`."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import pandas as pd

from lfnet.errors import LfnetError
from lfnet.evaluation.evidence import Evidence, RowScores, Settings, evidence
from lfnet.evaluation.random_intercept import Offsets, adapted, fit_offsets, usable

__all__ = ["AS_PREDICTED", "Gain", "adaptation_gain", "labels_alone", "with_labels"]

AS_PREDICTED = "as predicted"


def with_labels(k: int) -> str:
    """The name of the row of scores after k labelled recordings."""
    return f"k = {k}"


def labels_alone(k: int) -> str:
    """The name of the row that knows k labels of the person and no score."""
    return f"labels alone, k = {k}"


@dataclass(frozen=True)
class Gain:
    """The evidence of adaptation: its rows are AS_PREDICTED and, for k from 0 to `most`, scores and labels alone.

    offsets: of each seed's model; alone: of the labels themselves, without any model.
    """

    most: int
    evidence: Evidence
    offsets: tuple[Offsets, ...]
    alone: Offsets


def adaptation_gain(
    seeds: Sequence[pd.DataFrame],
    trained: Collection[str],
    *,
    most: int = 3,
    slope: bool = False,
    settings: Settings | None = None,
) -> Gain:
    """How models err on people's later recordings once the labels of k earlier ones are known, k = 0 … most.

    seeds: of each trained model its recordings' predictions, with splits dev and test. trained: the people of training.
    Offsets are estimated on dev people of no other split. They are used on test people of no other split, of whom the
    first `most` recordings are never scored and the later ones never calibrated with. Labels alone, with the same
    estimator and no model, stand beside, for k labels say much of the next one by themselves.
    Every row is compared with k = 0: scores about the general offset of dev.
    Raises `LfnetError` where nobody has so many recordings, or too few people tell what an offset is.
    """
    if most < 1:
        raise LfnetError(f"--most {most}: give 1 recording or more.")
    dev, test = ([frame[frame["split"] == split] for frame in seeds] for split in ("dev", "test"))
    of_dev = [usable(frame, {*trained, *other["person_id"]}) for frame, other in zip(dev, test, strict=True)]
    of_test = [usable(frame, {*trained, *other["person_id"]}) for frame, other in zip(test, dev, strict=True)]
    longest = int(of_test[0].groupby("person_id").size().max()) if len(of_test[0]) else 0
    if longest <= most:
        raise LfnetError(
            f"{most} recordings of a person are to be known and a later one scored, and nobody of test who is in no "
            f"other split has more than {longest} labelled ones. Give fewer with --most, or, of a simulated cohort, "
            "fewer people and more recordings (cohort.people=60 cohort.people_shared=0)."
        )
    offsets = [_offsets(frame, slope) for frame in of_dev]
    alone_dev, alone_test = (frames[0].assign(score=0.0) for frames in (of_dev, of_test))
    alone = _offsets(alone_dev, False)
    found = [_row(AS_PREDICTED, [adapted(frame, _NOTHING, 0, most) for frame in of_test])]
    for k in range(most + 1):
        pairs = zip(of_test, offsets, strict=True)
        found.append(_row(with_labels(k), [adapted(frame, fitted, k, most) for frame, fitted in pairs]))
    for k in range(most + 1):
        found.append(_row(labels_alone(k), [adapted(alone_test, alone, k, most)], deterministic=True))
    return Gain(most, evidence(found, with_labels(0), settings), tuple(offsets), alone)


_NOTHING = Offsets(general=0.0, slope=1.0, between=0.0, within=1.0, people=0, recordings=0)


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
