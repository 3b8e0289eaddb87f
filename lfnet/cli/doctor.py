"""`lfnet doctor`: check this machine and name fixes for what is missing."""

import ctypes
import json
import mmap
import os
import platform
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import lfnet
from lfnet.cli.arguments import command_parser
from lfnet.cli.configs import conf_dir, mode, names, paths
from lfnet.errors import LfnetError
from lfnet.extras import EXTRAS
from lfnet.text import plural
from lfnet.video.backends import has_litert

__all__ = ["Check", "main"]

EPILOG = """\
examples:
  lfnet doctor
  lfnet doctor paths.cache=/big/cache     check another folder
  lfnet doctor --json                     for a program, or for a bug report

The exit status is 1 if there is a problem; each problem is followed by its fix.
"""

# Shared libraries that cv2 and mediapipe load at run time, and their Debian packages.
LIBRARIES = {
    "libGL.so.1": "libgl1",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libEGL.so.1": "libegl1",
    "libGLESv2.so.2": "libgles2",
}
# Libraries that can send usage statistics or error reports: the files that do, a text in them that proves it, and the
# variable of `lfnet.TELEMETRY_OFF` that turns it off. MediaPipe has none: its threads cannot open sockets. It is loaded
# for video.runtime=mediapipe alone; LiteRT, which finds faces without it, has no code that connects.
SENDERS = {
    "huggingface_hub": ("constants.py", b"TELEMETRY", "HF_HUB_DISABLE_TELEMETRY"),
    "mediapipe": ("tasks/c/libmediapipe.*", b"play.googleapis.com/log", None),
    "onnxruntime": ("capi/onnxruntime_pybind11_state*", b"events.data.microsoft.com", "ORT_DISABLE_TELEMETRY"),
    "wandb": ("env.py", b"ERROR_REPORTING", "WANDB_ERROR_REPORTING"),
}
VIDEO_ONLY = "Only videos need it: the simulated cohort and ready features work without it."


@dataclass(frozen=True)
class Check:
    """One line of the report. status: ok, note (information) or problem (with its fix)."""

    topic: str
    status: str
    detail: str
    fix: str = ""


def main(argv: list[str]) -> int:
    """Print the report; return 1 if there is a problem."""
    parser = command_parser(
        "doctor", "Check versions, system libraries, telemetry, weights, cores, memory, GPU and paths.", EPILOG
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("overrides", nargs="*", metavar="paths.NAME=FOLDER", help="folders other than the default ones")
    options = parser.parse_intermixed_args(argv)
    places = paths(options.overrides)
    checks = [*_versions(), *_extras(), *_torch(), *_compiled(), *_cv2(), *_telemetry(), *_machine(), *_paths(places)]
    checks += _personal(places, mode(options.overrides))
    checks += _weights(places["weights"])
    problems = [check for check in checks if check.status == "problem"]
    if options.json:
        report = {"lfnet": lfnet.__version__, "ok": not problems, "checks": [asdict(check) for check in checks]}
        print(json.dumps(report, indent=2))
    else:
        _print(checks, problems)
    return 1 if problems else 0


def _print(checks: list[Check], problems: list[Check]) -> None:
    marks = {"ok": "ok     ", "note": "note   ", "problem": "PROBLEM"}
    width = max(len(check.topic) for check in checks)
    for check in checks:
        print(f"{marks[check.status]}  {check.topic:<{width}}  {check.detail}")
        if check.fix:
            print(f"{'':<{width + 9}}  -> {check.fix}")
    print(f"{len(problems)} problems." if len(problems) != 1 else "1 problem.")


def _versions() -> Iterator[Check]:
    version = platform.python_version()
    in_range = (3, 11) <= sys.version_info[:2] < (3, 15)
    yield Check(
        "python",
        "ok" if in_range else "problem",
        f"{version} on {platform.system()} {platform.machine()}, {sys.executable}",
        "" if in_range else "Install lfnet under Python 3.11, 3.12, 3.13 or 3.14.",
    )
    yield Check("lfnet", "ok", f"{lfnet.__version__}, {Path(lfnet.__file__).parent}")
    yield Check("settings", "ok", str(conf_dir()))
    found, missing = [], []
    for name in _requirements():
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing.append(name)
    yield Check("packages", "ok", ", ".join(found))
    if missing:
        yield Check("packages", "problem", f"missing: {', '.join(missing)}", "Run `make test`, or install lfnet again.")


def _requirements() -> list[str]:
    """The names of lfnet's own dependencies on this system, extras left out."""
    from packaging.requirements import Requirement

    try:
        lines = metadata.requires("lfnet") or []
    except metadata.PackageNotFoundError:  # run from a clone that is not installed
        return []
    wanted = [Requirement(line) for line in lines]
    return [item.name for item in wanted if item.marker is None or item.marker.evaluate({"extra": ""})]


def _extras() -> Iterator[Check]:
    """Report which extras are installed."""
    lacking = [extra for extra, modules in EXTRAS.items() if any(find_spec(module) is None for module in modules)]
    installed = [extra for extra in EXTRAS if extra not in lacking]
    yield Check("extras", "ok", f"installed: {', '.join(installed) or 'none'}")
    if lacking:
        fix = f"To install one, where you need it: pip install 'lfnet[{lacking[0]}]'"
        yield Check("extras", "note", f"not installed: {', '.join(lacking)}", fix)


def _torch() -> Iterator[Check]:
    try:
        import torch
    except (ImportError, OSError) as error:
        yield Check("torch", "problem", f"cannot be imported: {error}", "Install the locked version: `make setup`.")
        return
    if torch.cuda.is_available():
        cards = [
            f"{torch.cuda.get_device_name(i)} ({torch.cuda.get_device_properties(i).total_memory / 2**30:.0f} GiB)"
            for i in range(torch.cuda.device_count())
        ]
        yield Check("gpu", "ok", ", ".join(cards))
    elif torch.backends.mps.is_available():
        yield Check("gpu", "note", "Apple GPU, unused: lfnet runs on the CPU here")
    else:
        yield Check("gpu", "note", "none that torch can use: lfnet runs on the CPU")


def _compiled() -> Iterator[Check]:
    try:
        import numba
    except ImportError as error:
        detail = f"attention with dropout is trained without compiled kernels: {error}"
        yield Check("numba", "note", detail, "To train it faster, with equal results: pip install 'lfnet[fast]'")
    else:
        yield Check("numba", "ok", f"{numba.__version__} compiles kernels of attention with dropout")


def _cv2() -> Iterator[Check]:
    providers = sorted(
        dist.metadata["Name"] for dist in metadata.distributions() if dist.metadata["Name"].startswith("opencv-")
    )
    if len(set(providers)) > 1:
        listed = " ".join(sorted(set(providers)))
        fix = f"Run `pip uninstall {listed}`, then `pip install opencv-contrib-python`: the two overwrite each other."
        yield Check("cv2", "problem", f"provided by {len(set(providers))} packages: {listed}", fix)
    elif not providers:
        yield Check("cv2", "note", f"not installed: it comes with the extra video. {VIDEO_ONLY}")
        return
    else:
        yield Check("cv2", "ok", f"provided by {providers[0]} {metadata.version(providers[0])}")
    lacking = [name for name in LIBRARIES if not _loads(name)] if sys.platform.startswith("linux") else []
    if lacking:
        packages = " ".join(LIBRARIES[name] for name in lacking)
        fix = f"On Debian and Ubuntu: apt-get install {packages}. {VIDEO_ONLY}"
        yield Check("libraries", "problem", f"missing: {', '.join(lacking)}", fix)
        return
    broken = False
    modules = ["cv2", "mediapipe"]
    if has_litert():
        modules.append("ai_edge_litert.interpreter")
    else:
        fix = "Run `pip install ai-edge-litert`, or set video.runtime=mediapipe."
        yield Check("ai-edge-litert", "note", "not installed: MediaPipe finds faces, more slowly", fix)
    for module in modules:
        # In a separate process: they print to stderr while they load, and a crash must not end the report.
        done = subprocess.run(
            [sys.executable, "-P", "-c", f"import {module}"], capture_output=True, text=True, check=False
        )
        if done.returncode:
            broken = True
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            fix = f"Install what the message names. {VIDEO_ONLY}"
            yield Check(module, "problem", f"cannot be imported: {last}", fix)
    if not broken:
        yield Check("libraries", "ok", f"{', '.join(modules)} can be imported")


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _telemetry() -> Iterator[Check]:
    """Report which installed libraries can send telemetry, and why they do not."""
    from lfnet.offline import can_deny_sockets

    for library, (pattern, sender, variable) in SENDERS.items():
        spec = find_spec(library)
        if spec is None or spec.origin is None:
            continue
        topic = f"telemetry {library}"
        files = sorted(Path(spec.origin).parent.glob(pattern))
        if files and not any(_contains(file, sender) for file in files):
            yield Check(topic, "ok", "none in the installed version")
        elif variable is None and can_deny_sockets():
            yield Check(topic, "ok", "can send usage statistics, but its threads cannot open sockets (seccomp)")
        elif variable is None:
            fix = "Keep video.runtime=litert, which does not load it; else block play.googleapis.com."
            detail = "sends usage statistics (no video) with video.runtime=mediapipe; this system cannot prevent it"
            yield Check(topic, "note", detail, fix)
        elif any(_contains(file, variable.encode()) for file in files):
            yield Check(topic, "ok", f"off: {variable}={lfnet.TELEMETRY_OFF[variable]}")
        else:
            detail = f"the installed version does not read {variable}, which turns telemetry off in others"
            yield Check(topic, "problem", detail, "Install the locked version: `make setup`.")


def _contains(file: Path, needle: bytes) -> bool:
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(needle) >= 0


def _machine() -> Iterator[Check]:
    affinity = getattr(os, "sched_getaffinity", None)
    usable = len(affinity(0)) if affinity else os.cpu_count() or 1
    yield Check("cores", "ok", f"{usable} usable of {os.cpu_count()}")
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (ValueError, OSError):
        return
    status, fix = ("note", "Train with launcher=serial.") if memory < 4 else ("ok", "")
    yield Check("memory", status, f"{memory:.1f} GiB", fix)


def _paths(places: dict[str, Path]) -> Iterator[Check]:
    for name, place in places.items():
        existing = next(folder for folder in (place, *place.parents) if folder.exists())
        free = shutil.disk_usage(existing).free / 2**30
        there = "" if existing == place else ", does not exist yet"
        topic = f"paths.{name}"
        if not os.access(existing, os.W_OK) and name != "data":
            fix = f"Choose another folder: paths.{name}=FOLDER."
            yield Check(topic, "problem", f"{place}{there}, not writable", fix)
        elif not existing.is_dir():
            yield Check(
                topic, "problem", f"{place}: {existing} is not a folder", f"Choose another folder: paths.{name}=FOLDER."
            )
        else:
            yield Check(topic, "note" if free < 2 else "ok", f"{place}{there}, {free:.1f} GiB free")


def _personal(places: dict[str, Path], access: str) -> Iterator[Check]:
    """Count the features and scores that more people can read than `paths.mode` means."""
    beyond = {"private": stat.S_IRGRP | stat.S_IROTH, "group": stat.S_IROTH}.get(access, 0)
    left_out = {places["weights"], places["tables"]}  # nothing personal; made to be handed on
    for name in ("cache", "runs"):
        count = sum(1 for _ in _readable_files(places[name], beyond, left_out))
        if count:
            whom = "others" if access == "group" else "your group or others"
            fix = f"Run `chmod -R {'o=' if access == 'group' else 'go='} {shlex.quote(str(places[name]))}`."
            files = plural(count, "file")
            yield Check(f"paths.{name}", "note", f"{whom} can read {files} of people (paths.mode={access})", fix)


def _readable_files(folder: Path, beyond: int, left_out: set[Path]) -> Iterator[Path]:
    """Files below a folder with a permission of `beyond` to read, in folders with the one to enter."""
    try:
        if not stat.S_IMODE(folder.stat().st_mode) & (beyond >> 2) or folder in left_out:
            return
        entries = [*os.scandir(folder)]
    except OSError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _readable_files(Path(entry.path), beyond, left_out)
        elif entry.is_file(follow_symlinks=False) and entry.stat().st_mode & beyond:
            yield Path(entry.path)


def _weights(cache: Path) -> Iterator[Check]:
    from lfnet.cli.weights import state

    for name in names("weights"):
        try:
            row = state(name, cache)
        except LfnetError as error:
            yield Check(f"weights {name}", "problem", str(error))
            continue
        if row["state"] == "found":
            yield Check(f"weights {name}", "ok", f"verified, {row['detail']}")
        elif row["state"] == "absent":
            yield Check(f"weights {name}", "note", "not fetched yet; an encoder that needs it fetches it")
        else:
            yield Check(f"weights {name}", "problem", row["detail"])
