"""Inputs of a job: one stream for a head, several for a fusion, all from one pass."""

from pathlib import Path

import numpy as np
import pytest

from lfnet.errors import LfnetError
from lfnet.jobs.job import plan
from tests.composing import SMALL, composed, fusion_inputs, head_inputs
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


FILMED = "cohort.filming={leak:{face_size:0.8},moves:0.6}"


def test_filming_normalises_the_features_and_names_the_run(tmp_path: Path) -> None:
    plain, _ = composed(*SMALL, FILMED, root=tmp_path)
    adjusted, _ = composed(*SMALL, FILMED, "filming=both", root=tmp_path)
    one, other = plan(plain, progress=False), plan(adjusted, progress=False)
    assert one.folder != other.folder and "filming" not in one.recorded_config()
    assert other.recorded_config()["filming"] == {"rate": 25, "adjust": ["face_x", "face_y", "face_size"]}
    cohort = other.inputs.cohort
    assert cohort.about is not None
    train = cohort.in_split("train")["clip_id"]
    size = cohort.about.loc[train, "face_size"].astype(float).to_numpy()

    def explained(job) -> float:  # type: ignore[no-untyped-def]
        means = []
        for name in train:
            clip = job.inputs.store.read(name)
            means.append(clip.features[clip.valid].mean(axis=0))
        x = np.array(means) - np.mean(means, axis=0)
        z = (size - size.mean()) / size.std()
        return float(((z @ x / len(z)) ** 2).sum() / (x**2).mean(axis=0).sum())

    assert explained(other) < explained(one) / 5
    name = cohort.clips["clip_id"].iloc[0]
    assert other.inputs.store.shape(name)[0] == round(one.inputs.store.shape(name)[0] * 25 / 30)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("filming.adjust=[nose]",), "filming.adjust: nose is no number of filming. There are face_x, face_y"),
        (("filming.rate=0",), "filming.rate=0: give a number above 0"),
        (("filming=adjusted",), "filming.adjust: face_x, face_y, face_size of .* clips is unknown"),
        (("filming=rate", "fusion=nested"), "filming changes the features of a head, and a fusion has none"),
    ],
)
def test_filming_that_cannot_be_is_refused(tmp_path: Path, overrides: tuple[str, ...], message: str) -> None:
    config, _ = composed(*SMALL, *overrides, root=tmp_path)
    with pytest.raises(LfnetError, match=message):
        plan(config, progress=False)
