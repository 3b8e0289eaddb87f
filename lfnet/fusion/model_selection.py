"""Choosing among recipes: on test labels, as published, or inside the training split, by people."""

from dataclasses import dataclass

import numpy as np

from lfnet.errors import LfnetError
from lfnet.evaluation.metrics import mae
from lfnet.fusion.modalities import Memo, Recipe, Side
from lfnet.fusion.modality_data import Split, balanced_folds
from lfnet.fusion.settings import FusionSettings

__all__ = ["Choice", "best_on_test", "best_within", "choose", "out_of_fold"]


@dataclass(frozen=True)
class Choice:
    """A recipe, how many there were, and its MAE where it was chosen."""

    recipe: Recipe
    candidates: int
    mae: float | None

    def to_json(self) -> dict[str, object]:
        """For result.json."""
        return {**self.recipe, "candidates": self.candidates, "mae": self.mae}


def choose(side: Side, train: Split, test: Split | None, settings: FusionSettings) -> Choice:
    """The best recipe of `side`, as `fusion.choose` says. test: only where that is `test`; must have labels then."""
    if settings.choose == "test":
        return best_on_test(side, train, test)
    return best_within(side, train, settings.inner_folds)


def best_within(side: Side, train: Split, count: int) -> Choice:
    """The recipe with the least MAE over clips, cross-validated within `train` with no person on both sides."""
    recipes = side.recipes()
    if len(recipes) == 1:
        return Choice(recipes[0], 1, None)
    scores = np.full((len(recipes), len(train)), np.nan)
    for kept, held in balanced_folds(train.people, train.y, count):
        scores[:, held] = _all_scores(side, recipes, train.of(kept), train.of(held))
    return _least(recipes, scores, train.y)


def best_on_test(side: Side, train: Split, test: Split | None) -> Choice:
    """The recipe with the least MAE over test clips, fitted on `train`: what was published, and why rows are marked."""
    recipes = side.recipes()
    if len(recipes) == 1:
        return Choice(recipes[0], 1, None)
    if test is None or not len(test.labelled()):
        raise LfnetError("fusion.choose=test needs labelled clips in the test split; there is none. Use fusion=nested.")
    known = test.labelled()
    return _least(recipes, _all_scores(side, recipes, train, known), known.y)


def out_of_fold(side: Side, train: Split, settings: FusionSettings, centre: float) -> np.ndarray:
    """float64 [clips]: each training clip scored by a side that was chosen and fitted on other people.

    A score is taken as its distance from what its own model says on average of the clips it was fitted on, from
    `centre`: the same average of the model that later clips are scored with. Without that, scores of cautious models
    run against the labels: where a held-out fold's labels lie high, the others lie low, and so does their model; what
    learns from such scores turns every later score upside down.
    """
    scores = np.full(len(train), np.nan)
    for kept, held in balanced_folds(train.people, train.y, settings.outer_folds):
        part = train.of(kept)
        recipe = best_within(side, part, settings.inner_folds).recipe
        fitted = side.fit(part, recipe, Memo())
        scores[held] = fitted.scores(train.of(held)) - fitted.scores(part).mean() + centre
    return scores


def _all_scores(side: Side, recipes: list[Recipe], train: Split, held: Split) -> np.ndarray:
    """[recipes, held clips]. Rows are scored once for all recipes that differ only in how segments are joined."""
    memo = Memo()
    predicted: dict[object, tuple[np.ndarray, np.ndarray]] = {}
    scores = []
    for recipe in recipes:
        scorer = side.fit(train, recipe, memo)
        key = tuple((name, value) for name, value in recipe.items() if name != "aggregate")
        if key not in predicted:
            predicted[key] = scorer.row_scores(held)
        scores.append(scorer.joined(*predicted[key], len(held)))
    return np.array(scores)


def _least(recipes: list[Recipe], scores: np.ndarray, labels: np.ndarray) -> Choice:
    errors = mae(labels, scores)
    best = int(np.argmin(errors))
    return Choice(recipes[best], len(recipes), float(errors[best]))
