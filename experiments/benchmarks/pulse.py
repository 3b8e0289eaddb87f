"""The pulse of one clip against VitalLens' local POS, where that is installed."""

import json
import re
import shutil
import sys
from pathlib import Path

from experiments.benchmarks.measure import Failed, command
from experiments.benchmarks.report import Row, Target, of_pairs

__all__ = ["NEEDED", "pulse"]

_PEER = Path("experiments/benchmarks/peers/vitallens_pos.py")
_CLIP = "WolfgangLanger_Pexels.mp4"
# What the peer needs and does not install by itself stands beside it.
NEEDED = ("vitallens==0.6.2", "scipy", "psutil", "pandas", "av")


def pulse(folder: Path, shared: Path, quick: bool = False) -> list[Row]:
    """Rate and heart rate. The peer is installed into a folder of its own, never beside the project's packages."""
    clip, landmarker = shared / "media" / _CLIP, shared / "weights" / "face_landmarker.task"
    words = ["-m", "lfnet.cli.main", "pulse", clip, "--json", "--landmarker", landmarker, "pulse.method=pos"]
    once = min(command([sys.executable, "-m", "lfnet.cli.main", "pulse", "--help"]).seconds for _ in range(2))
    peer, project, rates, loads = [], [], {}, []
    try:
        python = _installed(folder / "vitallens")
        count = 0
        for _ in range(1 if quick else 5):
            used = command([python, _PEER, clip])
            found = re.search(r"(\d+) frames, ([\d.]+) s .*? ([\d.]+) bpm", used.out)
            assert found is not None, used.out
            count, rates["VitalLens"] = int(found[1]), float(found[3])
            peer.append(float(found[2]))
            own = command([sys.executable, *words], good=(0, 3))
            said = json.loads(own.out[own.out.index("{") :])
            project.append(own.seconds - once)
            rates["project"] = said["heart_rate_bpm"] or said["each"][0]["peak_bpm"]
            loads += [used.load, own.load]
    except Failed as error:
        return [Row("pulse", "VitalLens 0.6.2", float("nan"), "", note=f"not installed: {str(error).splitlines()[0]}")]
    difference = abs(rates["VitalLens"] - rates["project"])
    believed = "" if said["heart_rate_bpm"] else "; the project shows no rate: its quality is below the threshold"
    return [
        Row(
            "pulse",
            "decode, face, skin, POS, heart rate of one clip",
            unit="s",
            **of_pairs(peer, project),  # type: ignore[arg-type]
            target=Target("least", 1.0),
            load=sum(loads) / len(loads),
            note=f"{count} frames; the project without {once:.1f} s for starting",
        ),
        Row(
            "pulse",
            "difference of the two heart rates",
            difference,
            "bpm",
            target=Target("most", 1.0),
            note=f"VitalLens {rates['VitalLens']:.1f}, project {rates['project']:.1f}{believed}",
        ),
    ]


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
