"""What a manifest learns of a file."""

import numpy as np
import pytest

from lfnet.errors import LfnetError, Unreadable
from lfnet.video.decode import frames
from lfnet.video.probe import Media, probe
from tests.video.media import HEIGHT, WIDTH, picture, truncate, write_folder, write_video


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "libx264"), ("a.mkv", "libx264"), ("a.webm", "libvpx")])
def test_a_video(tmp_path, name, codec):
    media = probe(write_video(tmp_path / name, [picture(k) for k in range(30)], codec=codec))
    assert (media.kind, media.n_frames, media.width, media.height) == ("videos", 30, WIDTH, HEIGHT)
    assert media.fps == pytest.approx(25, rel=1e-3) and media.duration == pytest.approx(1.2, rel=1e-3)


def test_the_mean_rate_of_a_variable_one(tmp_path):
    times = np.cumsum([0, 10, 90, 20, 180, 100]).tolist()
    media = probe(write_video(tmp_path / "a.mp4", [picture(k) for k in range(6)], times))
    assert media.fps == pytest.approx(5 / 0.4, rel=1e-3)


def test_size_is_that_of_the_image_as_shown(tmp_path):
    media = probe(write_video(tmp_path / "a.mp4", [picture(0), picture(1)], rotation=90))
    assert (media.width, media.height) == (HEIGHT, WIDTH)


def test_a_frame_folder(tmp_path):
    folder = write_folder(tmp_path / "clip", [picture(k) for k in range(5)])
    assert probe(folder, fps=10) == Media("frames", 10.0, 5, 0.5, WIDTH, HEIGHT)
    with pytest.raises(LfnetError, match="fill in its fps"):
        probe(folder)


def test_files_that_are_no_video(tmp_path):
    path = tmp_path / "broken.mp4"
    path.write_bytes(b"nothing")
    with pytest.raises(LfnetError, match=r"broken\.mp4 cannot be opened as a video"):
        probe(path)


def test_a_truncated_video_counts_its_remaining_frames(tmp_path):
    rng = np.random.default_rng(0)
    noisy = [rng.integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8) for _ in range(30)]
    path = truncate(write_video(tmp_path / "a.mp4", noisy, options={"movflags": "faststart"}), 0.5)
    assert 5 < probe(path, damaged="keep").n_frames == len(list(frames(path, damaged="keep"))) < 25
    with pytest.raises(Unreadable) as by_probe:
        probe(path)
    with pytest.raises(Unreadable) as by_decoding:
        list(frames(path))
    assert str(by_probe.value) == str(by_decoding.value)


@pytest.mark.parametrize(("name", "n_frames"), [("no_face.mp4", 95), ("noface_face.mov", 169), ("single_face.mp4", 72)])
def test_real_video(shared, name, n_frames):
    assert probe(shared / "media" / name).n_frames == n_frames
