"""Submit and leave: what is in a queue is neither run nor submitted twice, and the table shows what is there."""

import json

import pytest

from lfnet.cli.main import main
from lfnet.runs.resources import RESOURCES
from tests.composing import SMALL
from tests.launchers.conftest import engine  # noqa: F401

TINY = [*SMALL, "trainer.max_epochs=1"]
QUEUE = (
    "launcher=serial",
    "launcher._target_=tests.launchers.stub.StubQueue",
    "+launcher.runs=lfnet_runs",
    "~launcher.jobs_per_gpu",
)
SWEEP = ("train", "-m", *TINY, "head=mean_mlp", "seed=0,1,2")


@pytest.fixture
def here(tmp_path, monkeypatch, engine):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    return tmp_path


def finished(here):
    return sorted(path.parent.name for path in here.glob("lfnet_runs/*/result.json"))


def lfnet(*words):
    return main(list(words))


def test_a_sweep_that_was_submitted_is_shown_and_never_run_by_another_launcher(here, engine, capsys):  # noqa: F811
    assert lfnet(*SWEEP, *QUEUE, "--submit") == 0
    assert finished(here) == [] and len(engine.submitted) == 3
    assert "3 jobs submitted\n0 of 3 done, 3 queued\n" in capsys.readouterr().out
    first, second, third = engine.submitted
    engine.silence = "squeue is not on PATH."
    assert lfnet(*SWEEP) == 0
    assert "0 of 3 done, 3 queued\nsqueue is not on PATH.\n" in capsys.readouterr().out
    assert finished(here) == []
    engine.silence = ""
    engine.finish(first)
    engine.start(second)
    engine.lose(third)
    assert lfnet(*SWEEP) == 1
    out = capsys.readouterr().out
    assert "1 of 3 done, 1 running, 1 failed\nfailed   seed=2: lost (NODE_FAIL)\n" in out
    assert "submit what is missing: lfnet train -m" in out and "--submit" in out
    assert len(finished(here)) == 1
    assert lfnet("jobs") == 0
    out = capsys.readouterr().out
    assert "  running  n1  3 min  -  seed=1\n" in out
    assert "  failed   n1  -      -  seed=2\n" in out and "  seed=2: lost (NODE_FAIL)\n" in out
    assert out.endswith("1 running, 1 failed, 1 finished\n")
    # Submitted again: what is missing, and no more.
    assert lfnet(*SWEEP, *QUEUE, "--submit") == 0
    assert engine.submitted == [first, second, third, third]
    assert "1 job submitted, 1 queued or running before\n1 of 3 done, 1 running, 1 queued\n" in capsys.readouterr().out
    for key in (second, third):
        engine.finish(key)
    assert lfnet(*SWEEP) == 0
    assert "3 jobs: 3 finished already, 0 to run" in capsys.readouterr().out


@pytest.mark.long
def test_a_job_that_was_lost_and_then_done_elsewhere_is_finished(here, engine, capsys):  # noqa: F811
    words = (*SWEEP[:-1], "seed=0,1")
    assert lfnet(*words, *QUEUE, "--submit") == 0
    for key in engine.submitted:
        engine.lose(key)
    assert lfnet("train", *words[2:-1], "seed=0") == 0  # by hand
    capsys.readouterr()
    assert lfnet("jobs", "--all") == 0
    out = capsys.readouterr().out
    assert "  finished  n1  -  -  seed=0\n" in out and "  failed    n1  -  -  seed=1\n" in out
    assert "seed=0: lost" not in out and out.endswith("1 failed, 1 finished\n")
    next(here.glob("lfnet_runs/*/result.json")).unlink()
    assert lfnet("jobs") == 0
    assert capsys.readouterr().out.endswith("2 failed\n")


@pytest.mark.long
def test_a_job_that_the_queue_refused_is_missing(here, engine, capsys):  # noqa: F811
    engine.refused = "seed=2"
    assert lfnet(*SWEEP, *QUEUE, "--submit") == 2
    assert lfnet(*SWEEP) == 0
    out = capsys.readouterr().out
    assert "0 of 3 done, 2 queued, 1 not submitted\n" in out and "submit what is missing: lfnet train -m" in out
    assert finished(here) == []


@pytest.mark.long
def test_a_result_that_is_gone_is_not_taken_for_finished(here, engine, capsys):  # noqa: F811
    words = (*SWEEP[:-1], "seed=0")
    assert lfnet(*words, *QUEUE, "--submit") == 0
    engine.finish(engine.submitted[0])
    next(here.glob("lfnet_runs/*/result.json")).unlink()
    assert lfnet(*words) == 1
    assert "0 of 1 done, 1 failed" in capsys.readouterr().out
    assert lfnet(*words, *QUEUE, "--submit") == 0
    assert len(engine.submitted) == 2


@pytest.mark.long
def test_jobs_in_the_queue_of_another_sweep_are_left_to_it(here, engine, capsys):  # noqa: F811
    assert lfnet(*SWEEP[:-1], "seed=0", *QUEUE, "--submit") == 0
    assert lfnet(*SWEEP[:-1], "seed=0,1") == 0
    assert "2 jobs: 0 finished already, 1 to run, 1 in the queue of another sweep" in capsys.readouterr().out
    assert len(finished(here)) == 1 and finished(here)[0] != engine.submitted[0][:16]
    engine.silence = "squeue is not on PATH."
    assert lfnet(*SWEEP[:-1], "seed=0,1") == 0
    out = capsys.readouterr().out
    assert "1 in the queue of another sweep\nsqueue is not on PATH.\n" in out
    records = [path.read_text() for path in here.glob("lfnet_runs/sweeps/*.json")]
    assert any("it is queued; squeue is not on PATH" in text for text in records)


@pytest.mark.long
def test_cancelled_jobs_can_be_run_here(here, engine, capsys):  # noqa: F811
    words = (*SWEEP[:-1], "seed=0")
    assert lfnet(*words, *QUEUE, "--submit") == 0
    assert lfnet("cancel", "multirun", *words[2:]) == 0
    assert "1 job of multirun" in capsys.readouterr().out
    assert lfnet(*words) == 0
    assert len(finished(here)) == 1


@pytest.mark.long
def test_rows_that_are_missing_are_named_in_the_table(here, engine, capsys):  # noqa: F811
    words = ("table", "architectures", *TINY, "head=mean_mlp,tcn", "seed=0", "table.controls=[]")
    assert lfnet(*words, *QUEUE, "--submit") == 0
    engine.finish(engine.submitted[0])
    capsys.readouterr()
    assert lfnet(*words) == 0
    out = capsys.readouterr().out
    assert "1 of 2 done, 1 queued" in out and "Missing: it is queued for 0 s: tcn." in out
    engine.finish(engine.submitted[1])
    assert lfnet(*words, "--render") == 0  # reads the record, which says that the job is pending
    assert "Missing" not in capsys.readouterr().out


@pytest.mark.long
def test_memory_that_submitted_jobs_took_is_asked_for_next_time(here, engine):  # noqa: F811
    words = (*SWEEP[:-1], "seed=0")
    assert lfnet(*words, *QUEUE, "--submit") == 0
    engine.finish(engine.submitted[0])
    assert lfnet(*words, *QUEUE, "--submit") == 0
    peaks = json.loads((here / "lfnet_runs" / RESOURCES).read_text())["peak_memory_gb"]
    assert list(peaks) == ["mean_mlp, simulated"] and peaks["mean_mlp, simulated"] > 0.1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((*SWEEP, "--submit"), "add launcher=slurm"),
        ((*SWEEP, *QUEUE, "fail_fast=true", "--submit"), "leave out --submit"),
        (("train", *TINY, "--submit"), "`lfnet table` or `train -m`"),
    ],
)
def test_submit_without_a_queue_is_refused_before_any_work(here, capsys, words, said):
    assert lfnet(*words) == 2
    assert said in capsys.readouterr().err
    assert list(here.iterdir()) == []
