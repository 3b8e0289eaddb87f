"""Every conf/encoder/*.yaml, found by itself: its package, recipe, dim, and the contract where weights are there."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from lfnet.config import instantiate
from lfnet.errors import LfnetError
from lfnet.jobs.session import Session
from lfnet.jobs.settings import read_inputs
from lfnet.testing.encoder_check import check_encoder
from tests.composing import composed
from tests.encoders.networks import write_sound_network

CONF = Path(__file__).resolve().parents[2] / "conf"
# "none" says that the cohort brings its own vectors.
ALL = sorted(file.stem for file in (CONF / "encoder").glob("*.yaml") if file.stem != "none")
# Files of the shared folder that can stand for an encoder's weights; webface's are not there and may not be.
SHARED = {"mobileface": "face_embedding_512.onnx", "mobilenet": "mobilenetv3_small_features.pt"}
SHARED["expression"] = "expression_7.onnx"
# A network of sound is the user's own: a tiny one is made.
OWN = "onnx_audio"
SHARED |= dict.fromkeys(("visual", "visual_frames"), SHARED["mobilenet"])


def build(names: str, cache: Path, *overrides: str) -> Any:
    """The `encoder` node, composed and instantiated as the commands do."""
    settings = {**OmegaConf.load(CONF / "base.yaml").encoder, "batch_size": 2, "device": "cpu", "threads": 1}
    base = ["+visual=published", f"+paths.weights={cache}"]
    base += [f"+encoder.{key}={value}" for key, value in settings.items()]
    if OWN in names:
        file = cache.parent / f"{cache.name}_{OWN}.onnx"
        base.append(f"encoder.{OWN}.weights.path={write_sound_network(file, bands=None, dim=512)}")
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose(overrides=[f"+encoder={names}", *base, *overrides])
    return config.encoder


@pytest.mark.parametrize("name", ALL)
def test_an_encoder_yaml_keeps_the_rules(name: str, tmp_path: Path) -> None:
    lines = (CONF / "encoder" / f"{name}.yaml").read_text().splitlines()
    assert lines[0] == f"# @package encoder.{name}", (
        "its own package, so that several can be joined; Hydra wants it first"
    )
    assert lines[1].startswith("# "), "the second line says what it is"
    node = build(name, tmp_path)[name]
    encoder = instantiate(node)
    assert encoder.name == name
    assert encoder.dim == (node.get("dim") or encoder.dim)
    assert json.loads(json.dumps(encoder.recipe())) == encoder.recipe()
    assert {file.name for file in tmp_path.iterdir()} <= {"digests"}, "nothing is fetched before a frame is encoded"


def test_all_faults_of_encoder_visual_and_video_are_reported_without_reading_a_file() -> None:
    overrides = [
        *("encoder=[visual,webface,skin]", "encoder.stride=x", "encoder.device=tpu", "encoder.visual.crop_size=1.5"),
        *("visual.keep=0", "visual.cut=block9", "video.faces=0", "encoder.webface.colour=grey", "encoder.skin.dark=-1"),
    ]
    with pytest.raises(LfnetError) as raised:
        read_inputs(composed(*overrides)[0], Session())
    assert sorted(line.partition(":")[0] for line in str(raised.value).splitlines()) == sorted(overrides[1:])


def test_the_skins_levels_are_settings(tmp_path: Path) -> None:
    from lfnet.video.skin import BRIGHT, DARK

    node = build("skin", tmp_path).skin
    assert (node.bright, node.dark) == (BRIGHT, DARK)
    other = instantiate(build("skin", tmp_path, "encoder.skin.bright=240", "encoder.skin.dark=5").skin)
    assert (other.bright, other.dark) == (240, 5) and other.recipe() != instantiate(node).recipe()


def test_recipes_are_all_different(tmp_path: Path) -> None:
    recipes = [json.dumps(instantiate(build(name, tmp_path)[name]).recipe(), sort_keys=True) for name in ALL]
    assert len(set(recipes)) == len(ALL)


def test_several_encoders_can_be_joined(tmp_path: Path) -> None:
    node = build(f"[{','.join(ALL)}]", tmp_path)
    assert [instantiate(node[name]).name for name in ALL] == ALL


def test_an_encoders_weights_can_be_chosen_and_named(tmp_path: Path) -> None:
    node = build(
        "mobilenet",
        tmp_path,
        "weights@encoder.mobilenet.weights=mobilenetv3_small_timm",
        "encoder.mobilenet.weights.path=/my/own.pth",
        "encoder.mobilenet.weights.sha256=null",
    )
    weights = instantiate(node.mobilenet.weights)
    assert (weights.name, str(weights.place(tmp_path)), weights.sha256) == (
        "mobilenetv3_small_timm",
        "/my/own.pth",
        None,
    )


@pytest.mark.parametrize(
    "name", [name for name in ALL if name in SHARED or name in ("blendshapes", "skin", "logmel", OWN)]
)
def test_an_encoder_keeps_the_contract_on_its_real_weights(name: str, shared: Path, tmp_path: Path) -> None:
    overrides = []
    if name in SHARED:
        overrides.append(f"encoder.{name}.weights.path={shared / 'weights' / SHARED[name]}")
    if SHARED.get(name) == SHARED["mobilenet"]:  # its shared file is the trunk alone, not the published file
        overrides.append(f"encoder.{name}.weights.sha256=null")
    check_encoder(instantiate(build(name, tmp_path, *overrides)[name]), frames=3)


def test_no_heavy_package_is_imported_before_a_frame_is_encoded(tmp_path: Path) -> None:
    modules = [
        f"lfnet.encoders.{name}"
        for name in ("encoder", "face_embedding", "expression", "blendshapes", "mobilenet", "visual", "skin")
    ]
    code = (
        f"import sys, importlib\nfor name in {modules!r}: importlib.import_module(name)\n"
        "heavy = {'torch', 'timm', 'torchvision', 'onnx', 'onnxruntime', 'mediapipe', 'cv2', 'scipy'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
