"""Suggested trials: the settings as given, then values of the space; where a study was stopped changes nothing."""

import math

import pytest

from lfnet.tuning.sampler import suggest
from lfnet.tuning.space import Range, Space

SPACE = Space(
    {
        "trainer.lr": Range(low=1e-4, high=1e-1, log=True),
        "head.hidden": Range(low=4, high=64),
        "head.activation": ("relu", "gelu", None),
    },
    {"trainer.lr": 1e-2, "head.hidden": 8, "head.activation": "relu"},
)


def value(settings):
    """Best at lr = 1e-3 and hidden = 40."""
    return abs(math.log10(settings["trainer.lr"]) + 3) + abs(settings["head.hidden"] - 40) / 20


def study(trials, seed=0, better="lower", of=value, history=()):
    found = list(history)
    while len(found) < trials:
        settings = suggest(SPACE, found, better=better, seed=seed)
        found.append((settings, of(settings)))
    return found


def test_the_first_trial_is_as_given_and_all_are_in_the_space():
    settings = [own for own, _ in study(12)]
    assert settings[0] == SPACE.given
    for own in settings:
        assert list(own) == list(SPACE.dimensions)
        assert all(own[name] in dimension for name, dimension in SPACE.dimensions.items())
        assert type(own["head.hidden"]) is int and type(own["trainer.lr"]) is float
        assert own["trainer.lr"] == float(f"{own['trainer.lr']:.4g}")
    assert len({repr(own) for own in settings}) == 12


def test_a_study_goes_on_as_if_it_had_not_been_stopped():
    whole = study(12)
    assert study(12, history=whole[:7]) == whole
    assert study(12, seed=1)[1:] != whole[1:]


def test_failed_trials_do_not_end_a_study():
    failing = study(12, of=lambda settings: None if settings["trainer.lr"] > 1e-2 else value(settings))
    assert any(result is None for _, result in failing)
    assert len(study(12, of=lambda settings: None)) == 12


@pytest.mark.parametrize("better", ["lower", "higher"])
def test_trials_move_towards_what_is_better(better):
    sign = 1 if better == "lower" else -1
    later, first = [], []
    for seed in range(5):
        values = [value(own) for own, _ in study(25, seed, better, lambda own: sign * value(own))]
        first += values[1:5]  # random
        later += values[15:]
    assert sum(later) / len(later) < 0.8 * sum(first) / len(first)
