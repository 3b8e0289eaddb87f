"""Measure the error of the heart rate on rendered H.264 video with a known pulse, and false pulses without one.

Each video is rendered from the astronaut of scikit-image: the pulse on skin pixels only, a lamp that flickers in the
band, a head that sways by a tenth of its width, camera noise, H.264 at CRF 23. It is then read as any other video:
decoded, face mesh, skin colours. A row for each video and method is appended to accuracy.csv at once, and finished
videos are skipped, so that the script may be stopped. Videos without a pulse (amplitude 0) differ in motion, lamp and
noise.

python experiments/pulse/accuracy.py --landmarker face_landmarker.task [--rates 45 60 …] [--without 20] [--report]
"""

import argparse
import csv
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import beta

from experiments.media.video import Scene, rendered, scene, write_h264
from lfnet.cli.configs import compose
from lfnet.config import instantiate
from lfnet.encoders.skin import Skin
from lfnet.features.consumers import FrameConsumer
from lfnet.features.video_pass import run_pass
from lfnet.pulse.segments import read_segments
from lfnet.pulse.settings import METHODS, PulseSettings
from lfnet.video.decode import frames
from lfnet.video.mesh import FaceMesh

HERE = Path(__file__).parent
TABLE = HERE / "accuracy.csv"
FPS = 30


def astronaut(landmarker: Path, width: float) -> Scene:
    """Build the scene from scikit-image's astronaut."""
    from skimage.data import astronaut as photograph

    image = photograph()
    with FaceMesh(landmarker, video=False) as mesh:
        found = mesh.find(image)
    assert found is not None
    return scene(image, found.landmarks_LC, width=width)


def read_skin(video: Path, landmarker: Path, every: int = 1) -> Any:
    """Return the stream `skin` of a video, with the face found in every Nth frame."""
    vectors = FrameConsumer(Skin())
    with FaceMesh(landmarker) as mesh:
        (passed,) = run_pass(frames(video), mesh, [vectors], every=every)
    return vectors.clip(passed, {})


def measure(base: Scene, options: argparse.Namespace, bpm: float, amplitude: float, draw: int) -> list[dict[str, Any]]:
    """Render and read one video; return a row for each method and for the published settings."""
    rng = np.random.default_rng([round(bpm), round(1e4 * amplitude), draw])
    time = np.arange(round(options.seconds * FPS)) / FPS
    beats = np.arange(-3 - rng.random(), options.seconds + 3, 60 / bpm)
    given: dict[str, Any] = {"amplitude": amplitude}
    if not amplitude:
        given |= {"motion": rng.uniform(0, 0.1), "noise": rng.uniform(1, 3)}
        given["flicker"] = (rng.uniform(0.6, 4), rng.uniform(0, 0.005))
    with tempfile.TemporaryDirectory() as folder:
        video = write_h264(Path(folder) / "made.mp4", rendered(base, time, beats, rng, **given), time)
        size = video.stat().st_size
        clip = read_skin(video, options.landmarker)
    rows = []
    for name, settings in variants().items():
        (segment,) = read_segments(clip.features, clip.time, clip.valid, settings)[:1]
        rows.append(
            {
                "bpm": bpm,
                "amplitude": amplitude,
                "draw": draw,
                "width": options.width,
                "method": name,
                "rate": round(segment.heart_rate, 2),
                "error": round(abs(segment.heart_rate - bpm), 2) if amplitude else "",
                "snr": round(segment.snr, 2),
                "q": round(segment.q, 3),
                "regions": " ".join(f"{each:.1f}" for each in segment.region_rates),
                "outcome": segment.outcome,
                "kilobytes": size // 1000,
            }
        )
    return rows


def variants() -> dict[str, PulseSettings]:
    """Return the nested settings with each method, and the published ones."""
    nested, published = (
        instantiate(compose(None, [f"+pulse={name}"]).pulse, "pulse") for name in ("nested", "published")
    )
    return {**{method: replace(nested, method=method) for method in METHODS}, "published": published}


def summary() -> pd.DataFrame:
    """Summarise accuracy.csv by method and amplitude; errors in beats per minute.

    `refused_low` is the exact binomial lower limit (95 %, one-sided) of the share of videos that were refused.
    """
    lines = []
    for (method, amplitude), rows in pd.read_csv(TABLE).groupby(["method", "amplitude"], sort=False):
        kept = rows[rows.outcome == "kept"]
        refused = len(rows) - len(kept)
        line = {"method": method, "amplitude": amplitude, "videos": len(rows), "kept": len(kept), "refused": refused}
        if amplitude:
            line |= {"error": rows.error.median(), "error_kept": kept.error.median(), "snr": rows.snr.median()}
        else:
            low = beta.ppf(0.05, refused, len(kept) + 1)
            line |= {"refused_share": refused / len(rows), "refused_low": low}
        lines.append(line)
    return pd.DataFrame(lines).round(4)


def report() -> str:
    """Format the summary as Markdown tables."""
    table = summary()
    lines = [
        "| method | amplitude | videos | median error, all | kept | median error, kept | median SNR |",
        "|" + "---|" * 7,
    ]
    for row in table[table.amplitude > 0].itertuples():
        error = f"{row.error_kept:.2f}" if row.kept else "–"
        lines.append(
            f"| {row.method} | {100 * row.amplitude:g} % | {row.videos} | {row.error:.2f} | {row.kept} | {error} | "
            f"{row.snr:.1f} dB |"
        )
    lines += ["", "| method | videos without a pulse | refused |", "|---|---|---|"]
    lines += [f"| {row.method} | {row.videos} | {row.refused} |" for row in table[table.amplitude == 0].itertuples()]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--landmarker", type=Path)
    parser.add_argument("--rates", type=float, nargs="*", default=[45, 60, 75, 90, 105, 120, 135, 150])
    parser.add_argument("--amplitudes", type=float, nargs="*", default=[0.003, 0.005, 0.01])
    parser.add_argument("--without", type=int, default=20, help="videos without a pulse")
    parser.add_argument("--width", type=float, default=240.0, help="width of the face in pixels")
    parser.add_argument("--seconds", type=float, default=17.0)
    parser.add_argument("--report", action="store_true", help="measure nothing, only summarise accuracy.csv")
    options = parser.parse_args()
    if not options.report:
        wanted = [(bpm, amplitude, 0) for amplitude in options.amplitudes for bpm in options.rates]
        wanted += [(0.0 + 60, 0.0, draw) for draw in range(options.without)]
        done = set()
        if TABLE.exists():
            done = set(pd.read_csv(TABLE)[["bpm", "amplitude", "draw"]].itertuples(index=False, name=None))
        base = astronaut(options.landmarker, options.width)
        for each in wanted:
            if each in done:
                continue
            rows = measure(base, options, *each)
            new = not TABLE.exists()
            with TABLE.open("a", newline="") as file:
                writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
                if new:
                    writer.writeheader()
                writer.writerows(rows)
            print(*[f"{r['method']} {r['rate']} {r['snr']} {r['outcome']}" for r in rows], each, sep="; ", flush=True)
    summary().to_csv(HERE / "accuracy_summary.csv", index=False, lineterminator="\n")
    print(report())


if __name__ == "__main__":
    main()
