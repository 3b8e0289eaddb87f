"""Measure the error of RMSSD and SDNN against pulses with known intervals, and write the table that lfnet ships.

Four sources: `fit`, drawn skin traces that the table is made from, six of ten quantised as by a video codec; `traces`,
other draws; `videos`, a rendered face with a drawn pulse, encoded (H.264 at three crf, MJPEG) and read as any other
video; `ppg`, recorded finger pulses (HeartPy and systole, in ../shared/signals) as the blood volume of drawn skin, with
NeuroKit2's peaks of the clean recording as reference. Pulses with a true value outside 10 to 120 ms do not count.

Rows of segments go to --rows, one file for each source; a source with a file is not measured again. With --report,
lfnet/pulse/errors.csv (from `fit` alone) and variability.csv are written, and the tables of the README printed.

python experiments/pulse/variability.py --rows DIR --landmarker FILE --report [--source fit traces ppg videos]
"""

import argparse
import csv
import functools
import multiprocessing
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from experiments.media.pulses import draw_pulse, draw_skin
from lfnet.cli.configs import compose
from lfnet.config import instantiate
from lfnet.pulse.beats import correct_artefacts
from lfnet.pulse.errors import COVERAGE, SNR_FROM, TABLE, VALUE_FROM, error_share
from lfnet.pulse.methods import band_pass
from lfnet.pulse.segments import read_segments
from lfnet.pulse.settings import METHODS, PulseSettings

HERE = Path(__file__).parent
FPS = (15, 25, 30, 60)
SECONDS = (10.0, 17.0, 17.0, 30.0, 60.0)
DRAWS = {"fit": 1600, "traces": 600, "ppg": 400, "videos": 2}
CODED = 0.6  # share of the traces that are quantised as by a codec
SEEDS = {name: seed for seed, name in enumerate(DRAWS)}
FEATURES = ("RMSSD", "SDNN")
_VALUES = (f"{name}{of}" for name in FEATURES for of in ("_true", "", "_peak"))
COLUMNS = ("codec", "fps", "method", "seconds", "snr", *_VALUES)
TRUE = (10.0, 120.0)  # ms; the table is about people in this range
MIN_CELL = 5  # segments


def spread(intervals_ms: np.ndarray) -> dict[str, float]:
    """Return RMSSD and SDNN."""
    rmssd = np.sqrt((np.diff(intervals_ms) ** 2).mean())
    return {"RMSSD": round(float(rmssd), 2), "SDNN": round(float(intervals_ms.std(ddof=1)), 2)}


@functools.cache
def nested() -> PulseSettings:
    settings: PulseSettings = instantiate(compose(None, ["+pulse=nested"]).pulse, "pulse")
    return settings


def read(skin: np.ndarray, time: np.ndarray, truth: np.ndarray, seconds: float, **about: Any) -> list[dict[str, Any]]:
    """Read the first segment of a skin trace with each method; return a row for each that passes the quality rules."""
    rows = []
    for method in METHODS:
        # Without enough beats, features are not computed: the intervals are all that is needed.
        settings = replace(nested(), method=method, segment=seconds, hop=seconds, min_beats=10**6)
        segment = read_segments(skin, time, np.ones(len(time), bool), settings)[0]
        beats = segment.beats
        if beats is None or len(beats.peaks) < nested().min_beats or len(beats.intervals) < 5:
            continue
        row = {**about, "method": method, "seconds": seconds, "snr": round(segment.snr, 2)}
        row |= {f"{name}_true": value for name, value in spread(truth).items()}
        row |= spread(beats.intervals)
        at_peaks = correct_artefacts(beats.peaks, nested().correct)[0]
        row |= {f"{name}_peak": value for name, value in spread(at_peaks).items()}
        rows.append(row)
    return rows


def trace(source: str, draw: int) -> list[dict[str, Any]]:
    """Draw a pulse, and skin that follows it."""
    rng = np.random.default_rng([SEEDS[source], draw])
    fps, seconds = FPS[draw % len(FPS)], SECONDS[draw % len(SECONDS)]
    pulse = draw_pulse(rng, seconds)
    step = 10 ** rng.uniform(-0.7, 0.6) if rng.random() < CODED else None
    skin, time = draw_skin(pulse.volume, rng, seconds, fps, step)
    codec = "none" if step is None else "quantised"
    return read(skin, time, pulse.intervals(seconds), seconds, codec=codec, fps=fps)


@functools.cache
def recorded() -> list[tuple[Any, float, np.ndarray]]:
    """Return the clean parts of recorded finger pulses: volume as a spline of seconds, start, intervals in ms."""
    import neurokit2
    from scipy.interpolate import CubicSpline

    folder = HERE.parents[2] / "shared" / "signals"
    with (folder / "heartpy_ppg_100hz.csv").open() as file:
        short = np.array([float(cell) for row in csv.reader(file) for cell in row])
    parts = []
    for signal, rate in ((short, 100.0), (np.load(folder / "ppg_75hz.npy").astype(float), 75.0)):
        peaks = neurokit2.ppg_process(signal, sampling_rate=rate)[1]["PPG_Peaks"] / rate
        smooth = band_pass(signal, rate, (0.4, 12.0), 2)
        level = np.sqrt(np.convolve(smooth**2, np.ones(int(8 * rate)) / int(8 * rate), "same"))
        volume = CubicSpline(np.arange(len(signal)) / rate, smooth / level)
        for start in np.arange(0, len(signal) / rate - 17, 3):
            truth = 1000 * np.diff(peaks[(peaks >= start) & (peaks < start + 17)])
            if (np.abs(truth / np.median(truth) - 1) < 0.2).all():  # no artefact
                parts.append((volume, float(start), truth))
    return parts


def ppg(draw: int) -> list[dict[str, Any]]:
    """Draw skin that follows a recorded finger pulse."""
    rng = np.random.default_rng([SEEDS["ppg"], draw])
    parts = recorded()
    volume, start, truth = parts[draw % len(parts)]
    fps = FPS[draw // len(parts) % len(FPS)]
    skin, time = draw_skin(lambda seconds: volume(start + seconds), rng, 17.0, fps)
    return read(skin, time, truth, 17.0, codec="none", fps=fps)


def video(landmarker: Path, draw: int) -> list[dict[str, Any]]:
    """Render a face with a drawn pulse, encode it in several ways, and read the files."""
    from experiments.media.video import CODECS, rendered, write_video
    from experiments.pulse.accuracy import astronaut, read_skin

    seconds, fps = 17.0, FPS[draw % len(FPS)]
    rng = np.random.default_rng([SEEDS["videos"], draw])
    pulse, time = draw_pulse(rng, seconds), np.arange(round(seconds * fps)) / fps
    given = {"amplitude": 10 ** rng.uniform(-2.4, -1.7), "motion": rng.uniform(0, 0.1), "noise": rng.uniform(1, 3)}
    base = astronaut(landmarker, 180.0)
    images = list(rendered(base, time, pulse.volume, rng, flicker=(2.1, 0.002), **given))
    rows = []
    for codec in CODECS:
        with tempfile.TemporaryDirectory() as folder:
            clip = read_skin(write_video(Path(folder) / "made", iter(images), time, codec), landmarker, every=10)
        rows += read(clip.features, clip.time, pulse.intervals(seconds), seconds, codec=codec, fps=fps)
    return rows


def measured(source: str, options: argparse.Namespace) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows of each draw of a source."""
    one = {"ppg": ppg, "videos": functools.partial(video, options.landmarker)}.get(source)
    one = one or functools.partial(trace, source)
    count = DRAWS[source] * (len(FPS) if source == "videos" else 1)
    with multiprocessing.get_context("fork").Pool(options.jobs) as pool:
        yield from pool.imap(one, range(count))


def table_of(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the error as a share of the value, by cells of SNR and value.

    In each cell it is an upper limit (95 %, normal approximation) of the share that `COVERAGE` of its segments keep to.
    It never falls with the value; a cell with fewer than `MIN_CELL` segments has the share of its neighbour.
    """
    cells = []
    for name in FEATURES:
        part = rows[rows[f"{name}_true"].between(*TRUE)]
        share = (part[name] - part[f"{name}_true"]).abs() / part[name]
        row, column = (
            np.clip(np.searchsorted(limits, values, side="right") - 1, 0, None)
            for limits, values in ((SNR_FROM, part.snr), (VALUE_FROM, part[name]))
        )
        for i, decibels in enumerate(SNR_FROM):
            inside = [share[(row == i) & (column == j)] for j in range(len(VALUE_FROM))]
            limits = pd.Series([_upper_limit(cell) if len(cell) >= MIN_CELL else np.nan for cell in inside])
            found = limits.bfill().ffill().cummax()
            cells += [(name, decibels, *row) for row in zip(VALUE_FROM, found.round(2), map(len, inside), strict=True)]
    return pd.DataFrame(cells, columns=["feature", "snr_from", "value_from", "error_share", "segments"])


def _upper_limit(share: "pd.Series[float]") -> float:
    margin = 1.645 * np.sqrt(COVERAGE * (1 - COVERAGE) / len(share))
    return float(share.quantile(min(1.0, COVERAGE + margin)))


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each segment and feature with its error and the stated one."""
    bands = pd.cut(rows.snr, [-99, 4, 8, 12, 99], labels=["below 4", "4 to 8", "8 to 12", "12 or more"])
    parts = []
    for name in FEATURES:
        one = rows.assign(feature=name, band=bands, true=rows[f"{name}_true"], found=rows[name])
        one["error"] = (one.found - one.true).abs()
        one["error_peak"] = (rows[f"{name}_peak"] - one.true).abs()
        one["share"] = [error_share(name, value, snr) for value, snr in zip(one.found, one.snr, strict=True)]
        parts.append(one)
    return pd.concat(parts)


def cells(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of variability.csv."""
    found = []
    for key, group in rows.groupby(["source", "feature", "codec", "fps", "method", "band"], observed=True):
        found.append((*key, *line(group)))
    names = ["source", "feature", "codec", "fps", "method", "snr_dB", "segments", "true_ms", "found_ms", "error_68_ms"]
    return pd.DataFrame(found, columns=[*names, "within_stated", "shown", "shown_within_stated"])


def line(group: pd.DataFrame) -> tuple[Any, ...]:
    """Return the number of segments, median truth and value, error, coverage, share shown, and its coverage."""
    within, shown = group.error <= group["share"] * group.found, group["share"] <= 0.5
    return (
        len(group),
        round(float(group.true.median()), 1),
        round(float(group.found.median()), 1),
        round(float(group.error.quantile(COVERAGE)), 1),
        round(float(within.mean()), 3),
        round(float(shown.mean()), 3),
        round(float(within[shown].mean()), 3) if shown.any() else "",
    )


def report(rows: pd.DataFrame) -> str:
    """Format the tables of the README."""
    head = "segments | median truth | median value | error (68 %) | within the stated error | shown | of these within"
    lines = []
    for feature, of_feature in rows[rows.source != "fit"].groupby("feature", sort=False):
        for by in ("source", "band", "codec", "fps", "method", "seconds"):
            lines += [f"\n{feature} by {by}\n", f"| {by} | {head} |", "|" + "---|" * 8]
            chosen = of_feature if by == "source" else of_feature[of_feature.source != "ppg"]
            for name, group in chosen.groupby(by, observed=True):
                n, true, found, error, within, shown, of_shown = line(group)
                of_shown = "" if of_shown == "" else f"{100 * of_shown:.0f} %"
                lines.append(
                    f"| {name} | {n} | {true:.0f} ms | {found:.0f} ms | {error:.0f} ms | {100 * within:.0f} % | "
                    f"{100 * shown:.0f} % | {of_shown} |"
                )
        lines += [f"\n{feature}, beat at the peak vs at the steepest upstroke\n"]
        lines += ["| source | median error | 90 % | Spearman |", "|---|---|---|---|"]
        for source, group in of_feature.groupby("source"):
            both = [(group.error_peak, group[f"{feature}_peak"]), (group.error, group.found)]
            middle, high = (" vs ".join(f"{e.quantile(q):.1f}" for e, _ in both) for q in (0.5, 0.9))
            rho = " vs ".join(f"{spearmanr(value, group.true)[0]:.2f}" for _, value in both)
            lines.append(f"| {source} | {middle} ms | {high} ms | {rho} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=Path, required=True, help="folder for the rows of segments")
    parser.add_argument("--source", nargs="*", choices=list(DRAWS), default=list(DRAWS))
    parser.add_argument("--landmarker", type=Path)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--report", action="store_true", help="write errors.csv and variability.csv, print the tables")
    options = parser.parse_args()
    options.rows.mkdir(parents=True, exist_ok=True)
    for source in options.source:
        path = options.rows / f"{source}.csv"
        if not path.exists():
            with path.with_suffix(".part").open("w", newline="") as file:
                writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
                writer.writeheader()
                for rows in measured(source, options):
                    writer.writerows(rows)
                    file.flush()
            path.with_suffix(".part").rename(path)
    if options.report:
        found = {path.stem: pd.read_csv(path) for path in options.rows.glob("*.csv")}
        TABLE.write_text(table_of(found["fit"]).to_csv(index=False, lineterminator="\n"))
        everyone = summary(pd.concat([each.assign(source=name) for name, each in found.items()], ignore_index=True))
        rows = everyone[everyone.true.between(*TRUE)]
        cells(rows).to_csv(HERE / "variability.csv", index=False, lineterminator="\n")
        print(report(rows))
        for name, group in everyone[(everyone.source == "traces") & (everyone.true < TRUE[0])].groupby("feature"):
            count, true, value, _, within, shown, _ = line(group)
            print(f"\n{name} below {TRUE[0]:g} ms: {count} segments, {true} ms is read as {value} ms")
            print(f"{within} within the stated error, {shown} shown")


if __name__ == "__main__":
    main()
