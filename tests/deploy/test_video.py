"""Real video: an 8-bit bundle without PyTorch vs the head in PyTorch."""

import json
import subprocess
import sys

import pytest

from lfnet.cli.main import main
from lfnet.deploy.bundle import Bundle
from lfnet.deploy.export import export
from lfnet.training.predict import predict
from tests.composing import CONF
from tests.deploy.conftest import CLIPS
from tests.deploy.test_bundle import PREDICT
from tests.features.heads import head, place
from tests.video.media import write_video
from tests.video.test_times import write

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


def test_a_bundle_scores_video_like_torch_and_refuses_a_faceless_one(filmed, shared, tmp_path):
    facts = export(filmed, tmp_path / "bundle", variant="int8", min_frames=60)
    assert facts.no_interval.startswith("1 labelled recordings")
    assert facts.video.weights.licence == "Apache-2.0"
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
        assert report["score"] == pytest.approx(wanted[report["video"]], abs=0.5)
        assert set(report["latency"]["stages_ms_per_frame"]) >= {"decode", "landmarker", "encoder", "skin", "head"}
        assert report["pulse"]["segments"] == (report["duration_s"] > 17)
    assert "no face in any of" in faceless["refused"] and faceless["score"] is None


def test_export_and_predict_print_the_facts(filmed, shared, tmp_path, capsys):
    assert main(["export", str(filmed.folder), "--fp16", "--out", str(tmp_path / "b"), "--min-frames", "60"]) == 0
    assert "fp16 head vs PyTorch" in capsys.readouterr().out
    clip = shared / "media" / "single_face.mp4"
    assert main(["predict", str(clip), "--bundle", str(tmp_path / "b"), "--no-pulse"]) == 0
    printed = capsys.readouterr().out
    for text in ("score ", "BDI-II, 0 to 63", "no interval: 1 labelled", "ms per frame", "not a diagnosis"):
        assert text in printed
    film = str(write(tmp_path, "webm-vp9", "spike"))
    words = ["predict", film, "--bundle", str(tmp_path / "b"), "--no-pulse"]
    assert main(words) == 3
    assert "1 of 40 frames have wrong timestamps" in (printed := capsys.readouterr().out)
    assert "video.times=rebuild" in printed
    assert main([*words, "video.times=rebuild"]) == 3
    assert "too short: 40 frames" in capsys.readouterr().out


def test_of_two_people_one_is_scored_the_other_is_noted_and_either_can_be_chosen(filmed, shared, tmp_path, capsys):
    export(filmed, tmp_path / "bundle", min_frames=60)
    one, other = head(shared, "obama/obama.jpg"), head(shared, "rose_leslie/img1.jpg")
    images = [place(other, t / 28, 480, 270, place(one, t / 28, 160, 270)) for t in range(64)]
    times = [round(1000 * number / 28) for number in range(64)]
    film = write_video(tmp_path / "two.mp4", images, times)
    words = ["predict", str(film), "--bundle", str(tmp_path / "bundle"), "--no-pulse", "--json"]

    def score(*settings: str) -> tuple[float, list[str]]:
        assert main([*words, *settings]) == 0
        (report,) = json.loads(capsys.readouterr().out)["videos"]
        return report["score"], report["notes"]

    _, (note,) = score()
    assert note.startswith("a second face next to the person's in 1 of 1 check: 0.0 s (video.faces=2 finds both")
    left, notes = score("video.faces=2", "video.person=left")
    right, _ = score("video.faces=2", "video.person=right")
    assert left != right
    assert notes[:2] == [
        "video.faces=2, and 1 for the training clips",
        "video.person=left, and largest for the training clips",
    ]
    for setting, message in (
        ("video.person=left", "video.person=left: set faces=2 or more"),
        (
            "video.landmarker=null",
            "`video.landmarker=null` is no setting of this command: give video.times=stamps|rebuild",
        ),
        ("video.face=2", "`video.face=2` is no setting of this command"),
        ("video.faces=0", "video.faces=0: give a whole number of 1 or more"),
    ):
        assert main([*words, setting]) == 2
        assert message in capsys.readouterr().err


@pytest.mark.long
@pytest.mark.parametrize("head", sorted(path.stem for path in (CONF / "head").glob("*.yaml")))
def test_eight_bits_are_within_half_a_point_on_every_clip(films, head, tmp_path):
    run = films(head)
    bundle = Bundle.open((export(run, tmp_path / "b", variant="int8", min_frames=60), tmp_path / "b")[1])
    session, wanted, data = bundle.head(threads=1), torch_scores(run), run.data()
    paths = data.clips.set_index("clip_id")["path"]
    assert len(wanted) == len(CLIPS)
    for clip_id in data.clips["clip_id"]:
        own = session(bundle.windows(data.store.read(clip_id))).mean()
        assert own == pytest.approx(wanted[str(paths[clip_id])], abs=0.5), clip_id
