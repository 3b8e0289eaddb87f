"""Search spaces: every yaml's is valid before any work starts, and a wrong one is named as a user writes it."""

from functools import cache
from typing import Any

import pytest
from omegaconf import OmegaConf

from lfnet.config import plain
from lfnet.errors import LfnetError
from lfnet.jobs.head_settings import read_search
from lfnet.jobs.session import Session
from lfnet.jobs.settings import JobSettings, read_settings
from lfnet.tuning.space import Range, separate
from tests.composing import CONF, composed

HEADS = sorted(path.stem for path in (CONF / "head").glob("*.yaml"))


@cache
def base() -> dict[str, Any]:
    return composed("tune=2")[0]


def settings(head: dict[str, Any], **search: Any) -> JobSettings:
    """The job's settings with a head's node as its yaml has it. search: what the trainer declares, else conf's."""
    trainer = {**base()["trainer"], "search": search or base()["search"]["trainer"]}
    config = {name: node for name, node in base().items() if name != "search"}
    return read_settings({**config, "trainer": trainer, "head": head}, Session())


def yaml_of(head: str) -> dict[str, Any]:
    return plain(OmegaConf.load(CONF / "head" / f"{head}.yaml"))


@pytest.mark.parametrize("head", HEADS)
def test_every_head_has_a_valid_space_of_as_many_settings(head: str) -> None:
    space = settings(yaml_of(head)).space
    assert space is not None
    names = list(space.dimensions)
    assert names[:2] == ["trainer.lr", "trainer.weight_decay"]
    own = [name for name in names if name.startswith("head.")]
    assert len(own) == len(names) - 2 == 3  # an equal budget is equal in as many dimensions
    assert space.given == {**space.given, **{name: yaml_of(head)[name.partition(".")[2]] for name in own}}


def test_a_head_without_a_space_of_its_own_has_the_common_one() -> None:
    space = settings({"_target_": "lfnet.heads.mean_mlp.TemporalMeanMLP", "hidden": 8}).space
    assert space is not None and list(space.dimensions) == ["trainer.lr", "trainer.weight_decay"]


def test_a_space_is_no_argument_and_no_part_of_an_untuned_job() -> None:
    config = separate({"trainer": {"lr": 1, "search": {"lr": [1, 2]}}, "head": {"hidden": 8}})
    assert config["trainer"] == {"lr": 1} and config["search"] == {"trainer": {"lr": [1, 2]}, "head": {}}
    assert separate(config) == config
    assert settings(yaml_of("ldbm")).head == {k: v for k, v in yaml_of("ldbm").items() if k != "search"}


MLP = {"_target_": "lfnet.heads.mean_mlp.TemporalMeanMLP", "hidden": 64, "dropout": 0.0, "activation": "relu"}


@pytest.mark.parametrize(
    ("search", "line"),
    [
        ({"hiden": [64, 128]}, "head.search.hiden: there is no such setting to tune; known: hidden, dropout, activ"),
        ({"hidden": 64}, "head.search.hidden=64: give a list of values, or a range"),
        ({"hidden": [64]}, "head.search.hidden=64: give two different values or more."),
        ({"hidden": [64, 64]}, "head.search.hidden=64, 64: give two different values or more."),
        ({"hidden": [32, 128]}, "head.hidden=64 is not in head.search.hidden (32, 128), and the settings as given"),
        ({"hidden": {"low": 64}}, "head.search.hidden.high is missing: give a whole number, or a number."),
        ({"hidden": {"low": 64, "high": 8}}, "head.search.hidden.low=64: give a number below high=8."),
        ({"dropout": {"low": 0.0, "high": 0.5, "log": True}}, "head.search.dropout.low=0.0: give a number above 0 wh"),
        ({"dropout": {"low": 0.0, "high": 0.5, "step": 0.1}}, "head.search.dropout.step: there is no such setting; k"),
        ({"dropout": {"low": 0.1, "high": 0.5}}, "head.dropout=0.0 is not in head.search.dropout (0.1 to 0.5)"),
        # Values that the head refuses.
        ({"hidden": [64, 0]}, "head.search.hidden: head.hidden=0: give a whole number of 1 or more, or null."),
        ({"dropout": {"low": 0.0, "high": 1.5}}, "head.search.dropout: head.dropout=1.5: give a number from 0 to"),
        ({"activation": ["relu", "tanh"]}, "head.search.activation: head.activation=tanh: give one of relu, gelu."),
        ([64], "head.search=[64]: give names of settings"),
    ],
)
def test_a_wrong_space_is_one_line(search: Any, line: str) -> None:
    with pytest.raises(LfnetError) as caught:
        settings({**MLP, "search": search})
    assert str(caught.value).startswith(line) and "\n" not in str(caught.value)


def test_a_value_that_the_trainer_refuses_is_named() -> None:
    with pytest.raises(LfnetError, match=r"trainer\.search\.batch_size: trainer\.batch_size=0: give a whole number"):
        settings(MLP, batch_size=[32, 0])


def test_faults_of_several_settings_are_reported_at_once() -> None:
    with pytest.raises(LfnetError) as caught:
        settings({**MLP, "search": {"hiden": [1, 2], "hidden": 3}}, lr=[5, 6])
    assert len(str(caught.value).splitlines()) == 3


def test_nothing_to_tune_is_said() -> None:
    config = {"trainer": {"lr": 1.0}, "head": MLP, "search": {"trainer": {}, "head": {}}}
    with pytest.raises(LfnetError, match="there is nothing to tune: declare"):
        read_search(config, None)


def test_a_range_is_whole_where_its_ends_and_the_setting_are() -> None:
    head = {**MLP, "search": {"hidden": {"low": 8, "high": 64}, "dropout": {"low": 0, "high": 0.5}}}
    space = settings(head).space
    assert space is not None and space.whole("head.hidden") and not space.whole("head.dropout")
    assert 8 in Range(low=8, high=64) and 7 not in Range(low=8, high=64) and True not in Range(low=0, high=2)
