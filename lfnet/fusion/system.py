"""The whole system on one cohort: sides chosen and fitted, joined, and every clip scored."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lfnet.errors import LfnetError
from lfnet.fingerprints import digest
from lfnet.fusion.joint import candidates, choose_joint
from lfnet.fusion.modalities import Memo, PhysiologicalSide, Scorer, Side, VisualSide
from lfnet.fusion.modality_data import Split
from lfnet.fusion.model_selection import Choice, choose, out_of_fold
from lfnet.fusion.settings import FusionSettings

__all__ = ["SIDES", "Fused", "System", "fuse"]

SIDES = ("visual", "physiological")
_CONCATENATED = ("concat_svr", "concat_ridge")


@dataclass(frozen=True)
class System:
    """A fitted system: all that scoring needs, and what `lfnet.fusion.persist` saves.

    model: whose score is the system's. inputs: the sides that are joined. sides: those that are scored on their own.
    joint: an estimator over [clips, inputs] scores or concatenated descriptors; None where one side stands alone.
    features: what each side's stream must look like.
    """

    model: str
    inputs: list[str]
    sides: dict[str, Scorer]
    joint: Any
    features: dict[str, dict[str, Any]]

    def scores(self, split: Split) -> dict[str, np.ndarray]:
        """float64 [clips] of each side and of the model itself, in points. Raises `LfnetError` for other features."""
        for name, wanted in self.features.items():
            if (own := _features(split, name)) != wanted:
                raise LfnetError(
                    f"this model was fitted on {wanted['count']} {name} features, and these are {own['count']} "
                    "features or have other names: extract them with the settings of the run."
                )
        found = {name: scorer.scores(split) for name, scorer in self.sides.items()}
        if self.joint is not None:
            found[self.model] = np.asarray(self.joint.predict(self._joined(split, found)), float)
        return found

    def _joined(self, split: Split, found: dict[str, np.ndarray]) -> np.ndarray:
        if self.model in _CONCATENATED:
            return split.descriptors(self.inputs)
        return np.column_stack([found[name] for name in self.inputs])


@dataclass(frozen=True)
class Fused:
    """What a fusion left.

    scores: split → member (`visual`, `physiological`, the model) → float64 [clips]. chosen: member → its Choice.
    missing: side → split → ids of the clips that have no row in it and were imputed inside the pipeline.
    """

    system: System
    scores: dict[str, dict[str, np.ndarray]]
    chosen: dict[str, Choice]
    missing: dict[str, dict[str, list[str]]]


def fuse(
    train: Split, others: Mapping[str, Split], settings: FusionSettings, *, seed: int, share: Memo | None = None
) -> Fused:
    """Fit on `train`, score `others`.

    others: split name → its clips. Their labels are looked at only where `fusion.choose` is `test`, and of `test` only.
    seed: of forests, mutual information and boosting. share: what fusions of these very splits leave to each other, so
    that a side is fitted once for all that join it. Raises `LfnetError` for what a user must mend.
    """
    missing = {
        name: {split: _missing(part, name) for split, part in (("train", train), *others.items())}
        for name in _used(settings)
    }
    train = train.labelled()
    test = others.get("test") if settings.choose == "test" else None
    blind = {name: split.without_labels() for name, split in others.items()}
    features = {name: _features(train, name) for name in _used(settings)}
    sides = {
        name: _Side(name, train, test, settings, seed, Memo() if share is None else share) for name in _scored(settings)
    }
    chosen = {name: side.choice for name, side in sides.items()}
    fitted = {name: side.scorer for name, side in sides.items()}
    system = System(settings.model, list(_used(settings)), fitted, None, features)
    if settings.model not in SIDES:
        choice, joint = _join(system, sides, train, test, settings)
        chosen[settings.model] = choice
        system = System(settings.model, system.inputs, fitted, joint, features)
    return Fused(system, {name: system.scores(split) for name, split in blind.items()}, chosen, missing)


class _Side:
    """One side chosen and fitted, and what the joint model learns from; shared with other fusions where it is alike."""

    def __init__(
        self, name: str, train: Split, test: Split | None, settings: FusionSettings, seed: int, share: Memo
    ) -> None:
        own = settings.visual if name == "visual" else settings.physiological
        how = (settings.choose, settings.group_by, settings.inner_folds, settings.outer_folds)
        self._key, self._share = repr((name, own, how, seed)), share
        self._side: Side = (
            VisualSide(settings.visual, seed)
            if name == "visual"
            else PhysiologicalSide(settings.physiological, settings.group_by, seed)
        )
        self._train, self._settings = train, settings
        self.choice: Choice = share.once((self._key, "choice"), lambda: choose(self._side, train, test, settings))
        self.scorer: Scorer = share.once(
            (self._key, "scorer"), lambda: self._side.fit(train, self.choice.recipe, Memo())
        )

    def training_scores(self) -> np.ndarray:
        """Scores of training clips by models that have not seen their people, or in-sample ones as published."""
        if self._settings.training_scores == "in_sample":
            return self.scorer.scores(self._train)
        return self._share.once((self._key, "out of fold"), self._out_of_fold)

    def _out_of_fold(self) -> np.ndarray:
        centre = float(self.scorer.scores(self._train).mean())
        return out_of_fold(self._side, self._train, self._settings, centre)


def _join(
    system: System, sides: dict[str, _Side], train: Split, test: Split | None, settings: FusionSettings
) -> tuple[Choice, Any]:
    known = None if test is None else test.labelled()
    if settings.model in _CONCATENATED:
        X = train.descriptors(system.inputs)
        widths = [train.side(name).X.shape[1] for name in system.inputs]
        limit = settings.physiological.max_invalid
        valid = np.ones(X.shape[1], bool) if limit is None else np.isnan(X).mean(axis=0) <= limit
        after = None if known is None else (known.descriptors(system.inputs), known.y)
        return choose_joint(candidates(settings, widths, valid), X, train.y, train.people, settings, after)
    z = np.column_stack([sides[name].training_scores() for name in system.inputs])
    after = None
    if known is not None:
        after = (np.column_stack([system.sides[name].scores(known) for name in system.inputs]), known.y)
    given = candidates(settings, [1] * z.shape[1], np.ones(z.shape[1], bool))
    return choose_joint(given, z, train.y, train.people, settings, after)


def _used(settings: FusionSettings) -> tuple[str, ...]:
    """The sides whose streams are read."""
    if settings.model in SIDES:
        return (settings.model,)
    return SIDES if settings.model in _CONCATENATED else tuple(settings.joint.inputs)


def _scored(settings: FusionSettings) -> tuple[str, ...]:
    """The sides that have a score of their own."""
    return () if settings.model in _CONCATENATED else _used(settings)


def _missing(split: Split, side: str) -> list[str]:
    return [str(split.clip_ids[clip]) for clip in split.side(side).missing(len(split))]


def _features(split: Split, side: str) -> dict[str, Any]:
    names = split.side(side).names
    return {"count": len(names), "digest": digest(list(names))}
