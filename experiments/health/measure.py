"""What the check of features finds in simulated cohorts with planted faults, and says of healthy ones.

Writes planted.csv: for each kind of features, over draws of a simulated cohort of 32 clips, the share of spoilt clips
that are refused, the share of other clips that are, and the share of cohorts with a remark. With a folder of videos and
one of weights it also writes media.csv: the same for the clips of each encoder, one row each.

    python experiments/health/measure.py [MEDIA WEIGHTS]
"""

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from lfnet.cli.configs import compose
from lfnet.cli.main import main as lfnet
from lfnet.config import instantiate
from lfnet.features.health import CohortCheck, Health, Report
from lfnet.features.store import ClipFeatures

DRAWS = 25
SPOILT = 3  # the clips in which a fault is planted, where it is not in all
Clips = dict[str, np.ndarray]


def noisy(x_D: np.ndarray, frames: int, random: np.random.Generator) -> np.ndarray:
    """One vector with rounding noise of 1e-5."""
    return (x_D + 1e-5 * random.normal(size=(frames, len(x_D)))).astype(np.float32)


def dead_columns(x_TD: np.ndarray, random: np.random.Generator) -> np.ndarray:
    x_TD = x_TD.copy()
    dead = random.permutation(x_TD.shape[1])[:412]
    x_TD[:, dead] = x_TD[0, dead]
    return x_TD


def still(x_TD: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A still image with one other frame."""
    found = np.repeat(x_TD[:1], len(x_TD), axis=0)
    found[random.integers(1, len(found) - 1)] = x_TD[-1]
    return found


def at_rate(x_TD: np.ndarray, rate: float) -> np.ndarray:
    """A film of `rate` frames a second in a file of 30."""
    return x_TD[np.floor(np.arange(len(x_TD)) * rate / 30 + 1e-9).astype(int)]


def shapes(x_TD: np.ndarray) -> np.ndarray:
    """52 numbers from 0 to 1, many of them near 0, as blendshapes are."""
    return (np.clip(8 * np.abs(x_TD[:, :52]), 0, 1) ** np.linspace(1, 6, 52)).astype(np.float32)


SOME: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "one vector with noise of 1e-5": lambda x, r: noisy(x[0], len(x), r),
    "412 of 512 columns constant": dead_columns,
    "still image with one other frame": still,
    "one frame a second, repeated": lambda x, r: at_rate(x, 1),
}
ALL: dict[str, Callable[[np.ndarray, np.random.Generator, np.ndarray], np.ndarray]] = {
    "the same vector with noise of 1e-5 in every clip": lambda x, r, first: noisy(first, len(x), r),
    "412 of 512 columns constant in every clip": lambda x, r, first: np.hstack(
        [np.repeat(first[None, :412], len(x), axis=0), x[:, 412:]]
    ),
    "three columns constant in every clip": lambda x, r, first: np.hstack([np.ones((len(x), 3), np.float32), x[:, 3:]]),
    "means removed clip by clip": lambda x, r, first: x - x.mean(axis=0),
}
HEALTHY: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "as simulated": lambda x: x,
    "half precision": lambda x: x.astype(np.float16).astype(np.float32),
    "24 frames a second in a file of 30": lambda x: at_rate(x, 24),
    "15 frames a second in a file of 30": lambda x: at_rate(x, 15),
    "near-zero columns, as blendshapes": shapes,
    "seven columns": lambda x: 20 * x[:, :7],
    "one column": lambda x: x[:, :1],
    "two units, as colours and numbers of pixels": lambda x: (
        x[:, :12] * np.repeat([1, 5000], 6).astype(np.float32) + np.repeat([100, 5000], 6).astype(np.float32)
    ),
}


# Cuts of two seconds from real videos: as they are, at other rates, strongly compressed, and a photograph as a video.
CUTS = {
    "film": "-i WolfgangLanger_Pexels.mp4 -t 2",
    "film_30": "-i WolfgangLanger_Pexels.mp4 -t 2 -vf fps=30",
    "film_crf45": "-i WolfgangLanger_Pexels.mp4 -t 2 -vf fps=30 -crf 45",
    "man": "-i single_face.mp4 -t 2",
    "man_10": "-i single_face.mp4 -t 2 -vf fps=10,fps=30",
    "man_5": "-i single_face.mp4 -t 2 -vf fps=5,fps=30",
    "face": "-i face_noface.mov -t 1",
    "photograph": "-loop 1 -i faces/obama/obama.jpg -t 2 -r 25 -vf scale=640:-2,format=yuv420p",
}
ENCODERS = {
    "blendshapes": "",
    "expression": "expression_7.onnx",
    "mobileface": "face_embedding_512.onnx",
    "mobilenet": "mobilenetv3_small_features.pt",
    "skin": "",
}


def report(clips: Clips) -> Report:
    check = CohortCheck(Health())
    for name, x_TD in clips.items():
        check.add(name, ClipFeatures(x_TD, np.ones(len(x_TD), bool), np.arange(len(x_TD)) / 30))
    return check.report()


def draw(seed: int) -> Clips:
    """The valid vectors of a simulated cohort of 32 clips; every second cohort has no identity."""
    settings = [f"cohort.seed={seed}", f"cohort.identity={1 - seed % 2}", "cohort.recordings={train:8,dev:4,test:4}"]
    cohort = instantiate(compose("train", settings).cohort, "cohort")
    clips = {}
    for clip_id in cohort.clips["clip_id"]:
        x_TD, valid_T, _ = cohort.own.clip(clip_id)
        clips[clip_id] = x_TD[valid_T]
    return clips


def planted(seed: int) -> list[dict[str, object]]:
    """Rows of one cohort: features, refused spoilt clips, refused others, remarks."""
    clean, random, rows = draw(seed), np.random.default_rng(seed), []
    names = list(clean)
    first = clean[names[0]][0]

    def add(kind: str, clips: Clips, spoilt: set[str]) -> None:
        found = report(clips)
        refused = {problem.clip_id for problem in found.problems}
        rows.append(
            {
                "features": kind,
                "spoilt": len(spoilt),
                "refused": len(refused & spoilt),
                "others": len(clips) - len(spoilt),
                "others_refused": len(refused - spoilt),
                "remark": bool(found.remarks),
            }
        )

    for kind, change in HEALTHY.items():
        add(kind, {name: change(x_TD) for name, x_TD in clean.items()}, set())
    for kind, spoil in SOME.items():
        chosen = set(random.choice(names, SPOILT, replace=False).tolist())
        add(kind, {name: spoil(x, random) if name in chosen else x for name, x in clean.items()}, chosen)
    for kind, every in ALL.items():
        add(kind, {name: every(x_TD, random, first) for name, x_TD in clean.items()}, set(names))
    return rows


def media(videos: Path, weights: Path) -> pd.DataFrame:
    """One row for each encoder and cut: frames, whether it is refused, the share of steps without change."""
    with tempfile.TemporaryDirectory() as folder:
        clips = Path(folder) / "clips"
        clips.mkdir()
        lines = ["path,person_id,split,label"]
        for number, (name, options) in enumerate(CUTS.items()):
            words = ["ffmpeg", "-v", "error", *shlex.split(options), f"{clips}/{name}.mp4"]
            subprocess.run(words, cwd=videos, check=True)
            lines.append(f"{name}.mp4,{name},{('train', 'dev', 'test')[number % 3]},{number}")
        (clips / "manifest.csv").write_text("\n".join(lines))
        own = [f"encoder.{name}.weights.path={weights / file}" for name, file in ENCODERS.items() if file]
        status = lfnet(
            [
                *("extract", "cohort=folder", f"cohort.root={clips}", f"encoder=[{','.join(ENCODERS)}]", *own),
                *("encoder.mobilenet.weights.sha256=null", f"paths.cache={folder}/cache"),
                f"video.landmarker.path={weights / 'face_landmarker.task'}",
            ]
        )
        if status:
            raise SystemExit(status)
        return pd.DataFrame(row for name in ENCODERS for row in _encoder(name, Path(folder)))


def _encoder(name: str, folder: Path) -> list[dict[str, object]]:
    from safetensors.numpy import load_file

    check, rows = CohortCheck(Health()), []
    for path in sorted(folder.glob(f"cache/features/*/{name}-*/*.safetensors")):
        arrays = load_file(path)
        valid_T = arrays["valid"].astype(bool)
        clip = ClipFeatures(arrays["features"].astype(np.float32), valid_T, arrays["time"].astype(float))
        check.add(path.stem, clip)
        rows.append(
            {"encoder": name, "clip": path.stem, "frames": int(valid_T.sum()), "columns": clip.features.shape[1]}
        )
    found = check.report()
    refused = {problem.clip_id for problem in found.problems}
    return [{**row, "refused": row["clip"] in refused, "remarks": len(found.remarks)} for row in rows]


def main(arguments: list[str]) -> None:
    rows = pd.DataFrame(row for seed in range(DRAWS) for row in planted(seed))
    table = (
        rows.groupby("features", sort=False)
        .sum()
        .assign(cohorts=DRAWS)
        .rename(columns={"remark": "cohorts_with_remark"})
    )
    folder = Path(__file__).parent
    table.to_csv(folder / "planted.csv", lineterminator="\n")
    print(table.to_string())
    if arguments:
        found = media(*(Path(one).resolve() for one in arguments))
        found.to_csv(folder / "media.csv", index=False, lineterminator="\n")
        print(found.to_string(index=False))


if __name__ == "__main__":
    main(sys.argv[1:])
