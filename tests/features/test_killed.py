"""An extraction killed at any instant goes on where it stopped and ends with the bytes of an undisturbed one."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.features.fakes import crop_picture, files_of
from tests.video.media import write_folder, write_video

CLIPS = 8


@pytest.fixture(scope="module")
def media(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("media")
    for number in range(CLIPS - 1):
        pictures = [crop_picture(number * 5 + frame, 32) for frame in range(16)]
        write_video(folder / f"clip_{number}.mp4", pictures)
    write_folder(folder / "clip_frames", pictures)
    return folder


def start(media: Path, cache: Path, *more: str) -> subprocess.Popen[str]:
    """A process that has begun to extract."""
    command = [sys.executable, "-m", "tests.features.killed", str(media), str(cache), *more]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "begun\n"
    return process


def features(cache: Path) -> dict[str, bytes]:
    folders = sorted((cache / "features" / "made").iterdir())
    return {f"{folder.name}/{name}": data for folder in folders for name, data in files_of(folder).items()}


@pytest.fixture(scope="module")
def undisturbed(media, tmp_path_factory) -> tuple[dict[str, bytes], float]:
    """The files of a run that nobody killed, and how long its work took."""
    cache = tmp_path_factory.mktemp("undisturbed")
    process = start(media, cache)
    begun = time.monotonic()
    assert process.wait() == 0
    found = features(cache)
    assert len(found) == 2 * CLIPS
    return found, time.monotonic() - begun


def kill_at_random(media: Path, cache: Path, whole: dict[str, bytes], seconds: float, kills: int) -> None:
    # Each run has less to do than the one before, so each is given a share of what an undisturbed run takes.
    instants = random.Random(kills)
    codes = []
    for _ in range(kills):
        process = start(media, cache)
        time.sleep(instants.uniform(0, 1.5 * seconds / kills))
        process.send_signal(signal.SIGKILL)
        codes.append(process.wait())
        if (cache / "features").exists():
            # Whatever is there already is whole.
            assert all(whole[name] == data for name, data in features(cache).items())
    assert set(codes) <= {0, -signal.SIGKILL} and codes.count(-signal.SIGKILL) > kills // 2
    assert start(media, cache).wait() == 0
    assert features(cache) == whole


@pytest.mark.slow
def test_killed_at_random_instants(media, undisturbed, tmp_path):
    kill_at_random(media, tmp_path, *undisturbed, kills=3)


@pytest.mark.long
def test_killed_at_ten_random_instants(media, undisturbed, tmp_path):
    kill_at_random(media, tmp_path, *undisturbed, kills=10)


def test_killed_in_the_middle_of_a_file(media, undisturbed, tmp_path):
    whole, _ = undisturbed
    assert start(media, tmp_path, "clip_3").wait() == -signal.SIGKILL
    brightness, loudest = sorted(path for path in (tmp_path / "features" / "made").iterdir() if path.is_dir())
    assert list(files_of(brightness)) == [f"clip_{number}.safetensors" for number in range(4)]
    assert list(files_of(loudest)) == [f"clip_{number}.safetensors" for number in range(3)]
    assert len(list(loudest.glob(".*.part"))) == 1
    assert start(media, tmp_path).wait() == 0
    assert features(tmp_path) == whole
