"""Pulse by VitalLens' local POS: decoded by PyAV, its own face detection, POS and heart rate, without tuning.

Run it where `vitallens==0.6.2`, scipy, psutil, pandas and av are installed; nothing leaves the machine.

usage: vitallens_pos.py VIDEO
"""

import argparse
import time

import av
import numpy as np
from vitallens import VitalLens

if __name__ == "__main__":
    a = argparse.ArgumentParser()
    a.add_argument("video")
    a = a.parse_args()
    vl = VitalLens(method="pos", export_to_json=False)
    t = time.perf_counter()
    with av.open(a.video) as container:
        fps = float(container.streams.video[0].average_rate)
        container.streams.video[0].thread_type = "AUTO"
        frames = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    decoded = time.perf_counter() - t
    found = vl(frames, fps=fps)
    t = time.perf_counter() - t
    vitals = found[0]["vitals"] if "vitals" in found[0] else found[0]["vital_signs"]
    rate = vitals["heart_rate"]["value"]
    print(f"{len(frames)} frames, {t:.2f} s ({decoded:.2f} s decoding), {len(frames) / t:.1f} frames/s, {rate:.2f} bpm")
