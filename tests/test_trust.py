"""Files from other people may name lfnet's own classes only."""

import sys

import pytest
from omegaconf import OmegaConf

from lfnet.config import instantiate
from lfnet.errors import LfnetError
from lfnet.trust import check_targets, named_classes, read_settings
from tests.composing import CONF, composed
from tests.hostile import PAYLOADS, payload

HEAD = "lfnet.heads.mean_mlp.TemporalMeanMLP"
# Where a node can lie among settings. The keys that begin with _ are Hydra's.
POSITIONS = {
    "top": lambda node: node,
    "argument": lambda node: {"_target_": HEAD, "hidden": node},
    "no target above": lambda node: {"a": {"b": {"c": node}}},
    "list": lambda node: {"_target_": HEAD, "hidden": [1, [2, node]]},
    "_args_": lambda node: {"_target_": HEAD, "_args_": [node]},
    "_args_ as a node": lambda node: {"_target_": HEAD, "_args_": node},
    "_partial_": lambda node: {"_target_": HEAD, "_partial_": True, "hidden": {**node, "_partial_": True}},
    "_partial_ as a node": lambda node: {"_target_": HEAD, "_partial_": node},
    "_recursive_": lambda node: {"_target_": HEAD, "_recursive_": False, "hidden": node},
    "_convert_": lambda node: {"_target_": HEAD, "_convert_": "object", "hidden": {**node, "_convert_": "none"}},
    "_target_ as a node": lambda node: {"_target_": node},
    "tuple": lambda node: {"a": (1, node)},
}


def test_allowed_classes_are_those_that_conf_names():
    named: dict[str, set[str]] = {}
    for file in CONF.rglob("*.yaml"):
        group = file.relative_to(CONF).parts[0]
        waiting = [OmegaConf.to_container(OmegaConf.load(file), resolve=False)]
        while waiting:
            node = waiting.pop()
            if isinstance(node, dict) and "_target_" in node:
                named.setdefault(group, set()).add(node["_target_"])
            waiting += node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    assert len(named) > 8
    for group, classes in named.items():
        assert named_classes([group]) == classes
        own = ("lfnet.", "lightning.pytorch.loggers.") if group == "logger" else "lfnet."
        assert all(name.startswith(own) for name in classes)
    assert named_classes() == set().union(*named.values())


def test_a_class_in_a_comment_is_not_allowed(tmp_path, monkeypatch):
    text = "# _target_: a.B\n_target_: c.D  # e.F\nown:\n  - _target_: g.H\n  #_target_: i.J\n"
    (tmp_path / "head").mkdir()
    (tmp_path / "head" / "mine.yaml").write_text(text)
    monkeypatch.setattr("lfnet.trust.conf_dir", lambda: tmp_path)
    assert named_classes() == {"c.D", "g.H"}


@pytest.mark.parametrize("target", PAYLOADS)
@pytest.mark.parametrize("position", POSITIONS)
def test_other_code_is_refused_at_every_place(position, target, tmp_path):
    node, marker = payload(target, tmp_path)
    with pytest.raises(LfnetError, match="_target_"):
        check_targets(POSITIONS[position](node), tmp_path / "file")
    assert not marker.exists()


def test_most_of_these_payloads_do_run_where_nothing_checks(tmp_path):
    ran = set()
    for target in PAYLOADS:
        node, marker = payload(target, tmp_path)
        try:
            instantiate(node)
        except Exception:
            pass
        if marker.exists():
            ran.add(target)
            marker.unlink()
    assert {"lfnet.weights.sources._run", "pandas.read_pickle", "joblib.load", "torch.load"} <= ran


def test_nothing_is_imported_for_the_check(tmp_path, monkeypatch):
    (tmp_path / "unheard_of.py").write_text("raise AssertionError('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(LfnetError, match=r"--trust unheard_of\.Head"):
        check_targets({"head": {"_target_": "unheard_of.Head"}}, tmp_path / "config.yaml")
    check_targets({"head": {"_target_": "unheard_of.Head"}}, tmp_path / "config.yaml", trust=["unheard_of.Head"])
    assert "unheard_of" not in sys.modules


@pytest.mark.parametrize("trust", ["unheard_of", "unheard_of.Hea", "unheard_of.*", "Head", "unheard_of.Head.x"])
def test_trust_is_in_exact_names(trust, tmp_path):
    with pytest.raises(LfnetError, match="_target_"):
        check_targets([{"_target_": "unheard_of.Head"}], tmp_path / "config.yaml", trust=[trust])


@pytest.mark.parametrize("value", [None, 1, ["os.system"], True])
def test_a_target_is_a_name(value, tmp_path):
    with pytest.raises(LfnetError, match="give the name of a class"):
        check_targets({"_target_": value}, tmp_path / "config.yaml")


@pytest.mark.parametrize(
    "text",
    [
        "head: {_target_: '${other}'}\nother: os.system",
        "head: '${oc.create:{_target_:os.system,command:ls}}'",
        "head: {hidden: ['${oc.env:HOME}']}",
        "head: {_target_: 'lfnet.heads.${name}'}\nname: x",
    ],
)
def test_an_interpolation_is_refused(text, tmp_path):
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(LfnetError, match="no interpolation"):
        read_settings(tmp_path / "config.yaml")


def test_the_settings_of_a_run_are_read_as_they_were(tmp_path):
    settings, _ = composed("encoder=[webface,visual]", "head=hybrid", "splits=grouped", root=tmp_path)
    (tmp_path / "config.yaml").write_text(OmegaConf.to_yaml(OmegaConf.create(settings)))
    read = read_settings(tmp_path / "config.yaml")
    for config, fetched in ((read, False), (settings, True)):
        nodes = [config["video"]["landmarker"], *(config["encoder"][name]["weights"] for name in ("webface", "visual"))]
        # A file from somebody else downloads nothing.
        assert [bool(node.pop("sources")) for node in nodes] == [fetched] * 3
    assert read == settings
