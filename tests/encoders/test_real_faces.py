"""Real photographs of five people: aligned by the video room, embedded, compared."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from lfnet.encoders.blendshapes import Blendshapes
from lfnet.encoders.face_embedding import FaceEmbedding
from lfnet.video.faces import Faces
from lfnet.weights.weights_file import load

CONF = Path(__file__).resolve().parents[2] / "conf"


@pytest.fixture(scope="module")
def photographs(shared: Path) -> tuple[Faces, list[str]]:
    """The faces of all photographs and whose they are."""
    pytest.importorskip("cv2", reason="needs OpenCV's system libraries: see lfnet doctor", exc_type=ImportError)
    from lfnet.video.align import crop
    from lfnet.video.mesh import FaceMesh

    files = sorted((shared / "media" / "faces").glob("*/*.jp*g"))
    meshes, crops = [], []
    with FaceMesh(shared / "weights" / "face_landmarker.task", video=False) as landmarker:
        for file in files:
            with Image.open(file) as picture:
                rgb = np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
            mesh = landmarker.find(rgb)
            assert mesh is not None, f"no face found in {file}"
            meshes.append(mesh)
            crops.append(crop(rgb, mesh.landmarks_LC, 112))
    faces = Faces(
        index=np.arange(len(files), dtype=np.int64),
        time=np.arange(len(files)) / 30,
        crops_NHWC=np.stack(crops),
        blendshapes_NB=np.stack([mesh.blendshapes_B for mesh in meshes]),
        pose_N44=np.stack([mesh.pose_44 for mesh in meshes]),
    )
    return faces, [file.parent.name for file in files]


def test_same_people_are_nearer_than_different_ones(
    photographs: tuple[Faces, list[str]], shared: Path, tmp_path: Path
) -> None:
    faces, people = photographs
    weights = replace(load(CONF, "mobileface"), path=shared / "weights" / "face_embedding_512.onnx")
    with FaceEmbedding("mobileface", weights, tmp_path, dim=512, mean=127, scale=128, batch_size=4) as encoder:
        vectors = encoder.encode(faces)
    cosine = vectors @ vectors.T
    pairs = list(itertools.combinations(range(len(people)), 2))
    same = [cosine[i, j] for i, j in pairs if people[i] == people[j]]
    different = [cosine[i, j] for i, j in pairs if people[i] != people[j]]
    assert len(same) >= 4 and len(different) >= 30
    assert min(same) > max(different)


def test_heads_that_look_at_the_camera_stand_upright_before_it(photographs: tuple[Faces, list[str]]) -> None:
    faces, _ = photographs
    vectors = Blendshapes().encode(faces)
    pitch, yaw, roll = np.degrees(vectors[:, 52:55]).T
    assert np.abs(pitch).max() < 30 and np.abs(yaw).max() < 40 and np.abs(roll).max() < 20
    x, y, z = vectors[:, 55:].T
    assert (z < -0.1).all() and (z > -3).all()
    assert (np.abs(x) < -z).all() and (np.abs(y) < -z).all()
