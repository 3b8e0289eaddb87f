"""An extraction that processes of a launcher share: the bytes, lines and errors of one that this process does alone."""

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfnet.cli.configs import compose
from lfnet.cli.main import main
from lfnet.config import instantiate, plain
from lfnet.errors import LfnetError
from lfnet.features.extract import Incomplete
from lfnet.jobs import extraction
from lfnet.jobs.extraction import ExtractionCall, share
from lfnet.jobs.inputs import prepare_streams
from lfnet.jobs.session import Session
from lfnet.jobs.settings import read_inputs
from lfnet.launchers import machine
from lfnet.launchers.launcher import Need
from lfnet.launchers.local import Local
from lfnet.runs.resources import RESOURCES, needed_memory, record_peaks
from tests.composing import SMALL, composed
from tests.features.fakes import Brightness, crop_picture
from tests.jobs.launchers import Pickled
from tests.video.media import write_folder

FAKES = {
    "brightness": {"_target_": "tests.features.fakes.Brightness"},
    "loudest": {"_target_": "tests.features.fakes.Loudest"},
}
LENGTHS = {"train": 9, "train_2": 4, "dev": 6, "test": 5}


@pytest.fixture
def clips(tmp_path, monkeypatch):
    """Four clips of aligned crops in ./clips; parts of ten frames."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(extraction, "share", partial(share, per_part=10))
    monkeypatch.setattr(Pickled, "ran", [])
    lines = ["clip_id,recording_id,person_id,split,label,path,fps"]
    for name, length in LENGTHS.items():
        write_folder(tmp_path / "clips" / name, [crop_picture(length + frame, 24) for frame in range(length)])
        lines.append(f"{name},{name},{name},{name.partition('_')[0]},10,{name},25")
    (tmp_path / "clips" / "manifest.csv").write_text("\n".join(lines))
    return tmp_path / "clips"


def streams(clips, cache, launcher=None, session=None):
    """The inputs of both fake encoders."""
    words = ("cohort=folder", f"cohort.root={clips}", "cohort.aligned=true")
    config, _ = composed(*words, root=clips.parent / cache)
    shared = {key: config["encoder"][key] for key in ("device", "stride", "batch_size", "threads")}
    session = session or Session()
    settings = read_inputs({**config, "encoder": {**shared, **FAKES}}, session)
    session.launcher = launcher
    return prepare_streams(settings, session)


def files(clips, cache):
    root = clips.parent / cache / "cache" / "features"
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*.safetensors")}


def test_the_vectors_are_those_of_one_process(clips, capsys):
    streams(clips, "alone")
    capsys.readouterr()
    stores = streams(clips, "shared", Pickled()).stores
    out = capsys.readouterr().out
    assert "4 clips, 24 frames to extract in 2 parts" in out
    assert "[1/2] extracted 2 clips, 13 frames" in out and "[2/2] extracted 2 clips, 11 frames" in out
    assert files(clips, "shared") == files(clips, "alone") and len(files(clips, "alone")) == 8
    assert stores["brightness"].shape("dev") == (6, 4)
    assert [len(call.cohort.clips) for call in Pickled.ran] == [2, 2]
    streams(clips, "shared", Pickled())
    assert len(Pickled.ran) == 2 and capsys.readouterr().out == ""


@pytest.mark.long
def test_processes_share_an_extraction(clips):
    streams(clips, "alone")
    streams(clips, "shared", Local(jobs=2))
    assert files(clips, "shared") == files(clips, "alone")


def test_this_process_extracts_nothing_itself(clips, monkeypatch):
    monkeypatch.setattr(ExtractionCall, "__call__", lambda call: extraction.Outcome("finished"))
    with pytest.raises(LfnetError, match="lfnet extract"):
        streams(clips, "shared", Pickled()).store.read("dev")
    assert files(clips, "shared") == {}


def test_a_worker_opens_its_encoders_once(clips, monkeypatch):
    opened = []
    real = Brightness.__init__
    monkeypatch.setattr(Brightness, "__init__", lambda self, **words: opened.append(1) or real(self, **words))
    streams(clips, "shared", Pickled())
    assert len(opened) == 2  # for the recipe, and in the worker


def test_unreadable_clips_are_named_as_without_a_launcher(clips):
    for name in ("dev", "train_2", "test"):
        (clips / name / "0000.png").write_bytes(b"no image")
    messages = []
    for cache, launcher in (("alone", None), ("shared", Pickled())):
        with pytest.raises(Incomplete) as caught:
            streams(clips, cache, launcher)
        messages.append(str(caught.value))
    assert messages[0] == messages[1] and messages[0].startswith("3 of 4 clips could not be read")
    assert files(clips, "shared") == files(clips, "alone") and len(files(clips, "alone")) == 2


def test_a_lost_process_is_named_once_and_the_rest_is_kept(clips):
    session, launcher = Session(), Pickled(lost=0)
    for _ in range(2):  # two jobs on the same features
        with pytest.raises(LfnetError, match=r"1 of 2 parts .* killed, .*asked for 3.0 GB; give launcher.memory=6"):
            streams(clips, "shared", launcher, session)
    assert len(Pickled.ran) == 2 and len(files(clips, "shared")) == 4
    streams(clips, "shared", Pickled())
    assert len(files(clips, "shared")) == 8


def test_memory_is_measured_and_asked_for(clips):
    streams(clips, "shared", Pickled())
    cache = clips.parent / "shared" / "cache"
    assert (cache / RESOURCES).is_file()
    record_peaks(cache, {"brightness+loudest": 40.0})
    (clips / "dev" / "frame_9.png").write_bytes((clips / "dev" / "frame_1.png").read_bytes())
    streams(clips, "shared", Pickled())
    assert Pickled.ran[-1].need.memory == needed_memory(cache, "brightness+loudest") == 52.0


def test_vectors_that_a_cohort_brings_need_no_launcher(tmp_path, monkeypatch):
    monkeypatch.setattr(Pickled, "ran", [])
    session = Session()
    session.launcher = Pickled()
    prepare_streams(read_inputs(composed(*SMALL, root=tmp_path)[0], session), session, progress=False)
    assert Pickled.ran == []


LAUNCHER = "launcher._target_=tests.jobs.launchers.Pickled"
FAKE = (
    "cohort=folder",
    "cohort.root=clips",
    "cohort.aligned=true",
    "+encoder.brightness=" + "{_target_:tests.features.fakes.Brightness}",
)


def test_the_command_and_a_sweep_share_the_extraction(clips, capsys):
    words = (*FAKE, LAUNCHER, "~launcher.jobs", "~launcher.jobs_per_gpu")
    assert main(["extract", *words]) == 0
    assert "in 2 parts" in capsys.readouterr().out
    small = ("encoder.stride=2", "trainer.max_epochs=1", "protocol.window=4", "protocol.hop=2")
    main(["train", "-m", *words, *small, "seed=0,1"])  # four people are too few for some jobs
    out = capsys.readouterr().out
    assert out.index("in 1 part") < out.index("2 jobs:")
    assert [isinstance(call, ExtractionCall) for call in Pickled.ran] == [True, True, True, False, False]


def test_processes_extract_where_several_parts_run_at_once(monkeypatch):
    """By default they do: memory for one part of 3 GB, or one part alone, leaves it to the process of the command."""
    config = plain(compose("extract", ["cohort=folder", "cohort.root=clips"]))
    launcher = instantiate(config["launcher"], "launcher")
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda _: {0, 1})
    parts = [Need(1, 3.0)] * 2
    for free, wanted in ((7.0, True), (5.0, False)):
        monkeypatch.setattr(machine, "free_memory", lambda free=free: free)
        assert launcher.extracts(parts) is wanted
    assert not Local(jobs=2).extracts(parts[:1]) and not Local(jobs=1).extracts(parts)


def test_the_process_of_the_command_extracts_what_would_not_run_at_once(clips, monkeypatch, capsys):
    seen = []
    monkeypatch.setattr(Local, "extracts", lambda self, needs: bool(seen.append(needs)))
    words = ("encoder.threads=2", "launcher.memory=5")
    assert main(["extract", *FAKE, *words]) == 0
    monkeypatch.setattr(extraction, "_WORTH", 10)
    assert main(["extract", *FAKE, *words, "encoder.stride=1", "cohort.name=again"]) == 0
    assert seen == [[Need(2, 5.0)], [Need(2, 5.0)] * 2] and "part" not in capsys.readouterr().out


@given(
    st.dictionaries(st.text(max_size=3), st.integers(0, 3000), min_size=1, max_size=40),
    st.integers(1, 2000),
    st.integers(1, 9),
)
def test_parts_have_every_clip_once_and_similar_frames(frames, per_part, most):
    parts = share(frames, per_part, most)
    assert sorted(clip for part in parts for clip in part) == sorted(frames)
    assert all(parts) and len(parts) <= most
    if all(frames.values()):
        loads = [sum(frames[clip] for clip in part) for part in parts]
        assert max(loads) - min(loads) <= max(frames.values())
        assert len(parts) == 1 or sum(loads) >= per_part * len(parts) or len(parts) == most
