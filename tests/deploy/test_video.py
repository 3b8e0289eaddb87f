"""The real path: a bundle in half precision on real video, without torch, beside the torch path that trained it."""

import json
import subprocess
import sys

import pytest

from lfnet.cli.main import main
from lfnet.deploy.export import export
from lfnet.training.predict import predict
from tests.deploy.conftest import CLIPS
from tests.deploy.test_bundle import PREDICT

pytestmark = [pytest.mark.slow, pytest.mark.shared]


def torch_scores(run):
    """The torch head's score of every clip, by the clip's file."""
    data, head = run.data(), run.head()
    found = {}
    for split in ("train", "dev", "test"):
        table = data.split(split)
        if len(table):
            points = data.labels.points(predict(head, data.eval_dataloader(table), "cpu"))
            found |= table.assign(points=points).groupby("clip_id")["points"].mean().to_dict()
    paths = data.clips.set_index("clip_id")["path"]
    return {str(paths[clip_id]): score for clip_id, score in found.items()}


def test_a_bundle_scores_video_as_torch_does_and_refuses_what_it_must(filmed, shared, tmp_path):
    facts = export(filmed, tmp_path / "bundle", variant="fp16", min_frames=60)
    assert facts["no_interval"].startswith("1 labelled recordings")
    assert facts["video"]["weights"]["licence"] == "Apache-2.0"
    media = shared / "media"
    videos = [str(media / name) for name, *_ in CLIPS] + [str(media / "no_face.mp4")]
    ran = subprocess.run(
        [sys.executable, "-c", PREDICT, *videos, "--bundle", str(tmp_path / "bundle"), "--json", "--threads", "1"],
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 3, ran.stderr
    *good, faceless = json.loads(ran.stdout)["videos"]
    wanted = torch_scores(filmed)
    assert max(wanted.values()) - min(wanted.values()) > 1
    for report in good:
        assert report["refused"] is None
        assert report["score"] == pytest.approx(wanted[report["video"]], abs=0.1)
        assert set(report["latency"]["stages_ms_per_frame"]) >= {"decode", "landmarker", "encoder", "skin", "head"}
        assert report["pulse"]["segments"] == (report["duration_s"] > 17)
    assert "no face in any of" in faceless["refused"] and faceless["score"] is None


def test_the_words_a_person_reads(filmed, shared, tmp_path, capsys):
    assert main(["export", str(filmed.folder), "--fp16", "--out", str(tmp_path / "b"), "--min-frames", "60"]) == 0
    assert "fp16 head beside torch's" in capsys.readouterr().out
    clip = shared / "media" / "single_face.mp4"
    assert main(["predict", str(clip), "--bundle", str(tmp_path / "b"), "--no-pulse"]) == 0
    said = capsys.readouterr().out
    for text in ("score ", "BDI-II, 0 to 63", "no interval: 1 labelled", "ms a frame", "not a diagnosis"):
        assert text in said
