"""8-bit bundles on real clips: difference of their scores from torch's, and latency per decoded frame.

    python experiments/targets/bundles.py ../shared --encoders blendshapes mobilenet --heads hybrid

Trains each head on two clips (80 epochs at a rate of .01, invented labels 30 and 5; a third clip chooses the epoch, the
fourth is test), so that its scores differ strongly. Exports it with --int8, scores every clip with `lfnet predict` in a
separate process, and writes int8.csv and latency.csv in the folder of this file, row by row.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lfnet.deploy.export import export
from lfnet.deploy.trained_head import TrainedHead
from lfnet.runs.run import Run
from lfnet.training.predict import predict

HERE = Path(__file__).resolve().parent
LFNET = [sys.executable, "-c", "import sys; from lfnet.cli.main import main; sys.exit(main(sys.argv[1:]))"]
CLIPS = (
    ("noface_face.mov", "train", 30),
    ("single_face.mp4", "train", 5),
    ("face_noface.mov", "dev", 30),
    ("WolfgangLanger_Pexels.mp4", "test", 20),
)
WEIGHTS = {"mobilenet": "mobilenetv3_small_features.pt", "mobileface": "face_embedding_512.onnx"}
STAGES = ("decode", "landmarker", "align", "encoder", "skin", "pulse", "windows", "head")


COLUMNS = {
    "latency.csv": (
        *("encoder", "head", "variant", "clip", "frames", "frames_with_a_face", "points_from_torch", "ms_per_frame"),
        *(f"{stage}_ms" for stage in STAGES),
        "load",
    ),
    "int8.csv": (
        *("encoder", "head", "clips", "largest_clip", "windows", "largest_window"),
        *("lowest_score", "highest_score", "bytes"),
    ),
}


def main() -> None:
    """Measure every head on every encoder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--encoders", nargs="+", default=["blendshapes", "mobilenet", "mobileface"])
    parser.add_argument("--heads", nargs="+", default=["hybrid"])
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    for name, columns in COLUMNS.items():
        (HERE / name).write_text(",".join(columns) + "\n", encoding="utf-8")
    with TemporaryDirectory() as scratch:
        root, media = Path(scratch), options.shared.resolve() / "media"
        with (root / "manifest.csv").open("w", newline="") as file:
            rows = [(media / name, name, split, label) for name, split, label in CLIPS]
            csv.writer(file).writerows([("path", "person_id", "split", "label"), *rows])
        for encoder in options.encoders:
            for head in options.heads:
                run = trained(root, options.shared.resolve(), encoder, head)
                facts = export(run, root / "bundle", variant="int8", min_frames=60)
                measured(run, facts, root / "bundle", encoder, head, media, options.threads)


def trained(root: Path, shared: Path, encoder: str, head: str) -> TrainedHead:
    """Train one head with the command and return its run."""
    settings = [
        "cohort=folder", f"cohort.root={root}", "cohort.allow_outside=true", "cohort.name=clips", f"encoder={encoder}",
        f"video.landmarker.path={shared}/weights/face_landmarker.task", f"head={head}", "protocol.window=64",
        "protocol.hop=32", "trainer.max_epochs=80", "trainer.patience=80", "trainer.windows_per_clip=1",
        "trainer.lr=0.01", *(f"paths.{name}={root}/{name}" for name in ("runs", "cache")),
    ]  # fmt: skip
    if encoder in WEIGHTS:
        path = f"encoder.{encoder}.weights.path"
        settings += [f"{path}={shared}/weights/{WEIGHTS[encoder]}", f"encoder.{encoder}.weights.sha256=null"]
    said = subprocess.run([*LFNET, "train", *settings], check=True, capture_output=True, text=True).stdout
    return TrainedHead(Run.open(Path(next(line for line in said.splitlines() if ": /" in line).partition(": ")[2])))


def torch_scores(run: Run) -> dict[str, float]:
    """Return the torch head's score of every clip, by file name."""
    data, head, found = run.data(), run.head(), {}
    for split in ("train", "dev", "test"):
        table = data.split(split)
        points = data.labels.points(predict(head, data.eval_dataloader(table), "cpu"))
        found |= table.assign(points=points).groupby("clip_id")["points"].mean().to_dict()
    return {Path(str(path)).name: found[clip] for clip, path in data.clips.set_index("clip_id")["path"].items()}


def measured(run: Run, facts: dict[str, Any], bundle: Path, encoder: str, head: str, media: Path, threads: int) -> None:
    """Score every clip with the command and add the rows."""
    wanted = torch_scores(run)
    clips = [str(media / name) for name, *_ in CLIPS]
    command = [*LFNET, "predict", *clips, "--bundle", str(bundle), "--json", "--threads", str(threads)]
    videos = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["videos"]
    load, off = round(os.getloadavg()[0] / (os.cpu_count() or 1), 2), []
    for video in videos:
        name = Path(video["video"]).name
        off.append(abs(video["score"] - wanted[name]))
        stages = video["latency"]["stages_ms_per_frame"]
        seen = [video["frames"], video["frames_with_a_face"], f"{off[-1]:.4f}", video["latency"]["ms_per_frame"]]
        add("latency.csv", [encoder, head, "int8", name, *seen, *(stages.get(stage, "") for stage in STAGES), load])
    parity, spread = facts.head.parity, (min(wanted.values()), max(wanted.values()))
    size = facts.files[facts.head.file].bytes
    add("int8.csv", [encoder, head, len(videos), f"{max(off):.3f}", parity.real_windows, parity.real_max,
                     *(f"{value:.1f}" for value in spread), size])  # fmt: skip


def add(name: str, row: list[Any]) -> None:
    """Append a row to a file next to this one."""
    with (HERE / name).open("a", newline="") as file:
        csv.writer(file, lineterminator="\n").writerow(row)
    print(name, *row, flush=True)


if __name__ == "__main__":
    main()
