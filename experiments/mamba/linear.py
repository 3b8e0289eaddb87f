"""Measure how a head's time grows with the length of the window.

For each head and length: the minimum processor time over several passes of one window of random frames, for the forward
pass (scoring) and for forward and backward (training), in one thread. The transformer, whose attention grows with the
square of the length, is the comparison.

    python experiments/mamba/linear.py                 writes linear.csv next to this file and prints the ratios
    python experiments/mamba/linear.py --passes 9      more passes, for a loaded machine
"""

import argparse
import csv
import os
import platform
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch import nn

from lfnet.heads.mamba import Mamba
from lfnet.heads.mamba_gru import MambaGRU
from lfnet.heads.transformer import VanillaTransformer

FRAMES = (1024, 2048, 4096, 8192)
FEATURES = 512
HEADS = {"mamba": Mamba, "mamba_gru": MambaGRU, "transformer": VanillaTransformer}


def minimum_seconds(head: nn.Module, passes: int, *, backward: bool) -> list[float]:
    """Return the minimum seconds of `passes` passes for each of FRAMES, lengths in turn: disturbances only add time."""
    seconds: list[list[float]] = []
    for _ in range(passes + 1):  # the first one warms up
        seconds.append([])
        for frames in FRAMES:
            x_BTD, mask_BT = torch.randn(1, frames, FEATURES), torch.ones(1, frames, dtype=torch.bool)
            started = time.process_time()
            with torch.set_grad_enabled(backward):
                y_B = head(x_BTD, mask_BT)
                if backward:
                    y_B.sum().backward()
            seconds[-1].append(time.process_time() - started)
    return [min(own) for own in zip(*seconds[1:], strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--passes", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("linear.csv"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rows = []
    for name, make in HEADS.items():
        head = make(FEATURES, max(FRAMES)).eval()
        for what in ("forward", "forward and backward"):
            found = minimum_seconds(head, arguments.passes, backward=what != "forward")
            for frames, seconds, before in zip(FRAMES, found, [None, *found], strict=False):
                ratio = "" if before is None else f"{seconds / before:.2f}"
                rows.append((name, what, frames, f"{seconds:.4f}", ratio))
                print(f"{name:12} {what:21} {frames:5d} frames {seconds:8.4f} s   × {ratio or '-'}", flush=True)
    with arguments.out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["head", "what", "frames", "seconds", "times_half"])
        writer.writerows(rows)
    print(f"torch {torch.__version__}, {platform.machine()}, one thread; written to {arguments.out}")


if __name__ == "__main__":
    main()
