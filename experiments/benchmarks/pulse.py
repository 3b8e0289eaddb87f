"""Pulse of one clip by the project and by VitalLens' local POS, if that can be installed."""

import re
from pathlib import Path

from experiments.benchmarks.extraction import work
from experiments.benchmarks.installed import install_own
from experiments.benchmarks.measure import Failed, command
from experiments.benchmarks.report import Row, Target, median, of_pairs

__all__ = ["NEEDED", "pulse"]

_PEER = Path("experiments/benchmarks/peers/vitallens_pos.py")
_CLIP = "WolfgangLanger_Pexels.mp4"
_BPM = 84.0
# How often the mesh is found; it is interpolated between these frames.
_EVERY = {1: "the mesh in every frame", 5: "the mesh in every fifth frame"}
# The peer, and what it needs but does not install.
NEEDED = ("vitallens==0.6.2", "scipy", "psutil", "pandas", "av")


def pulse(folder: Path, shared: Path, quick: bool = False) -> list[Row]:
    """Measure time on a real clip, and heart rates on it and on a rendered one with a known pulse.

    The peer is installed into its own environment, separate from the project's packages. Imports are not timed.
    """
    landmarker = shared / "weights" / "face_landmarker.task"
    try:
        python = install_own(folder / "vitallens", NEEDED)
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
            result = work("pulse", clip, landmarker, every)
            assert result["frames"] == count, (result, count)
            times[every].append(result["seconds"])
            found[every] = result
    rows = [
        Row(
            "pulse",
            f"decode, face, skin, POS, heart rate of one clip, {_EVERY[every]}",
            unit="s",
            **of_pairs(peer, times[every]),  # type: ignore[arg-type]
            target=Target("min", 1.1) if every == 5 else None,
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
    except Failed:  # the photograph is part of scikit-image, which may not be installed
        return rows
    rate = _peer(python, made)[2]
    for every, how in _EVERY.items():
        rows.append(
            _rates(f"a rendered clip of {_BPM:g}, {how}", rate, work("pulse", made, landmarker, every)["rate"], "")
        )
    return rows


def _peer(python: Path, clip: Path) -> tuple[float, int, float, float]:
    """Run the peer on a clip; return seconds, frames, heart rate and the load of other processes."""
    used = command([python, _PEER, clip])
    found = re.search(r"(\d+) frames, ([\d.]+) s .*? ([\d.]+) bpm", used.out)
    assert found is not None, used.out
    return float(found[2]), int(found[1]), float(found[3]), used.load


def _rates(where: str, peer: float, project: float, note: str) -> Row:
    note = f"VitalLens {peer:.1f}, project {project:.1f}{note}"
    what = f"difference of the two heart rates, {where}"
    return Row("pulse", what, abs(peer - project), "bpm", target=Target("max", 0.5), note=note)
