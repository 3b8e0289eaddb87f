"""Measure how much of RMSSD and SDNN is the error of beat detection, on traces with known intervals.

Writes floor.csv: for independent intervals with an SD of 0, 20, 40 and 80 ms, and each amplitude of the pulse, medians
over draws of the true and the measured RMSSD and SDNN of the kept segments. Camera noise is .05 % of the
skin's colour in a region's mean, motion .3 %.

python experiments/pulse/floor.py [--draws 40]
"""

import argparse
import csv
from pathlib import Path

import numpy as np

from experiments.media.skin import made_skin
from lfnet.cli.configs import compose
from lfnet.config import instantiate
from lfnet.pulse.segments import read_segments

HERE = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=40)
    options = parser.parse_args()
    settings = instantiate(compose(None, ["+pulse=nested"]).pulse, "pulse")
    rows = []
    for amplitude in (0.003, 0.005, 0.01):
        for spread in (0.0, 20.0, 40.0, 80.0):
            rng = np.random.default_rng(0)
            found = []
            for _ in range(options.draws):
                bpm = rng.uniform(55, 100)
                skin = made_skin(bpm, settings.segment, rng, amplitude=amplitude, variability_ms=spread)
                (segment,) = read_segments(skin.skin_TRC, skin.time_T, skin.valid_T, settings)
                if segment.kept:
                    truth = 1000 * np.diff(skin.beats)
                    rmssd = np.sqrt((np.diff(truth) ** 2).mean())
                    found.append((rmssd, segment.values["RMSSD"], truth.std(ddof=1), segment.values["SDNN"]))
            medians = [round(float(x), 1) for x in np.median(found, axis=0)] if found else [""] * 4
            names = ("rmssd_true", "rmssd_read", "sdnn_true", "sdnn_read")
            rows.append({"amplitude": amplitude, "spread_ms": spread, "kept": len(found), "draws": options.draws})
            rows[-1] |= dict(zip(names, medians, strict=True))
            print(rows[-1], flush=True)
    with (HERE / "floor.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
