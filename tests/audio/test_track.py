"""The sound track on the clock of the video: resampled, late, with gaps, missing, damaged."""

from pathlib import Path

import numpy as np
import pytest

from lfnet.audio.track import Sound, read_sound
from lfnet.errors import Unreadable
from lfnet.video.survey import survey
from tests.audio.media import RATE, bursts, tone, write_clip


def read(path: Path, rate: int = RATE, damaged: str = "refuse") -> Sound:
    found = read_sound(path, rate, survey(path, damaged=damaged), damaged)
    assert found is not None
    return found


def onsets(sound: Sound) -> list[float]:
    """Seconds at which the sound becomes loud, to a hundredth."""
    level = np.abs(sound.samples_N).reshape(-1, sound.rate // 100).max(axis=1) > 0.05
    return (np.flatnonzero(np.diff(np.concatenate([[0], level.astype(int)])) == 1) / 100).tolist()


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100])
def test_samples_are_those_of_the_track_at_any_rate(rate: int, tmp_path: Path) -> None:
    made = tone(4.0, 440.0, rate=44100)
    sound = read(write_clip(tmp_path / "a.mov", made, rate=44100), rate)
    assert len(sound.samples_N) == 4 * rate and sound.there_N.all() and not sound.notes
    inner = slice(rate // 10, -rate // 10)  # away from the filter's ends
    assert np.abs(sound.samples_N - tone(4.0, 440.0, rate=rate))[inner].max() < 2e-3


def test_channels_are_averaged(tmp_path: Path) -> None:
    sound = read(write_clip(tmp_path / "a.mov", tone(4.0), channels=2))
    assert np.abs(sound.samples_N - tone(4.0))[1000:-1000].max() < 2e-3


@pytest.mark.parametrize(
    ("suffix", "codec"), [("mov", "pcm_s16le"), ("mkv", "pcm_s16le"), ("mp4", "aac"), ("mkv", "aac")]
)
def test_a_sound_keeps_its_time(suffix: str, codec: str, tmp_path: Path) -> None:
    made = bursts(4.0, [0.5, 2.0, 3.2])
    sound = read(write_clip(tmp_path / f"a.{suffix}", made, codec=codec))
    assert onsets(sound) == pytest.approx([0.5, 2.0, 3.2], abs=0.011)


@pytest.mark.parametrize("late", [0.5, 1.25])
@pytest.mark.parametrize(("suffix", "codec"), [("mov", "pcm_s16le"), ("mkv", "pcm_s16le"), ("mp4", "aac")])
def test_a_track_that_starts_late_keeps_its_time(late: float, suffix: str, codec: str, tmp_path: Path) -> None:
    sound = read(write_clip(tmp_path / f"a.{suffix}", bursts(2.5, [0.4, 1.5]), late=late, codec=codec))
    assert onsets(sound) == pytest.approx([late + 0.4, late + 1.5], abs=0.011)
    begins = np.flatnonzero(sound.there_N)[0] / RATE
    assert begins == pytest.approx(late, abs=0.07)  # AAC begins with a frame of its filter
    assert any("lacks" in note for note in sound.notes)


def test_the_first_frame_and_not_the_file_is_time_zero(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mkv", bursts(4.0, [1.0, 2.0]), first_frame=0.5, seconds=3.0)
    sound = read(path)
    assert onsets(sound) == pytest.approx([0.5, 1.5], abs=0.011)
    assert len(sound.samples_N) == 3 * RATE


def test_a_gap_in_the_track_moves_nothing(tmp_path: Path) -> None:
    made = bursts(4.0, [0.5, 2.6])
    sound = read(write_clip(tmp_path / "a.mkv", made, gap=(1.0, 2.0)))
    assert onsets(sound) == pytest.approx([0.5, 2.6], abs=0.011)
    missing = np.flatnonzero(~sound.there_N) / RATE
    assert missing.min() == pytest.approx(1.0, abs=0.07) and missing.max() == pytest.approx(2.0, abs=0.07)
    assert sound.notes == ("the sound track lacks 25% of the video's time",)


def test_a_video_without_sound_has_none(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", None)
    assert read_sound(path, RATE, survey(path)) is None


def test_damaged_sound_is_refused_or_left_out(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", bursts(4.0, [0.5, 3.0]), codec="flac")
    data = bytearray(path.read_bytes())
    places = [place for place in range(len(data) - 2) if data[place : place + 2] == b"\xff\xf8"]  # a FLAC frame begins
    for place in places[4:8]:
        data[place : place + 2] = b"\0\0"
    path.write_bytes(bytes(data))
    with pytest.raises(Unreadable, match=r"of \d+ packets of its sound cannot be decoded.*video\.damaged=keep"):
        read(path)
    kept = read(path, damaged="keep")
    assert onsets(kept) == pytest.approx([0.5, 3.0], abs=0.011)
    assert any("cannot be decoded" in note for note in kept.notes)


def test_a_real_recording_whose_sound_starts_late(shared: Path) -> None:
    sound = read(shared / "media" / "face_noface.mov")
    assert np.flatnonzero(sound.there_N)[0] / RATE == pytest.approx(2.43, abs=0.03)
