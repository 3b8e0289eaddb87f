"""Extraction in a queue: a clip is submitted once, and extracted nowhere else while it is queued or running."""

from dataclasses import replace
from functools import partial

import pytest

from lfnet.cli.main import main
from lfnet.errors import LfnetError
from lfnet.jobs import extraction
from lfnet.jobs.extraction import share
from lfnet.jobs.session import Session
from lfnet.launchers.local import Local
from lfnet.runs.submissions import read_submissions
from tests.jobs.test_extraction import FAKE, LENGTHS, clips, files, streams  # noqa: F401
from tests.jobs.test_queued import QUEUE
from tests.launchers.conftest import engine  # noqa: F401
from tests.launchers.stub import StubQueue, done


@pytest.fixture
def root(clips, engine):  # noqa: F811
    return clips.parent / "shared"


def submit(root, clips, engine, monkeypatch, **words):  # noqa: F811
    """Submit the parts of an extraction, and leave them in the queue; returns the keys of those that are new."""
    before = len(engine.submitted)
    with monkeypatch.context() as patch:
        patch.setattr(StubQueue, "wait", lambda self, keys: iter(()))
        streams(clips, "shared", StubQueue(runs=root / "runs"), **words)
    return engine.submitted[before:]


def submitted_clips(engine, keys):  # noqa: F811
    return sorted(clip for key in keys for clip in engine.calls[key][2].cohort.clips["clip_id"])


def test_a_clip_that_is_queued_is_not_submitted_again(root, clips, engine, monkeypatch, capsys):  # noqa: F811
    first, second = submit(root, clips, engine, monkeypatch)
    engine.start(first)
    # Some clips of a part are done, and other parts would be made of the rest.
    extracted = submitted_clips(engine, [second])[0]
    call = engine.calls[second][2]
    table = call.cohort.clips
    replace(call, cohort=replace(call.cohort, clips=table[table["clip_id"] == extracted]))()
    monkeypatch.setattr(extraction, "share", partial(share, per_part=2))
    assert submit(root, clips, engine, monkeypatch) == []
    assert "2 parts queued or running before" in capsys.readouterr().out
    engine.lose(second)
    again = submit(root, clips, engine, monkeypatch)
    left = set(LENGTHS) - {extracted} - set(submitted_clips(engine, [first]))
    assert submitted_clips(engine, again) == sorted(left)


def test_a_second_command_waits_for_parts_that_the_first_submitted(root, clips, engine, monkeypatch, capsys):  # noqa: F811
    keys = submit(root, clips, engine, monkeypatch)
    ends = iter(keys)
    monkeypatch.setattr("lfnet.launchers.queue.time.sleep", lambda seconds: engine.finish(next(ends)))
    capsys.readouterr()
    streams(clips, "shared", StubQueue(runs=root / "runs"))
    out = capsys.readouterr().out
    assert "[1/2] extracted 2 clips, " in out and "[2/2] extracted 2 clips, " in out
    assert engine.submitted == keys and len(files(clips, "shared")) == 8


def test_what_is_queued_is_not_extracted_here(root, clips, engine, monkeypatch):  # noqa: F811
    first, second = submit(root, clips, engine, monkeypatch)
    engine.start(first)
    with pytest.raises(LfnetError, match=r"^cohort clips: 4 clips have no features yet, and 2 jobs .*running on n1"):
        streams(clips, "shared", Local(jobs=1))
    engine.silence = "squeue is not on PATH."
    with pytest.raises(LfnetError, match=r"are in a queue \(queued\).* squeue is not on PATH\.$"):
        streams(clips, "shared", Local(jobs=1))
    assert files(clips, "shared") == {}
    engine.silence = ""
    for key in (first, second):
        engine.lose(key)
    streams(clips, "shared", Local(jobs=1))
    assert len(files(clips, "shared")) == 8


def test_features_that_a_queued_sweep_will_extract_are_not_extracted_here(root, clips, engine):  # noqa: F811
    StubQueue(runs=root / "runs").submit([done("a")], "patch_size")
    session = Session()
    session.sweep = "patch_size"
    with pytest.raises(LfnetError, match=r"1 job that extract them are in a queue \(queued for 0 s\)"):
        streams(clips, "shared", Local(jobs=1), session)
    session.sweep = "architectures"
    streams(clips, "shared", Local(jobs=1), session)
    assert len(files(clips, "shared")) == 8


@pytest.mark.long
def test_parts_are_listed_and_cancelled_by_name(clips, engine, monkeypatch, capsys):  # noqa: F811
    def stop(self, keys):
        raise KeyboardInterrupt

    small = ("encoder.stride=2", "trainer.max_epochs=1", "protocol.window=4", "protocol.hop=2", "seed=0,1")
    with monkeypatch.context() as patch:
        patch.setattr(StubQueue, "wait", stop)
        assert main(["train", "-m", *FAKE, *small, *QUEUE]) == 130
    assert "stay in the queue: `lfnet jobs extraction` lists them" in capsys.readouterr().out
    (one,) = read_submissions(clips.parent / "lfnet_runs")
    assert one.sweep.startswith("extraction of multirun_")
    for words in (["jobs", "extraction"], ["jobs", "multirun", *FAKE, *small], ["jobs"]):
        assert main(words) == 0
        out = capsys.readouterr().out
        assert out.startswith("extraction of multirun_") and "4 clips, 13 frames" in out and "1 queued" in out
    assert main(["train", "-m", *FAKE, *small]) == 2
    assert "`lfnet cancel` ends them" in capsys.readouterr().err
    assert main(["cancel", "multirun", *FAKE, *small]) == 0
    assert capsys.readouterr().out.startswith("1 job of multirun")
    assert main(["extract", *FAKE, "encoder.stride=2"]) == 0


def test_a_queued_clip_of_a_person_is_cancelled_before_it_is_forgotten(clips, engine, monkeypatch, capsys):  # noqa: F811
    folder = clips.parent / "lfnet_runs"
    with monkeypatch.context() as patch:
        patch.setattr(StubQueue, "wait", lambda self, keys: iter(()))
        main(["extract", *FAKE, *QUEUE])
    forget = ["forget", "dev", "cohort=folder", "cohort.root=clips", "cohort.aligned=true"]
    key = next(key for key in engine.submitted if "dev" in submitted_clips(engine, [key]))
    capsys.readouterr()
    assert main(forget) == 0
    assert "queued or running, to be cancelled or waited for first: 1 job on clips" in capsys.readouterr().out
    assert main([*forget, "--yes"]) == 2
    assert "1 job in a queue will extract clips of dev (queued for 0 s)" in capsys.readouterr().err
    engine.lose(key)
    (file,) = folder.glob(f"submissions/*/{engine.calls[key][1]}.pkl")
    assert main([*forget, "--yes"]) == 0
    assert f"removed: {file}\n" in capsys.readouterr().out and not file.exists()
