"""Memory that jobs of each kind took, kept with the runs so that later sweeps ask for enough."""

import contextlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from lfnet.errors import LfnetError
from lfnet.files import exists, read_json, write_json

__all__ = ["DEFAULT", "MARGIN", "RESOURCES", "Peak", "needed_memory", "peak_memory", "record_peaks"]

RESOURCES = "resources.json"
DEFAULT = 3.0  # GB, of a kind of job that never ran here; libraries, packed frames and a head at AVEC2014's size take 2
MARGIN = 1.3  # of what is asked for over the highest peak that was seen
_LEAST = 1.0  # GB


def needed_memory(runs: Path, kind: str) -> float:
    """Return the GB that a job of this kind needs: its highest peak so far and a margin, or `DEFAULT`."""
    peak = _read(runs).get(kind)
    return DEFAULT if peak is None else max(_LEAST, round(MARGIN * peak, 1))


def record_peaks(runs: Path, peaks: Mapping[str, float]) -> None:
    """Keep the highest peak of each kind, in GB; 0 is none. Of two processes that write at once, one is kept."""
    before = _read(runs)
    after = {**before, **{kind: max(peak, before.get(kind, 0.0)) for kind, peak in peaks.items() if peak}}
    if after != before:
        write_json(Path(runs) / RESOURCES, {"peak_memory_gb": after})


def _read(runs: Path) -> dict[str, float]:
    path = Path(runs) / RESOURCES
    if not exists(path):
        return {}
    with contextlib.suppress(LfnetError, OSError):
        found = read_json(path)
        peaks = found.get("peak_memory_gb") if isinstance(found, dict) else None
        if isinstance(peaks, dict):
            return {str(kind): float(peak) for kind, peak in peaks.items() if isinstance(peak, int | float)}
    return {}  # a damaged file is measured again: it decides no number


class Peak:
    """The peak of a process's memory while `peak_memory` is entered; `gb` is 0 where the system does not tell."""

    gb = 0.0


@contextlib.contextmanager
def peak_memory() -> Iterator[Peak]:
    """Measure the peak of this process's resident memory in the block, mapped files included.

    Linux forgets the peak before the block; elsewhere it is that since the process began.

    Examples
    --------
    >>> with peak_memory() as peak:
    ...     block = bytearray(50_000_000)
    >>> peak.gb >= 0.05
    True
    """
    peak = Peak()
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    try:
        yield peak
    finally:
        peak.gb = _highest()


def _highest() -> float:
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e9
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9
