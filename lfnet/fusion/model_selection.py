"""Select recipes: on test labels, as published, or within the training split, cross-validated by person or clip."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lfnet.errors import LfnetError
from lfnet.evaluation.metrics import mae
from lfnet.fusion.modalities import Memo, Modality, Recipe
from lfnet.fusion.modality_data import Fold, Split, balanced_folds
from lfnet.fusion.settings import FusionSettings, GroupBy

__all__ = ["Choice", "best_on_test", "best_within", "choose", "deals", "out_of_fold"]


@dataclass(frozen=True)
class Choice:
    """The selected recipe, the number of candidates, and its MAE in the selection (None for a single candidate)."""

    recipe: Recipe
    candidates: int
    mae: float | None

    def to_json(self) -> dict[str, object]:
        """Return the entry of result.json."""
        return {**self.recipe, "candidates": self.candidates, "mae": self.mae}

    @classmethod
    def best(cls, recipes: list[Recipe], scores: np.ndarray, labels: np.ndarray) -> "Choice":
        """Select the recipe with the smallest MAE of its scores [(deals,) recipes, clips]; ties go to the first."""
        errors = mae(labels, scores)
        errors = errors if errors.ndim == 1 else errors.mean(axis=0)
        best = int(np.argmin(errors))
        return cls(recipes[best], len(recipes), float(errors[best]))


def choose(modality: Modality, train: Split, test: Split | None, settings: FusionSettings) -> Choice:
    """Select the recipe of `modality` as `fusion.choose` asks; `test` is needed, with labels, for "test" alone."""
    if settings.choose == "test":
        return best_on_test(modality, train, test)
    return best_within(modality, train, settings.inner_folds, settings.repeats, settings.group_by)


def deals(people: np.ndarray, y: np.ndarray, count: int, repeats: int, by: GroupBy) -> Iterator[tuple[int, Fold]]:
    """Yield the number of the deal and a fold of it, for `repeats` deals of people or clips into `count` folds.

    people: of each clip. by: "person", or "clip", with which other clips of a held-out person stay in training.
    """
    groups = people if by == "person" else np.arange(len(people))
    for repeat in range(repeats):
        for fold in balanced_folds(groups, y, count, repeat):
            yield repeat, fold


def best_within(modality: Modality, train: Split, count: int, repeats: int = 1, by: GroupBy = "person") -> Choice:
    """Select the recipe with the smallest MAE over clips, cross-validated within `train`.

    The MAE is the mean over `repeats` deals of people, or clips, into `count` folds.
    """
    recipes = modality.recipes()
    if len(recipes) == 1:
        return Choice(recipes[0], 1, None)
    scores = np.full((repeats, len(recipes), len(train)), np.nan)
    for repeat, (kept, held_out) in deals(train.people, train.y, count, repeats, by):
        scores[repeat][:, held_out] = _all_scores(modality, recipes, train.take(kept), train.take(held_out))
    return Choice.best(recipes, scores, train.y)


def best_on_test(modality: Modality, train: Split, test: Split | None) -> Choice:
    """Select the recipe with the smallest MAE over test clips, fitted on `train`, as published; results are marked."""
    recipes = modality.recipes()
    if len(recipes) == 1:
        return Choice(recipes[0], 1, None)
    if test is None or not len(test.labelled()):
        raise LfnetError("fusion.choose=test needs labelled clips in the test split; there is none. Use fusion=nested.")
    known = test.labelled()
    return Choice.best(recipes, _all_scores(modality, recipes, train, known), known.y)


def out_of_fold(modality: Modality, train: Split, settings: FusionSettings) -> np.ndarray:
    """Score each training clip with models that were selected and fitted on other people, float64 [deals, clips].

    Within a fold the selection has one deal. With `fusion.group_by=clip` folds hold clips: models saw other clips of
    the same person.

    Each fold's scores are centred: minus the mean score of its model on its own training clips. Without centring,
    out-of-fold scores of models with shrunken scores correlate negatively with the labels (where a held-out fold's
    labels are high, the others are low), and a joint model fitted on them reverses the sign of every later score.
    """
    scores = np.full((settings.repeats, len(train)), np.nan)
    by = settings.group_by
    for repeat, (kept, held_out) in deals(train.people, train.y, settings.outer_folds, settings.repeats, by):
        part = train.take(kept)
        recipe = best_within(modality, part, settings.inner_folds, by=by).recipe
        fitted = modality.fit(part, recipe, Memo())
        scores[repeat, held_out] = fitted.scores(train.take(held_out)) - fitted.scores(part).mean()
    return scores


def _all_scores(modality: Modality, recipes: list[Recipe], train: Split, held_out: Split) -> np.ndarray:
    """Score held-out clips, [recipes, clips]; rows once for all recipes that differ only in their aggregation."""
    memo = Memo()
    predicted: dict[object, tuple[np.ndarray, np.ndarray]] = {}
    scores = []
    for recipe in recipes:
        scorer = modality.fit(train, recipe, memo)
        key = tuple((name, value) for name, value in recipe.items() if name != "aggregate")
        if key not in predicted:
            predicted[key] = scorer.row_scores(held_out)
        scores.append(scorer.per_clip(*predicted[key], len(held_out)))
    return np.array(scores)
