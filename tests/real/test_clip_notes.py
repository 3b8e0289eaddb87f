"""Notes on repaired times and on people, where a user reads them."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from lfnet.cli.main import main
from lfnet.features.store import ClipFeatures, FeatureStore
from lfnet.jobs import records
from tests.features.fakes import cohort_of
from tests.features.heads import head, place
from tests.real.clips import landmarker
from tests.video.media import write_video
from tests.video.test_times import write

NOTE = "the file has no presentation times: they follow from the order of the decoded frames"


@pytest.mark.usefixtures("libraries")
def test_extract_ends_with_notes_on_times_and_an_audit_names_the_clips(here, shared, capsys):
    (here / "clips").mkdir()
    write(here / "clips", "avi-h264", "none")
    write(here / "clips", "mp4-h264", "none")
    write(here / "clips", "webm-vp9", "none")
    rows = ["avi-h264-none.avi,a,train,1", "mp4-h264-none.mp4,b,dev,2", "webm-vp9-none.webm,c,test,3"]
    (here / "clips" / "manifest.csv").write_text("\n".join(["path,person_id,split,label", *rows]))
    settings = ["cohort=folder", "cohort.root=clips", "encoder=blendshapes", "encoder.stride=10"]
    assert main(["extract", *settings, landmarker(shared)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert f"  avi-h264-none: {NOTE}" in lines[lines.index("notes:") :]
    assert main(["audit", *settings, landmarker(shared)]) == 0
    assert f"warning: clip avi-h264-none: {NOTE}" in (text := capsys.readouterr().out) and "clip mp4-h264" not in text
    assert main(["audit", *settings, landmarker(shared), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["time_notes"] == {"avi-h264-none": NOTE}


def test_a_result_and_so_its_tables_count_the_clips_and_name_none(tmp_path):
    vectors, valid, time = np.ones((3, 4), np.float32), np.ones(3, bool), np.arange(3) / 25
    store = FeatureStore(tmp_path, "stream", "recipe")
    for clip_id, note, people in (
        ("film_1", NOTE, ""),
        ("film_2", "", "the face is upside down"),
        ("film_3", NOTE, ""),
    ):
        meta = {"time_notes": note, "people_notes": people}
        store.write(clip_id, ClipFeatures(vectors, valid, time, meta), "source")
    cohort = cohort_of({f"film_{number}": tmp_path for number in (1, 2, 3)})
    stores, frames = {"stream": store}, SimpleNamespace(layout=SimpleNamespace(coverage=1.0))
    data = SimpleNamespace(cohort=cohort, clips=cohort.clips, dropped=[], remarks=[], stores=stores, frames=frames)
    job = SimpleNamespace(config={"cohort": {}}, choices={}, features=["digest"], inputs=SimpleNamespace(cohort=cohort))
    warnings = records._describe_inputs(job, data, [])["cohort"].warnings
    assert "2 of 3 clips have repaired times or lost frames; `lfnet extract` and `lfnet audit` name each" in warnings
    assert "1 of 3 clips has a second person or a turned face; `lfnet extract` and `lfnet audit` name each" in warnings
    assert not any("film" in text for text in warnings)


@pytest.fixture
def two_heads(here, shared, libraries):
    """A film of 12 s of two people side by side, of whom the right one is as large as the left one."""
    one, other = head(shared, "obama/obama.jpg"), head(shared, "rose_leslie/img1.jpg")
    images = [place(other, t / 25, 480, 270, place(one, t / 25, 160, 270)) for t in range(300)]
    return write_video(here / "two.mp4", images)


@pytest.mark.long
def test_two_people_are_noted_by_demo_pulse_extract_and_audit(here, shared, two_heads, capsys):
    note = "a second face next to the person's in 3 of 3 checks: 0.0–10.0 s (video.faces=2 finds both"
    own = ["--landmarker", str(shared / "weights" / "face_landmarker.task")]
    segment = ["pulse.segment=10", "pulse.hop=10"]
    assert main(["demo", str(two_heads), *own]) == 0
    assert note in capsys.readouterr().out
    assert main(["pulse", str(two_heads), *own, *segment]) in (0, 3)
    assert note in capsys.readouterr().out
    write_video(here / "b.mp4", alone := [place(head(shared, "biden/biden.jpg"), 0.0)] * 10)
    write_video(here / "c.mp4", alone)
    rows = ["two.mp4,a,train,1", "b.mp4,b,dev,2", "c.mp4,c,test,3"]
    (here / "manifest.csv").write_text("\n".join(["path,person_id,split,label", *rows]))
    settings = ["cohort=folder", "cohort.root=.", "encoder=blendshapes", landmarker(shared)]
    assert main(["extract", *settings]) == 0
    assert capsys.readouterr().out.count(note) == 1
    assert main(["audit", *settings, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["people_notes"]["two"].startswith(note)

    # With the note's settings one is chosen, and the note is gone.
    chosen = ["video.faces=2", "video.person=right"]
    for words in (["demo", str(two_heads), *own], ["pulse", str(two_heads), *own, *segment], ["extract", *settings]):
        assert main([*words, *chosen]) in (0, 3)
        printed = capsys.readouterr().out
        assert "a second face" not in printed and "more than one face in 300 of 300 frames: the one of video" in printed
