"""A tuned job: the same budget for every head, chosen on dev, continued after a kill, and a run like any other."""

import json
import shutil
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from lfnet.cli.main import main
from lfnet.errors import LfnetError, LfnetWarning
from lfnet.jobs import tuning
from lfnet.jobs.job import plan, run
from lfnet.jobs.session import Session
from lfnet.jobs.tuning import tune
from lfnet.runs.removal import find_rows, remove_rows
from lfnet.runs.run import Run, check_same_config_except_seed
from lfnet.runs.trials import Trial, read_trials
from tests.composing import SMALL, composed

ONE_EPOCH = (*SMALL, "trainer.max_epochs=1", "trainer.min_sigma_ratio=null")
TUNED = ("protocol.select.level=clip", "seed=3")


@cache
def job(root: Path, *overrides: str) -> tuple[dict[str, Any], dict[str, str]]:
    return composed(*ONE_EPOCH, *overrides, root=root)


@pytest.fixture(scope="module")
def tuned(shared_jobs):
    """A tuned job: its config, choices and run folder."""
    config, choices = job(shared_jobs, "tune=4", "trainer.search.lr.high=0.1", *TUNED)
    return config, choices, shared_jobs / "runs" / run(config, choices).run


def test_the_run_is_that_of_the_chosen_settings(tuned, shared_jobs):
    _, _, folder = tuned
    result = Run(folder).result
    chosen = result.chosen["mean_mlp"]
    overrides = [f"{name}={value}" for name, value in chosen.items()]
    plain, choices = job(shared_jobs, *TUNED, *overrides)
    twin = shared_jobs / "runs" / run(plain, choices).run
    assert twin != folder
    for name in ("predictions.csv", "head.safetensors", "metrics.csv", "references.csv"):
        assert (twin / name).read_bytes() == (folder / name).read_bytes(), name
    assert result.training.best == Run(twin).result.training.best


def test_the_result_says_how_the_settings_were_chosen(tuned):
    config, _, folder = tuned
    result, trials = Run(folder).result, read_trials(folder, Run(folder).result.fingerprint)
    values = [trial.value for trial in trials]
    assert len(trials) == result.tuning["trials"] == 4 and None not in values
    best = int(np.argmin(values))
    assert result.tuning["best_trial"] == best + 1 > 1  # else this test shows little: choose another seed
    assert result.chosen == {"mean_mlp": trials[best].settings}
    assert [point["value"] for point in result.tuning["curve"]] == sorted(set(np.minimum.accumulate(values)))[::-1]
    assert result.training.best == values[best] == result.selection_value
    assert result.tuning["curve"][-1]["metrics"] == result.metrics
    assert trials[0].settings == {
        "trainer.lr": config["trainer"]["lr"],
        "trainer.weight_decay": config["trainer"]["weight_decay"],
        **{f"head.{name}": config["head"][name] for name in ("hidden", "activation", "dropout")},
    }
    assert "optuna" in result.versions


def test_settings_are_recorded_as_given_and_config_yaml_builds_the_head(tuned):
    config, _, folder = tuned
    result = Run(folder).result
    assert result.config["head"] == config["head"] and result.config["trainer"] == config["trainer"]
    assert result.config["tune"] == 4 and result.config["search"]["trainer"]["lr"]["high"] == 0.1
    written = yaml.safe_load((folder / "config.yaml").read_text())
    for name, value in result.chosen["mean_mlp"].items():
        node, _, key = name.partition(".")
        assert written[node][key] == value
    assert "search" not in written["head"] and Run(folder).weights()


def test_seeds_that_chose_other_settings_are_one_model(tuned, tmp_path):
    _, _, folder = tuned
    first = Run(folder)
    second = replace(first.result, seed=first.seed + 1, chosen={"mean_mlp": {"trainer.lr": 0.5}})
    second.write(tmp_path / "other")
    check_same_config_except_seed([first, Run(tmp_path / "other")])


def test_what_is_searched_is_in_the_name_of_tuned_jobs_alone(shared_jobs):
    def name(*overrides: str) -> str:
        return plan(job(shared_jobs, *overrides)[0]).fingerprint

    wider = "trainer.search.lr.high=0.1"
    assert name() == name(wider)
    assert len({name(), name("tune=4"), name("tune=4", wider), name("tune=5")}) == 4


class Killed(BaseException):
    """Stands for a kill: nothing handles it."""


@pytest.fixture
def made(shared_jobs, tmp_path, monkeypatch):
    """tune() of a job in a fresh folder, with made trials instead of training; and the settings of each call."""
    calls: list[dict[str, Any]] = []

    def tune_(*overrides: str, stop: int | None = None, of=lambda settings: 20 + np.log10(settings["trainer.lr"])):
        config, choices = job(shared_jobs, "tune=7", *overrides)
        planned = plan({**config, "paths": {**config["paths"], "runs": str(tmp_path)}}, choices)

        def made_trial(experiment, values, session, number, *, required):
            if stop is not None and len(calls) == stop:
                raise Killed
            calls.append(values)
            return Trial(values, of(values), 1, 1), None

        monkeypatch.setattr(tuning, "_try", made_trial)
        return tune(planned, Session())

    return tune_, calls


HEADS = ["mean_mlp", "ldbm", "tcn"]


def test_every_head_gets_the_same_budget(made):
    tune_, calls = made
    for head in HEADS:
        calls.clear()
        study = tune_(f"head={head}")
        assert len(calls) == len(study.trials) == 7
        assert len({repr(values) for values in calls}) == 7


def test_a_killed_study_is_continued_and_is_the_same_study(made, tmp_path):
    tune_, calls = made
    whole = tune_("seed=3")
    for path in tmp_path.glob("*/trials.json"):
        path.unlink()
    calls.clear()
    for stop in (0, 1, 4, 6):
        with pytest.raises(Killed):
            tune_("seed=3", stop=stop)
        assert len(calls) == stop  # finished trials are not repeated
    again = tune_("seed=3")
    assert again.trials == whole.trials and again.led == whole.led and len(calls) == 7
    assert again.best == min(again.trials, key=lambda trial: trial.value)


def test_force_repeats_all_trials(made):
    tune_, calls = made
    tune_()
    tune_()
    assert len(calls) == 7
    tune_("force=true")
    assert len(calls) == 14


def test_damaged_trials_are_repeated(made, tmp_path):
    tune_, calls = made
    whole = tune_()
    (path,) = tmp_path.glob("*/trials.json")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.warns(LfnetWarning, match="its trials are run again"):
        assert tune_().trials == whole.trials
    assert len(calls) == 14


def test_a_metric_that_is_better_when_higher_is_maximised(made):
    tune_, _ = made
    study = tune_("protocol.select.metric=pcc")
    assert study.best == max(study.trials, key=lambda trial: trial.value)


def test_the_chosen_settings_may_be_those_given(made):
    tune_, _ = made
    study = tune_(of=lambda settings: None)
    assert study.led == (0,) and study.best.settings == study.trials[0].settings


@pytest.fixture
def diverging(monkeypatch):
    """Training that diverges above a learning rate."""

    def limit(lr: float) -> None:
        real = tuning._fit

        def fit(trial, *others):
            if trial.settings.trainer.lr > lr:
                raise LfnetError("training diverged:\nlower it")
            return real(trial, *others)

        monkeypatch.setattr(tuning, "_fit", fit)

    return limit


def test_a_failed_trial_counts_and_is_never_chosen(shared_jobs, tmp_path, diverging):
    diverging(3e-4)  # the lr as given
    config, choices = job(shared_jobs, "tune=4", "seed=2")
    study = tune(plan({**config, "paths": {**config["paths"], "runs": str(tmp_path)}}, choices), Session())
    failed = [trial for trial in study.trials if trial.error]
    assert failed and len(study.trials) == 4
    assert {(trial.error, trial.value) for trial in failed} == {("training diverged: lower it", None)}
    assert study.best.settings["trainer.lr"] <= 3e-4


def test_settings_as_given_that_cannot_be_trained_end_the_job(shared_jobs, tmp_path, diverging):
    diverging(1e-5)
    config, choices = job(shared_jobs, "tune=4", "seed=2")
    with pytest.raises(LfnetError, match="training diverged"):
        tune(plan({**config, "paths": {**config["paths"], "runs": str(tmp_path)}}, choices), Session())
    assert not list(tmp_path.glob("*/trials.json"))


def _with_exchanged_labels(planned, split: str):
    """The job on a cohort in which the labels of a split are exchanged between recordings."""
    cohort = planned.inputs.cohort
    clips = cohort.clips.copy()
    labels = clips.loc[clips["split"] == split].groupby("recording_id")["label"].first()
    exchanged = dict(zip(labels.index, np.roll(labels.to_numpy(), 3), strict=True))
    own = clips["split"] == split
    clips.loc[own, "label"] = clips.loc[own, "recording_id"].map(exchanged)
    return replace(planned, inputs=replace(planned.inputs, cohort=replace(cohort, clips=clips)))


@pytest.mark.parametrize("select", ["dev", "test"])
def test_test_labels_never_change_the_choice(shared_jobs, tmp_path, select):
    """Where dev chooses. That exchanged labels of test are noticed where test chooses shows what the test can see."""
    config, choices = job(shared_jobs, "tune=3", f"protocol.select.split={select}", "trainer.search.lr.high=0.1")
    found = []
    for number in range(2):
        planned = plan({**config, "paths": {**config["paths"], "runs": str(tmp_path / str(number))}}, choices)
        study = tune(_with_exchanged_labels(planned, "test") if number else planned, Session())
        found.append(([trial.value for trial in study.trials], study.led, study.best.settings))
    assert (found[0] == found[1]) == (select == "dev")


def test_no_metrics_of_earlier_trials_stay_when_a_person_is_removed(tuned, tmp_path):
    _, _, folder = tuned
    shutil.copytree(folder, tmp_path / folder.name)
    own = Run(tmp_path / folder.name)
    person = own.predictions.at("recording").frame.query("split == 'test'")["person_id"].iloc[0]
    (rows,) = find_rows(tmp_path, own.result.cohort.name, person).found
    remove_rows(rows, person, [person])
    curve = Run(tmp_path / folder.name).result.tuning["curve"]
    assert [point["metrics"] for point in curve] == [{}] * len(curve) and curve[0]["value"] is not None


def test_trials_name_no_one(tuned):
    config, _, folder = tuned
    text = (folder / "trials.json").read_text()
    clips = plan(config).inputs.cohort.clips
    for column in ("person_id", "recording_id", "clip_id"):
        assert not any(name in text for name in clips[column])


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (("tune=-1",), "tune=-1: give a whole number of 0 or more."),
        (("tune=2", "fusion=nested"), "tune=2 tunes a head, and a fusion chooses its own recipes: give tune=0, or"),
        (("tune=2", "trainer.lr=0.5"), "trainer.lr=0.5 is not in trainer.search.lr (0.0001 to 0.003), and the setti"),
        (("tune=2", "+trainer.search.lrr=[1,2]"), "trainer.search.lrr: there is no such setting to tune; known: max"),
    ],
)
def test_a_mistake_is_one_line_before_anything_is_read(tmp_path, overrides, line):
    with pytest.raises(LfnetError) as caught:
        plan(composed(*ONE_EPOCH, *overrides, root=tmp_path)[0])
    assert str(caught.value).startswith(line) and "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_without_optuna_a_tuned_job_is_refused_and_others_are_not(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert main(["train", *ONE_EPOCH, "tune=20"]) == 2
    assert capsys.readouterr().err == (
        "error: tune=20 needs the extra tune (optuna is not installed): pip install 'lfnet[tune]', or give tune=0.\n"
    )
    plan(composed(*ONE_EPOCH, root=tmp_path / "other")[0], progress=False)


def test_the_command_says_what_tuning_did(tuned, capsys, monkeypatch, shared_jobs):
    _, _, folder = tuned
    paths = [f"paths.{name}={shared_jobs / name}" for name in ("cache", "runs", "data")]
    words = ("tune=4", "trainer.search.lr.high=0.1", *TUNED)
    assert main(["train", *ONE_EPOCH, *words, *paths]) == 0
    out, result = capsys.readouterr().out, Run(folder).result
    assert f"skipped: {folder}" in out
    assert "tuned: 4 trials in " in out and f"as given, {result.training.best:.2f} in trial " in out
    assert f"chosen for mean_mlp: trainer.lr {result.chosen['mean_mlp']['trainer.lr']}, " in out
    assert json.loads((folder / "result.json").read_text())["tuning"]["select"]["level"] == "clip"
