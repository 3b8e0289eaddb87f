"""Settings of the trainer, its loss and its pre-training: every fault at once, and rules with protocol and head."""

import pytest
import torch

from lfnet.config import instantiate, read
from lfnet.data.protocol import Protocol
from lfnet.errors import LfnetError
from lfnet.training.settings import TrainerSettings, check_compatible
from tests.composing import composed


def parts(*overrides):
    config, _ = composed(*overrides)
    return config["trainer"], config["protocol"], config["head"]


def faults(node):
    with pytest.raises(LfnetError) as caught:
        read(TrainerSettings, node, "trainer")
    return str(caught.value).splitlines()


def test_every_fault_of_trainer_loss_and_pretrain_is_reported_at_once():
    node, _, _ = parts("pretrain=masked_frames")
    node |= {"max_epochs": 0, "lr": "fast", "windows_per_clip": 0, "precision": "16", "threads": 1.5, "epochs": 3}
    node["loss"] |= {"lds_sigma": 0, "lds_power": "much", "sigma": 1}
    node["pretrain"] |= {"span": 0, "splits": ["train", "dev"], "share": 1.0}
    del node["stop_on_collapse"]
    assert sorted(faults(node)) == [
        "trainer.epochs: there is no such setting; known: " + ", ".join(TrainerSettings.__annotations__) + ".",
        "trainer.loss.lds_power=much: give a number above 0.",
        "trainer.loss.lds_sigma=0: give a number above 0, or null.",
        "trainer.loss.sigma: there is no such setting; known: lds_sigma, lds_bin, lds_power, temporal_sigma.",
        "trainer.lr=fast: give a number of 0 or more.",
        "trainer.max_epochs=0: give a whole number of 1 or more.",
        "trainer.precision=16: give one of 32-true, bf16-mixed.",
        "trainer.pretrain.share=1.0: give a number above 0 and below 1.",
        "trainer.pretrain.span=0: give a whole number of 1 or more.",
        "trainer.pretrain.splits=[train, dev]: choose from train and unlabelled; frames of dev and test must not reach "
        "the weights, even without labels.",
        "trainer.stop_on_collapse is missing: give true or false.",
        "trainer.threads=1.5: give a whole number of 1 or more.",
        "trainer.windows_per_clip=0: give a whole number of 1 or more, or null.",
    ]


@pytest.mark.parametrize(
    ("setting", "value", "line"),
    [
        ("mc_dropout", 1, "trainer.mc_dropout=1: a spread needs two passes or more (0: none)."),
        ("mc_dropout", -1, "trainer.mc_dropout=-1: give a whole number of 0 or more."),
        ("loss", 3, "trainer.loss=3: give a node with _target_, chosen from its group of conf/."),
        ("pretrain", "x", "trainer.pretrain=x: give a node with _target_, chosen from its group of conf/."),
        ("device", "gpu", "trainer.device=gpu: give one of cpu, cuda, mps."),
        ("pooling", "max", "trainer.pooling=max: give a node with _target_, chosen from its group of conf/."),
        ("clip_gradient", -1, "trainer.clip_gradient=-1: give a number of 0 or more, or null."),
        ("stop_on_collapse", 1, "trainer.stop_on_collapse=1: give true or false."),
    ],
)
def test_a_wrong_setting_is_named(setting, value, line):
    node, _, _ = parts()
    assert faults({**node, setting: value}) == [line]


def test_a_loss_that_is_none_is_refused():
    node, _, _ = parts()
    (line,) = faults({**node, "loss": {"_target_": "lfnet.evaluation.metrics.Metric"}})
    assert line.startswith("trainer.loss")
    (line,) = faults({**node, "loss": {"_target_": "builtins.dict"}})
    assert line.startswith("trainer.loss=")


def test_every_trainer_of_conf_can_be_read():
    for name in ("default", "full", "full_bf16", "quick", "quick_bf16"):
        node, _, _ = parts(f"trainer={name}", "pretrain=masked_frames")
        made = read(TrainerSettings, node, "trainer")
        assert made.pretrain is not None and made.pretrain.splits == ("train", "unlabelled")
        assert made.max_epochs == node["max_epochs"] and isinstance(made.lr, float)


def test_rules_between_trainer_protocol_and_head_need_no_weights():
    trainer, protocol, head = parts(
        *("head=mean_mlp", "pooling=max", "trainer=quick", "trainer.mc_dropout=5", "pretrain=masked_frames"),
        *("protocol.aggregate.clip=median", "protocol.select.level=window", "protocol.select.metric=n"),
    )
    with torch.device("meta"):
        module = instantiate(head, "head", n_features=8)
    with pytest.raises(LfnetError) as caught:
        check_compatible(read(TrainerSettings, trainer, "trainer"), read(Protocol, protocol, "protocol"), module)
    metric, median, level, drawn, selected, dropout, pretrain = str(caught.value).splitlines()
    assert metric.startswith("protocol.select.metric=n: choose one of ")
    assert median == ("protocol.aggregate.clip=median: pooling takes its place: choose mean, or pooling=none.")
    assert level.startswith("protocol.select.level=window: the best epoch would be chosen without the pooling")
    assert drawn.startswith("trainer.windows_per_clip=1: there is nothing to pool: give 2 or more")
    assert selected.startswith("trainer.select_windows_per_clip=1: there is nothing to pool")
    assert dropout.startswith("trainer.mc_dropout=5 needs a head with dropout")
    assert pretrain.startswith("head TemporalMeanMLP has no `frames(x, mask)` to pre-train: choose pretrain=none")


def test_settings_that_fit_each_other_pass():
    trainer, protocol, head = parts("head=hybrid", "trainer.mc_dropout=5", "pretrain=masked_frames", "pooling=gated")
    with torch.device("meta"):
        module = instantiate(head, "head", n_features=8)
    check_compatible(read(TrainerSettings, trainer, "trainer"), read(Protocol, protocol, "protocol"), module)
