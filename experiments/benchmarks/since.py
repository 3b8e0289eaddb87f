"""The project now and an earlier commit of it, alternately: heads, and `lfnet extract` on two clips."""

import io
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from experiments.benchmarks.extraction import CLIP, loop, stream_settings
from experiments.benchmarks.measure import ROOT, command
from experiments.benchmarks.report import Row, Target, of_pairs
from experiments.benchmarks.sweep import HEADS, PRECISIONS, Sizes, project_epoch

__all__ = ["BEFORE", "since"]

BEFORE = "1a82da9"  # the last commit before the fast paths of heads and video
_STREAMS = ("blendshapes", "visual", "skin")


def since(folder: Path, shared: Path, sizes: Sizes, quick: bool = False) -> list[Row]:
    """Measure both trees with the installed packages, each by its own commands."""
    try:
        old = _tree(folder / "before")
    except subprocess.CalledProcessError:
        return [Row("since", f"vs {BEFORE}", note=f"not measured: this clone has no commit {BEFORE}")]
    trees = {"before": old, "now": ROOT}
    times: dict[tuple[str, str, str], list[float]] = {}
    for turn in range(sizes.pairs):
        for head, name in HEADS.items():
            for precision, word in PRECISIONS.items():
                for which, tree in trees.items():
                    epoch = project_epoch(folder / which, name, turn, precision, sizes, tree)
                    times.setdefault((head, word, which), []).append(epoch.seconds)
    rows = [
        Row(
            "since",
            f"{head}, {word} vs {BEFORE}: seconds per epoch, two jobs in parallel",
            unit="s",
            **of_pairs(times[head, word, "before"], times[head, word, "now"]),  # type: ignore[arg-type]
            target=Target("min", 0.97),  # not slower, but for the error of the measurement
        )
        for head in HEADS
        for word in PRECISIONS.values()
    ]
    return [*rows, _extract(folder, shared, trees, 1 if quick else 3, 1 if quick else 4)] if shared.is_dir() else rows


def _extract(folder: Path, shared: Path, trees: dict[str, Path], pairs: int, repeats: int) -> Row:
    """Measure the whole command on two clips: side by side now, one after the other before."""
    videos = folder / "videos"
    for name in ("a", "b"):
        loop(shared / "media" / CLIP, videos / f"{name}.mp4", repeats)
    (videos / "manifest.csv").write_text("path,person_id,split,label\na.mp4,p,unlabelled,\nb.mp4,q,unlabelled,\n")
    seconds: dict[str, list[float]] = {which: [] for which in trees}
    load = 0.0
    for _ in range(pairs):
        for which, tree in trees.items():
            cache = folder / f"cache_{which}"
            shutil.rmtree(cache, ignore_errors=True)
            words = ["extract", "cohort=folder", f"cohort.root={videos}", f"paths.cache={cache}"]
            if which == "now":
                words += ["launcher=joblib", "launcher.jobs=2"]
            words += stream_settings(shared, _STREAMS)
            used = command([sys.executable, "-m", "lfnet.cli.main", *words], tree=tree)
            seconds[which].append(used.seconds)
            load = max(load, used.load)
    return Row(
        "since",
        f"lfnet extract on two clips vs {BEFORE}: {', '.join(_STREAMS)}",
        unit="s",
        **of_pairs(seconds["before"], seconds["now"]),  # type: ignore[arg-type]
        target=Target("min", 1.6),
        load=load,
        note="the whole command; launcher=joblib launcher.jobs=2 now; vectors of a clip differ by "
        + ", ".join(f"{100 * _difference(folder, stream):.2g} % ({stream})" for stream in _STREAMS),
    )


def _difference(folder: Path, stream: str) -> float:
    """Return the largest difference of a clip's mean vector, as a share of its length."""
    found = []
    for clip in ("a", "b"):
        files = [
            next((folder / f"cache_{which}").rglob(f"{stream}-*/{clip}.safetensors")) for which in ("before", "now")
        ]
        one, other = (np.nanmean(load_file(file)["features"], axis=0) for file in files)
        found.append(float(np.linalg.norm(one - other) / np.linalg.norm(one)))
    return max(found)


def _tree(folder: Path) -> Path:
    """Write the files of the earlier commit into a folder."""
    if not folder.exists():
        packed = subprocess.run(["git", "-C", str(ROOT), "archive", BEFORE], capture_output=True, check=True).stdout
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(folder, filter="data")
    return folder
