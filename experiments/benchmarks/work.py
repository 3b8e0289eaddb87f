"""Work that the benchmark starts in separate processes, to measure memory and warm-up; each prints one JSON line.

usage: python -m experiments.benchmarks.work crops VIDEO LANDMARKER OUT | describe CROPS WEIGHTS OUT BACKEND
       | images ONNX IMAGES [OUT] | decode VIDEO | mesh VIDEO LANDMARKER | extract VIDEO CACHE SETTINGS
       | pulse VIDEO LANDMARKER EVERY | made LANDMARKER OUT BPM | evidence PEOPLE
"""

import importlib
import json
import sys
import time
from pathlib import Path

import numpy as np

FRAMES = 500  # of a segment


def crops(video: str, landmarker: str, out: str) -> dict:
    """Save the first 500 aligned faces of a video at 224 pixels as .npy; a shorter video is repeated."""
    from lfnet.video.align import crop
    from lfnet.video.decode import frames
    from lfnet.video.mesh import FaceMesh

    found = []
    with FaceMesh(Path(landmarker)) as mesh:
        for frame in frames(Path(video)):
            if (face := mesh.find(frame.rgb, frame.time)) is not None:
                found.append(crop(frame.rgb, face.landmarks_LC, 224))
            if len(found) == FRAMES:
                break
    np.save(out, np.stack([found[i % len(found)] for i in range(FRAMES)]))
    return {"faces": len(found)}


def describe(file: str, weights: str, out: str, backend: str) -> dict:
    """Compute the visual descriptor of a segment's crops; timed without loading the network, as the peer is."""
    from lfnet.encoders.visual import Visual
    from lfnet.encoders.visual_settings import VisualSettings
    from lfnet.video.faces import Faces
    from lfnet.weights.weights_file import WeightsFile

    images_NHWC = np.load(file)
    own = WeightsFile(name="trunk", file=Path(weights).name, sha256=None, licence="", about="", path=Path(weights))

    def faces(count: int) -> Faces:
        index = np.arange(count)
        return Faces(index, index / 30, crops_NHWC=images_NHWC[:count])

    with Visual("visual", VisualSettings(), own, Path(out).parent, backend=backend) as encoder:
        encoder.describe(faces(1))
        began = time.perf_counter()
        found = encoder.describe(faces(len(images_NHWC)))
        seconds = time.perf_counter() - began
    np.save(out, found.vector)
    return {"frames": len(images_NHWC), "images": found.images, "seconds": seconds}


def images(network: str, file: str, out: str = "") -> dict:
    """Measure images per second through an ONNX network alone: the ceiling of the encoder that runs it.

    file: .npy of a batch; out: .npy of its outputs.
    """
    from lfnet.encoders.onnx_network import BatchedNetwork

    x_NCHW = np.load(file)
    run = BatchedNetwork(Path(network), "cpu", None, lambda n: x_NCHW[:n])
    result = run(x_NCHW)
    if out:
        np.save(out, result)
    count, began = 0, time.perf_counter()
    while time.perf_counter() - began < 5:
        run(x_NCHW)
        count += len(x_NCHW)
    return {"rate": count / (time.perf_counter() - began)}


def decode(video: str) -> dict:
    """Measure frames per second of decoding alone; the sum of all pixels is not timed."""
    from lfnet.video.decode import frames

    began = time.perf_counter()
    count = sum(1 for _ in frames(Path(video)))
    seconds = time.perf_counter() - began
    return {"frames": count, "seconds": seconds, "sum": sum(int(frame.rgb.sum()) for frame in frames(Path(video)))}


def mesh(video: str, landmarker: str) -> dict:
    """Measure frames per second of decoding and finding the face."""
    from lfnet.video.decode import frames
    from lfnet.video.mesh import FaceMesh

    with FaceMesh(Path(landmarker)) as found:
        began = time.perf_counter()
        faces = [found.find(frame.rgb, frame.time) is not None for frame in frames(Path(video))]
        return {"frames": len(faces), "faces": sum(faces), "seconds": time.perf_counter() - began}


def extract(video: str, cache: str, *settings: str) -> dict:
    """Run one pass over a video for all chosen encoders, as `lfnet extract` does; includes loading the networks."""
    import pandas as pd

    from lfnet.cli.configs import compose
    from lfnet.cohorts.cohort import Cohort, validate
    from lfnet.cohorts.scale import Band, Scale
    from lfnet.config import instantiate, plain
    from lfnet.features.extract import extract as run
    from lfnet.jobs.session import Session
    from lfnet.jobs.settings import read_inputs

    config = plain(compose("extract", [f"paths.cache={cache}", *settings]))
    row = {"clip_id": "a", "recording_id": "a", "person_id": "p", "split": "unlabelled", "task": "", "label": None}
    scale = Scale(name="BDI-II", min=0, max=63, bands=(Band(name="any", low=0, high=63),))
    clips = validate(pd.DataFrame([row | {"path": video, "fps": None, "n_frames": None}]), scale, "bench")
    encoders = [instantiate(node) for node in read_inputs(config, Session()).encoders.values()]
    reading = instantiate(config["video"])
    began = time.perf_counter()
    stores = run(
        Cohort("bench", clips, scale),
        encoders,
        cache=Path(cache),
        video=reading,
        mesh_model=reading.find_landmarker(Path(config["paths"]["weights"])),
        stride=config["encoder"]["stride"],
        batch_size=config["encoder"]["batch_size"],
        progress=False,
    )
    seconds = time.perf_counter() - began
    read = [stores[encoder.name].read("a") for encoder in encoders]
    frames = max((len(clip.valid) for clip in read if clip.meta.get("per_segment") != "true"), default=None)
    return {"frames": frames, "seconds": seconds, "segments": min(len(clip.valid) for clip in read)}


def pulse(video: str, landmarker: str, every: str) -> dict:
    """Measure the pulse of a video by POS as `lfnet pulse` does; timed without imports, as the peer is."""
    from lfnet.cli import pulse as command
    from lfnet.video.backends import import_cv2, import_mediapipe

    import_cv2()
    import_mediapipe()
    importlib.import_module("scipy.signal")
    config = command._config(["pulse.method=pos", f"video.landmarker.path={landmarker}"])
    importlib.import_module("lfnet.pulse.segments")
    began = time.perf_counter()
    report, _, _ = command._read(Path(video), None, int(every), config)
    seconds = time.perf_counter() - began
    rate = report["heart_rate_bpm"]
    return {
        "frames": report["frames"],
        "seconds": seconds,
        "rate": rate or report["each"][0]["peak_bpm"],
        "believed": rate is not None,
    }


def made(landmarker: str, out: str, bpm: str) -> dict:
    """Render a video of a still face whose skin follows a known pulse, 20 s at 30 frames/s."""
    from skimage import data

    from experiments.media.video import rendered, scene, write_h264
    from lfnet.video.mesh import FaceMesh

    with FaceMesh(Path(landmarker), video=False) as mesh:
        found = mesh.find(data.astronaut())
    assert found is not None
    seconds, random = np.arange(600) / 30, np.random.default_rng(0)
    beats = np.arange(-3, 23, 60 / float(bpm))
    # The size of the first clip, so that the face is as large for the peer's detector.
    stage = scene(data.astronaut(), found.landmarks_LC, width=320)
    write_h264(Path(out), rendered(stage, seconds, beats, random, amplitude=0.01), seconds, preset="medium")
    return {"frames": len(seconds)}


def evidence(people: str) -> dict:
    """Measure processor seconds and memory of the evidence of a table of many people, above that of its scores."""
    from experiments.benchmarks.evidence import table
    from lfnet.evaluation.evidence import EvidenceSettings, compute_evidence
    from lfnet.runs.resources import peak_memory

    rows, settings = table(4, 5, recordings=2 * int(people), people=int(people)), EvidenceSettings()
    compute_evidence(rows[:2], "row 0", EvidenceSettings(resamples=200), constant=12.0)
    with peak_memory() as before:
        pass
    with peak_memory() as after:
        began = time.process_time()
        compute_evidence(rows, "row 0", settings, constant=12.0)
        seconds = time.process_time() - began
    return {"seconds": seconds, "memory_mb": 1000 * (after.gb - before.gb), "resamples": settings.resamples}


WORK = {"crops": crops, "describe": describe, "images": images, "decode": decode, "mesh": mesh, "extract": extract}
WORK |= {"pulse": pulse, "made": made, "evidence": evidence}

if __name__ == "__main__":
    print(json.dumps(WORK[sys.argv[1]](*sys.argv[2:])))
