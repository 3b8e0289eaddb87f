"""An interrupted job, continued by the same command, has the bytes of an undisturbed one."""

import os
import pickle
import re
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import pytest

from lfnet.errors import Interrupted, LfnetWarning
from lfnet.heads import mamba_gru
from lfnet.jobs import head_job
from lfnet.jobs.call import JobCall
from lfnet.jobs.job import plan, run
from lfnet.jobs.session import Session
from lfnet.launchers import pool
from lfnet.launchers.launcher import Need
from lfnet.runs.run import TRAINING_STATE
from lfnet.training.learning_curve import LearningCurve
from lfnet.training.module import SeverityModule
from tests.composing import SMALL, composed
from tests.jobs.test_two_processes import of_session, start, wait_for

EPOCHS = 4
WORDS = (*SMALL, f"trainer.max_epochs={EPOCHS}", "trainer.patience=9")
MAMBA_GRU = "head=mamba_gru head.dropout=0.2"
# Everything that draws random numbers, keeps something from one epoch to the next, or is done once before them.
SETTINGS = (
    "head=ldbm head.dropout=0.2 trainer.windows_per_clip=1",
    MAMBA_GRU,
    "head=mamba head.dropout=0.2 loss=crps",
    "head=hybrid head.dropout=0.2 trainer.precision=bf16-mixed",
    "head=transformer head.attention_dropout=0.2 trainer.precision=bf16-mixed",
    "head=transformer pretrain=masked_frames trainer.pretrain.epochs=2 trainer.min_sigma_ratio=9 "
    "trainer.collapse_patience=2",
    "head=tcn trainer.clip_gradient=1 loss=lds",
    "head=region_attention loss=ordinal",
    "head=patch_statistics loss=quantile",
    "head=attention_mil pooling=gated trainer.mc_dropout=3",
    "head=mean_mlp head.dropout=0.3 streams.columns=[6,10] streams.dropout=0.4",
    "head=mean_mlp head.dropout=0.2 tune=2",
    "head=mean_mlp trainer.recalibrate=affine protocol.labels=permuted",
)


class Job:
    """A job in a folder of its own, whose training is interrupted where a test says so."""

    def __init__(self, root: Path, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.session = Session()
        self.composed = composed(*WORDS, *words.split(), root=root)
        self.folder = plan(*self.composed, self.session).folder
        self.steps, self._stop_at = 0, -1
        step = SeverityModule.training_step

        def counted(module, *arguments):
            self.steps += 1
            if self.steps == self._stop_at:
                os.kill(os.getpid(), signal.SIGTERM)
            return step(module, *arguments)

        monkeypatch.setattr(SeverityModule, "training_step", counted)

    def run(self) -> None:
        self.steps = 0
        assert run(*self.composed, self.session).status == "finished"

    def interrupt(self, at: int) -> str:
        """Run the job until a signal comes in a training step; returns the message."""
        self.steps, self._stop_at = 0, at
        with pytest.raises(Interrupted) as stop:
            run(*self.composed, self.session)
        self._stop_at = -1
        return str(stop.value)

    def files(self) -> dict[str, bytes | list[str]]:
        """The bytes of all files, without times; of the log what follows the time."""
        found: dict[str, bytes | list[str]] = {}
        for path in self.folder.iterdir():
            content = path.read_bytes()
            if path.suffix == ".json":
                content = re.sub(
                    rb'"(seconds|latency_ms|energy_mj|created|sha256|trials\.json)": [^,\n]*', b"", content
                )
            found[path.name] = content
        found["train.log"] = [line[24:] for line in (self.folder / "train.log").read_text().splitlines()]
        return found


def test_a_job_interrupted_twice_ends_as_an_undisturbed_one(tmp_path, monkeypatch, capsys):
    logged = []

    class Tracker(LearningCurve):
        def log_metrics(self, metrics, step=None):
            logged.append((sorted(metrics.items()), step))

    monkeypatch.setattr(head_job, "trackers", lambda job: nullcontext([Tracker(tmp_path / "tracked")]))
    job = Job(tmp_path, "head=mean_mlp head.dropout=0.3 streams.columns=[6,10] streams.dropout=0.4", monkeypatch)
    job.run()
    undisturbed, rows, steps = job.files(), list(logged), job.steps
    shutil.rmtree(job.folder)
    each = steps // EPOCHS
    assert job.interrupt(each + 3) == f"interrupted after epoch 1 of {EPOCHS}: the same command goes on from there"
    assert job.interrupt(2 * each) == f"interrupted after epoch 2 of {EPOCHS}: the same command goes on from there"
    assert (job.folder / TRAINING_STATE).stat().st_mode & 0o777 == 0o600
    logged.clear()
    job.run()
    assert job.steps == steps - 2 * each
    assert job.files() == undisturbed and logged == rows
    assert f"goes on after epoch 2 of {EPOCHS}" in capsys.readouterr().err


def test_in_the_first_epoch_there_is_nothing_to_go_on_from(tmp_path, monkeypatch):
    job = Job(tmp_path, "head=mean_mlp trainer.max_epochs=1", monkeypatch)
    assert "before its first epoch had ended" in job.interrupt(2)
    assert not (job.folder / TRAINING_STATE).exists()


def test_a_job_starts_over_by_force_and_from_a_state_of_other_versions(tmp_path, monkeypatch):
    job = Job(tmp_path, "head=mean_mlp trainer.max_epochs=2", monkeypatch)
    job.run()
    undisturbed, steps = job.files(), job.steps
    (job.folder / "result.json").unlink()
    job.interrupt(steps)
    saved = (job.folder / TRAINING_STATE).read_bytes()
    config, choices = job.composed
    assert run({**config, "force": True}, choices, job.session).status == "finished"
    assert job.steps == 2 * steps  # those of the interrupted run, and all
    (job.folder / "result.json").unlink()
    (job.folder / TRAINING_STATE).write_bytes(saved)
    with monkeypatch.context() as patch, pytest.warns(LfnetWarning, match="was saved with processor .*starts over"):
        patch.setattr("lfnet.jobs.head_fit.describe_machine", lambda device: "another")
        job.run()
    assert job.steps == steps
    (job.folder / TRAINING_STATE).write_bytes(saved)  # of a process that was killed when it had written its result
    assert run(*job.composed, job.session).status == "skipped"
    assert job.files().keys() == undisturbed.keys()


def test_a_call_in_another_process_returns_that_it_was_interrupted(tmp_path, monkeypatch):
    job = Job(tmp_path, "head=mean_mlp trainer.max_epochs=2", monkeypatch)
    experiment = plan(*job.composed, job.session)
    call = JobCall("key", "name", Need(1, 1.0), (), *job.composed, "sweep", planned=(job.session, experiment))
    job._stop_at = 2
    outcome = pickle.loads(pickle.dumps(call))()
    assert (outcome.status, outcome.fingerprint) == ("interrupted", "key") and "first epoch" in outcome.error
    job.steps = 0
    with pytest.raises(Interrupted):
        call()


def test_a_call_in_a_thread_of_a_worker_is_stopped_and_goes_on(tmp_path, monkeypatch):
    """Dask runs calls in threads, which signals do not reach."""
    job = Job(tmp_path, "head=mean_mlp head.dropout=0.3 trainer.max_epochs=3", monkeypatch)
    job.run()
    undisturbed, steps = job.files(), job.steps
    shutil.rmtree(job.folder)
    call = pickle.loads(pickle.dumps(JobCall("key", "name", Need(1, 1.0), (), *job.composed, "sweep")))
    job._stop_at, job.steps = steps // 3 + 1, 0
    monkeypatch.setattr("tests.jobs.test_interruption.os.kill", lambda process, number: pool.stop_call())
    with ThreadPoolExecutor(1) as threads:
        outcome = threads.submit(pool.run_call, call, str(Path.cwd())).result()
    assert (outcome.status, outcome.error) == ("interrupted", "its worker was told to stop")
    assert (job.folder / TRAINING_STATE).exists() and not pool.is_running()
    job._stop_at = -1
    assert pool.run_call(call.continued(), str(Path.cwd())).status == "finished"
    assert job.steps < 2 * steps and job.files() == undisturbed


@pytest.mark.long
@pytest.mark.parametrize("words", SETTINGS)
def test_every_head_and_setting_goes_on(tmp_path, monkeypatch, words):
    job = Job(tmp_path, words, monkeypatch)
    job.run()
    undisturbed, steps = job.files(), job.steps
    fits = 3 if "tune" in words else 1
    each = steps // (fits * EPOCHS)
    unlike = (
        {"train.log"} if "tune" in words else set()
    )  # warnings of a trial are in the log of the process that fits it
    for stops in ((1 + each,), (steps - 1,), (each + 2, each + 1, 2), (2 * each, 2 * each)):
        shutil.rmtree(job.folder)
        for at in stops:
            assert job.interrupt(at).endswith("the same command goes on from there")
        job.run()
        assert job.steps < steps
        files = job.files()
        assert [name for name in undisturbed if name not in unlike and files[name] != undisturbed[name]] == [], stops
        assert files.keys() == undisturbed.keys()


@pytest.mark.long
@pytest.mark.parametrize("reached", [0.0, 1e-3])
def test_frames_that_a_recurrence_remembers_are_part_of_the_state(tmp_path, monkeypatch, reached):
    monkeypatch.setattr(mamba_gru, "_REACH", 4)
    monkeypatch.setattr(mamba_gru, "_MORE", 2)
    monkeypatch.setattr(mamba_gru, "_REACHED", reached)
    test_every_head_and_setting_goes_on(tmp_path, monkeypatch, MAMBA_GRU)


def results(folder):
    """The files of run folders that must be equal, byte for byte."""
    kinds = {".csv", ".safetensors"}
    files = [path for path in sorted(folder.glob("lfnet_runs/*/*")) if path.suffix in kinds]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


SWEEP = (
    *("train", "-m", *SMALL, "head=mean_mlp", "head.dropout=0.3", "trainer.max_epochs=30", "trainer.patience=30"),
    *("trainer.batch_size=2", "seed=0,1", "save_every=0"),
)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    assert start(folder, *SWEEP).wait() == 0
    return results(folder)


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("launcher", [(), ("launcher=joblib", "launcher.jobs=2")], ids=["serial", "joblib"])
def test_a_sweep_that_a_signal_ends_goes_on(tmp_path, undisturbed, number, launcher):
    jobs = 2 if launcher else 1
    sweep = start(tmp_path, *SWEEP, *launcher)
    assert wait_for(lambda: len(list(tmp_path.glob(f"lfnet_runs/*/{TRAINING_STATE}"))) == jobs, 120)
    sweep.send_signal(number)
    out, err = sweep.communicate(timeout=60)
    assert sweep.returncode == (-number if number == signal.SIGKILL else 128 + number), out + err
    assert "Traceback" not in out + err
    assert wait_for(lambda: not of_session(sweep.pid), 5.0)
    again = start(tmp_path, *SWEEP, *launcher)
    out, err = again.communicate()
    assert again.returncode == 0 and err.count(": goes on after epoch") == jobs, out + err
    assert results(tmp_path) == undisturbed
    assert not list(tmp_path.rglob(".*"))
