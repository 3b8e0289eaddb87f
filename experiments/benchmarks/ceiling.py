"""Description of the machine, and its speed of matrix products: the ceiling of all stages."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from experiments.benchmarks.measure import ROOT, timed

__all__ = ["Ceilings", "ceilings", "commit", "device", "facts"]

_PACKAGES = ("lfnet", "torch", "lightning", "numpy", "onnxruntime", "mediapipe", "av")
_SIDE = 2048
Ceilings = dict[str, float]


def facts() -> list[tuple[str, str]]:
    """Return processor, memory, system and versions; nothing that identifies the machine's owner."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    found = [
        ("commit", commit()),
        ("processor", device()),
        ("memory", f"{memory:.0f} GB"),
        ("system", f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"),
    ]
    packages = []
    for name in _PACKAGES:
        try:
            packages.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return [*found, ("packages", ", ".join(packages))]


def device() -> str:
    """Return the processor and the number of usable cores."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{_processor()}, {cores} cores"


def commit() -> str:
    """Return the short hash of the measured commit, with a + if files differ from it."""
    git = ["git", "-C", str(ROOT)]
    try:
        name = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
        changed = subprocess.run(
            [*git, "status", "--porcelain", "--untracked-files=no", "lfnet", "conf"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return name.stdout.strip() + ("+" if changed.stdout.strip() else "")


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def ceilings(quick: bool = False) -> Ceilings:
    """Measure FLOP/s of a product of square matrices on all cores: with PyTorch's defaults ("fp32"), with the settings
    that the project trains with ("fp32 exact"), and in bfloat16 ("bf16")."""
    import torch

    from lfnet.heads.cpu.machine import fast_cpu

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    before = torch.get_num_threads()
    torch.set_num_threads(cores)
    side = 512 if quick else _SIDE
    a, b = torch.randn(2, side, side).unbind(0)
    found: dict[str, Any] = {"fp32": _rate(a, b)}
    with fast_cpu():
        found["fp32 exact"] = _rate(a, b)
    found["bf16"] = _rate(a.bfloat16(), b.bfloat16())
    torch.set_num_threads(before)
    return found


def _rate(a: Any, b: Any) -> float:
    a @ b
    return max(2 * len(a) ** 3 / timed(lambda: a @ b, min_seconds=0.3) for _ in range(3))
