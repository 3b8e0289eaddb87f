"""How long one scoring takes and what it draws: measured where the machine lets it be measured, else said so."""

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["POWERCAP", "energy_counters", "measure_speed"]

POWERCAP = Path("/sys/class/powercap")


def measure_speed(
    call: Callable[[], Any], *, seconds: float = 0.2, least: int = 5, powercap: Path = POWERCAP
) -> dict[str, Any]:
    """{"latency_ms": the median of one call, "energy_mj": of one call, None where no counter can be read}.

    One call warms up; then at least `least` calls and `seconds` seconds are measured. Energy is what the processor's
    packages drew by RAPL, everything else that ran meanwhile included.
    """
    call()
    counters = energy_counters(powercap)
    before = [_read(path / "energy_uj") for path in counters]
    times: list[float] = []
    started = time.perf_counter()
    while len(times) < least or time.perf_counter() - started < seconds:
        begun = time.perf_counter()
        call()
        times.append(time.perf_counter() - begun)
    drawn = None
    if counters:
        after = [_read(path / "energy_uj") for path in counters]
        ranges = [_read(path / "max_energy_range_uj") for path in counters]
        # A counter that has come round starts at 0 again.
        used = [b - a + (r if b < a else 0) for a, b, r in zip(before, after, ranges, strict=True)]
        drawn = round(sum(used) / len(times) / 1000, 4)
    return {"latency_ms": round(1000 * statistics.median(times), 4), "energy_mj": drawn}


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
