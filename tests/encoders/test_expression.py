"""The expression encoder: logits equal to the network's, and plausible on real photographs and video."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx.reference import ReferenceEvaluator
from PIL import Image, ImageOps

from lfnet.config import check_target
from lfnet.encoders.expression import EXPRESSIONS, Expression
from lfnet.errors import LfnetError
from lfnet.testing.encoder_check import check_encoder, made_up_faces
from lfnet.video.faces import Faces
from lfnet.weights.weights_file import load
from tests.encoders.networks import DIM, SIDE, network, own

CONF = Path(__file__).resolve().parents[2] / "conf"
HAPPY = EXPRESSIONS.index("happy")
_SMILE = slice(44, 46)  # of MediaPipe's blendshapes: mouthSmileLeft, mouthSmileRight


def tiny(path: Path, **settings: Any) -> Expression:
    return Expression("tiny", own(path), path.parent, **({"dim": DIM, "crop_size": SIDE, "batch_size": 2} | settings))


def test_logits_are_the_files_own(tmp_path: Path) -> None:
    path = network(tmp_path / "tiny.onnx")
    faces = made_up_faces(5, SIDE)
    assert faces.crops_NHWC is not None
    run = ReferenceEvaluator(str(path))
    images = faces.crops_NHWC.astype(np.float64).transpose(0, 3, 1, 2) / 255
    wanted = [run.run(None, {"image": image[None].astype(np.float32)})[0][0] for image in images]
    np.testing.assert_allclose(tiny(path).encode(faces), wanted, atol=1e-5)
    assert not np.allclose(np.linalg.norm(wanted, axis=1), 1), "they are not of unit length"


def test_it_keeps_the_contract(tmp_path: Path) -> None:
    check_encoder(tiny(network(tmp_path / "tiny.onnx")))


def test_the_recipe_changes_with_the_logits_only(tmp_path: Path) -> None:
    path = network(tmp_path / "tiny.onnx")
    recipe = tiny(path).recipe()
    assert tiny(path, batch_size=7, threads=2, device="cuda").recipe() == recipe
    for change in ({"mean": 1.0}, {"scale": 1.0}, {"crop_size": 20}, {"dim": 9}):
        assert tiny(path, **change).recipe() != recipe


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    path = network(tmp_path / "tiny.onnx", dim=9)
    with pytest.raises(LfnetError, match=r"tiny\.onnx gives 9 numbers.*set encoder\.tiny\.dim=9"):
        tiny(path).encode(made_up_faces(1, SIDE))
    with pytest.raises(LfnetError, match=r"encoder\.tiny\.scale=0: give a number above 0\."):
        check_target({"_target_": "lfnet.encoders.expression.Expression", "scale": 0}, "encoder.tiny")


def real(shared: Path, cache: Path) -> Expression:
    weights = replace(load(CONF, "expression"), path=shared / "weights" / "expression_7.onnx")
    return Expression("expression", weights, cache, batch_size=4, threads=1)


def faces_of(crops: list[np.ndarray]) -> Faces:
    return Faces(index=np.arange(len(crops)), time=np.arange(len(crops)) / 30, crops_NHWC=np.stack(crops))


@pytest.fixture(scope="module")
def photographs(shared: Path) -> tuple[Faces, np.ndarray]:
    """The faces of all photographs, and how much each smiles by MediaPipe's blendshapes."""
    pytest.importorskip("cv2", reason="needs OpenCV's system libraries: see lfnet doctor", exc_type=ImportError)
    from lfnet.video.align import crop
    from lfnet.video.mesh import FaceMesh

    crops, smiles = [], []
    with FaceMesh(shared / "weights" / "face_landmarker.task", video=False) as landmarker:
        for file in sorted((shared / "media" / "faces").glob("*/*.jp*g")):
            with Image.open(file) as image:
                rgb = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
            mesh = landmarker.find(rgb)
            assert mesh is not None, f"no face found in {file}"
            made = crop(rgb, mesh.landmarks_LC, 224)
            assert made is not None
            crops.append(made)
            smiles.append(mesh.blendshapes_B[_SMILE].mean())
    return faces_of(crops), np.array(smiles)


def test_real_logits_are_those_of_the_network_run_by_hand(
    photographs: tuple[Faces, np.ndarray], shared: Path, tmp_path: Path
) -> None:
    import onnxruntime

    faces, _ = photographs
    session = onnxruntime.InferenceSession(shared / "weights" / "expression_7.onnx", providers=["CPUExecutionProvider"])
    with real(shared, tmp_path) as encoder:
        logits = encoder.encode(faces)
    assert faces.crops_NHWC is not None
    for crop, found in zip(faces.crops_NHWC, logits, strict=True):
        image = (crop / np.float32(255)).transpose(2, 0, 1)[None].astype(np.float32)
        (by_hand,) = session.run(None, {session.get_inputs()[0].name: image})
        np.testing.assert_allclose(found, by_hand[0], atol=1e-3)


def test_broad_smiles_are_happy_and_straight_faces_less_so(
    photographs: tuple[Faces, np.ndarray], shared: Path, tmp_path: Path
) -> None:
    """Two independent networks agree: faces that smile by MediaPipe are happy by the classifier."""
    faces, smiles = photographs
    with real(shared, tmp_path) as encoder:
        logits = encoder.encode(faces)
    broad, straight = smiles > 0.9, smiles < 0.1
    assert broad.sum() >= 3 and straight.sum() >= 4
    assert (logits[broad].argmax(axis=1) == HAPPY).all()
    assert logits[broad, HAPPY].min() > logits[straight, HAPPY].max() + 1
    assert (logits[straight].argmax(axis=1) != HAPPY).mean() > 0.5


def test_a_face_that_begins_to_smile_on_video_becomes_happy(shared: Path, tmp_path: Path) -> None:
    pytest.importorskip("cv2", reason="needs OpenCV's system libraries: see lfnet doctor", exc_type=ImportError)
    from lfnet.video.align import crop
    from lfnet.video.decode import frames
    from lfnet.video.mesh import FaceMesh

    crops, smiles = [], []
    with FaceMesh(shared / "weights" / "face_landmarker.task") as landmarker:
        for number, frame in enumerate(frames(shared / "media" / "single_face.mp4")):
            mesh = landmarker.find(frame.rgb, frame.time)
            if mesh is not None and number % 10 == 0 and (made := crop(frame.rgb, mesh.landmarks_LC, 224)) is not None:
                crops.append(made)
                smiles.append(mesh.blendshapes_B[_SMILE].mean())
    with real(shared, tmp_path) as encoder:
        happy = encoder.encode(faces_of(crops))[:, HAPPY]
    assert min(smiles) < 0.1 and max(smiles) > 0.7
    assert np.corrcoef(happy, smiles)[0, 1] > 0.8
