"""Times of frames: those of ffmpeg for good files, and the right ones where a container's timestamps are wrong."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from lfnet.errors import LfnetError, Unreadable
from lfnet.video.decode import frames
from lfnet.video.probe import probe
from lfnet.video.stamps import split_stamps
from tests.video.media import HEIGHT, WIDTH, number_of, picture, truncate, write_video

COUNT = 40
_FAST = {"preset": "ultrafast", "bf": "2", "g": "20", "crf": "20"}
_VPX = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "b": "500k"}
# Container, codec and its options. Transport streams, Matroska and FLV are written in milliseconds, AVI in frames.
KINDS = {
    "mp4-h264": ("mp4", "libx264", _FAST),
    "mp4-h265": ("mp4", "libx265", {"preset": "ultrafast", "x265-params": "log-level=none:bframes=2:pools=none"}),
    "mov-mpeg4": ("mov", "mpeg4", {"b": "1M"}),
    "mkv-h264": ("mkv", "libx264", _FAST),
    "mkv-mpeg4": ("mkv", "mpeg4", {"b": "1M", "bf": "2"}),
    "webm-vp8": ("webm", "libvpx", _VPX),
    "webm-vp9": ("webm", "libvpx-vp9", _VPX),
    "mts-h264": ("mts", "libx264", _FAST),
    "ts-mpeg2": ("ts", "mpeg2video", {"b": "1M", "bf": "2"}),
    "flv-h264": ("flv", "libx264", _FAST),
    "avi-h264": ("avi", "libx264", _FAST),
    "avi-mpeg4": ("avi", "mpeg4", {"b": "1M"}),
    "avi-mjpeg": ("avi", "mjpeg", {}),
}
STORED = [kind for kind in KINDS if not kind.startswith("avi")]  # with times of presentation
FAULTS = {
    "late": STORED,
    "variable": STORED,
    "pause": [*STORED, "avi-mpeg4", "avi-mjpeg"],
    "hours": STORED,
    "joined": ["mts-h264", "ts-mpeg2"],
}
CASES = [(kind, "none") for kind in KINDS] + [(kind, fault) for fault, kinds in FAULTS.items() for kind in kinds]
REPAIRED = ("hours", "joined")  # ffmpeg shows these frames at the container's times


def stamp(number: int, fault: str) -> float:
    """Seconds that the container states of a frame."""
    second = number / 25
    if fault == "hours":
        return second + 36_000 * (number > 0)
    if fault == "spike":
        return second + 5_000 * (number == 20)
    return right(number, fault)


def right(number: int, fault: str) -> float:
    """Seconds at which a frame was taken."""
    return number / 25 + {"late": 5.0, "variable": 0.01 * (number % 2), "pause": 3.0 * (number >= 20)}.get(fault, 0.0)


@cache
def encoded(kind: str, count: int, first: int = 0) -> list[tuple[int, int, bytes, bool]]:
    """Frame number of presentation and of decoding, content and whether it is a key frame, of each packet."""
    import av

    container, codec, options = KINDS[kind]
    context = av.CodecContext.create(codec, "w")
    _prepare(context, codec, options)
    context.time_base, context.framerate = Fraction(1, 25), Fraction(25)
    if container in ("mp4", "mov", "mkv", "flv"):
        context.flags |= av.codec.context.Flags.global_header
    packets = []
    for number in range(count):
        frame = av.VideoFrame.from_ndarray(picture((first + number) % 64), format="rgb24")
        frame.pts, frame.time_base = number, Fraction(1, 25)
        packets += context.encode(frame)
    packets += context.encode(None)
    return [(packet.pts, packet.dts, bytes(packet), packet.is_keyframe) for packet in packets]


def _prepare(context, codec: str, options: dict[str, str]) -> None:
    context.width, context.height = WIDTH, HEIGHT
    context.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    context.options = options


def write(folder: Path, kind: str, fault: str, parts: Sequence[int] = (COUNT,)) -> Path:
    """Write a video with a container's times as `stamp` says, of parts that are appended to each other."""
    import av

    container, codec, options = KINDS[kind]
    path = folder / f"{kind}-{fault}.{container}"
    content = b""
    for place, count in enumerate(parts):
        with av.open(str(path), "w") as out:
            stream = out.add_stream(codec, rate=25)
            _prepare(stream.codec_context, codec, options)
            stream.codec_context.time_base = Fraction(1, 25)
            base = Fraction(1, 25 if container == "avi" else 1000)
            packets = encoded(kind, count, sum(parts[:place]))
            for number, (shown, decoded, data, key) in enumerate(packets):
                packet = av.Packet(data)
                later = min(shown for shown, *_ in packets[number:])  # a frame is decoded before all that follow
                late = (right if fault == "spike" else stamp)(later, fault) - later / 25
                packet.pts = round(stamp(shown, fault) / base)
                packet.dts = round((decoded / 25 + late) / base)
                packet.time_base, packet.is_keyframe, packet.stream = base, key, stream
                out.mux(packet)
        content += path.read_bytes()
    path.write_bytes(content)
    return path


@pytest.fixture(scope="module")
def matrix(tmp_path_factory) -> dict[tuple[str, str], Path]:
    folder = tmp_path_factory.mktemp("matrix")
    return {case: write(folder, *case, parts=(32, 32) if case[1] == "joined" else (COUNT,)) for case in CASES}


@pytest.fixture(scope="module")
def by_ffmpeg(matrix, tmp_path_factory) -> dict[tuple[str, str], np.ndarray]:
    """Times of the frames that ffmpeg shows, from its first frame."""
    program = shutil.which("ffmpeg")
    if program is None:
        assert "CI" not in os.environ, "ffmpeg is not installed"
        pytest.skip("ffmpeg is not installed")
    folder = tmp_path_factory.mktemp("ffmpeg")
    command = [program, "-v", "error", "-y"]
    for path in matrix.values():
        command += ["-i", str(path)]
    for number in range(len(matrix)):
        shown = ["-fps_mode", "passthrough", "-enc_time_base", "1:90000", "-f", "framehash", str(folder / f"{number}")]
        command += ["-map", f"{number}:V:0", *shown]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    times = {}
    for number, case in enumerate(matrix):
        lines = [line for line in (folder / f"{number}").read_text().splitlines() if not line.startswith("#")]
        stamps = np.array([int(line.split(",")[2]) for line in lines])
        times[case] = (stamps - stamps[0]) / 90_000
    return times


@pytest.mark.parametrize(("kind", "fault"), CASES)
def test_each_frame_is_shown_at_its_time(matrix, kind, fault):
    notes: list[str] = []
    found = list(frames(matrix[kind, fault], notes=notes))
    count = 64 if fault == "joined" else COUNT
    assert [number_of(frame.rgb) for frame in found] == list(range(count))
    seconds = [right(number, fault) - right(0, fault) for number in range(count)]
    np.testing.assert_allclose([frame.time for frame in found], seconds, atol=1.1e-3)
    wrong = "presentation times" if kind == "avi-h264" else "clock jumps" if fault in REPAIRED else None
    assert len(notes) == (wrong is not None) and all(wrong in note for note in notes)
    media = probe(matrix[kind, fault])
    assert media.n_frames == count and media.fps == pytest.approx((count - 1) / seconds[-1], rel=1e-3)


@pytest.mark.parametrize(("kind", "fault"), CASES)
def test_ffmpeg_shows_the_same_frames_at_the_same_times(matrix, by_ffmpeg, kind, fault):
    found = np.array([frame.time for frame in frames(matrix[kind, fault])])
    expected = by_ffmpeg[kind, fault]
    assert len(found) == len(expected)
    if fault not in REPAIRED:
        np.testing.assert_allclose(found, expected, atol=1.1e-3)


def test_a_single_wrong_stamp_is_replaced(tmp_path):
    path = write(tmp_path, "webm-vp9", "spike", (120,))
    notes: list[str] = []
    found = list(frames(path, notes=notes))
    assert [number_of(frame.rgb) for frame in found] == [number % 64 for number in range(120)]
    np.testing.assert_allclose([frame.time for frame in found], np.arange(120) / 25, atol=1.1e-3)
    assert notes == ["the times of 1 frames with wrong timestamps were estimated"]
    assert probe(path).fps == pytest.approx(25, rel=1e-3)


def test_more_than_one_wrong_stamp_in_a_hundred_is_refused_with_a_way_out(tmp_path):
    path = write(tmp_path, "webm-vp9", "spike")
    for read in (lambda: list(frames(path)), lambda: probe(path)):
        with pytest.raises(Unreadable, match=r"1 of 40 frames have wrong timestamps.*video\.times=rebuild"):
            read()
    assert probe(path, times="rebuild").fps == 25
    np.testing.assert_allclose([frame.time for frame in frames(path, times="rebuild")], np.arange(COUNT) / 25)
    assert len(list(frames(path, damaged="keep"))) == COUNT


def test_counted_frames_have_the_stated_rate_though_stamps_are_rounded(tmp_path):
    """Matroska rounds a thirtieth of a second to 33 or 34 ms."""
    path = write_video(tmp_path / "a.mkv", [picture(0)] * 30, [round(k * 1000 / 30) for k in range(30)], rate=30)
    assert [frame.time for frame in frames(path, times="rebuild")] == pytest.approx(np.arange(30) / 30)


def test_an_unknown_value_of_times(tmp_path):
    with pytest.raises(LfnetError, match=r"video\.times must be one of stamps, rebuild, not 'dts'"):
        next(frames(write_video(tmp_path / "a.mp4", [picture(0)]), times="dts"))


@pytest.mark.parametrize(("before", "jump"), [(40, -5000), (40, 100_000), (1, 10**9), (40, 10**9)])
def test_another_clock(before, jump):
    stamps = list(range(0, before * 40, 40))
    after = [stamps[-1] + jump + 40 * k for k in range(1, 60)]
    assert split_stamps([*stamps, *after], far=60_000).clocks == [0] * len(stamps) + [1] * len(after)


def test_reordered_frames_around_a_pause_are_no_other_clock():
    stamps = [0, 120, 40, 80, 50_000, 160, 200, 240, 50_160, 50_040, 50_080, 50_120]
    assert split_stamps(stamps, far=60_000).clocks == [0] * 12


@pytest.mark.parametrize(("name", "codec"), [("a.mkv", "libx264"), ("a.webm", "libvpx")])
def test_a_file_cut_short_whose_length_stands_in_the_segment_alone(tmp_path, name, codec):
    rng = np.random.default_rng(0)
    noisy = [np.maximum(picture(k % 64), rng.integers(0, 90, (HEIGHT, WIDTH, 3), np.uint8)) for k in range(80)]
    path = write_video(tmp_path / name, noisy, codec=codec)
    path.write_bytes(path.read_bytes().replace(b"DURATION", b"XURATION"))
    assert len(list(frames(path))) == 80
    truncate(path, 0.5)
    with pytest.raises(Unreadable, match=r"is damaged after 1\.\d\d s \(the file ends "):
        list(frames(path))


def test_an_edit_list_that_hides_the_end(tmp_path):
    path = write(tmp_path, "mp4-h264", "none", (80,))  # a key frame every 0.8 s: nothing behind 1.6 s is needed
    content = bytearray(path.read_bytes())
    entry = content.index(b"elst") + 12  # duration in milliseconds, start, rate
    assert int.from_bytes(content[entry : entry + 4], "big") == 3200
    content[entry : entry + 4] = (1000).to_bytes(4, "big")
    path.write_bytes(content)
    notes: list[str] = []
    found = list(frames(path, notes=notes))
    assert [number_of(frame.rgb) for frame in found] == list(range(25)) and not notes
    assert (probe(path).n_frames, probe(path).fps) == (25, pytest.approx(25))


def test_the_default_stream_is_read_and_a_cover_is_no_video(tmp_path):
    import av

    path, sound = tmp_path / "two.mkv", tmp_path / "sound.mp4"
    with av.open(str(path), "w") as out:
        still, film = out.add_stream("mjpeg", rate=25), out.add_stream("libx264", rate=25)
        for stream, pix_fmt, size in ((still, "yuvj420p", (192, 128)), (film, "yuv420p", (WIDTH, HEIGHT))):
            (stream.width, stream.height), stream.pix_fmt = size, pix_fmt
        still.disposition, film.disposition = 0, av.stream.Disposition.default
        for stream, numbers, size in ((still, [63], (192, 128)), (film, range(30), (WIDTH, HEIGHT))):
            for number in numbers:
                out.mux(stream.encode(av.VideoFrame.from_ndarray(picture(number, *size), format="rgb24")))
            out.mux(stream.encode())
    assert [number_of(frame.rgb) for frame in frames(path)] == list(range(30))
    assert (probe(path).n_frames, probe(path).width, probe(path).height) == (30, WIDTH, HEIGHT)
    with av.open(str(sound), "w") as out:
        tone, cover = out.add_stream("aac", rate=44100), out.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = WIDTH, HEIGHT, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        out.mux(cover.encode(av.VideoFrame.from_ndarray(picture(1), format="rgb24")))
        out.mux(cover.encode())
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), format="fltp", layout="stereo")
        frame.sample_rate = 44100
        out.mux(tone.encode(frame))
        out.mux(tone.encode())
    with pytest.raises(Unreadable, match=r"sound\.mp4 holds no video stream, only a cover image"):
        probe(sound)


def test_a_colon_in_a_name(tmp_path, monkeypatch):
    write_video(tmp_path / "P01:baseline.mp4", [picture(0)] * 3)
    monkeypatch.chdir(tmp_path)
    assert probe(Path("P01:baseline.mp4")).n_frames == 3
