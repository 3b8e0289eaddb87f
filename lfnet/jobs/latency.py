"""Measure latency and energy of one scoring."""

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lfnet.runs.result import Cost

if TYPE_CHECKING:
    import torch

    from lfnet.fusion.modality_data import Split
    from lfnet.fusion.system import System

__all__ = ["POWERCAP", "EnergyMeter", "energy_counters", "measure_fusion", "measure_head", "measure_speed"]

POWERCAP = Path("/sys/class/powercap")


def measure_speed(
    call: Callable[[], Any], *, seconds: float = 0.2, min_calls: int = 5, powercap: Path = POWERCAP
) -> dict[str, Any]:
    """{"latency_ms": the median of one call, "energy_mj": of one call, None where no counter can be read}.

    One call warms up; then at least `min_calls` calls and `seconds` seconds are measured. Energy is what the packages
    of the processor drew by RAPL, including everything else that ran meanwhile.
    """
    call()
    energy = EnergyMeter(powercap)
    times: list[float] = []
    started = time.perf_counter()
    while len(times) < min_calls or time.perf_counter() - started < seconds:
        begun = time.perf_counter()
        call()
        times.append(time.perf_counter() - begun)
    joules = energy.joules()
    drawn = None if joules is None else round(1000 * joules / len(times), 4)
    return {"latency_ms": round(1000 * statistics.median(times), 4), "energy_mj": drawn}


class EnergyMeter:
    """Energy that the packages of the processor drew since the meter was made, by RAPL.

    Parameters
    ----------
    powercap : Path
        Folder of the counters.

    Examples
    --------
    >>> EnergyMeter(Path("no/counters/here")).joules() is None
    True
    """

    def __init__(self, powercap: Path = POWERCAP) -> None:
        self.counters = energy_counters(powercap)
        self.before = [_read(path / "energy_uj") for path in self.counters]

    def joules(self) -> float | None:
        """Return the energy so far; None where no counter can be read. A counter may come round once."""
        if not self.counters:
            return None
        after = [_read(path / "energy_uj") for path in self.counters]
        ranges = [_read(path / "max_energy_range_uj") for path in self.counters]
        # A counter that has come round starts at 0 again.
        used = [b - a + (r if b < a else 0) for a, b, r in zip(self.before, after, ranges, strict=True)]
        return sum(used) / 1e6


def measure_head(head: "torch.nn.Module", frames: int, n_features: int) -> dict[str, Any]:
    """Latency and energy of one window of real frames, on the processor; the head is moved there."""
    import torch

    x_BTD, mask_BT = torch.zeros(1, frames, n_features), torch.ones(1, frames, dtype=torch.bool)
    head.to("cpu").eval()
    with torch.inference_mode():
        return measure_speed(lambda: head(x_BTD, mask_BT))


def measure_fusion(system: "System", clips: "Split") -> Cost:
    """The cost of a fitted fusion and its parts, and latency and energy of one clip."""
    import numpy as np

    from lfnet.fusion import cost

    clip, parts = clips.take(np.array([0])), cost.measure(system)
    return Cost(
        **vars(parts["all"]),
        parts={name: Cost(**vars(part)) for name, part in parts.items() if name != "all"},
        **measure_speed(lambda: system.scores(clip)),
    )


def energy_counters(powercap: Path = POWERCAP) -> list[Path]:
    """The RAPL zones of whole processor packages whose counters this user may read; empty where there are none."""
    zones = []
    for zone in sorted(powercap.glob("intel-rapl:*")):  # AMD's zones have Intel's name too
        try:
            if (zone / "name").read_text().startswith("package"):
                for counter in ("energy_uj", "max_energy_range_uj"):
                    _read(zone / counter)
                zones.append(zone)
        except (OSError, ValueError):
            continue
    return zones


def _read(path: Path) -> int:
    return int(path.read_text())
