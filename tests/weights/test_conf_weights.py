"""Every conf/weights/*.yaml, and the catalogue that lists them."""

import re
from pathlib import Path

import pytest

from lfnet.errors import LfnetError
from lfnet.weights.weights_file import WeightsFile, load, names

CONF = Path(__file__).resolve().parents[2] / "conf"
ALL = names(CONF)
SHARED = {"face_landmarker": "face_landmarker.task", "mobileface": "face_embedding_512.onnx"}
SHARED["expression"] = "expression_7.onnx"


def test_the_catalogue_lists_every_yaml() -> None:
    assert {file.stem for file in (CONF / "weights").iterdir()} == set(ALL)
    assert {"face_landmarker", "w600k_r50", "mobileface", "mobilenetv3_small"} <= set(ALL)


def test_the_message_of_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(LfnetError, match=r"'retinaface'.*w600k_r50"):
        load(CONF, "retinaface")


@pytest.mark.parametrize("name", ALL)
def test_a_weights_yaml_is_complete(name: str) -> None:
    assert (CONF / "weights" / f"{name}.yaml").read_text().startswith("# ")
    weights = load(CONF, name)
    assert isinstance(weights, WeightsFile)
    assert weights.name == name
    assert re.fullmatch("[0-9a-f]{64}", weights.sha256 or "")
    assert weights.licence and weights.about and weights.path is None
    assert weights.sources, "every file has a source"
    # torch puts the digest's first digits in the file name.
    digits = re.search(r"-([0-9a-f]{8})\.pth$", weights.file)
    assert digits is None or (weights.sha256 or "").startswith(digits[1])


@pytest.mark.parametrize("name", ALL)
def test_non_commercial_weights_say_so_before_a_download(name: str) -> None:
    weights = load(CONF, name)
    assert ("non-commercial" in weights.licence) == ("non-commercial" in (weights.notice or ""))


@pytest.mark.parametrize("name", sorted(SHARED))
def test_the_digests_are_those_of_the_real_files(name: str, shared: Path, tmp_path: Path) -> None:
    from dataclasses import replace

    real = shared / "weights" / SHARED[name]
    weights = replace(load(CONF, name), path=real)
    assert weights.find(tmp_path) == real
    assert weights.size == real.stat().st_size
