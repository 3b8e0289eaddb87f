"""Fit a fusion on one cohort: select and fit each modality, join them, and score every clip."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lfnet.errors import LfnetError
from lfnet.fingerprints import digest
from lfnet.fusion.joint import candidates, choose_joint
from lfnet.fusion.modalities import Memo, Modality, PhysiologicalModality, Scorer, VisualModality
from lfnet.fusion.modality_data import Split
from lfnet.fusion.model_selection import Choice, choose, out_of_fold
from lfnet.fusion.settings import CONCATENATED, MODALITIES, FusionSettings

__all__ = ["FusionResult", "System", "fuse"]


@dataclass(frozen=True)
class System:
    """A fitted fusion: all that scoring needs, as `lfnet.fusion.persist` saves it.

    Parameters
    ----------
    model : str
        Whose score is the fusion's score: a modality, or a joint model.
    inputs : list of str
        Modalities that are read.
    modalities : dict of str to Scorer
        Modalities with a score of their own.
    joint : estimator or None
        Estimator over scores or descriptors [clips, inputs]; None for a single modality.
    features : dict
        Number and digest of each stream's feature names.
    """

    model: str
    inputs: list[str]
    modalities: dict[str, Scorer]
    joint: Any
    features: dict[str, dict[str, Any]]

    def scores(self, split: Split) -> dict[str, np.ndarray]:
        """Score each clip with each modality and the model, float64 [clips] in points.

        Raises `LfnetError` where the split's features are not those of the fit.
        """
        for name, expected in self.features.items():
            if (own := _features(split, name)) != expected:
                raise LfnetError(
                    f"this model was fitted on {expected['count']} {name} features, and these are {own['count']} "
                    "features or have other names: extract them with the settings of the run."
                )
        found = {name: scorer.scores(split) for name, scorer in self.modalities.items()}
        if self.joint is not None:
            found[self.model] = np.asarray(self.joint.predict(self._joint_input(split, found)), float)
        return found

    def _joint_input(self, split: Split, found: dict[str, np.ndarray]) -> np.ndarray:
        if self.model in CONCATENATED:
            return split.descriptors(self.inputs)
        return np.column_stack([found[name] for name in self.inputs])


@dataclass(frozen=True)
class FusionResult:
    """A fitted fusion and its scores.

    Parameters
    ----------
    system : System
        The fitted fusion.
    scores : dict
        Split → member (a modality, or the model) → float64 [clips].
    chosen : dict of str to Choice
        Selected recipe of each member.
    missing : dict
        Modality → split → ids of the clips without rows, which were imputed inside the pipeline.
    """

    system: System
    scores: dict[str, dict[str, np.ndarray]]
    chosen: dict[str, Choice]
    missing: dict[str, dict[str, list[str]]]


def fuse(
    train: Split, others: Mapping[str, Split], settings: FusionSettings, *, seed: int, share: Memo | None = None
) -> FusionResult:
    """Fit on `train` and score `others`.

    Parameters
    ----------
    train : Split
        Training clips; those without a label are left out.
    others : mapping of str to Split
        Split name → clips to score. Labels are read of `test` where `fusion.choose` is "test", and of `dev` where
        `fusion.physiological.fit_on` names it.
    settings : FusionSettings
        The fusion.
    seed : int
        Seed of forests, mutual information and boosting.
    share : Memo, optional
        Cache for several fusions of the same splits, so that each modality is fitted once.

    Returns
    -------
    FusionResult

    Raises
    ------
    LfnetError
        Data do not suffice for the settings; the message says what to change.
    """
    missing = {
        name: {split: _missing(part, name) for split, part in (("train", train), *others.items())}
        for name in settings.used
    }
    train = train.labelled()
    test = others.get("test") if settings.choose == "test" else None
    blind = {name: split.without_labels() for name, split in others.items()}
    features = {name: _features(train, name) for name in settings.used}
    cache = Memo() if share is None else share
    fitted = {}
    for name in settings.scored:
        own = train
        if name == "physiological" and "dev" in settings.physiological.fit_on and "dev" in others:
            own = train.join(others["dev"].labelled())
        fitted[name] = _FittedModality(name, train, own, test, settings, seed, cache)
    chosen = {name: modality.choice for name, modality in fitted.items()}
    scorers = {name: modality.scorer for name, modality in fitted.items()}
    joint = None
    if settings.model not in MODALITIES:
        chosen[settings.model], joint = _join(fitted, train, test, settings)
    system = System(settings.model, list(settings.used), scorers, joint, features)
    return FusionResult(system, {name: system.scores(split) for name, split in blind.items()}, chosen, missing)


class _FittedModality:
    """One modality, selected and fitted on the clips `own`, with its scores of `train` for the joint model.

    Cached across fusions.
    """

    def __init__(
        self, name: str, train: Split, own: Split, test: Split | None, settings: FusionSettings, seed: int, share: Memo
    ) -> None:
        node: Any = getattr(settings, name)
        folds = (settings.group_by, settings.inner_folds, settings.outer_folds, settings.repeats)
        # Out-of-fold scores do not depend on `choose`: each fold selects its own recipe.
        self._folds_key = repr((name, node, folds, seed))
        self._key, self._share = repr((name, node, settings.choose, folds, seed)), share
        self._modality: Modality = (
            PhysiologicalModality(node, settings.group_by, seed)
            if name == "physiological"
            else VisualModality(node, seed, name)
        )
        self._train, self._settings = train, settings
        self.choice: Choice = share.compute((self._key, "choice"), lambda: choose(self._modality, own, test, settings))
        self.scorer: Scorer = share.compute(
            (self._key, "scorer"), lambda: self._modality.fit(own, self.choice.recipe, Memo())
        )

    def training_scores(self) -> np.ndarray:
        """Score the training clips out-of-fold, or in-sample as published."""
        if self._settings.training_scores == "in_sample":
            return self.scorer.scores(self._train)
        centred = self._share.compute(
            (self._folds_key, "out of fold"), lambda: out_of_fold(self._modality, self._train, self._settings)
        )
        return np.asarray((centred + float(self.scorer.scores(self._train).mean())).mean(axis=0))


def _join(
    fitted: dict[str, _FittedModality], train: Split, test: Split | None, settings: FusionSettings
) -> tuple[Choice, Any]:
    """Select and fit the joint model."""
    inputs = settings.used
    known = None if test is None else test.labelled()
    if settings.model in CONCATENATED:
        X = train.descriptors(inputs)
        widths = [train.stream(name).X.shape[1] for name in inputs]
        limit = settings.physiological.max_invalid
        valid = np.ones(X.shape[1], bool) if limit is None else np.isnan(X).mean(axis=0) <= limit
        after = None if known is None else (known.descriptors(inputs), known.y)
        return choose_joint(candidates(settings, widths, valid), X, train.y, train.people, settings, after)
    z = np.column_stack([fitted[name].training_scores() for name in inputs])
    after = None
    if known is not None:
        after = (np.column_stack([fitted[name].scorer.scores(known) for name in inputs]), known.y)
    given = candidates(settings, [1] * z.shape[1], np.ones(z.shape[1], bool))
    return choose_joint(given, z, train.y, train.people, settings, after)


def _missing(split: Split, modality: str) -> list[str]:
    return [str(split.clip_ids[clip]) for clip in split.stream(modality).missing(len(split))]


def _features(split: Split, modality: str) -> dict[str, Any]:
    names = split.stream(modality).names
    return {"count": len(names), "digest": digest(list(names))}
