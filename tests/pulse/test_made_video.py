"""A face with a known pulse, from H.264 video to the report of `lfnet pulse`."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.media.video import Scene, rendered, scene, write_h264
from lfnet.cli.main import main
from lfnet.encoders.skin import Skin
from lfnet.errors import LfnetError
from lfnet.features.consumers import FrameConsumer
from lfnet.features.store import ClipFeatures
from lfnet.features.video_pass import run_pass
from lfnet.pulse.segments import read_segments
from lfnet.video.decode import frames
from lfnet.video.mesh import FaceMesh
from tests.pulse.settings import settings_of

pytestmark = [pytest.mark.usefixtures("libraries"), pytest.mark.slow]
FPS, SECONDS, BPM = 15, 17.1, 84.0  # half of the usual 30 frames per second


@pytest.fixture(scope="session")
def libraries() -> None:
    """Skip the test where OpenCV or MediaPipe does not load."""
    from lfnet.video.backends import missing

    if problems := missing():
        pytest.skip("; ".join(problems))


@pytest.fixture(scope="module")
def model(shared: Path) -> Path:
    return shared / "weights" / "face_landmarker.task"


@pytest.fixture(scope="module")
def base(model: Path) -> Scene:
    data = pytest.importorskip("skimage.data")
    with FaceMesh(model, video=False) as mesh:
        found = mesh.find(data.astronaut())
    assert found is not None
    return scene(data.astronaut(), found.landmarks_LC, width=180)


def video(base: Scene, path: Path, amplitude: float, **given: Any) -> Path:
    time = np.arange(round(SECONDS * FPS)) / FPS
    beats = np.arange(-3, SECONDS + 3, 60 / BPM)
    made = rendered(base, time, beats, np.random.default_rng(0), amplitude=amplitude, **given)
    # x264's default preset keeps more of the pulse than the fast ones; without a pulse a fast one suffices.
    return write_h264(path, made, time, preset="medium" if amplitude else "veryfast")


@pytest.fixture(scope="module")
def with_pulse(base: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return video(base, tmp_path_factory.mktemp("made") / "pulse.mp4", 0.01)


@pytest.fixture(scope="module")
def skin(with_pulse: Path, model: Path) -> ClipFeatures:
    vectors = FrameConsumer(Skin())
    with FaceMesh(model) as mesh:
        (passed,) = run_pass(frames(with_pulse), mesh, [vectors])
    return vectors.clip(passed, {})


def test_only_skin_follows_the_pulse(base: Scene) -> None:
    time = np.array([0.0, 0.30])  # a beat's foot and its peak
    beats = np.arange(-3, 4, 1.0)
    calm: dict[str, Any] = {"motion": 0.0, "flicker": (1.0, 0.0), "noise": 0.0}
    foot, peak = rendered(base, time, beats, np.random.default_rng(0), amplitude=0.1, **calm)
    change = foot.astype(float) - peak
    assert (change[base.skin_HW == 0] == 0).all(), "the background and the eyes are constant"
    cheeks = base.skin_HW > 0.99
    share = change[cheeks].mean(axis=0) / foot[cheeks].mean(axis=0)
    assert share[1] == pytest.approx(0.2, rel=0.15) and share[0] / share[1] == pytest.approx(0.33 / 0.77, rel=0.1)


@pytest.mark.parametrize("method", ["chrom", "pos"])
def test_the_rate_is_correct_within_one_beat_per_minute(skin: ClipFeatures, method: str) -> None:
    (segment,) = read_segments(skin.features, skin.time, skin.valid, settings_of("nested", method=method))
    assert segment.kept and segment.heart_rate == pytest.approx(BPM, abs=1)


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = main(["pulse", *words])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_faces_interpolated_between_detections_give_the_same_rate(
    with_pulse: Path, model: Path, skin: ClipFeatures, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(["pulse", str(with_pulse), "--json", "--landmarker", str(model), "pulse.method=pos", "--every", "5"])
    report = json.loads(capsys.readouterr().out)
    (often,) = read_segments(skin.features, skin.time, skin.valid, settings_of("nested", method="pos"))
    assert status == 0 and report["face_found_every"] == 5 and report["frames_with_a_face"] == len(skin.valid)
    assert report["heart_rate_bpm"] == pytest.approx(often.heart_rate, abs=0.1)
    assert report["snr_db"] == pytest.approx(often.snr, abs=1)


def test_the_command_reports_rate_quality_and_variability_and_draws_a_figure(
    with_pulse: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figure = tmp_path / "pulse.png"
    words = (str(with_pulse), "--json", "--figure", str(figure), "--landmarker", str(model))
    status, out, err = run(capsys, *words)
    report = json.loads(out)
    assert status == 0 and err == ""
    assert next(key for key in report if "rate" in key or "bpm" in key) == "heart_rate_bpm" == next(iter(report))
    assert report["heart_rate_bpm"] == pytest.approx(BPM, abs=1) and report["snr_db"] > 1
    assert report["prv"]["MeanHR"]["valid"] and report["prv"]["MeanHR"]["unit"] == "1/min"
    # The beats are regular: what is measured is the error of the codec.
    rmssd = report["prv"]["RMSSD"]
    assert (rmssd["value"], rmssd["valid"]) == (None, False) and rmssd["withheld"].startswith("error of RMSSD ")
    assert report["prv"]["LF"] == {"value": None, "unit": "ms²", "valid": False, "needs": "120 s"}
    assert "not a diagnosis" in report["disclaimer"]
    from PIL import Image

    assert np.asarray(Image.open(figure).convert("L")).std() > 10


def test_each_value_is_printed_with_its_error(
    with_pulse: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (str(with_pulse), "--landmarker", str(model), "pulse.max_error=null")
    status, out, _ = run(capsys, *words)
    line = next(line for line in out.splitlines() if line.split()[:1] == ["RMSSD"])
    assert status == 0 and re.fullmatch(r"  RMSSD +[\d.]+ ± [\d.]+ +ms", line)
    assert "the error that 68% or more of made pulses" in out and "1 of 1 segment)" in out
    assert max(map(len, out.splitlines()[1:])) <= 100


def test_without_a_pulse_the_command_refuses(
    base: Scene, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = video(base, tmp_path / "none.mp4", 0.0)
    status, out, _ = run(capsys, str(path), "--landmarker", str(model))
    assert status == 3
    assert "no reliable pulse: the quality is below the threshold" in out
    assert "heart rate" not in out and "not a diagnosis" in out


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("no_face.mp4", "no_face.mp4: no face in any of 95 frames"),
        (
            "noface_face.mov",
            "noface_face.mov is too short: 6.4 s, and a pulse is read from segments of 17 s. Give 17 s or more; the "
            "shortest segment that can be set is 6.7 s.",
        ),
    ],
)
def test_no_face_and_too_short_are_one_line(
    shared: Path, model: Path, name: str, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = run(capsys, str(shared / "media" / name), "--landmarker", str(model))
    assert status == 2 and out == "" and line in err and err.count("\n") == 1


def test_two_faces_are_reported(shared: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from PIL import Image

    rgb = np.asarray(Image.open(shared / "media" / "multi_face.jpg").convert("RGB").resize((640, 426)))
    time = np.arange(72) / 10
    path = write_h264(tmp_path / "two.mp4", (rgb for _ in time), time, preset="ultrafast")
    words = (str(path), "--json", "--landmarker", str(model), "video.faces=2", "pulse.segment=7")
    status, out, _ = run(capsys, *words)
    report = json.loads(out)
    assert status == 3 and report["heart_rate_bpm"] is None
    assert any("more than one face in" in note for note in report["notes"])


def test_the_real_clip_gets_a_rate_or_a_reason(shared: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = shared / "media" / "WolfgangLanger_Pexels.mp4"
    status, out, _ = run(capsys, str(path), "--json", "--landmarker", str(model))
    report = json.loads(out)
    assert report["frames_with_a_face"] == report["frames"] == 472 and report["segments"] == 1
    # A colour-graded stock clip of a moving actor: its peak is 2 dB below the rest of the band.
    assert (status, report["heart_rate_bpm"], report["dropped"]) == (3, None, {"no pulse": 1})


def test_every_out_of_range_is_refused() -> None:
    from lfnet.cli.pulse import main as pulse

    with pytest.raises(LfnetError, match="--every 0: give a number of frames from 1"):
        pulse(["clip.mp4", "--every", "0"])


def test_unknown_settings_of_the_command_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    from lfnet.cli.pulse import main as pulse

    for word in ("head=ldbm", "encoder=visual", "encoder.stride=2", "pulses.method=pos"):
        with pytest.raises(LfnetError, match=rf"`{word}` is no setting of this command: .*encoder.skin"):
            pulse(["clip.mp4", word])
    with pytest.raises(LfnetError, match=r"encoder.skin.dark=255: give a grey level below encoder.skin.bright=250"):
        pulse([__file__, "encoder.skin.dark=255"])
    status, _, err = run(capsys, "nowhere.mp4")
    assert status == 2 and "nowhere.mp4" in err


def test_the_old_name_of_the_figure_option_is_refused_with_the_new_one() -> None:
    from lfnet.cli.pulse import main as pulse

    for words in (["--picture", "x.png"], ["--picture=x.png"]):
        with pytest.raises(LfnetError, match="--picture is now --figure: give --figure FILE"):
            pulse(["clip.mp4", *words])
