"""Measure the cosines of face embeddings of one and of two people, for the threshold `audit.same_person`.

python experiments/audit/faces.py --media ../shared/media --weights ../shared/weights --write
"""

import argparse
import datetime
import os
from collections.abc import Iterator
from itertools import combinations, pairwise
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from scipy import stats

from lfnet.audit.settings import AuditSettings
from lfnet.encoders.face_embedding import FaceEmbedding
from lfnet.video.align import crop
from lfnet.video.decode import frames
from lfnet.video.faces import Faces
from lfnet.video.image_folder import read_image
from lfnet.video.mesh import FaceMesh
from lfnet.weights.weights_file import WeightsFile

HERE = Path(__file__).resolve().parent
STRIDE = 3
FILMS = {"WolfgangLanger_Pexels.mp4": 4.0, "single_face.mp4": 4.0}  # of two people; seconds of a part


def embed(encoder: FaceEmbedding, crops: list[np.ndarray]) -> np.ndarray:
    """The mean vector of face crops."""
    numbers = np.arange(len(crops))
    faces = Faces(index=numbers, time=numbers.astype(float), crops_NHWC=np.stack(crops))
    return np.asarray(encoder.encode(faces).mean(axis=0))


def vectors(media: Path, weights: Path) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield person, kind of material and mean vector: of photographs in folders of people, and of parts of films."""
    file = "face_embedding_512.onnx"
    made = WeightsFile(name="mobileface", file=file, sha256=None, licence="MIT", about="", path=weights / file)
    landmarker = weights / "face_landmarker.task"
    with FaceEmbedding("mobileface", made, weights, dim=512, mean=127, scale=128, threads=1) as encoder:
        for path in sorted((media / "faces").glob("*/*")):
            with FaceMesh(landmarker, video=False) as mesh:
                image = read_image(path)
                face = mesh.find(image)
                if face is not None:
                    yield path.parent.name, "photographs", embed(encoder, [crop(image, face.landmarks_LC, 112)])
        for name, seconds in FILMS.items():
            with FaceMesh(landmarker) as mesh:
                found = [(frame, mesh.find(frame.rgb, frame.time)) for frame in frames(media / name, stride=STRIDE)]
            seen = [(frame.time, crop(frame.rgb, face.landmarks_LC, 112)) for frame, face in found if face is not None]
            edges = np.arange(0, seen[-1][0] + seconds, seconds)
            for start, stop in pairwise(edges.tolist()):
                part = [image for time, image in seen if start <= time < stop and image is not None]
                if part:
                    yield name, "parts of one film", embed(encoder, part)


def compare(media: Path, weights: Path) -> pd.DataFrame:
    """One row a pair: whether it is one person, the material, and the cosine."""
    found = [*vectors(media, weights)]
    rows = []
    for (one, kind, x), (other, other_kind, y) in combinations(found, 2):
        cosine = float(x @ y / np.linalg.norm(x) / np.linalg.norm(y))
        same = one == other
        material = kind if same else "two people"
        assert not same or kind == other_kind
        rows.append({"one_person": same, "material": material, "cosine": cosine})
    return pd.DataFrame(rows)


def share(flagged: pd.Series) -> str:
    """1 of 60 = 1.7 % [0.0 %, 8.9 %], with Clopper and Pearson's interval."""
    count, n = int(flagged.sum()), len(flagged)
    low, high = stats.binomtest(count, n).proportion_ci(method="exact")
    return f"{count} of {n} = {100 * count / n:.1f} % [{100 * low:.1f} %, {100 * high:.1f} %]"


def report(pairs: pd.DataFrame, min_cosine: float) -> str:
    """The measured error rates as Markdown."""
    lines = []
    for material, own in pairs.groupby("material", sort=False):
        same = bool(own["one_person"].iloc[0])
        wrong = own["cosine"] < min_cosine if same else own["cosine"] >= min_cosine
        nearest = own["cosine"].min() if same else own["cosine"].max()
        name = f"one person, {material}" if same else material
        lines.append(f"| {name} | {share(wrong)} | {nearest:.2f} |")
    table = "\n".join(lines)
    return f"""# Pairs of faces on the wrong side of `audit.same_person`

**Question:** how many pairs of one person lie below the cosine {min_cosine:g}, and how many of two people above it, for
encoder=mobileface?

**Result**, measured {datetime.date.today().isoformat()} by
`python experiments/audit/faces.py --media DIR --weights DIR --write` (`faces.csv`; intervals: 95 %, Clopper and
Pearson; pairs share people and films, so that they are optimistic):

| pairs | wrong | nearest cosine |
|---|---|---|
{table}

The material is small: seven people. A pair at or above the threshold is therefore a warning, not a leak, and both
recordings are named.
"""


def main() -> None:
    """Compare, print, and with --write write faces.csv and faces.md next to this file."""
    parser = argparse.ArgumentParser(description="Measure cosines of faces of one and of two people.")
    parser.add_argument("--media", type=Path, required=True, help="folder with faces/PERSON/* and the films")
    parser.add_argument("--weights", type=Path, required=True, help="folder with the face landmarker and the embedding")
    parser.add_argument("--write", action="store_true", help="write faces.csv and faces.md next to this script")
    arguments = parser.parse_args()
    pairs = compare(arguments.media, arguments.weights)
    text = report(pairs, AuditSettings().same_person["mobileface"])
    print(text)
    if arguments.write:
        pairs.to_csv(HERE / "faces.csv", index=False, lineterminator="\n", float_format="%.3f")
        (HERE / "faces.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
