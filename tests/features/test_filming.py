"""How a clip was filmed: measured against made images, sound and FFmpeg's own numbers, in the one pass over it."""

import json
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
from skimage.color import rgb2lab

from lfnet.features.extract import extract
from lfnet.features.filming import KEY, FilmingMeter, parse, read_filming, sharpness_and_noise
from lfnet.features.skin_tone import individual_typology_angle, skin_tone
from lfnet.features.store import ClipFeatures, FeatureStore
from lfnet.features.thumbnails import clip_thumbnails, cohort_thumbnails
from lfnet.video.align import TEMPLATE_112
from lfnet.video.decode import Frame
from lfnet.video.faces import Mesh
from lfnet.video.file_facts import file_facts
from tests.audio.media import bursts, write_clip
from tests.features.fakes import Brightness, Loudest, cohort_of, crop_picture
from tests.video.media import picture, write_folder, write_video
from tests.video.test_align import mesh_at
from tests.video.test_skin import face as skin_at


def grey(level: float, noise: float, side: int = 256, seed: int = 0) -> np.ndarray:
    values = level + noise * np.random.default_rng(seed).normal(size=(side, side))
    return np.repeat(np.clip(np.rint(values), 0, 255).astype(np.uint8)[..., None], 3, axis=2)


@pytest.mark.parametrize("noise", [2.0, 6.0, 12.0])
def test_noise_is_the_standard_deviation_that_was_added_whatever_the_light(noise: float) -> None:
    ramp = np.repeat(np.linspace(-40, 40, 256)[None], 256, axis=0)[..., None]
    noisy = grey(120, noise)
    assert sharpness_and_noise(noisy)[1] == pytest.approx(noise, rel=0.05)
    assert sharpness_and_noise(np.clip(noisy + ramp, 0, 255).astype(np.uint8))[1] == pytest.approx(noise, rel=0.1)


def test_sharpness_is_opencvs_variance_of_the_laplacian_and_falls_with_blur(libraries) -> None:
    import cv2

    image = np.kron(np.random.default_rng(1).integers(0, 255, (32, 32, 1)), np.ones((8, 8, 3))).astype(np.uint8)
    found = sharpness_and_noise(image)[0]
    luma = image.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    assert found == pytest.approx(float(cv2.Laplacian(luma, cv2.CV_32F)[1:-1, 1:-1].var()), rel=1e-4)
    assert sharpness_and_noise(cv2.GaussianBlur(image, (9, 9), 2))[0] < found / 10


def test_faces_light_and_size_are_medians_over_a_frame_a_second(libraries) -> None:
    def face(shift: float) -> Mesh:
        turn = np.radians(20)
        pose = np.eye(4, dtype=np.float32)
        pose[:3, :3] = [[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]]
        return Mesh(mesh_at(TEMPLATE_112 + shift), np.zeros(52, np.float32), pose, 1)

    class Finder:
        def find(self, rgb: np.ndarray, time: float) -> Mesh | None:
            return None if 1 < time < 2 else face(10 * int(time))

    meter = FilmingMeter()
    finder = meter.searching(Finder())
    # Frames that are not the first of their second are white.
    images = [np.full((240, 320, 3), 255 if n % 10 else 50 + 3 * n, np.uint8) for n in range(50)]
    for frame in meter.frames(Frame(n, n / 10, image) for n, image in enumerate(images)):
        finder.find(frame.rgb, frame.time)
    found = meter.numbers()
    box = face(20).box  # of the third second, the median of five
    assert found["brightness"] == 110 and (found["width"], found["height"]) == (320, 240)
    assert found["face_x"] == pytest.approx((box.left + box.right) / 2 / 320, abs=1e-4)
    assert found["face_y"] == pytest.approx((box.top + box.bottom) / 2 / 240, abs=1e-4)
    assert found["face_size"] == pytest.approx(np.sqrt(box.area) / 320, abs=1e-4)
    assert found["yaw"] == pytest.approx(20, abs=0.01) and abs(float(found["pitch"])) < 0.01
    assert meter.numbers(last=9)["brightness"] == 50  # the first second alone
    assert FilmingMeter(aligned=True).searching(None) is None


def test_skin_tone_is_the_angle_of_the_skins_colour_and_unknown_without_a_face(libraries) -> None:
    face = Mesh(skin_at(), np.zeros(52, np.float32), np.eye(4, dtype=np.float32), 1)
    colours = [(200, 150, 120), (190, 140, 110), (60, 40, 30)]

    def measured(found: Mesh | None, aligned: bool = False) -> dict[str, float | str]:
        meter = FilmingMeter(aligned)
        images = [np.full((240, 320, 3), colour, np.uint8) for colour in colours]
        finder = meter.searching(SimpleNamespace(find=lambda rgb, time: found))
        for frame in meter.frames(Frame(n, float(n), image) for n, image in enumerate(images)):
            finder.find(frame.rgb, frame.time)
        return meter.numbers()

    assert measured(face)["skin_tone"] == pytest.approx(individual_typology_angle(colours[1]), abs=1e-3)  # the median
    # Of crops a face is searched for some streams only: their header would depend on the others.
    assert "skin_tone" not in measured(None) and "skin_tone" not in measured(face, aligned=True)


@pytest.mark.parametrize("colour", [(235, 205, 190), (200, 150, 120), (90, 60, 40), (12, 8, 5)])
def test_the_typology_angle_is_that_of_scikit_images_lab(colour: tuple[int, int, int]) -> None:
    lightness, _, blue_yellow = rgb2lab(np.array(colour, np.float64)[None, None] / 255)[0, 0]
    expected = np.degrees(np.arctan((lightness - 50) / blue_yellow))
    assert individual_typology_angle(colour) == pytest.approx(expected, abs=0.01)


def test_a_grey_or_bluish_colour_has_no_typology_angle() -> None:
    assert np.isnan(individual_typology_angle((90, 90, 140))) and np.isnan(skin_tone(np.zeros((3, 4))))


def tone(path: Path, amplitude: float) -> Path:
    """A video of two seconds with a tone of 440 Hz."""
    with av.open(str(path), "w") as container:
        video, sound = container.add_stream("mpeg4", rate=25), container.add_stream("aac", rate=44100)
        video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
        for n in range(50):
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture(n), format="rgb24")))
        wave = amplitude * np.sin(2 * np.pi * 440 * np.arange(2 * 44100) / 44100)
        for start in range(0, len(wave), 1024):
            frame = av.AudioFrame.from_ndarray(wave[None, start : start + 1024].astype(np.float32), "fltp", "mono")
            frame.sample_rate, frame.pts = 44100, start
            container.mux(sound.encode(frame))
        container.mux(video.encode())
        container.mux(sound.encode())
    return path


@pytest.mark.parametrize("amplitude", [0.5, 0.05])
def test_loudness_is_the_rms_of_a_tone_and_codec_and_bit_rate_are_the_files(tmp_path: Path, amplitude: float) -> None:
    path = tone(tmp_path / "tone.mp4", amplitude)
    found = file_facts(path)
    assert found["codec"] == "mpeg4"
    assert found["loudness"] == pytest.approx(20 * np.log10(amplitude / np.sqrt(2)), abs=0.3)
    with av.open(str(path)) as container:
        assert found["bitrate"] == pytest.approx(container.bit_rate / 1000, rel=1e-3)


@pytest.mark.parametrize("noise", [1e-3, 1e-2])
def test_noise_and_length_of_the_sound_are_those_of_its_quiet_parts(tmp_path: Path, noise: float) -> None:
    made = bursts(4.0, [0.5, 1.5, 2.5], noise=noise)
    found = file_facts(write_clip(tmp_path / "a.mov", made, seconds=4.0))
    # White noise of 16,000 samples a second: half of its power is below 4,000 Hz, and a tenth of the pieces lies below.
    assert found["sound_noise"] == pytest.approx(20 * np.log10(noise) - 3, abs=0.8)
    assert found["sound_length"] == pytest.approx(4.0, abs=0.05)
    assert found["loudness"] == pytest.approx(10 * np.log10((made**2).mean()), abs=0.3)
    short = file_facts(write_clip(tmp_path / "b.mov", made[:8000], seconds=0.5))
    assert "sound_noise" not in short and short["sound_length"] == pytest.approx(0.5, abs=0.05)


def test_a_silent_video_a_folder_and_a_missing_file_have_what_they_have(tmp_path: Path) -> None:
    silent = file_facts(write_video(tmp_path / "a.mp4", [picture(n) for n in range(10)]))
    assert {*silent} == {"codec", "bitrate"} and silent["codec"] == "h264"
    assert file_facts(write_folder(tmp_path / "frames", [picture(n) for n in range(3)])) == {"codec": "png"}
    assert file_facts(tmp_path / "none.mp4") == {}
    (tmp_path / "text.mp4").write_text("no video")
    assert file_facts(tmp_path / "text.mp4") == {}


def test_extraction_keeps_the_numbers_in_each_file_and_they_do_not_depend_on_other_streams(tmp_path: Path) -> None:
    clip = write_folder(tmp_path / "clip", [crop_picture(n) for n in range(80)])
    cohort = cohort_of({"a": clip})
    short, long = Loudest(frames=6, segments=2), Brightness(24)
    both = extract(cohort, [long, short], cache=tmp_path / "both")
    alone = extract(cohort, [short], cache=tmp_path / "alone")
    numbers = {name: parse((store.header("a") or {})[KEY]) for name, store in both.items()}
    assert both["loudest"].path("a").read_bytes() == alone["loudest"].path("a").read_bytes()
    assert numbers["brightness"]["fps"] == 25 and numbers["brightness"]["codec"] == "png"
    # Crops have no place of the face; the short stream saw the first of four measured frames.
    assert not {"face_x", "yaw"} & {*numbers["brightness"]}
    assert numbers["loudest"]["brightness"] < numbers["brightness"]["brightness"]
    assert read_filming(both["brightness"], ["a"]) == {"a": numbers["brightness"]}


def test_headers_of_earlier_versions_tell_the_size_alone(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path, "stream", "recipe")
    clip = ClipFeatures(np.ones((2, 3), np.float32), np.ones(2, bool), np.arange(2.0), {"frame_size": "640 x 480"})
    store.write("old", clip, "source")
    store.write("bare", ClipFeatures(clip.features, clip.valid, clip.time), "source")
    assert read_filming(store, ["old", "bare", "absent"]) == {"old": {"width": 640.0, "height": 480.0}}


def test_thumbnails_tell_light_and_file_and_remember_it(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", [np.full((120, 160, 3), 90, np.uint8)] * 50, rate=25)
    kept = json.loads(clip_thumbnails(path).meta[KEY])
    assert kept["brightness"] == pytest.approx(90, abs=1.5) and kept["fps"] == 25 and kept["width"] == 160
    cohort = cohort_of({"a": path}, aligned=False, fps=None)
    first, second = (cohort_thumbnails(cohort, tmp_path / "cache").filming for _ in range(2))
    assert first == second == {"a": kept}
