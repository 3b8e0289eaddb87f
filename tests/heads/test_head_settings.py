"""Settings of heads: each wrong one is reported as a user writes it, before any head is built."""

import pytest
import torch
from omegaconf import OmegaConf

import lfnet.heads
from lfnet.config import check_target, instantiate, plain
from lfnet.errors import LfnetError
from lfnet.tuning.space import separate
from tests.conftest import ROOT

FILES = {file.stem: file for file in sorted((ROOT / "conf" / "head").glob("*.yaml"))}


def node(name: str, **settings: object) -> dict:
    return {**separate({"head": plain(OmegaConf.load(FILES[name]))})["head"], **settings}


@pytest.mark.parametrize(
    ("name", "settings", "line"),
    [
        ("ldbm", {"patch_size": 0}, "head.patch_size=0: give a whole number of 1 or more."),
        ("ldbm", {"stride": 0}, "head.stride=0: give a whole number of 1 or more, or null."),
        ("ldbm", {"width": "x"}, "head.width=x: give a whole number of 1 or more."),
        ("ldbm", {"widht": 8}, "head.widht: there is no such setting; known: n_features, max_frames, n_outputs, "),
        ("ldbm", {"attention_dropout": 1}, "head.attention_dropout=1: give a number from 0 to below 1."),
        ("transformer", {"layers": -1}, "head.layers=-1: give a whole number of 0 or more."),
        ("transformer", {"ff": 1.5}, "head.ff=1.5: give a whole number of 1 or more."),
        ("mamba_gru", {"layers": 0}, "head.layers=0: give a whole number of 1 or more."),
        ("mean_mlp", {"activation": "tanh"}, "head.activation=tanh: give one of relu, gelu."),
        ("mean_mlp", {"hidden": 0}, "head.hidden=0: give a whole number of 1 or more, or null."),
        ("mean_mlp", {"dropout": 7}, "head.dropout=7: give a number from 0 to below 1."),
        ("hybrid", {"gate": 1.0}, "head.gate=1.0: give a number above 0 and below 1."),
        ("hybrid", {"kernel": 4}, "head.kernel=4: give an odd number of frames, so that each frame is the centre "),
        ("tcn", {"kernel": 2}, "head.kernel=2: give an odd number of frames, so that each frame is the centre "),
        ("tcn", {"kernel": -1}, "head.kernel=-1: give a whole number of 1 or more."),
        ("tcn", {"layers": 0}, "head.layers=0: give a whole number of 1 or more."),
        ("tcn", {"activation": "tanh"}, "head.activation=tanh: give one of relu, gelu."),
        ("mamba", {"layers": 0}, "head.layers=0: give a whole number of 1 or more."),
        ("mamba", {"kernel": 0}, "head.kernel=0: give a whole number of 1 or more."),
        ("mamba", {"state": 0}, "head.state=0: give a whole number of 1 or more."),
        ("mamba", {"expand": 0}, "head.expand=0: give a whole number of 1 or more."),
        ("attention_mil", {"patch_size": 0}, "head.patch_size=0: give a whole number of 1 or more."),
        ("attention_mil", {"gated": "yes"}, "head.gated=yes: give true or false."),
        ("patch_statistics", {"patch_size": 0}, "head.patch_size=0: give a whole number of 1 or more."),
        ("patch_statistics", {"rank": 0}, "head.rank=0: give a whole number of 1 or more."),
        ("region_attention", {"keep": 0}, "head.keep=0: give a whole number of 1 or more."),
        ("region_attention", {"parts": 0}, "head.parts=0: give a whole number of 1 or more."),
    ],
)
def test_a_wrong_setting_is_named_with_what_is_allowed(name: str, settings: dict, line: str) -> None:
    with pytest.raises(LfnetError) as caught:
        check_target(node(name, **settings), "head")
    assert str(caught.value).startswith(line) and "\n" not in str(caught.value)


def test_all_wrong_settings_are_reported_at_once() -> None:
    with pytest.raises(LfnetError) as caught:
        check_target(node("ldbm", width="x", patch_size=0, dropout=-0.1, activation="tanh"), "head")
    assert sorted(str(caught.value).splitlines()) == [
        "head.activation=tanh: give one of relu, gelu.",
        "head.dropout=-0.1: give a number from 0 to below 1.",
        "head.patch_size=0: give a whole number of 1 or more.",
        "head.width=x: give a whole number of 1 or more.",
    ]


@pytest.mark.parametrize(
    ("name", "settings", "line"),
    [
        ("ldbm", {"patch_size": 4, "stride": 5}, "head.stride=5: give at most head.patch_size=4, or no patch "),
        ("ldbm", {"width": 15, "attention_heads": 5}, "head.width=15: give an even number, sinusoidal positions "),
        ("ldbm", {"width": 30}, "head.width=30: give a multiple of head.attention_heads=4."),
        ("transformer", {"width": 30}, "head.width=30: give a multiple of head.attention_heads=4."),
        ("hybrid", {"width": 30}, "head.width=30: give a multiple of head.attention_heads=4."),
        ("region_attention", {"parts": 5}, "head.parts=5: give a number of equal parts of the 512 features of a frame"),
    ],
)
def test_settings_that_do_not_fit_each_other_are_found_on_the_meta_device(name: str, settings: dict, line: str) -> None:
    with pytest.raises(LfnetError) as caught, torch.device("meta"):
        instantiate(node(name, **settings), "head", n_features=512)
    assert str(caught.value).startswith(line)


@pytest.mark.parametrize("name", FILES)
def test_each_head_can_be_built_on_the_meta_device(name: str) -> None:
    state = torch.get_rng_state()
    with torch.device("meta"):
        head = instantiate(node(name), "head", n_features=20)
    real = instantiate(node(name), "head", n_features=20)
    assert all(value.is_meta for value in head.state_dict().values())
    shapes = {key: value.shape for key, value in head.state_dict().items()}
    assert shapes == {key: value.shape for key, value in real.state_dict().items()}
    torch.set_rng_state(state)
    with torch.device("meta"):
        instantiate(node(name), "head", n_features=20)
    assert torch.equal(torch.get_rng_state(), state)  # building it to check draws nothing


def test_the_package_offers_each_head_by_its_name() -> None:
    targets = {node(name)["_target_"] for name in FILES}
    offered = {f"{made.__module__}.{made.__name__}" for made in map(lfnet.heads.__getattr__, lfnet.heads.__all__)}
    assert targets <= offered
    assert set(lfnet.heads.__all__) <= set(dir(lfnet.heads))
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = lfnet.heads.Nothing
