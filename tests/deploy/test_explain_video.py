"""`lfnet explain` on real video: the film, parts of the face, the pulse, refusals, and the face only where asked."""

import json
import re

import pytest

from lfnet.cli.main import main
from lfnet.deploy.export import export
from lfnet.deploy.face_parts import face_parts
from lfnet.encoders.blendshapes import Blendshapes

pytestmark = [pytest.mark.slow, pytest.mark.shared]


@pytest.fixture
def bundle(filmed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    export(filmed, tmp_path / "bundle", min_frames=60)
    return str(tmp_path / "bundle")


def test_a_video_is_explained_with_its_score_by_predict_and_without_its_face(bundle, shared, tmp_path, capsys):
    film = str(shared / "media" / "WolfgangLanger_Pexels.mp4")
    assert main(["predict", film, "--bundle", bundle, "--json", "--threads", "1"]) == 0
    (report,) = json.loads(capsys.readouterr().out)["videos"]
    assert main(["explain", film, "--bundle", bundle, "--threads", "1"]) == 0
    content = json.loads((tmp_path / "WolfgangLanger_Pexels.explained.json").read_text())
    for name in ("score", "windows_score", "frames", "coverage", "pulse", "notes"):
        assert content[name] == report[name], name
    assert set(content["parts"]["effects"]) == set(face_parts(Blendshapes()))
    assert any(value != 0 for value in content["parts"]["effects"].values())
    assert len(content["pulse_segments"]) == report["pulse"]["segments"] == 1
    assert content["deletion"]["random_orders"] == 100 and content["constants"]["median"] == 17.5
    page = (tmp_path / "WolfgangLanger_Pexels.explained.html").read_text()
    assert page.count('class="face"') == 10 * 11, "ten frames with a face"
    assert "data:image" not in page and "<img" not in page
    assert "Wolfgang" not in page + json.dumps(content) and str(tmp_path) not in page


def test_frames_are_shown_only_on_request_and_one_without_a_face_is_an_empty_box(bundle, shared, tmp_path, capsys):
    film = str(shared / "media" / "face_noface.mov")
    words = ["explain", film, "--bundle", bundle, "--no-pulse", "--threads", "1"]
    assert main([*words, "--show-face", "--out", "shown.html"]) == 0
    assert "The page shows the face: it is personal data" in capsys.readouterr().out
    assert main([*words, "--out", "drawn.html"]) == 0
    shown, drawn = ((tmp_path / name).read_text() for name in ("shown.html", "drawn.html"))
    assert len(re.findall(r'href="data:image/jpeg;base64,[A-Za-z0-9+/=]{500,}"', shown)) == 10
    assert "data:image" not in drawn
    empty = drawn.count(">no face</text>")
    assert 0 < empty < 10 and drawn.count('class="face"') == (10 - empty) * 11
    assert (tmp_path / "shown.json").read_bytes() == (tmp_path / "drawn.json").read_bytes()
    assert json.loads((tmp_path / "drawn.json").read_text())["pulse_segments"] == []


def test_a_video_without_a_face_is_refused(bundle, shared, tmp_path, capsys):
    assert main(["explain", str(shared / "media" / "no_face.mp4"), "--bundle", bundle]) == 2
    assert "is not scored, and nothing was written: no face in any of" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]
