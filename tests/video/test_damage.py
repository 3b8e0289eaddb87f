"""Damage of videos: bad sectors, cuts and lost packets are refused, or said, or change nothing."""

import os
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from lfnet.errors import Unreadable
from lfnet.video.decode import frames
from lfnet.video.decoder import Decoder
from lfnet.video.probe import decode_all, probe
from lfnet.video.transport_stream import first_gap
from tests.video.media import HEIGHT, WIDTH, picture, truncate
from tests.video.test_times import write

_FAST = {"preset": "ultrafast", "bf": "2", "g": "25", "crf": "23"}
_VPX = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "b": "800k", "g": "25"}
_X265 = {"preset": "ultrafast", "x265-params": "log-level=none:info=0:bframes=2:pools=none:keyint=25"}
# File name, codec, its options.
FILMS = {
    "h264.mp4": ("libx264", _FAST),
    "h264.mkv": ("libx264", _FAST),
    "h264.flv": ("libx264", _FAST),
    "h264.mts": ("libx264", _FAST),
    "h264.m2ts": ("libx264", _FAST),
    "h265.mp4": ("libx265", _X265),
    "h265.ts": ("libx265", _X265),
    "vp8.webm": ("libvpx", _VPX),
    "vp8.mkv": ("libvpx", _VPX),
    "vp9.webm": ("libvpx-vp9", _VPX),
    "vp9.mp4": ("libvpx-vp9", _VPX),
    "mjpeg.avi": ("mjpeg", {}),
    "mjpeg.mov": ("mjpeg", {}),
    "mpeg4.avi": ("mpeg4", {"b": "1M"}),
    "mpeg2.mpg": ("mpeg2video", {"b": "2M", "bf": "2"}),
    "mpeg2.ts": ("mpeg2video", {"b": "2M", "bf": "2"}),
    "flv1.flv": ("flv", {"b": "1M"}),
    "wmv2.wmv": ("wmv2", {"b": "1M"}),
    "ffv1.mkv": ("ffv1", {}),
    "prores.mov": ("prores_ks", {}),
}
COUNT, HOLE = 40, 256


def film(path: Path, **mux: str) -> Path:
    """Write a film of moving noise, named as in FILMS; mux: options of the container."""
    import av

    codec, options = FILMS[path.name]
    noise = np.random.default_rng(0).integers(0, 80, (HEIGHT, WIDTH, 3), np.uint8)
    with av.open(str(path), "w", options=mux) as out:
        stream = out.add_stream(codec, rate=25, options=options)
        stream.width, stream.height = WIDTH, HEIGHT
        stream.pix_fmt = {"mjpeg": "yuvj420p", "prores_ks": "yuv422p10le"}.get(codec, "yuv420p")
        for number in range(COUNT):
            image = np.maximum(picture(number), np.roll(noise, number, 1))
            out.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        out.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("films")
    return {name: film(folder / name) for name in FILMS}


def holes(content: bytes, number: int) -> list[bytes]:
    """Copies of a file with 256 zero bytes, each at another random place."""
    places = np.random.default_rng(0).uniform(0.2, 0.9, number) * len(content)
    return [content[:at] + bytes(HOLE) + content[at + HOLE :] for at in places.astype(int)]


def outcome(path: Path, whole: list[np.ndarray]) -> str:
    """What a reader does with a damaged copy of a film."""
    notes: list[str] = []
    try:
        found = [frame.rgb for frame in frames(path, notes=notes)]
    except Unreadable:
        return "refused"
    if notes:
        return "noted"
    if len(found) != len(whole):
        return "lost"
    return "same" if all(np.array_equal(one, other) for one, other in zip(found, whole, strict=True)) else "changed"


@pytest.mark.parametrize("name", ["h264.mkv", "h264.mts", "vp9.webm", "mjpeg.avi", "mpeg2.mpg"])
def test_a_bad_sector_is_refused_or_changes_nothing(films, tmp_path, name):
    whole = [frame.rgb for frame in frames(films[name])]
    assert len(whole) == COUNT
    path = tmp_path / name
    for content in holes(films[name].read_bytes(), 8):
        path.write_bytes(content)
        assert outcome(path, whole) in ("refused", "noted", "same")


@pytest.mark.long
@pytest.mark.parametrize("name", FILMS)
def test_what_ffmpeg_reports_is_reported(films, tmp_path, name):
    """The shares of docs/video.md; prints them with `pytest -s`."""
    program = shutil.which("ffmpeg")
    if program is None:
        assert "CI" not in os.environ, "ffmpeg is not installed"
        pytest.skip("ffmpeg is not installed")
    whole = [frame.rgb for frame in frames(films[name])]
    path, counts, silent = tmp_path / name, Counter(), []
    for content in holes(films[name].read_bytes(), 60):
        path.write_bytes(content)
        found = outcome(path, whole)
        command = [program, "-v", "error", "-nostdin", "-i", str(path), "-map", "0:V:0", "-f", "null", "-"]
        reported = bool(subprocess.run(command, stderr=subprocess.PIPE, check=False).stderr)
        counts[found] += 1
        silent += [found] * (found in ("lost", "changed") and reported)
    print(f"\n{name}: {dict(counts)}, of which ffmpeg reports {silent}")
    assert len(silent) <= (name == "wmv2.wmv"), "FFmpeg drops a frame of Windows Media and tells PyAV nothing"


@pytest.mark.parametrize("name", FILMS)
def test_an_end_of_zeros_or_no_end_is_refused_by_probe_and_by_decoding(films, tmp_path, name):
    if name in ("mpeg4.avi", "wmv2.wmv"):
        pytest.skip("these state their length to a second")
    content = films[name].read_bytes()
    path = tmp_path / name
    for damaged in (content[: len(content) * 3 // 5 + 7], content[: len(content) // 2].ljust(len(content), b"\0")):
        path.write_bytes(damaged)
        with pytest.raises(Unreadable) as by_decoding:
            decode_all(path)
        assert re.search("damaged after|cannot be opened|no readable frame", str(by_decoding.value))
        if len(damaged) < len(content):
            with pytest.raises(Unreadable) as by_probe:
                probe(path)
            assert str(by_probe.value) == str(by_decoding.value)


def test_any_changed_byte_of_a_cluster_with_a_checksum_is_refused(tmp_path):
    path = film(tmp_path / "vp8.mkv", cluster_time_limit="400")  # ten frames
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(Unreadable, match=r"vp8\.mkv is damaged after 0\.\d\d s \(a checksum does not fit\)"):
        probe(path)
    assert 9 < len(list(frames(path, damaged="keep"))) < COUNT


def test_a_live_recording_whose_clusters_state_no_length_is_whole_and_its_cut_is_noticed(films, tmp_path):
    """As browsers write them."""
    content = bytearray(films["vp8.webm"].read_bytes())
    at = content.index(bytes.fromhex("1f43b675")) + 4
    width = 9 - content[at].bit_length()
    content[at : at + width] = ((1 << 7 * width + 1) - 1).to_bytes(width, "big")  # unknown: all bits of the number set
    path = tmp_path / "live.webm"
    path.write_bytes(content)
    assert probe(path).n_frames == COUNT
    truncate(path, 0.7)
    with pytest.raises(Unreadable, match=r"live\.webm is damaged after .*the file ends within a packet"):
        probe(path)


@pytest.mark.parametrize("name", ["h264.mts", "h264.m2ts"])
def test_one_lost_packet_of_a_transport_stream_is_noticed(films, tmp_path, name):
    import av

    content, length = films[name].read_bytes(), 192 if name.endswith("m2ts") else 188
    with av.open(str(films[name])) as container:
        number = container.streams.video[0].id
    lead = length - 188
    of_video = [
        at
        for at in range(0, len(content), length)
        if int.from_bytes(content[at + lead + 1 : at + lead + 3], "big") & 0x1FFF == number
    ]
    assert first_gap(films[name], number) is None
    path = tmp_path / name
    for at in of_video[3:40:9]:
        path.write_bytes(content[:at] + content[at + length :])
        fault = first_gap(path, number)
        assert fault is not None and fault.place <= at
        with pytest.raises(Unreadable, match="packets of the transport stream are lost"):
            probe(path)


def test_padding_of_a_video_cd_is_no_damage(films, tmp_path):
    """Sectors are filled up with zeros after their pack."""
    content = films["mpeg2.mpg"].read_bytes()
    packs = content.replace(b"\0\0\1\xba", bytes(20) + b"\0\0\1\xba")[20:]
    path = tmp_path / "a.mpg"
    path.write_bytes(packs + bytes(100))
    assert len(list(frames(path))) == COUNT


def test_a_flash_video_cut_between_two_tags_is_shorter_than_it_states(films, tmp_path):
    import av

    with av.open(str(films["flv1.flv"])) as container:
        place = [packet.pos for packet in container.demux(video=0)][10]
    path = tmp_path / "a.flv"
    path.write_bytes(films["flv1.flv"].read_bytes()[:place])
    with pytest.raises(Unreadable, match=r"is damaged after 0\.36 s \(the file ends at 0\.4 of 1\.6 s\)"):
        probe(path)


def test_a_frame_missing_from_an_avi_is_found_by_its_index(films, tmp_path):
    import av

    with av.open(str(films["mjpeg.avi"])) as container:
        place = container.streams.video[0].index_entries[10].pos
    content = bytearray(films["mjpeg.avi"].read_bytes())
    assert content[place : place + 4] == b"00dc"
    content[place : place + 4] = b"JUNK"
    path = tmp_path / "a.avi"
    path.write_bytes(content)
    with pytest.raises(Unreadable, match=r"is damaged after 0\.36 s \(1 of 40 frames are missing\)"):
        probe(path)
    assert len(list(frames(path, damaged="keep"))) == 10


class Forgetful:
    """A decoder that does not return the frames at some timestamps."""

    def __init__(self, decoder, forgotten: set[int]) -> None:
        self.name, self._decoder, self._forgotten = decoder.name, decoder, forgotten

    def decode(self, packet):
        return [image for image in self._decoder.decode(packet) if image.pts not in self._forgotten]


def test_frames_that_the_decoder_does_not_return_are_counted(films, monkeypatch):
    prepare = Decoder.__init__

    def prepare_forgetful(self, container, stream, surveyed):
        prepare(self, container, stream, surveyed)
        step = round(1 / (25 * stream.time_base))
        self._decoder = Forgetful(self._decoder, {7 * step, 30 * step})

    monkeypatch.setattr(Decoder, "__init__", prepare_forgetful)
    with pytest.raises(Unreadable, match=r"h264\.mp4: 2 of 40 frames cannot be decoded, more than 1%"):
        decode_all(films["h264.mp4"])
    notes: list[str] = []
    assert len(list(frames(films["h264.mp4"], damaged="keep", notes=notes))) == COUNT - 2
    assert notes == ["2 frames that cannot be decoded were left out"]


def test_frames_before_the_first_key_frame_are_noted(films, tmp_path):
    import av

    path = tmp_path / "a.mkv"
    with av.open(str(films["h264.mp4"])) as source, av.open(str(path), "w") as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(source.demux(video=0)):
            if number >= 5 and packet.size:
                packet.stream = stream
                out.mux(packet)
    notes: list[str] = []
    found = list(frames(path, notes=notes))
    assert len(found) == COUNT - 25 and found[0].time == 0
    assert notes == ["the first 20 frames refer to frames that the file lacks, and were left out"]


def test_vp9_is_decoded_as_by_ffmpegs_own_decoder(films):
    import av

    with av.open(str(films["vp9.webm"])) as container:
        assert container.streams.video[0].codec_context.codec.name == "vp9"
        own = [image.to_ndarray(format="rgb24") for image in container.decode(video=0)]
    found = [frame.rgb for frame in frames(films["vp9.webm"])]
    assert len(found) == COUNT and all(np.array_equal(one, other) for one, other in zip(found, own, strict=True))


@pytest.mark.parametrize("kind", ["mts-h264", "ts-mpeg2"])
@pytest.mark.parametrize("parts", [(2, 20), (8, 8), (20, 1), (6, 6, 6, 6)])
def test_joined_recordings_of_few_frames(tmp_path, kind, parts):
    path = write(tmp_path, kind, "joined", parts)
    notes: list[str] = []
    times = [frame.time for frame in frames(path, notes=notes)]
    np.testing.assert_allclose(times, np.arange(sum(parts)) / 25, atol=1e-3)
    assert len(notes) == 1 and "what follows a jump was moved" in notes[0]
