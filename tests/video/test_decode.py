"""Frames by timestamp: variable rates, orientation, damage."""

import sys
import threading
from collections.abc import Iterator
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lfnet.errors import LfnetError, Unreadable
from lfnet.testing.isolated import Outcome, run_cases
from lfnet.video import decode
from lfnet.video.decode import Frame, frames
from lfnet.video.orientation import display_matrix, orient
from tests.video.media import HEIGHT, WIDTH, corners, number_of, picture, truncate, write_folder, write_video

UPRIGHT = ["red", "green", "blue", "white"]


def pictures(count: int) -> list[np.ndarray]:
    return [picture(number) for number in range(count)]


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.integers(1, 400), min_size=1, max_size=14), start=st.integers(0, 500))
def test_times_are_the_written_ones_at_any_frame_rate(tmp_path, steps, start):
    times = [start, *(start + np.cumsum(steps)).tolist()]
    path = write_video(tmp_path / "rhythm.mp4", pictures(len(times)), times)
    found = list(frames(path))
    assert [frame.number for frame in found] == list(range(len(times)))
    assert [number_of(frame.rgb) for frame in found] == list(range(len(times)))
    # MP4 counts sixteenths of a millisecond or finer
    np.testing.assert_allclose([frame.time for frame in found], (np.array(times) - start) / 1000, atol=1e-4)
    assert found[0].time == 0
    assert found[0].rgb.dtype == np.uint8 and found[0].rgb.shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mkv", "libx264"), ("a.webm", "libvpx"), ("a.avi", "mpeg4"), ("a.mov", "mpeg4")]
)
def test_other_containers(tmp_path, name, codec):
    found = list(frames(write_video(tmp_path / name, pictures(12), codec=codec)))
    assert [number_of(frame.rgb) for frame in found] == list(range(12))
    np.testing.assert_allclose([frame.time for frame in found], np.arange(12) * 0.04, atol=1e-3)


def test_stride_takes_every_kth_frame_at_its_own_time(tmp_path):
    path = write_video(tmp_path / "a.mp4", pictures(10))
    found = list(frames(path, stride=4))
    assert [(frame.number, number_of(frame.rgb)) for frame in found] == [(0, 0), (4, 4), (8, 8)]
    np.testing.assert_allclose([frame.time for frame in found], [0, 0.16, 0.32], atol=1e-4)
    with pytest.raises(LfnetError, match="stride must be 1 or more"):
        next(frames(path, stride=0))


@pytest.mark.parametrize("mirror", [{}, {"hflip": True}, {"vflip": True}])
@pytest.mark.parametrize("rotation", [0, 90, 180, -90])
def test_a_turned_video_is_shown_upright(tmp_path, rotation, mirror):
    """What the camera stored, turned and mirrored as the metadata says, is what a player shows."""
    path = write_video(tmp_path / "turned.mp4", pictures(3), rotation=rotation, **mirror)
    shown = np.rot90(picture(0), rotation // 90)
    shown = shown[:, ::-1] if "hflip" in mirror else shown[::-1] if "vflip" in mirror else shown
    found = next(frames(path)).rgb
    assert found.shape == shown.shape
    assert corners(found) == corners(shown)
    assert found.flags.c_contiguous


def test_a_video_of_a_phone_in_portrait_orientation(tmp_path):
    """Stored lying on its side with a note to turn it: people stand upright."""
    path = write_video(tmp_path / "phone.mp4", [np.rot90(p, 1) for p in pictures(2)], rotation=-90)
    found = next(frames(path)).rgb
    assert corners(found) == UPRIGHT and found.shape == (HEIGHT, WIDTH, 3) and number_of(found) == 0


def test_rotate_in_the_metadata_of_old_files():
    stored = np.rot90(picture(3), 1)
    matrix = display_matrix(SimpleNamespace(side_data=[]), {"rotate": "90"})
    assert corners(orient(stored, matrix)) == UPRIGHT
    for degrees, lying in (("270", np.rot90(picture(3), -1)), ("180", np.rot90(picture(3), 2))):
        matrix = display_matrix(SimpleNamespace(side_data=[]), {"rotate": degrees})
        assert corners(orient(lying, matrix)) == UPRIGHT
    assert np.array_equal(orient(stored, display_matrix(SimpleNamespace(side_data=[]), {})), stored)


def test_pixels_become_square(tmp_path):
    path = write_video(tmp_path / "wide.mp4", pictures(2), pixel_ratio=Fraction(4, 3))
    found = next(frames(path)).rgb
    assert found.shape == (HEIGHT, WIDTH * 4 // 3, 3)
    assert corners(found) == UPRIGHT


def _planted(monkeypatch, pts: list[int | None]) -> None:
    """Let the decoder give pictures with these timestamps, in ms, which no muxer would write."""
    import av

    def images(decoder):
        for number, stamp in enumerate(pts):
            frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24")
            frame.pts, frame.time_base = stamp, Fraction(1, 1000)
            yield frame

    monkeypatch.setattr(decode.Decoder, "images", images)


def test_a_frame_that_does_not_advance_the_time_is_left_out(tmp_path, monkeypatch):
    path = write_video(tmp_path / "a.mp4", pictures(3))
    _planted(monkeypatch, [10, 43, 43, 20, 76])
    notes: list[str] = []
    found = list(frames(path, notes=notes, damaged="keep"))
    assert [(frame.number, number_of(frame.rgb)) for frame in found] == [(0, 0), (1, 1), (2, 4)]
    np.testing.assert_allclose([frame.time for frame in found], [0, 0.033, 0.066])
    assert notes == ["2 frames that do not advance the time were left out"]
    with pytest.raises(Unreadable, match=r"a\.mp4: 2 of 5 frames do not advance the time.*video\.times=rebuild"):
        list(frames(path))
    rebuilt = list(frames(path, times="rebuild"))
    assert [number_of(frame.rgb) for frame in rebuilt] == [0, 1, 2, 3, 4]
    np.testing.assert_allclose([frame.time for frame in rebuilt], np.arange(5) / 25)


@pytest.mark.parametrize("repeated", [1, 2])
def test_up_to_one_frame_in_a_hundred_may_be_left_out(tmp_path, monkeypatch, repeated):
    path = write_video(tmp_path / "a.mp4", pictures(3))
    _planted(monkeypatch, [*(40 * k for k in range(100 - repeated)), *[0] * repeated])
    if repeated == 1:
        assert len(list(frames(path))) == 99
    else:
        with pytest.raises(Unreadable, match="2 of 100 frames do not advance"):
            list(frames(path))


def test_without_timestamps_the_stated_rate_is_used(tmp_path, monkeypatch):
    path = write_video(tmp_path / "a.mp4", pictures(3))
    _planted(monkeypatch, [None, None, None])
    np.testing.assert_allclose([frame.time for frame in frames(path)], [0, 0.04, 0.08])


@pytest.mark.parametrize("content", [b"", b"no video at all"])
def test_no_video(tmp_path, content):
    path = tmp_path / "broken.mp4"
    path.write_bytes(content)
    with pytest.raises(LfnetError, match=r"broken\.mp4 (is empty|cannot be opened)"):
        next(frames(path))


def test_unknown_codec(tmp_path):
    path = write_video(tmp_path / "clip.avi", pictures(4), codec="mpeg4")
    assert path.read_bytes().count(b"FMP4") == 2
    path.write_bytes(path.read_bytes().replace(b"FMP4", b"ZZ9Z"))
    with pytest.raises(Unreadable, match=r"clip\.avi is encoded with an unknown codec"):
        next(frames(path))


def test_missing_file_and_sound_without_images(tmp_path):
    import av

    with pytest.raises(LfnetError, match=r"gone\.mp4 does not exist"):
        next(frames(tmp_path / "gone.mp4"))
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(LfnetError, match=r"sound\.wav holds no video stream"):
        next(frames(path))


@pytest.mark.parametrize(
    ("name", "codec", "seconds"),
    [("cut.mp4", "libx264", 2.0), ("cut.mkv", "libx264", 4.0), ("cut.webm", "libvpx", 4.0)],
)
def test_a_truncated_video_is_refused_or_kept_up_to_the_damage(tmp_path, name, codec, seconds):
    rng = np.random.default_rng(0)
    noisy = [np.maximum(p, rng.integers(0, 90, p.shape, np.uint8)) for p in pictures(int(seconds * 25))]
    options = {"movflags": "faststart"} if name.endswith("mp4") else None
    path = write_video(tmp_path / name, noisy, codec=codec, options=options)
    whole = list(frames(path))
    truncate(path, 0.6)
    with pytest.raises(LfnetError, match=rf"{name} is damaged after \d\.\d\d s .*video\.damaged=keep"):
        list(frames(path))
    notes: list[str] = []
    kept = list(frames(path, damaged="keep", notes=notes))
    assert 0 < len(kept) < len(whole)
    # Each is a frame of the whole; before a sudden end the last may lack neighbours that were stored after it.
    by_time = {frame.time: frame.rgb for frame in whole}
    assert all(np.array_equal(frame.rgb, by_time[frame.time]) for frame in kept)
    assert [frame.time for frame in kept[:-1]] == [frame.time for frame in whole[: len(kept) - 1]]
    assert len(notes) == 1 and notes[0].startswith(f"only the frames up to {kept[-1].time:.2f} s were kept")


def test_corrupt_bytes_are_refused(tmp_path):
    rng = np.random.default_rng(0)
    noisy = [np.maximum(p, rng.integers(0, 90, p.shape, np.uint8)) for p in pictures(50)]
    path = write_video(tmp_path / "corrupt.mp4", noisy, options={"movflags": "faststart"})
    data = bytearray(path.read_bytes())
    for place in rng.integers(len(data) // 2, len(data) * 3 // 4, 40):
        data[place] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(LfnetError, match=r"corrupt\.mp4 is damaged"):
        list(frames(path))
    assert 0 < len(list(frames(path, damaged="keep"))) < 50


def test_an_unknown_value_of_damaged(tmp_path):
    with pytest.raises(LfnetError, match=r"video\.damaged must be one of refuse, keep"):
        next(frames(tmp_path, damaged="ignore"))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp"])
def test_frame_folders_in_natural_order(tmp_path, suffix):
    folder = write_folder(tmp_path / "clip", pictures(12), suffix)
    (folder / ".hidden.png").write_bytes(b"what a desktop left")
    (folder / "notes.txt").write_text("not a picture")
    found = list(frames(folder, fps=20, stride=2))
    assert [number_of(frame.rgb) for frame in found] == [0, 2, 4, 6, 8, 10]
    np.testing.assert_allclose([frame.time for frame in found], np.arange(0, 12, 2) / 20)
    assert corners(found[0].rgb) == UPRIGHT


@pytest.mark.parametrize("fps", [None, float("nan"), 0.0])
def test_a_frame_folder_needs_its_rate(tmp_path, fps):
    folder = write_folder(tmp_path / "clip", pictures(2))
    with pytest.raises(LfnetError, match=r"clip is a folder of frames.*fill in its fps in the manifest"):
        next(frames(folder, fps=fps))


def test_an_empty_folder(tmp_path):
    with pytest.raises(LfnetError, match="holds no image"):
        next(frames(tmp_path, fps=25))


def test_a_broken_image_is_named(tmp_path):
    folder = write_folder(tmp_path / "clip", pictures(4))
    truncate(folder / "frame_3.png", 0.5)
    with pytest.raises(LfnetError, match=r"frame_3\.png cannot be read as an image"):
        list(frames(folder, fps=25))
    notes: list[str] = []
    assert [f.number for f in frames(folder, fps=25, damaged="keep", notes=notes)] == [0, 1]
    assert "only the frames before 0.08 s were kept" in notes[0] and "frame_3.png" in notes[0]


def test_images_of_other_kinds(tmp_path):
    from PIL import Image

    Image.fromarray(picture(1)).convert("L").save(tmp_path / "1.png")
    turned = Image.fromarray(np.rot90(picture(2), 1))
    exif = turned.getexif()
    exif[0x0112] = 6  # to be turned clockwise
    turned.save(tmp_path / "2.jpg", exif=exif, quality=95)
    grey, upright = (frame.rgb for frame in frames(tmp_path, fps=1))
    assert grey.shape == (HEIGHT, WIDTH, 3) and number_of(grey) == 1
    assert corners(upright) == UPRIGHT and number_of(upright) == 2
    Image.fromarray(np.full((8, 8), 40_000, np.uint16)).save(tmp_path / "3.png")
    with pytest.raises(LfnetError, match=r"3\.png has more than 8 bits"):
        list(frames(tmp_path, fps=1))


def test_real_video_with_an_edit_list_and_a_variable_rate(shared):
    """no_face.mp4 says 98 frames in its header and hides three; noface_face.mov starts with a short frame."""
    assert len(list(frames(shared / "media" / "no_face.mp4"))) == 95
    times = np.array([frame.time for frame in frames(shared / "media" / "noface_face.mov")])
    assert len(times) == 169 and times[0] == 0
    assert np.diff(times).min() < 0.02 < 0.03 < np.median(np.diff(times))


def numbered(closed: list[bool], count: int = 100, broken: int | None = None) -> Iterator[Frame]:
    try:
        for number in range(count):
            if number == broken:
                raise Unreadable("broken here")
            yield Frame(number, number / 25, np.zeros((2, 2, 3), np.uint8))
    finally:
        closed.append(True)


def test_frames_are_decoded_ahead_in_their_order_and_only_a_few() -> None:
    made, closed = [], []

    def counted() -> Iterator[Frame]:
        for frame in numbered(closed):
            made.append(frame.number)
            yield frame

    most = 0
    for place, frame in enumerate(decode._decode_ahead(counted())):
        assert frame.number == place
        most = max(most, len(made) - place)
    assert len(made) == 100 and closed == [True]
    assert most <= decode.AHEAD + 2, "those that wait, one in each hand"


def test_an_error_is_raised_in_order_or_not_at_all() -> None:
    closed: list[bool] = []
    found = []
    with pytest.raises(Unreadable, match="broken here"):
        for frame in decode._decode_ahead(numbered(closed, broken=5)):
            found.append(frame.number)
    assert found == [0, 1, 2, 3, 4]
    early = decode._decode_ahead(numbered(closed, broken=2))
    assert next(early).number == 0
    early.close()
    assert closed == [True, True]


def test_a_consumer_that_stops_leaves_no_thread_and_no_open_file() -> None:
    closed: list[bool] = []
    asked = decode._decode_ahead(numbered(closed))
    assert next(asked).number == 0
    assert any(thread.name == "frames" for thread in threading.enumerate())
    asked.close()
    assert closed == [True]
    assert not any(thread.name == "frames" for thread in threading.enumerate())


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.avi", "mpeg4"), ("a.avi", "mjpeg"), ("a.flv", "flv"), ("a.mts", "libx264"), ("a.wmv", "wmv2")],
)
@pytest.mark.parametrize("share", [0.33, 0.61, 0.95])
def test_a_container_cut_short_is_no_short_clip(tmp_path, name, codec, share):
    pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    path = write_video(tmp_path / name, pictures(48), codec=codec, pix_fmt=pix_fmt)
    assert len(list(frames(path))) == 48
    truncate(path, share)
    with pytest.raises(Unreadable, match=r"damaged after|cannot be opened|no readable frame"):
        list(frames(path))
    notes: list[str] = []
    kept = list(frames(path, damaged="keep", notes=notes))
    assert len(kept) <= 48 and "were kept: " in notes[0]


def test_a_frame_that_cannot_be_converted_is_damage(tmp_path, monkeypatch):
    path = write_video(tmp_path / "a.mp4", pictures(6))
    usual, done = decode._rgb, []

    def failing(*given):
        if len(done) == 3:
            raise BlockingIOError(11, "planted")
        done.append(given)
        return usual(*given)

    monkeypatch.setattr(decode, "_rgb", failing)
    with pytest.raises(Unreadable, match=r"a\.mp4 is damaged after 0\.12 s \(planted\)"):
        list(frames(path))
    done.clear()
    assert len(list(frames(path, damaged="keep"))) == 3


def test_an_image_whose_header_asks_for_all_memory(tmp_path):
    import struct
    import zlib

    folder = write_folder(tmp_path / "clip", pictures(2))
    file = folder / "frame_1.png"
    content = file.read_bytes()
    header = b"IHDR" + struct.pack(">II", 13000, 13000) + content[24:29]
    file.write_bytes(content[:12] + header + struct.pack(">I", zlib.crc32(header)) + content[33:])
    with pytest.raises(Unreadable, match=r"frame_1\.png has 13000 × 13000 pixels, more than 100,000,000"):
        list(frames(folder, fps=25))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits the memory of a process")
def test_an_image_whose_data_asks_for_all_memory(tmp_path):
    folder = write_folder(tmp_path / "clip", pictures(2))
    file = folder / "frame_1.png"
    content = file.read_bytes()
    at = content.index(b"IDAT") - 4
    file.write_bytes(content[:at] + (2**31 - 1).to_bytes(4, "big") + content[at + 4 :])

    def read(case: int) -> str:
        with pytest.raises(Unreadable, match=r"frame_1\.png cannot be read as an image \(it asks for more memory"):
            list(frames(folder, fps=25))
        return "refused"

    assert list(run_cases(read, [0], memory=1 << 30)) == [Outcome(0, "", "refused")]
