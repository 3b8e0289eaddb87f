"""Measure how many re-encoded copies of face videos the audit misses, and how many unrelated pairs it takes for copies.

Films of ten seconds are made from photographs of faces, which move and speak, or sit nearly still, breathe and blink;
and halves of a real film are taken as they are. Several films show one photograph: one person at one camera, in
another recording. Each film gets two of the copies in `COPIES`. Then all pairs are compared.

    python experiments/audit/copies.py --media ../shared/media --write
    python experiments/audit/copies.py --media ../shared/media --films 6      (only printed)
"""

import argparse
import datetime
import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import av
import cv2
import numpy as np
import pandas as pd
from PIL import Image
from scipy import stats
from scipy.ndimage import gaussian_filter1d

from lfnet.audit.courses import Copy, frame_copies
from lfnet.audit.settings import AuditSettings
from lfnet.features.thumbnails import clip_thumbnails
from lfnet.video.decode import frames

HERE = Path(__file__).resolve().parent
WIDTH, HEIGHT, SECONDS = 640, 360, 10.0
FILMS = 30
MARGIN_X, MARGIN_Y = 40, 30  # pixels around a film that its face may move into


@dataclass(frozen=True)
class Recoding:
    """How a copy is made: container, codec, its options, and what is changed before."""

    suffix: str
    codec: str
    options: dict[str, str]
    scale: float = 1.0
    fps: float | None = None
    start: float = 0.0
    stop: float = np.inf
    speed: float = 1.0


FAST = {"preset": "veryfast"}
COPIES = {
    "60 % size, H.264 crf 30": Recoding("mp4", "libx264", {"crf": "30", **FAST}, scale=0.6),
    "MPEG-4 in AVI": Recoding("avi", "mpeg4", {"b": "500000"}),
    "VP9 in WebM": Recoding("webm", "libvpx-vp9", {"crf": "40", "b": "0", "deadline": "realtime", "cpu-used": "8"}),
    "Motion JPEG in QuickTime": Recoding("mov", "mjpeg", {}),
    "HEVC crf 32 in Matroska": Recoding("mkv", "libx265", {"crf": "32", **FAST, "x265-params": "log-level=none"}),
    "15 frames per second": Recoding("mp4", "libx264", {"crf": "26", **FAST}, fps=15),
    "both ends cut": Recoding("mp4", "libx264", {"crf": "28", **FAST}, start=1.3, stop=7.7),
    "cut, 24 per second, 60 % size": Recoding(
        "mkv", "libx264", {"crf": "30", **FAST}, scale=0.6, fps=24, start=0.77, stop=8.3
    ),
    "MPEG-2": Recoding("mpg", "mpeg2video", {"b": "900000"}),
    "4 % faster": Recoding("mp4", "libx264", {"crf": "26", **FAST}, speed=25 / 24),
}


@dataclass(frozen=True)
class Film:
    """A film, or a copy of one: its file, origin, kind of film, and how it was copied ("" for an original)."""

    path: Path
    origin: str
    kind: str
    copied: str


def photographs(media: Path) -> list[np.ndarray]:
    """The photographs of faces, cut to the size of a film with margins."""
    wanted = (WIDTH + 2 * MARGIN_X, HEIGHT + 2 * MARGIN_Y)
    found = []
    for path in sorted((media / "faces").glob("*/*")):
        image = Image.open(path).convert("RGB")
        factor = max(wanted[0] / image.width, wanted[1] / image.height)
        image = image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.LANCZOS)
        left, top = (image.width - wanted[0]) // 2, int(0.15 * (image.height - wanted[1]))
        found.append(np.asarray(image.crop((left, top, left + wanted[0], top + wanted[1]))))
    return found


def wander(random: np.random.Generator, n: int, fps: float, size: float, seconds: float) -> np.ndarray:
    """An Ornstein-Uhlenbeck process of this standard deviation and correlation time, smoothed over 80 ms."""
    decay = np.exp(-1 / (fps * seconds))
    x = np.empty(n)
    x[0] = random.standard_normal()
    for i, step in enumerate(random.standard_normal(n - 1) * np.sqrt(1 - decay**2)):
        x[i + 1] = decay * x[i] + step
    return np.asarray(size * gaussian_filter1d(x, fps * 0.08))


def made_film(photo: np.ndarray, seed: int, still: bool, fps: float) -> Iterator[np.ndarray]:
    """Frames of a face that moves by some 10 pixels and speaks, or by about one pixel; it breathes and blinks."""
    random = np.random.default_rng(seed)
    n, size = int(SECONDS * fps), 0.12 if still else 1.0
    move_x, move_y = wander(random, n, fps, 10 * size, 1.0), wander(random, n, fps, 7 * size, 1.0)
    turn, zoom = wander(random, n, fps, np.deg2rad(4) * size, 1.2), 1 + wander(random, n, fps, 0.03 * size, 1.5)
    time = np.arange(n) / fps
    breath = 0.7 * np.sin(2 * np.pi * random.uniform(0.2, 0.33) * time + wander(random, n, fps, 0.4, 3) + seed)
    blinks = np.cumsum(random.exponential(4, 20))
    lid = np.exp(-0.5 * ((time[:, None] - blinks) / 0.07) ** 2).sum(axis=1)
    speaks = wander(random, n, fps, 1, 1) > (np.inf if still else 0)
    speech = np.abs(wander(random, n, fps, 4, 0.15)) * speaks
    light = 1 + wander(random, n, fps, 0.002, 5)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    x, y = x + MARGIN_X, y + MARGIN_Y
    middle_x, middle_y = photo.shape[1] / 2 + random.uniform(-20, 20), photo.shape[0] * 0.4
    dx, dy = x - middle_x, y - middle_y
    body = 1 / (1 + np.exp(-(dy - 60) / 25))
    head = np.exp(-(((dx / 170) ** 2 + (dy / 150) ** 2) ** 2))
    eyes = np.exp(-((dx / 60) ** 2 + ((dy + 15) / 10) ** 2))
    mouth = np.exp(-((dx / 35) ** 2 + ((dy - 55) / 18) ** 2))
    for i in range(n):
        cos, sin = np.cos(turn[i]), np.sin(turn[i])
        at_x = x + head * ((cos * dx + sin * dy) / zoom[i] - dx - move_x[i])
        at_y = y + head * ((cos * dy - sin * dx) / zoom[i] - dy - move_y[i]) + breath[i] * body + mouth * speech[i]
        image = cv2.remap(
            photo, at_x.astype(np.float32), at_y.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
        )
        noise = 2 * random.standard_normal((HEIGHT, WIDTH, 1), dtype=np.float32)
        lit = image * (light[i] * (1 - 0.25 * lid[i] * eyes))[..., None]
        yield np.clip(lit + noise, 0, 255).astype(np.uint8)


def write_film(path: Path, images: Iterable[np.ndarray], fps: float, codec: str, options: dict[str, str]) -> None:
    """Encode RGB images."""
    with av.open(str(path), "w") as container:
        stream = None
        for image in images:
            if stream is None:
                stream = container.add_stream(codec, rate=round(fps))
                stream.height, stream.width = image.shape[:2]
                stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
                stream.options = options
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        assert stream is not None
        container.mux(stream.encode())


def write_copy(source: Path, target: Path, fps: float, how: Recoding) -> None:
    """Encode a film again, as a recoding says."""
    rate = (how.fps or fps) * how.speed

    def images() -> Iterator[np.ndarray]:
        shown = 0
        for frame in frames(source):
            if frame.time < how.start or frame.time > how.stop:
                continue
            # At a lower rate, frames are left out; at a higher one, they are repeated.
            while shown <= (frame.time - how.start) * (how.fps or fps) + 1e-6:
                height, width = (int(size * how.scale) // 2 * 2 for size in frame.rgb.shape[:2])
                resized = Image.fromarray(frame.rgb).resize((width, height), Image.Resampling.BICUBIC)
                yield np.asarray(resized) if how.scale != 1 else frame.rgb
                shown += 1

    write_film(target, images(), rate, how.codec, how.options)


def make_films(media: Path, folder: Path, count: int) -> list[Film]:
    """Make `count` films, and two copies of each; those that are in the folder are used."""
    photos = photographs(media)
    real = media / "WolfgangLanger_Pexels.mp4"
    found = []
    for number in range(count):
        fps, still = (25.0, 30.0)[number % 2], number % 4 < 2
        kind = "still" if still else "moving"
        path = folder / f"{number}.mp4"
        if number >= count - 2:
            kind, fps, first = "real", 24.0, (number == count - 1) * 9.85
            images = (frame.rgb for frame in frames(real) if first <= frame.time < first + 9.8)
        else:
            images = made_film(photos[number % len(photos)], number, still, fps)
        if not path.exists():
            write_film(path, images, fps, "libx264", {"crf": "18" if kind == "real" else "20", **FAST})
        found.append(Film(path, str(number), kind, ""))
        for place in range(2):
            name = list(COPIES)[(2 * number + place + number // 5 * 3) % len(COPIES)]
            copy = folder / f"{number}_{place}.{COPIES[name].suffix}"
            if not copy.exists():
                write_copy(path, copy, fps, COPIES[name])
            found.append(Film(copy, str(number), kind, name))
        print(f"{number + 1} of {count} films", flush=True)
    return found


def measure(films: list[Film], min_likeness: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The pairs of a film and its copy, and the unrelated pairs: their likeness, and whether they count as copies."""
    clips = {film.path.name: clip_thumbnails(film.path).features for film in films}
    count = {(copy.first, copy.second) for copy in frame_copies(clips, min_likeness)}
    # With a threshold of nearly 0, each pair of one scene is a copy and says its likeness.
    all_pairs = frame_copies(clips, 1e-9)
    likeness = {
        (pair.first, pair.second): float((pair.detail or "likeness 1").split()[1].rstrip(",")) for pair in all_pairs
    }
    copied, unrelated = [], []
    for one, other in combinations(films, 2):
        pair = one.path.name, other.path.name
        row = {"first": pair[0], "second": pair[1], "likeness": likeness.get(pair), "found": pair in count}
        if one.origin != other.origin:
            unrelated.append(row)
        elif not one.copied:
            copied.append({**row, "kind": one.kind, "copy": other.copied})
    return pd.DataFrame(copied), pd.DataFrame(unrelated)


def _likeness(pair: Copy) -> float:
    """The number in `likeness 0.93, shifted by 1.2 s`; 1 for equal frames."""
    return float(pair.detail.split()[1].rstrip(",")) if pair.detail else 1.0


def share(flagged: pd.Series) -> str:
    """1 of 60 = 1.7 % [0.0 %, 8.9 %], with Clopper and Pearson's interval."""
    count, n = int(flagged.sum()), len(flagged)
    low, high = stats.binomtest(count, n).proportion_ci(method="exact")
    return f"{count} of {n} = {100 * count / n:.1f} % [{100 * low:.1f} %, {100 * high:.1f} %]"


def report(copied: pd.DataFrame, unrelated: pd.DataFrame, min_likeness: float) -> str:
    """The measured error rates as Markdown."""
    scene = unrelated[unrelated["likeness"].notna()]
    groups = [*copied.groupby("kind"), *copied.groupby("copy")]
    lines = [f"| {name} | {share(~own['found'])} | {own['likeness'].min():.2f} |" for name, own in groups]
    table = "\n".join(lines)
    return f"""# Copies of face videos that are missed, and unrelated pairs that are taken for copies

**Question:** how many re-encoded copies does `lfnet audit` miss at `audit.min_likeness={min_likeness:g}`, and how many
unrelated pairs does it take for copies?

**Result**, measured {datetime.date.today().isoformat()} by `python experiments/audit/copies.py --media DIR --write`
(`copies.csv`; intervals: 95 %, Clopper and Pearson; pairs that share a film are not independent):

- missed: {share(~copied["found"])} pairs of a film and its copy;
- taken for copies: {share(unrelated["found"])} unrelated pairs. {len(scene)} of them show one scene
  and have a likeness of at most {scene["likeness"].max():.2f}. The others differ in their mean thumbnail and are not
  compared over time.

| films or copies | missed | lowest likeness |
|---|---|---|
{table}

A film is {SECONDS:g} s long. Not found: copies that are mirrored, cropped, or shown inside another frame, and copies of
nearly motionless films whose motion strong compression has removed.
"""


def main() -> None:
    """Make the films, compare them, print, and with --write write copies.csv and copies.md next to this file."""
    parser = argparse.ArgumentParser(description="Measure missed copies and false ones.")
    parser.add_argument("--media", type=Path, required=True, help="folder with faces/*/* and a real film")
    parser.add_argument("--films", type=int, default=FILMS, help=f"films, each with two copies (default: {FILMS})")
    parser.add_argument("--folder", type=Path, help="keep the films here, and use those that are there")
    parser.add_argument("--write", action="store_true", help="write copies.csv and copies.md next to this script")
    arguments = parser.parse_args()
    min_likeness = AuditSettings().min_likeness
    with tempfile.TemporaryDirectory() as temporary:
        films = make_films(arguments.media, arguments.folder or Path(temporary), arguments.films)
        copied, unrelated = measure(films, min_likeness)
    text = report(copied, unrelated, min_likeness)
    print(text)
    if arguments.write:
        scene = unrelated[unrelated["likeness"].notna()].assign(kind="unrelated", copy="")
        pd.concat([copied, scene]).to_csv(HERE / "copies.csv", index=False, lineterminator="\n", float_format="%.2f")
        (HERE / "copies.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
