"""Cost of whole systems, encoder and head or fusion: parameters, FLOPs, time and energy; writes systems.md.

    python experiments/efficiency/systems.py ../shared/weights

Parameters and FLOPs are counted; a multiply-add is 2 FLOPs. A frame costs its encoder's images and its share of a
head's windows (each frame is in two, `protocol=masked`) or of a fusion's segment of 500 frames. Time is processor time
of one thread, which other processes hardly change; images are encoded one by one. Energy is what the processor's
packages drew by RAPL, where its counters can be read. Decoding, face mesh and the pulse's filters are not counted.
"""

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lfnet.cli.configs import compose, names
from lfnet.config import instantiate, plain, read
from lfnet.deploy.stage_cost import count_flops, count_parameters
from lfnet.encoders.encoder import per_segment
from lfnet.encoders.trunk_network import cut_network, make_trunk
from lfnet.fusion import cost as fusion_cost
from lfnet.fusion.modality_data import Split, Stream
from lfnet.fusion.settings import FusionSettings
from lfnet.fusion.system import fuse
from lfnet.heads.cost import measure
from lfnet.jobs.latency import measure_speed
from lfnet.pulse.variability import NAMES
from lfnet.tuning.space import separate

OUT = Path(__file__).with_name("systems.md")
WINDOW, HOP, SEGMENT = 512, 256, 500
# Our name for a network → its file in ../shared/weights, side of its crops.
FILES = {"mobileface": ("face_embedding_512.onnx", 112)}
PUBLISHED = (  # AVEC2014, as printed in the sources, which do not say per what
    ("LightFusionNet", 0.46e6, 0.125e9),
    ("MSN", 77.7e6, 164.9e9),
    ("LMTformer", 0.95e6, 1.1e9),
)
Row = dict[str, Any]


def encoder_of(name: str) -> Any:
    """Build the encoder of conf/encoder/NAME.yaml."""
    node = plain(compose("base", [f"encoder={name}"]))["encoder"]
    return instantiate(next(value for value in node.values() if isinstance(value, dict) and "_target_" in value))


def speed_of(call: Callable[[], Any]) -> Row:
    """Measure a call: ms of processor time, the median of 20 calls; mJ, None without a counter."""
    energy, times = measure_speed(call)["energy_mj"], []
    for _ in range(20):
        begun = time.process_time()
        call()
        times.append(time.process_time() - begun)
    return {"ms": 1000 * statistics.median(times), "mj": energy}


def share(speed: Row, parts: float) -> Row:
    """Divide a call's cost by the frames that share it."""
    return {name: None if value is None else value / parts for name, value in speed.items()}


def image_speed(side: int) -> Row:
    """Measure MobileNetV3-Small on one image; its weights do not matter."""
    network, image = cut_network(make_trunk(), "whole").eval(), torch.zeros(1, 3, side, side)
    with torch.inference_mode():
        return speed_of(lambda: network(image))


def file_speed(path: Path, side: int) -> Row:
    """Measure a network of an ONNX file on one image."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    image = {session.get_inputs()[0].name: np.zeros((1, 3, side, side), np.float32)}
    return speed_of(lambda: session.run(None, image))


def of_encoders(weights: Path) -> dict[str, Row]:
    """Cost of a frame through each encoder whose network can be counted."""
    found: dict[str, Row] = {}
    one = image_speed(224)
    for name in ("mobilenet", "visual"):
        encoder = encoder_of(name)
        counted, frames = encoder.cost(), encoder.segment_frames if per_segment(encoder) else 1
        images = encoder.images_per_vector / frames
        found[name] = {
            "dim": encoder.dim,
            "parameters": counted.parameters,
            "flops": counted.flops / frames,
            **share(one, 1 / images),
        }
    for name, (file, side) in FILES.items():
        path = weights / file
        found[name] = {
            "dim": encoder_of(name).dim,
            "parameters": count_parameters(path),
            "flops": count_flops(path, {input_name(path): (1, 3, side, side)}),
            **file_speed(path, side),
        }
    return found


def input_name(path: Path) -> str:
    """Name of the image input of an ONNX file."""
    import onnx

    graph = onnx.load(str(path)).graph
    constants = {tensor.name for tensor in graph.initializer}
    return next(value.name for value in graph.input if value.name not in constants)


def of_head(name: str, dim: int) -> Row:
    """Cost of a head, and of a frame's share of its windows."""
    head = instantiate(separate(plain(compose(None, [f"+head={name}"])))["head"], n_features=dim)
    counted = measure(head, WINDOW, dim)
    x_BTD, mask_BT = torch.zeros(1, WINDOW, dim), torch.ones(1, WINDOW, dtype=torch.bool)
    head.eval()
    with torch.inference_mode():
        speed = speed_of(lambda: head(x_BTD, mask_BT))
    return {"parameters": counted.parameters, "flops": counted.flops / HOP, **share(speed, HOP)}


def random_clips(dim: int, clips: int, seed: int) -> Split:
    """Draw clips of three segments, two a person, so that a fusion has its usual number of parameters."""
    random = np.random.default_rng(seed)
    owner = np.repeat(np.arange(clips), 3)
    face = Stream(random.standard_normal((len(owner), dim)), owner, tuple(f"v{k}" for k in range(dim)))
    pulse = Stream(np.exp(random.standard_normal((len(owner), len(NAMES)))), owner, NAMES)
    ids = np.array([f"c{clip}" for clip in range(clips)])
    people = np.array([f"p{clip // 2}" for clip in range(clips)])
    return Split(random.uniform(0, 63, clips), people, ids, ids, face, pulse)


def of_fusion(name: str, dim: int) -> Row:
    """Cost of a fusion of 100 training clips, and of a frame's share of a clip of one segment."""
    node = plain(compose("train", [f"fusion={name}", "fusion.choose=people", "fusion.training_scores=in_sample"]))[
        "fusion"
    ]
    node["visual"] |= {"k": node["visual"]["k"][-1:], "C": node["visual"]["C"][-1:], "rows": node["visual"]["rows"][:1]}
    node["physiological"] |= {"models": ["stacking"], "aggregate": ["mean"]}
    node["physiological"]["votes"]["k"] = node["physiological"]["votes"]["k"][-1:]
    node["physiological"]["svr"]["C"] = node["physiological"]["svr"]["C"][-1:]
    train, test = (random_clips(dim, clips, seed) for seed, clips in enumerate((100, 2)))
    system = fuse(train, {"test": test}, read(FusionSettings, node, "fusion"), seed=0).system
    one = test.take(np.array([0]))
    parts, speed = fusion_cost.measure(system)["all"], speed_of(lambda: system.scores(one))
    return {"parameters": parts.parameters, "flops": parts.flops / SEGMENT, **share(speed, SEGMENT)}


def line(name: str, encoder: Row, model: Row) -> str:
    """A row: encoder + model."""
    parameters = encoder["parameters"] + model["parameters"]
    flops, ms = encoder["flops"] + model["flops"], encoder["ms"] + model["ms"]
    energy = "—" if encoder["mj"] is None or model["mj"] is None else f"{encoder['mj'] + model['mj']:.3g}"
    shares = model["parameters"] / parameters, model["flops"] / flops
    return (
        f"| {name} | {parameters / 1e6:.3f} | {100 * shares[0]:.1f} | {flops / 1e9:.4f} | {100 * shares[1]:.2f} | "
        f"{flops * SEGMENT / 1e9:.1f} | {ms:.2f} | {energy} |"
    )


def main() -> None:
    """Count, measure and write."""
    torch.set_num_threads(1)
    encoders = of_encoders(Path(sys.argv[1]))
    rows = [
        line(f"{encoder} + {head}", found, of_head(head, found["dim"]))
        for encoder, found in encoders.items()
        if encoder != "visual"
        for head in names("head")
        if head != "region_attention"
    ]
    visual = encoders["visual"]
    rows += [
        line(f"visual, skin + fusion={name}", visual, of_fusion(name, visual["dim"]))
        for name in ("published", "nested")
    ]
    rows += [f"| *{name} (published)* | {p / 1e6:.2f} | | {f / 1e9:.3f} per ? | | | | |" for name, p, f in PUBLISHED]
    OUT.write_text(
        "# Whole systems: encoder and head, or encoders and fusion\n\n"
        "| System | Parameters (M) | of the model (%) | GFLOPs a frame | of the model (%) | GFLOPs in 500 frames "
        "| ms a frame | mJ a frame |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"
        + "\n".join(rows)
        + "\n\n"
        f"- Windows of {WINDOW} frames every {HOP}; segments of {SEGMENT} frames. A multiply-add is 2 FLOPs.\n"
        "- ms: processor time of one thread, images one by one; of an encoder, of its network alone.\n"
        "- —: no energy counter can be read here.\n"
        f"- One 224 × 224 image through MobileNetV3-Small: {encoders['mobilenet']['flops'] / 1e9:.4f} GFLOPs.\n"
        "- Not counted: decoding, face mesh, and the filters of the pulse.\n"
        "- per ?: the source does not say of what its FLOPs are.\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
