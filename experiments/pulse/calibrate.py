"""Calibrate the threshold of conf/pulse/nested.yaml: how often does a trace without a pulse pass?

Writes noise.csv: for each method and length of segment, quantiles of the SNR of the highest noise peak, and the share
of segments that pass at several thresholds, with and without the rule that two regions of the face agree. Writes
detection.csv: the share of segments with a pulse that pass and have the correct rate, by amplitude.

Each draw is a different trace: camera noise of .02 to .2 % of the skin's colour in a region's mean, light that drifts
by up to .5 %, a head whose motion shades the regions by .1 to 2 %, and in half of the draws a lamp that flickers by up
to .5 % anywhere in the band.

python experiments/pulse/calibrate.py [--draws 400] [--seconds 17] [--method pos]
"""

import argparse
import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from experiments.media.skin import MadeSkin, made_skin
from lfnet.cli.configs import compose
from lfnet.config import instantiate
from lfnet.pulse.segments import read_segments
from lfnet.pulse.settings import METHODS, PulseSettings

HERE = Path(__file__).parent
THRESHOLDS = (-2.0, -1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0)
AMPLITUDES = (0.003, 0.005, 0.01)


def draw_skin(rng: np.random.Generator, seconds: float, amplitude: float, bpm: float) -> MadeSkin:
    """Draw a skin trace with random noise, light and motion."""
    flicker = (rng.uniform(0.6, 4.0), rng.uniform(0, 0.005)) if rng.random() < 0.5 else None
    return made_skin(
        bpm,
        seconds,
        rng,
        amplitude=amplitude,
        noise=10 ** rng.uniform(np.log10(0.0002), np.log10(0.002)),
        light=rng.uniform(0, 0.005),
        motion=10 ** rng.uniform(-3, np.log10(0.02)),
        flicker=flicker,
        variability_ms=30.0,
    )


def measure(settings: PulseSettings, amplitude: float, draws: int, seed: int) -> np.ndarray:
    """Return SNR, number of regions that agree, and error of the rate of all segments, [draws, 3]."""
    rng = np.random.default_rng(seed)
    everything = replace(settings, measure="snr", threshold=-1e9, min_regions=0, min_beats=10**6)
    rows = []
    for _ in range(draws):
        bpm = rng.uniform(45, 150)
        made = draw_skin(rng, settings.segment, amplitude, bpm)
        (segment,) = read_segments(made.skin_TRC, made.time_T, made.valid_T, everything)
        agree = (np.abs(np.array(segment.region_rates) - segment.heart_rate) <= settings.max_rate_difference).sum()
        truth = 60 / np.diff(made.beats).mean()
        rows.append((segment.snr, agree, abs(segment.heart_rate - truth)))
    return np.array(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=400)
    parser.add_argument("--seconds", type=float, nargs="*", default=[17.0])
    parser.add_argument("--method", nargs="*", default=list(METHODS))
    options = parser.parse_args()
    nested: PulseSettings = instantiate(compose(None, ["+pulse=nested"]).pulse, "pulse")
    noise: list[dict[str, Any]] = []
    detection: list[dict[str, Any]] = []
    for method in options.method:
        for seconds in options.seconds:
            settings = replace(nested, method=method, segment=seconds, hop=seconds)
            found = measure(settings, 0.0, options.draws, seed=1)
            row = {"method": method, "seconds": seconds, "draws": options.draws}
            row |= {f"snr_{q}%": round(float(np.quantile(found[:, 0], q / 100)), 2) for q in (50, 95, 99)}
            for agreeing in (0, 2):
                for limit in THRESHOLDS:
                    passed = (found[:, 0] >= limit) & (found[:, 1] >= agreeing)
                    row[f"passed_{limit:g}dB_{agreeing}agree"] = round(float(passed.mean()), 4)
            noise.append(row)
            print(row, flush=True)
            for amplitude in AMPLITUDES:
                found = measure(settings, amplitude, options.draws // 4, seed=2)
                passed = (found[:, 0] >= nested.threshold) & (found[:, 1] >= nested.min_regions)
                error = found[:, 2]
                detection.append(
                    {
                        "method": method,
                        "seconds": seconds,
                        "amplitude": amplitude,
                        "threshold_dB": nested.threshold,
                        "passed": round(float(passed.mean()), 3),
                        "error_of_passed_median": round(float(np.median(error[passed])), 3) if passed.any() else "",
                        "right_of_passed": round(float((error[passed] < 5).mean()), 3) if passed.any() else "",
                        "error_of_all_median": round(float(np.median(error)), 3),
                    }
                )
                print(detection[-1], flush=True)
    for name, rows in (("noise.csv", noise), ("detection.csv", detection)):
        with (HERE / name).open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
