"""Cross-validation: the folds of one model become one run, in which every recording is tested once.

Runs that differ in `splits.fold` (or `cohort.fold`) alone are joined. The joined run exists in memory only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from lfnet.errors import LfnetError
from lfnet.evaluation.class_metrics import add_class_metrics
from lfnet.evaluation.predictions import Predictions, models_from_frame
from lfnet.evaluation.training_sets import TrainingSets
from lfnet.fingerprints import digest
from lfnet.runs.result import AuditEntry, CohortSummary, Metrics, Result, Training
from lfnet.runs.run import Run

__all__ = ["JoinedRun", "join_folds"]

_NODES = ("splits", "cohort")
_GRAVEST = ("leak", "warning", "not checked", "clear")


@dataclass(frozen=True)
class JoinedRun(Run):
    """The folds of one model as one run. `folder` is that of the first fold; `name` names all of them."""

    parts: tuple[Run, ...] = ()

    @property
    def name(self) -> str:
        return "+".join(part.name for part in self.parts)

    @cached_property
    def folds(self) -> tuple[int, ...]:
        node = _node(self.parts[0].result)
        return () if node is None else tuple(sorted(part.result.config[node]["fold"] for part in self.parts))

    def training_sets(self, recordings: Sequence[str]) -> TrainingSets:
        node = _node(self.parts[0].result)
        assert node is not None
        names = {}
        for part in self.parts:
            own = part.result.config[node]
            name = f"{own.get('seed', 0) if node == 'splits' else 0}/{own['fold']}"
            frame = part.predictions.frame
            names.update(dict.fromkeys(frame.loc[frame["split"] == "test", "recording_id"], name))
        sizes = [part.result.cohort.recordings for part in self.parts]
        ratio = sum(size["test"] for size in sizes) / sum(size["train"] for size in sizes)
        return TrainingSets(np.array([[names[recording] for recording in recordings]]), ratio)

    @property
    def has_scores(self) -> bool:
        return all(part.has_scores for part in self.parts)

    @cached_property
    def _scores(self) -> dict[str, Predictions]:
        own = [{"": part.predictions} for part in self.parts]
        return {split: _concatenate(own, split, self.parts)[""] for split in ("dev", "test")}

    def shared_people(self, split: str) -> frozenset[str]:
        return frozenset().union(*(part.shared_people(split) for part in self.parts))

    @cached_property
    def _references(self) -> dict[str, dict[str, Predictions]]:
        models = [part.baselines for part in self.parts]
        shared = [{name: own[name] for name in models[0] if all(name in other for other in models)} for own in models]
        return {split: _concatenate(shared, split, self.parts) for split in ("dev", "test")}

    @property
    def predictions(self) -> Predictions:  # computed, not read
        return self._scores["test"]

    @property
    def baselines(self) -> dict[str, Predictions]:
        return self._references["test"]

    @property
    def learning_curve(self) -> None:  # each fold has its own
        return None

    @property
    def spread(self) -> None:
        return None

    @property
    def quantiles(self) -> None:
        return None

    @property
    def groups(self) -> pd.DataFrame | None:  # of all recordings, whatever the fold
        return self.parts[0].groups

    @cached_property
    def result(self) -> Result:
        results = [part.result for part in self.parts]
        node = _node(results[0])
        assert node is not None
        first = _without_fold(results[0], node)
        if not first.metrics:  # a component that this cohort does not have, in any fold
            return first
        cohort = _cohort(results)
        marks = dict.fromkeys(mark for result in results for mark in result.marks)
        metrics: Metrics = {
            split: part for scores in self._scores.values() for split, part in self._measured(scores).items()
        }
        return replace(
            first,
            fingerprint=digest(sorted(result.fingerprint for result in results)),
            metrics=metrics,
            references=self._reference_metrics(),
            cohort=cohort,
            audit=_worst([result.audit for result in results]),
            training=_training([result.training for result in results]),
            marks=(*marks, _tested(results, cohort, self.folds, node)),
        )

    def _reference_metrics(self) -> dict[str, dict[str, dict[str, Any]]]:
        found: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in self._references["test"]}
        for split, models in self._references.items():
            for name, model in models.items():
                if measured := self._measured(model).get(split, {}).get("recording"):
                    found[name][split] = measured
        return found

    def _measured(self, scores: Predictions) -> Metrics:
        """Metrics without those of a threshold chosen on dev: one fold's dev recordings are tested in another."""
        return add_class_metrics(scores.metrics(), scores, self.parts[0].result.scale.whole, chosen=False)


def join_folds(runs: Sequence[Run]) -> list[tuple[int, Run]]:
    """Join the folds among runs.

    Returns
    -------
    list of (place, run)
        For each run that is left, the place of its first part; a run that is no fold stays as it is.

    Raises
    ------
    LfnetError
        Two folds tested the same recording.
    """
    parts: dict[str, list[int]] = {}
    for place, run in enumerate(runs):
        result = run.result
        node = _node(result)
        # Whatever decides a number is in the config; where it was tried, and how it was launched, does not.
        key = str(place) if node is None else digest([_without_fold(result, node).config, result.kind, result.seed])
        parts.setdefault(key, []).append(place)
    joined: list[tuple[int, Run]] = []
    for places in parts.values():
        first = runs[places[0]]
        if _node(first.result) is None:
            joined.append((places[0], first))
        else:
            members = tuple(runs[place] for place in places)
            run = JoinedRun(first.folder, first.overrides, first.control, parts=members)
            _ = run.result
            joined.append((places[0], run))
    return joined


def _node(result: Result) -> str | None:
    """The node of the config that names the fold; None for a run that is none."""
    return next((name for name in _NODES if (result.config.get(name) or {}).get("fold") is not None), None)


def _without_fold(result: Result, node: str) -> Result:
    config = result.config
    return replace(result, config={**config, node: {**config[node], "fold": "all"}})


def _cohort(results: Sequence[Result]) -> CohortSummary:
    """The cohort of all folds: training sizes are those of the first."""
    first = results[0].cohort
    tested = {
        "recordings": sum(result.cohort.recordings.get("test", 0) for result in results),
        "people": sum(result.cohort.people.get("test", 0) for result in results),
    }
    return replace(
        first,
        fingerprint=digest(sorted(result.cohort.fingerprint for result in results)),
        recordings={**first.recordings, "test": tested["recordings"]},
        people={**first.people, "test": tested["people"]},
        warnings=tuple(dict.fromkeys(text for result in results for text in result.cohort.warnings)),
    )


def _worst(audits: Sequence[Sequence[AuditEntry]]) -> tuple[AuditEntry, ...]:
    """Each finding as in the fold where it is worst: a leak into one fold is a leak."""
    worst: dict[str, AuditEntry] = {}
    for entry in (entry for audit in audits for entry in audit):
        known = worst.setdefault(entry.name, entry)
        if _GRAVEST.index(entry.status) < _GRAVEST.index(known.status):
            worst[entry.name] = entry
    return tuple(worst.values())


def _tested(results: Sequence[Result], cohort: CohortSummary, folds: Sequence[int], node: str) -> str:
    """How much of the cohort was tested, and in how many folds."""
    sizes = results[0].cohort.recordings
    whole = sum(sizes.get(split, 0) for split in ("train", "dev", "test"))
    tested = cohort.recordings["test"]
    if tested < whole:
        return f"only the folds {', '.join(map(str, folds))}: {tested} of {whole} recordings tested"
    by_person = " by person" if node == "splits" else ""
    return f"{len(results)} folds{by_person}, each recording tested once"


def _concatenate(parts: Sequence[Mapping[str, Predictions]], split: str, runs: Sequence[Run]) -> dict[str, Predictions]:
    """One split's rows of all folds, of each model."""
    frames = [part[name].frame.assign(model=name) for name in parts[0] for part in parts]
    if not frames:
        return {}
    frame = pd.concat(frames, ignore_index=True)
    try:
        found = models_from_frame(frame[frame["split"] == split])
        return {name: found[name] if name in found else Predictions(frame[:0]) for name in parts[0]}
    except ValueError as error:
        raise LfnetError(
            f"the folds {', '.join(run.name for run in runs)} share {split} recordings ({error}): they are not of one "
            "cross-validation. Number the folds so that each recording is in one."
        ) from error


def _training(parts: Sequence[Training]) -> Training:
    """Seconds of all folds together; epochs and convergence as the worst of them."""
    joined = parts[0]
    seconds = [part.seconds for part in parts if part.seconds is not None]
    if seconds:
        joined = replace(joined, seconds=round(sum(seconds), 2))
    epochs = [part.epochs for part in parts if part.epochs is not None]
    if epochs:
        joined = replace(joined, epochs=max(epochs), converged=all(part.converged for part in parts))
    return joined
