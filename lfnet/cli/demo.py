"""`lfnet demo`: one clip of a face, from video to a scored example, with invented labels that are called so."""

import argparse
import csv
import io
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from lfnet import RESEARCH_ONLY
from lfnet.cli.configs import compose, names
from lfnet.config import plain
from lfnet.errors import LfnetError
from lfnet.files import write_text

__all__ = ["main"]

DESCRIPTION = """\
Take one clip of a face from video to a scored example. Nothing needs to be configured: the first use fetches the face
landmarker (3.8 MB) into lfnet_cache/weights, where the other commands find it too."""
EPILOG = """\
examples:
  lfnet demo clip.mp4
  lfnet demo clip.mp4 --keep                               keep manifests, features and the run in ./lfnet_demo
  lfnet demo clip.mp4 --encoder mobileface
  lfnet demo clip.mp4 --landmarker face_landmarker.task    your own copy instead of a fetched one

The labels are invented, so the score means nothing: it shows the path, not a person's health. The clip stays on this
machine. With clips and scores of your own, go on with: lfnet cohort init DIR --labels CSV
"""
# The clip's pieces, which stand for recordings; each with so many frames with a face, at least.
_SPLITS = ("train", "dev", "train", "test", "train", "dev", "train", "test")
_LEAST = 3
_WHOLE = "whole_clip"


def main(argv: list[str]) -> int:
    """Run `lfnet demo ARGV`; returns the exit status. Raises `LfnetError` for a clip that cannot be shown."""
    parser = argparse.ArgumentParser(
        prog="lfnet demo",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("video", type=Path, metavar="VIDEO", help="2 s or more in which a person's face is seen")
    parser.add_argument("--encoder", default="blendshapes", metavar="NAME", help="see `lfnet list encoders`")
    parser.add_argument("--landmarker", type=Path, metavar="FILE", help="your own copy of the face landmarker")
    parser.add_argument("--keep", action="store_true", help="leave everything in ./lfnet_demo")
    options = parser.parse_args(argv)
    encoders = [name for name in names("encoder") if name != "none"]
    if options.encoder not in encoders:
        raise LfnetError(f"--encoder {options.encoder}: there is no such encoder. There are: {', '.join(encoders)}.")
    _check(options.video)
    with nullcontext("lfnet_demo") if options.keep else tempfile.TemporaryDirectory(prefix="lfnet_demo_") as folder:
        _demo(options, Path(folder).absolute())
        print(f"Everything is in {folder}." if options.keep else f"Made in {folder}, now gone; --keep keeps it.")
    print(RESEARCH_ONLY)
    return 0


def _check(video: Path) -> None:
    from lfnet.video.probe import probe

    if video.is_dir():
        raise LfnetError(f"{video} is a folder: name one video. Folders are for `lfnet cohort init {video}`.")
    media = probe(video)
    if media.n_frames < _LEAST * len(_SPLITS):
        raise LfnetError(
            f"{video} is too short: {media.n_frames} frames, {media.duration:.1f} s. Give a clip of 2 s or more."
        )
    print(f"{video}: {media.n_frames} frames, {media.duration:.1f} s, {media.width} × {media.height}")


def _demo(options: argparse.Namespace, work: Path) -> None:
    from lfnet.jobs.inputs import prepare
    from lfnet.jobs.job import run
    from lfnet.jobs.session import Session
    from lfnet.jobs.settings import read_inputs
    from lfnet.runs.run import Run

    print("\n1. Find the face in each frame and encode it.")
    clip = _manifest(work / "clip.csv", [(options.video.absolute(), "unlabelled", "")])
    settings = _settings(work, clip, f"encoder={options.encoder}", "cohort.allow_outside=true", "video.damaged=keep")
    if options.landmarker is not None:
        settings["video"]["landmarker"]["path"] = str(options.landmarker)
    session = Session()
    inputs = prepare(read_inputs(settings, session), session)
    seen = inputs.store.read(str(inputs.cohort.clips["clip_id"].iloc[0]))
    print(f"   a face in {seen.valid.sum()} of {len(seen.valid)} frames (coverage {seen.coverage:.2f})")
    print(f"   {seen.features.shape[1]} numbers a frame, {options.encoder}")
    if notes := seen.meta.get("notes"):
        print(f"   {notes}")
    if seen.valid.sum() < _LEAST * len(_SPLITS):
        raise LfnetError(
            f"{options.video}: a face is seen in {seen.valid.sum()} of {len(seen.valid)} frames, too few for a demo. "
            "Give a clip of 2 s or more in which a face is near, lit and towards the camera."
        )

    scale = inputs.cohort.scale
    labels = np.random.default_rng(0).integers(int(scale.min), int(scale.max), len(_SPLITS), endpoint=True)
    print(f"\n2. Cut the clip into {len(_SPLITS)} pieces that stand for recordings, with INVENTED {scale.name} scores:")
    print(f"   {', '.join(f'{label} ({split})' for label, split in zip(labels, _SPLITS, strict=True))}")
    rows: list[tuple[Path, str, Any]] = [(work / f"{_WHOLE}.npz", "unlabelled", "")]
    parts = [slice(None), *_pieces(seen.valid)]
    rows += [(work / f"piece_{i + 1}.npz", split, labels[i]) for i, split in enumerate(_SPLITS)]
    for (path, _, _), part in zip(rows, parts, strict=True):
        time = seen.time[part] - seen.time[part][0]
        np.savez(path, features=seen.features[part], valid=seen.valid[part], time=time)

    print("\n3. Train the mean head on four pieces, choose the epoch on two; score the whole clip.")
    pieces = _manifest(work / "pieces.csv", rows)
    trained = _settings(work, pieces, "head=mean_mlp", "trainer.max_epochs=5", "protocol.health.min_coverage=0")
    outcome = run(trained, {"head": "mean_mlp"})
    folder = work / "runs" / outcome.run
    scores = Run.open(folder).predictions.at("recording").frame
    (score,) = scores.loc[scores["recording_id"] == _WHOLE, "score"]
    print(f"   predicted score of the whole clip: {score:.1f} ({scale.name}, {scale.min:g} to {scale.max:g})")
    print("\nTHE LABELS ARE INVENTED, so this score means nothing: it shows the path, not a person's health.")


def _settings(work: Path, manifest: Path, *overrides: str) -> dict[str, Any]:
    """The settings of `lfnet train` on one manifest; everything lands in `work`, weights where they always are."""
    config = compose("train", ["cohort=folder", *overrides])
    weights = Path(config.paths.weights).absolute()
    config.paths.cache, config.paths.runs = str(work / "cache"), str(work / "runs")
    config.paths.weights = str(weights)
    config.cohort.root, config.cohort.manifest = str(work), manifest.name
    config.cohort.name = manifest.stem
    settings: dict[str, Any] = plain(config)
    return settings


def _manifest(path: Path, rows: list[tuple[Path, str, Any]]) -> Path:
    """A manifest of files, splits and labels, all of one person."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["path", "person_id", "split", "label"])
    writer.writerows((file, "one_person", split, label) for file, split, label in rows)
    write_text(path, text.getvalue())
    return path


def _pieces(valid: np.ndarray) -> list[slice]:
    """Pieces of a clip with the same number of frames with a face, up to one."""
    parts = np.array_split(np.flatnonzero(valid), len(_SPLITS))
    return [slice(int(part[0]), int(part[-1]) + 1) for part in parts]
