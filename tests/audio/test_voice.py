"""Voice activity: made sounds, and the measured errors on made speech in noise."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from lfnet.audio.track import Sound
from lfnet.audio.voice import STEP, share_in, voice
from tests.audio.media import RATE, bursts, tone

SPEECH = {
    "slt": "I wake up early and the day is long. Sometimes I walk to the river, and then I come home. I do not know "
    "what to say about it. Well, last week was better than this one, I think, and my sister called.",
    "kal": "The north wind and the sun were disputing which was the stronger, when a traveller came along wrapped in a "
    "warm cloak.",
}


def sound(samples: np.ndarray, there: np.ndarray | None = None) -> Sound:
    return Sound(samples.astype(np.float32), np.ones(len(samples), bool) if there is None else there, RATE)


def test_loud_parts_are_found_at_their_time() -> None:
    found = voice(sound(bursts(4.0, [0.5, 2.0])))
    starts = np.flatnonzero(np.diff(found.astype(int)) == 1) + 1
    ends = np.flatnonzero(np.diff(found.astype(int)) == -1) + 1
    assert (starts * STEP).tolist() == pytest.approx([0.5, 2.0], abs=0.021)
    assert (ends * STEP).tolist() == pytest.approx([0.8, 2.3], abs=0.021)


def test_short_pauses_are_filled_and_clicks_left_out() -> None:
    samples = bursts(4.0, [1.0, 1.45])  # a pause of .15 s
    samples[48000:48160] += 0.5  # a click of .01 s
    found = voice(sound(samples))
    assert found[102:173].all() and not found[295:310].any()


@pytest.mark.parametrize("name", ["silence", "noise", "hum"])
def test_no_voice_in(name: str) -> None:
    made = {
        "silence": np.zeros(4 * RATE),
        "noise": 0.1 * np.random.default_rng(0).standard_normal(4 * RATE),
        "hum": tone(4.0, 100.0),
    }[name]
    assert not voice(sound(made)).any()


def test_missing_sound_is_no_voice_and_no_noise() -> None:
    samples, there = bursts(4.0, [2.5], noise=0.01), np.ones(4 * RATE, bool)
    samples[: 2 * RATE], there[: 2 * RATE] = 0, False
    found = voice(sound(samples, there))
    assert not found[:200].any() and found[252:278].all() and not found[285:].any()


def test_shares_of_windows() -> None:
    steps = np.zeros(100, bool)
    steps[50:] = True
    assert share_in(steps, np.array([0.0, 0.25, 0.4, 0.5]), 0.5).tolist() == [0.0, 0.5, 0.8, 1.0]
    assert share_in(steps, np.array([0.48, 0.495]), 0.01).tolist() == [0.0, 1.0]


def made_speech(name: str, tmp_path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Speech of a synthesiser with pauses of 1.5 s, and where it speaks: within 35 dB of its loudest hundredth."""
    from scipy.io import wavfile

    file = tmp_path / f"{name}.wav"
    made = f"flite=text='{SPEECH[name]}':voice={name}"
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", made, "-ar", str(RATE), str(file)], check=True)
    whole = wavfile.read(file)[1] / 32768
    pause = np.zeros(RATE * 3 // 2)
    parts = [part for start in range(0, len(whole), 3 * RATE) for part in (pause, whole[start : start + 3 * RATE])]
    samples = np.concatenate([*parts, pause])
    samples = samples[: len(samples) // 160 * 160]
    level = 10 * np.log10((samples.reshape(-1, 160) ** 2).mean(axis=1) + 1e-12)
    spoken = level > level.max() - 35
    for start in range(len(spoken) - 20):  # pauses below .2 s belong to the speech
        if spoken[start] and spoken[start + 1 : start + 21].any():
            last = start + 1 + int(np.flatnonzero(spoken[start + 1 : start + 21])[-1])
            spoken[start:last] = True
    return samples, spoken


@pytest.mark.long
def test_measured_errors_are_those_of_the_page(tmp_path: Path) -> None:
    command = ["ffmpeg", "-v", "error", "-filters"]
    if not shutil.which("ffmpeg") or b"flite" not in subprocess.run(command, capture_output=True, check=True).stdout:
        pytest.skip("needs ffmpeg with flite, which makes speech")
    page = (Path(__file__).parents[2] / "docs" / "audio.md").read_text()
    random = np.random.default_rng(0)
    for noise in ("none", "white", "pink"):
        for decibels in (0,) if noise == "none" else (20, 10, 5, 0):
            missed, false = [], []
            for name in SPEECH:
                samples, spoken = made_speech(name, tmp_path)
                power = (samples[np.repeat(spoken, 160)] ** 2).mean()
                added = random.standard_normal(len(samples))
                if noise == "pink":
                    spectrum = np.fft.rfft(added) / np.sqrt(np.maximum(1, np.arange(len(added) // 2 + 1)))
                    added = np.fft.irfft(spectrum, len(added))
                level = 0.0 if noise == "none" else np.sqrt(power / 10 ** (decibels / 10)) / added.std()
                found = voice(sound(samples + level * added))[: len(spoken)]
                missed.append(1 - found[spoken[: len(found)]].mean())
                false.append(found[~spoken[: len(found)]].mean())
            title = "none" if noise == "none" else f"{noise}, {decibels} dB"
            row = f"| {title} | {100 * np.mean(missed):.0f} % | {100 * np.mean(false):.0f} % |"
            print(row)
            assert row in page
