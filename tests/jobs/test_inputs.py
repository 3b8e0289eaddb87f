"""Inputs of a job: one stream for a head, several for a fusion, all from one pass."""

import pytest

from lfnet.errors import LfnetError
from tests.composing import composed, fusion_inputs, head_inputs
from tests.features.fakes import crop_picture
from tests.video.media import write_folder

FAKES = {
    "brightness": {"_target_": "tests.features.fakes.Brightness"},
    "larger": {"_target_": "tests.features.fakes.Brightness", "crop_size": 20, "name": "larger"},
    "loudest": {"_target_": "tests.features.fakes.Loudest"},
}


@pytest.fixture
def config(tmp_path):
    """Three clips of aligned crops, one a split; encoders are put in by name."""
    root = tmp_path / "clips"
    lines = ["clip_id,recording_id,person_id,split,label,path,fps"]
    for number, split in enumerate(("train", "dev", "test")):
        write_folder(root / split, [crop_picture(number + frame, 24) for frame in range(9)])
        lines.append(f"{split},{split},{split},{split},{10 + number},{split},25")
    (root / "manifest.csv").write_text("\n".join(lines))
    made, _ = composed("cohort=folder", f"cohort.root={root}", "cohort.aligned=true", root=tmp_path)

    def chosen(*names: str):
        shared = {key: made["encoder"][key] for key in ("device", "stride", "batch_size", "threads")}
        return {**made, "encoder": {**shared, **{name: FAKES[name] for name in names}}}

    return chosen


def test_a_head_gets_its_one_stream(config, capsys):
    prepared = head_inputs(config("brightness"), progress=True)
    assert prepared.store.stream == "brightness" and prepared.store.shape("dev") == (9, 4)
    assert "cohort clips: 3 clips, 27 frames to extract" in capsys.readouterr().out
    assert head_inputs(config("brightness"), progress=True).store.folder == prepared.store.folder
    assert capsys.readouterr().out == ""


def test_a_fusion_gets_all_streams(config, capsys):
    made = fusion_inputs(config("brightness", "loudest"), progress=True)
    cohort, stores = made.cohort, made.stores
    assert list(stores) == ["brightness", "loudest"] and len(cohort.clips) == 3
    assert stores["loudest"].shape("dev") == (2, 5) and stores["brightness"].shape("dev") == (9, 4)
    assert capsys.readouterr().out.count("3 clips, 27 frames to extract") == 1
    fusion_inputs(config("loudest", "larger", "brightness"), progress=True)
    assert "3 clips, 27 frames to extract" in capsys.readouterr().out, "for the stream that was not there"
    fusion_inputs(config("loudest", "larger", "brightness"), progress=True)
    assert capsys.readouterr().out == ""


def test_a_head_gets_several_streams_joined_from_one_pass(config, capsys):
    prepared = head_inputs(config("brightness", "larger"), progress=True)
    assert prepared.store.stream == "brightness + larger" and prepared.store.shape("dev") == (9, 10)
    assert capsys.readouterr().out.count("3 clips, 27 frames to extract") == 1
    again = head_inputs(config("brightness", "larger"), progress=True)
    ids = prepared.cohort.clips["clip_id"]
    assert again.store.fingerprint(ids) == prepared.store.fingerprint(ids)
    turned = head_inputs(config("larger", "brightness"), progress=True)
    assert turned.store.fingerprint(ids) != prepared.store.fingerprint(ids)
    assert capsys.readouterr().out == ""


def test_a_head_refuses_segments_alone_and_among_others(config):
    for names in (["loudest"], ["brightness", "loudest"]):
        with pytest.raises(LfnetError, match=r"encoder=loudest gives one vector a segment, and a head reads frames"):
            head_inputs(config(*names), progress=True)
