"""Suggest the next trial of a study: the settings as given, then random ones, then Optuna's TPE."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from lfnet.tuning.space import Range, Scalar, Space

__all__ = ["suggest"]

_RANDOM = 5  # trials before TPE replaces random search: Optuna's 10 would be all of a small budget
_DIGITS = 4  # of a suggested number


def suggest(
    space: Space,
    history: Sequence[tuple[Mapping[str, Scalar], float | None]],
    *,
    better: Literal["lower", "higher"],
    seed: int,
) -> dict[str, Scalar]:
    """Suggest the settings of the next trial.

    The answer depends on the arguments alone: a study that is continued after a kill is the same study. Nothing is
    stored, and Optuna's own storage is not used.

    Parameters
    ----------
    space : Space
    history : sequence of (settings, value)
        The trials so far, in order; the value of the selection metric is None for a trial that failed.
    better : "lower" or "higher"
        Which values are better.
    seed : int

    Returns
    -------
    dict
        A value for each name of the space; the first trial is the settings as given.

    References
    ----------
    Bergstra J., Bardenet R., Bengio Y., Kégl B. (2011). Algorithms for hyper-parameter optimization. NeurIPS (TPE).
    Akiba T. et al. (2019). Optuna: a next-generation hyperparameter optimization framework. KDD.

    Examples
    --------
    >>> dimensions = {"head.hidden": (64, 128), "trainer.lr": Range(low=1e-4, high=1e-2, log=True)}
    >>> space = Space(dimensions, {"head.hidden": 64, "trainer.lr": 1e-3})
    >>> first = suggest(space, [], better="lower", seed=0)
    >>> first
    {'head.hidden': 64, 'trainer.lr': 0.001}
    >>> second = suggest(space, [(first, 6.5)], better="lower", seed=0)
    >>> 1e-4 <= second["trainer.lr"] <= 1e-2, second == suggest(space, [(first, 6.5)], better="lower", seed=0)
    (True, True)
    """
    if not history:
        return dict(space.given)
    import optuna
    from optuna.trial import TrialState, create_trial

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # A generator of its own for each trial: nothing is left to be stored between them.
    own_seed = int(np.random.SeedSequence([seed, len(history)]).generate_state(1)[0])
    sampler = optuna.samplers.TPESampler(n_startup_trials=_RANDOM, seed=own_seed)
    study = optuna.create_study(sampler=sampler, direction="minimize" if better == "lower" else "maximize")
    distributions = {name: _distribution(space, name) for name in space.dimensions}
    for values, value in history:
        state = TrialState.FAIL if value is None else TrialState.COMPLETE
        study.add_trial(create_trial(state=state, value=value, params=dict(values), distributions=distributions))
    found = study.ask(distributions).params
    return {name: _rounded(found[name], space.dimensions[name]) for name in space.dimensions}


def _distribution(space: Space, name: str) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    dimension = space.dimensions[name]
    if not isinstance(dimension, Range):
        return CategoricalDistribution(dimension)
    if space.whole(name):
        return IntDistribution(int(dimension.low), int(dimension.high), log=dimension.log)
    return FloatDistribution(float(dimension.low), float(dimension.high), log=dimension.log)


def _rounded(value: Any, dimension: Range | tuple[Scalar, ...]) -> Scalar:
    """A number of few digits, which a user can type; whole numbers and choices stay as they are."""
    if not isinstance(dimension, Range) or not isinstance(value, float):
        found: Scalar = value
        return found
    return min(max(float(f"{value:.{_DIGITS}g}"), float(dimension.low)), float(dimension.high))
