"""`lfnet demo`: from one video of a face to a scored example, with invented labels."""

import argparse
import csv
import io
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from lfnet import RESEARCH_ONLY
from lfnet.cli.arguments import command_parser
from lfnet.cli.configs import compose, mode, names
from lfnet.cli.video_settings import split_settings
from lfnet.config import plain
from lfnet.errors import LfnetError
from lfnet.extras import require
from lfnet.files import personal_files, write_text
from lfnet.text import plural

__all__ = ["main"]

DESCRIPTION = """\
Run all steps on one video of a face, from decoding to a score. Nothing needs configuration: the first use fetches the
face landmarker (3.8 MB) into lfnet_cache/weights, where other commands find it too."""
EPILOG = """\
examples:
  lfnet demo clip.mp4
  lfnet demo clip.mp4 --keep                               keep manifests, features and the run in ./lfnet_demo
  lfnet demo clip.mp4 --encoder mobileface
  lfnet demo clip.avi video.times=rebuild                  count frames instead of reading their times
  lfnet demo clip.mp4 --landmarker face_landmarker.task    your own copy instead of a fetched one
  lfnet demo clip.mp4 video.faces=2 video.person=left      of two faces, the left one

The labels are invented, so that the score means nothing: it demonstrates the steps. The video stays on this machine.
With your own videos and labels, continue with: lfnet cohort init DIR --labels CSV
"""
# The splits of the clip's parts, which stand for recordings, and the minimum frames with a face of each.
_SPLITS = ("train", "dev", "train", "test", "train", "dev", "train", "test")
_MIN_FRAMES = 3
_WHOLE = "whole_clip"


def main(argv: list[str]) -> int:
    """Run `lfnet demo ARGV` and return the exit status. Raises `LfnetError` for an unsuitable video."""
    parser = command_parser("demo", DESCRIPTION, EPILOG)
    parser.add_argument("video", type=Path, metavar="VIDEO", help="a video of 2 s or more that shows a person's face")
    parser.add_argument("--encoder", default="blendshapes", metavar="NAME", help="see `lfnet list encoders`")
    parser.add_argument("--landmarker", type=Path, metavar="FILE", help="your own copy of the face landmarker")
    parser.add_argument("--keep", action="store_true", help="keep all files in ./lfnet_demo")
    argv, settings = split_settings(argv, faces=True)
    options = parser.parse_args(argv)
    require("video", use="lfnet demo")
    options.reading = {"damaged": "keep"} | settings
    encoders = [name for name in names("encoder") if name != "none"]
    if options.encoder not in encoders:
        raise LfnetError(f"--encoder {options.encoder}: there is no such encoder; choose one of {', '.join(encoders)}.")
    _check(options.video, options.reading)
    kept = nullcontext("lfnet_demo") if options.keep else tempfile.TemporaryDirectory(prefix="lfnet_demo_")
    with personal_files(mode()), kept as folder:
        _demo(options, Path(folder).absolute())
        print(
            f"All files are in {folder}."
            if options.keep
            else f"Written to {folder} and removed; --keep keeps the files."
        )
    print(RESEARCH_ONLY)
    return 0


def _check(video: Path, reading: dict[str, Any]) -> None:
    from lfnet.video.probe import probe

    if video.is_dir():
        raise LfnetError(f"{video} is a folder: give one video. For folders use `lfnet cohort init {video}`.")
    media = probe(video, None, **{name: reading[name] for name in ("times", "damaged") if name in reading})
    if media.n_frames < _MIN_FRAMES * len(_SPLITS):
        raise LfnetError(
            f"{video} is too short: {plural(media.n_frames, 'frame')}, {media.duration:.1f} s. Give a video of 2 s or "
            "more."
        )
    print(f"{video}: {plural(media.n_frames, 'frame')}, {media.duration:.1f} s, {media.width} × {media.height}")


def _demo(options: argparse.Namespace, work: Path) -> None:
    from lfnet.jobs.inputs import prepare
    from lfnet.jobs.job import run
    from lfnet.jobs.session import Session
    from lfnet.jobs.settings import read_inputs
    from lfnet.runs.run import Run

    print("\n1. Find the face in each frame and encode it.")
    manifest = _manifest(work / "clip.csv", [(options.video.absolute(), "unlabelled", "")])
    reading = [f"video.{name}={'null' if value is None else value}" for name, value in options.reading.items()]
    settings = _settings(work, manifest, f"encoder={options.encoder}", "cohort.allow_outside=true", *reading)
    if options.landmarker is not None:
        settings["video"]["landmarker"]["path"] = str(options.landmarker)
    session = Session()
    inputs = prepare(read_inputs(settings, session), session)
    clip = inputs.store.read(str(inputs.cohort.clips["clip_id"].iloc[0]))
    print(f"   a face in {clip.valid.sum()} of {plural(len(clip.valid), 'frame')} (coverage {clip.coverage:.2f})")
    print(f"   {clip.features.shape[1]} numbers a frame, {options.encoder}")
    if notes := clip.meta.get("notes"):
        print(f"   {notes}")
    if clip.valid.sum() < _MIN_FRAMES * len(_SPLITS):
        raise LfnetError(
            f"{options.video}: a face is seen in {clip.valid.sum()} of {plural(len(clip.valid), 'frame')}, too few for "
            "a demo. Give a video of 2 s or more in which a face is near, well lit and turned towards the camera."
        )

    scale = inputs.cohort.scale
    labels = np.random.default_rng(0).integers(int(scale.min), int(scale.max), len(_SPLITS), endpoint=True)
    print(
        f"\n2. Split the video into {len(_SPLITS)} parts that stand for recordings, with INVENTED {scale.name} labels:"
    )
    print(f"   {', '.join(f'{label} ({split})' for label, split in zip(labels, _SPLITS, strict=True))}")
    rows: list[tuple[Path, str, Any]] = [(work / f"{_WHOLE}.npz", "unlabelled", "")]
    parts = [slice(None), *_split(clip.valid)]
    rows += [(work / f"piece_{i + 1}.npz", split, labels[i]) for i, split in enumerate(_SPLITS)]
    for (path, _, _), part in zip(rows, parts, strict=True):
        time = clip.time[part] - clip.time[part][0]
        np.savez(path, features=clip.features[part], valid=clip.valid[part], time=time)

    print("\n3. Train the head mean_mlp on four parts, select the epoch on two, and score the whole video.")
    pieces = _manifest(work / "pieces.csv", rows)
    trained = _settings(work, pieces, "head=mean_mlp", "trainer.max_epochs=5", "protocol.health.min_coverage=0")
    outcome = run(trained, {"head": "mean_mlp"})
    folder = work / "runs" / outcome.run
    scores = Run.open(folder).predictions.at("recording").frame
    (score,) = scores.loc[scores["recording_id"] == _WHOLE, "score"]
    print(f"   predicted score of the whole video: {score:.1f} ({scale.name}, {scale.min:g} to {scale.max:g})")
    print("\nTHE LABELS ARE INVENTED: this score means nothing and only demonstrates the steps.")


def _settings(work: Path, manifest: Path, *overrides: str) -> dict[str, Any]:
    """The settings of `lfnet train` on one manifest, with all files in `work` except the weights."""
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


def _split(valid: np.ndarray) -> list[slice]:
    """Split a clip into parts with equal numbers of frames with a face, up to one."""
    parts = np.array_split(np.flatnonzero(valid), len(_SPLITS))
    return [slice(int(part[0]), int(part[-1]) + 1) for part in parts]
