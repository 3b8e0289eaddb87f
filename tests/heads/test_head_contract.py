"""Every yaml of conf/head keeps the contract, and the published heads have their published sizes."""

from functools import partial
from pathlib import Path

import pytest
import torch
from hydra.utils import get_class, instantiate
from omegaconf import DictConfig, OmegaConf

from lfnet.config import plain
from lfnet.testing import check_head
from lfnet.tuning.space import separate
from tests.conftest import ROOT

CONF = ROOT / "conf"
FILES = sorted((CONF / "head").glob("*.yaml"))

# name and overrides → parameters at 512 features
PUBLISHED = {
    ("mean_mlp", ""): 131_585,
    ("ldbm", ""): 1_354_881,
    ("ldbm", "patch_size=4"): 568_449,
    ("ldbm", "patch_size=8"): 830_593,
    ("ldbm", "patch_size=16"): 1_354_881,
    ("ldbm", "patch_size=8 layers=4 ff=512 hidden=null"): 1_350_529,
    ("transformer", ""): 462_465,
    ("mamba_gru", ""): 528_129,
}


def settings(name: str, overrides: str = "") -> DictConfig:
    node = separate({"head": plain(OmegaConf.load(CONF / "head" / f"{name}.yaml"))})["head"]
    return OmegaConf.merge(node, OmegaConf.from_dotlist(overrides.split()))


def test_conf_has_the_published_heads() -> None:
    assert {name for name, _ in PUBLISHED} <= {file.stem for file in FILES}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_contract_with_the_settings_of_the_yaml(file: Path) -> None:
    check_head(partial(instantiate, settings(file.stem)), config_dir=CONF)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_defaults_of_yaml_and_class_agree(file: Path) -> None:
    # The class alone, as in a notebook, must be the head of the yaml.
    config = settings(file.stem)
    assert file.read_text().startswith("# ")
    target = get_class(config["_target_"])
    keywords = target.__init__.__kwdefaults__ | {"max_frames": target.__init__.__defaults__[-1]}
    del config["_target_"]
    assert {name: keywords[name] for name in config} == dict(config)
    assert set(keywords) - set(config) <= {"max_frames", "n_outputs"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_head_of_conf_has_as_many_outputs_as_a_loss_asks_for(file: Path) -> None:
    node = settings(file.stem)
    one, three = (instantiate(node, n_features=40, n_outputs=count).eval() for count in (1, 3))
    x_BTD, mask_BT = torch.randn(2, 50, 40), torch.ones(2, 50, dtype=torch.bool)
    assert one(x_BTD, mask_BT).shape == (2,) and three(x_BTD, mask_BT).shape == (2, 3)
    default = sum(p.numel() for p in instantiate(node, n_features=40).parameters())
    assert sum(p.numel() for p in one.parameters()) == default


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_no_head_reads_memory_before_it_writes_it(file: Path) -> None:
    # With deterministic algorithms PyTorch can fill new tensors with NaN; `fast_cpu` switches that off.
    def step(filled: bool) -> list[torch.Tensor]:
        torch.utils.deterministic.fill_uninitialized_memory = filled
        torch.manual_seed(0)
        head = instantiate(settings(file.stem), n_features=40)
        scores_B = head(x_BTD, mask_BT)
        scores_B.sum().backward()
        return [scores_B.detach(), *(p.grad for p in head.parameters() if p.grad is not None)]

    x_BTD, mask_BT = torch.randn(3, 50, 40), torch.rand(3, 50) < 0.8
    before = torch.utils.deterministic.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True)
    try:
        for one, other in zip(step(True), step(False), strict=True):
            assert torch.isfinite(one).all() and torch.equal(one, other)
    finally:
        torch.use_deterministic_algorithms(False)
        torch.utils.deterministic.fill_uninitialized_memory = before


@pytest.mark.parametrize(
    "overrides", ["patch_size=4", "patch_size=8 stride=3", "patch_size=1", "layers=4 ff=512 hidden=null"]
)
def test_contract_of_other_forms_of_ldbm(overrides: str) -> None:
    check_head(partial(instantiate, settings("ldbm", overrides)), frames=(1, 2, 7, 17, 33, 100), max_frames=100)


@pytest.mark.parametrize(("name", "overrides"), PUBLISHED, ids=" ".join)
def test_published_sizes(name: str, overrides: str) -> None:
    head = instantiate(settings(name, overrides), n_features=512)
    assert sum(p.numel() for p in head.parameters()) == PUBLISHED[name, overrides]
