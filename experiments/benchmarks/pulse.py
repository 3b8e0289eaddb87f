"""The pulse of one clip against VitalLens' local POS, where that can be installed."""

import re
import shutil
import sys
from pathlib import Path

from experiments.benchmarks.extraction import work
from experiments.benchmarks.measure import Failed, command
from experiments.benchmarks.report import Row, Target, median, of_pairs

__all__ = ["NEEDED", "pulse"]

_PEER = Path("experiments/benchmarks/peers/vitallens_pos.py")
_CLIP = "WolfgangLanger_Pexels.mp4"
_BPM = 84.0
# How often the mesh is found; between two of these frames it is moved evenly.
_EVERY = {1: "the mesh in every frame", 5: "the mesh in every fifth frame"}
# What the peer needs and does not install by itself stands beside it.
NEEDED = ("vitallens==0.6.2", "scipy", "psutil", "pandas", "av")


def pulse(folder: Path, shared: Path, quick: bool = False) -> list[Row]:
    """Time on a real clip, and heart rates on it and on a made one whose pulse is known.

    The peer is installed into a folder of its own, never beside the project's packages. Neither's imports are timed.
    """
    landmarker = shared / "weights" / "face_landmarker.task"
    try:
        python = _installed(folder / "vitallens")
    except Failed as error:
        return [Row("pulse", "VitalLens 0.6.2", note=f"not installed: {str(error).splitlines()[0]}")]
    clip = shared / "media" / _CLIP
    peer, loads, found = [], [], {}
    times: dict[int, list[float]] = {every: [] for every in _EVERY}
    for _ in range(1 if quick else 5):
        seconds, count, rate, load = _peer(python, clip)
        peer.append(seconds)
        loads.append(load)
        for every in _EVERY:
            said = work("pulse", clip, landmarker, every)
            assert said["frames"] == count, (said, count)
            times[every].append(said["seconds"])
            found[every] = said
    rows = [
        Row(
            "pulse",
            f"decode, face, skin, POS, heart rate of one clip, {_EVERY[every]}",
            unit="s",
            **of_pairs(peer, times[every]),  # type: ignore[arg-type]
            target=Target("least", 1.0),
            load=sum(loads) / len(loads),
            note=f"{count} frames: {count / median(peer):.0f} frames/s and {count / median(times[every]):.0f}",
        )
        for every in _EVERY
    ]
    believed = "" if found[5]["believed"] else "; the project shows no rate here: its quality is below the threshold"
    rows += [_rates(f"the real clip, {_EVERY[every]}", rate, found[every]["rate"], believed) for every in _EVERY]
    made = folder / "made.mp4"
    try:
        work("made", landmarker, made, _BPM)
    except Failed:  # the photograph comes with scikit-image, which not everybody has
        return rows
    rate = _peer(python, made)[2]
    for every, how in _EVERY.items():
        rows.append(_rates(f"a made clip of {_BPM:g}, {how}", rate, work("pulse", made, landmarker, every)["rate"], ""))
    return rows


def _peer(python: Path, clip: Path) -> tuple[float, int, float, float]:
    """Seconds, frames, heart rate and the machine's other load of the peer on a clip."""
    used = command([python, _PEER, clip])
    found = re.search(r"(\d+) frames, ([\d.]+) s .*? ([\d.]+) bpm", used.out)
    assert found is not None, used.out
    return float(found[2]), int(found[1]), float(found[3]), used.load


def _rates(where: str, peer: float, project: float, note: str) -> Row:
    told = f"VitalLens {peer:.1f}, project {project:.1f}{note}"
    what = f"difference of the two heart rates, {where}"
    return Row("pulse", what, abs(peer - project), "bpm", target=Target("most", 1.0), note=told)


def _installed(folder: Path) -> Path:
    python = folder / "bin" / "python"
    if not python.exists():
        command([sys.executable, "-m", "venv", folder])
        try:
            command([python, "-m", "pip", "install", "-q", *NEEDED])
        except Failed:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    return python
