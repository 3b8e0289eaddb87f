"""The settings reader: all faults of a node at once, each with what is allowed; nothing is coerced."""

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from omegaconf import OmegaConf
from pydantic import Field, model_validator

from lfnet.config import (
    Count,
    Positive,
    Share,
    Target,
    check_arguments,
    check_target,
    describe,
    instantiate,
    plain,
    read,
    settings,
)
from lfnet.errors import LfnetError


@settings
class Part:
    rate: Positive = 1.0
    share: Share = 0.5


@settings
class Whole:
    name: str
    part: Part = Part()
    count: Count | Literal["auto"] = "auto"
    sizes: tuple[Count, ...] = (1,)
    kind: Literal["mean", "median"] = "mean"
    limit: Annotated[float, Field(gt=0)] | None = None
    on: bool = False

    @model_validator(mode="after")
    def _check(self) -> "Whole":
        if self.on and self.limit is None:
            raise ValueError("node.limit=null: give a number above 0 where node.on=true.")
        return self


def faults(node: object, kind: type = Whole) -> list[str]:
    with pytest.raises(LfnetError) as caught:
        read(kind, node, "node")
    return str(caught.value).splitlines()


def test_a_valid_node_is_built_frozen_with_lists_as_tuples_and_integers_as_floats():
    made = read(Whole, {"name": "x", "part": {"rate": 2}, "count": 3, "sizes": [1, 2], "limit": 1}, "node")
    assert made == Whole(name="x", part=Part(rate=2.0), count=3, sizes=(1, 2), limit=1.0)
    with pytest.raises(AttributeError):
        made.name = "y"  # type: ignore[misc]


def test_all_faults_are_reported_at_once_with_path_value_and_what_is_allowed():
    node = {"part": {"rate": 0, "share": "x", "speed": 1}, "count": 1.5, "sizes": [1, 0], "kind": "mode", "limit": "z"}
    assert faults(node) == [
        "node.name is missing: give a text.",
        "node.part.rate=0: give a number above 0.",
        "node.part.share=x: give a number from 0 to 1.",
        "node.part.speed: there is no such setting; known: rate, share.",
        "node.count=1.5: give a whole number of 1 or more, or auto.",
        "node.sizes.1=0: give a whole number of 1 or more.",
        "node.kind=mode: give one of mean, median.",
        "node.limit=z: give a number above 0, or null.",
    ]


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        *[("count", True), ("count", "3"), ("count", 3.0), ("limit", "1"), ("limit", float("nan")), ("on", 1)],
        *[("name", 1), ("sizes", 3), ("sizes", "ab"), ("part", [1]), ("part", 3)],
    ],
)
def test_nothing_is_coerced(setting, value):
    (line,) = faults({"name": "x", setting: value})
    assert line.startswith(f"node.{setting}=") and ": give " in line


def test_a_value_of_a_dict_is_named_with_what_is_allowed():
    @settings
    class Sizes:
        sizes: dict[Literal["train", "test"], Count] | None = None

    with pytest.raises(LfnetError, match=r"^node\.sizes\.test=0: give a whole number of 1 or more\.$"):
        read(Sizes, {"sizes": {"train": 1, "test": 0}}, "node")


def test_a_fault_in_a_list_of_fixed_length_names_what_its_item_may_be():
    @settings
    class Open:
        limits: dict[str, Positive]
        pair: tuple[str, float]

    assert faults({"limits": {"a": 0, "b": 1}, "pair": ["x", "y"]}, Open) == [
        "node.limits.a=0: give a number above 0.",
        "node.pair.1=y: give a number.",
    ]


def test_a_fault_in_a_list_that_may_be_null_names_what_its_item_may_be():
    @settings
    class Rows:
        sizes: tuple[Positive, ...] | None = None

    with pytest.raises(LfnetError, match=r"^table\.sizes\.1=0: give a number above 0\.$"):
        read(Rows, {"sizes": [1, 0]}, "table")


def test_a_rule_between_fields_names_its_setting():
    assert faults({"name": "x", "on": True}) == ["node.limit=null: give a number above 0 where node.on=true."]


@pytest.mark.parametrize("node", [None, 3, "x", [1]])
def test_a_node_that_is_not_a_mapping_is_refused(node):
    (line,) = faults(node)
    assert line.startswith("node=") and "name, part, count" in line


def test_arguments_of_a_call_are_checked_against_its_signature():
    class Head:
        def __init__(self, n_features: int, max_frames: int = 2000, *, width: Count = 8, act: Literal["relu"] = "relu"):
            raise AssertionError("it is not called")

    check_arguments(Head, {"width": 4}, "head")
    with pytest.raises(LfnetError) as caught:
        check_arguments(Head, {"width": "x", "depth": 2, "act": "tanh"}, "head")
    assert sorted(str(caught.value).splitlines()) == [
        "head.act=tanh: give relu.",
        "head.depth: there is no such setting; known: n_features, max_frames, width, act.",
        "head.width=x: give a whole number of 1 or more.",
    ]


@settings
class Outer:
    inside: Annotated[Whole, Target]
    other: Annotated[Part | None, Target] = None
    count: Count = 1


WHOLE, PART = ({"_target_": f"{__name__}.{name}"} for name in ("Whole", "Part"))


def test_a_node_with_a_target_is_built_with_the_settings_around_it():
    made = read(Outer, {"inside": {**WHOLE, "name": "x"}, "other": {**PART, "rate": 2}, "count": 2}, "node")
    assert made == Outer(inside=Whole(name="x"), other=Part(rate=2.0), count=2)


def test_the_faults_of_a_target_are_reported_with_those_around_it():
    node = {"inside": {**WHOLE, "part": {"rate": 0}, "count": 1.5}, "other": {**PART, "share": 2}, "count": 0}
    expected = [
        "node.inside.name is missing: give a text.",
        "node.inside.part.rate=0: give a number above 0.",
        "node.inside.count=1.5: give a whole number of 1 or more, or auto.",
        "node.other.share=2: give a number from 0 to 1.",
        "node.count=0: give a whole number of 1 or more.",
    ]
    assert faults(node, Outer) == expected
    with pytest.raises(LfnetError) as caught:
        check_target({"_target_": f"{__name__}.Outer", **node}, "node")
    assert str(caught.value).splitlines() == expected


def test_the_faults_of_nested_targets_of_a_call_are_reported_together():
    with pytest.raises(LfnetError) as caught:
        check_target(
            {"_target_": f"{__name__}.faults", "node": {**PART, "rate": 0}, "kind": {**PART, "share": 2}, "x": 1}, "n"
        )
    assert str(caught.value).splitlines() == [
        "n.node.rate=0: give a number above 0.",
        "n.kind.share=2: give a number from 0 to 1.",
        "n.x: there is no such setting; known: node, kind.",
    ]


def test_a_target_that_cannot_be_imported_and_a_node_without_one_are_reported():
    (line,) = faults({"inside": {"_target_": "nowhere.Whole"}}, Outer)
    assert "nowhere.Whole" in line
    assert faults({"inside": 3}, Outer) == ["node.inside=3: give a node with _target_, chosen from its group of conf/."]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("def Head(: pass", r"broken\.py, line 1: invalid syntax"),
        ("x = 1\nraise RuntimeError('boo')", r"broken\.py, line 2: RuntimeError: boo"),
        ("import nosuch_module", "No module named 'nosuch_module'"),
        ("x = {}['key']", r"broken\.py, line 1: KeyError: 'key'"),
    ],
)
def test_a_module_of_the_users_that_fails_is_named_with_its_line(tmp_path, monkeypatch, code, said):
    (tmp_path / "broken.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "broken", raising=False)
    with pytest.raises(LfnetError, match=rf"head\._target_=broken\.Head cannot be imported: .*{said}"):
        check_target({"_target_": "broken.Head"}, "head")


def test_a_class_of_the_users_that_fails_is_named_with_its_line(tmp_path, monkeypatch):
    (tmp_path / "failing.py").write_text("class Head:\n    def __init__(self):\n        raise KeyError('mine')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(LfnetError, match=r"head cannot be made: .*failing\.py, line 3: KeyError: 'mine'\."):
        instantiate({"_target_": "failing.Head"}, "head")


def test_a_number_where_a_text_or_a_path_is_wanted_is_answered_with_quotes():
    @settings
    class Named:
        name: str
        root: Path | str

    with pytest.raises(LfnetError) as caught:
        read(Named, {"name": 2024, "root": 7}, "cohort")
    assert str(caught.value).splitlines() == [
        "cohort.name=2024: give a text, as in 'cohort.name=\"2024\"'.",
        "cohort.root=7: give a path, as in 'cohort.root=\"7\"'.",
    ]


def test_settings_named_as_a_target_are_checked_like_settings():
    with pytest.raises(LfnetError) as caught:
        check_target({**WHOLE, "name": "x", "on": True}, "node")
    assert str(caught.value) == "node.limit=null: give a number above 0 where node.on=true."


def test_a_rule_between_fields_may_name_its_setting_relative_to_the_node():
    @settings
    class Range:
        low: int
        high: int

        @model_validator(mode="after")
        def _check(self) -> "Range":
            if self.high < self.low:
                raise ValueError(f".high={self.high}: give at least low={self.low}.")
            return self

    with pytest.raises(LfnetError) as caught:
        check_arguments(Range, {"low": 3, "high": 1}, "node.range")
    assert str(caught.value) == "node.range.high=1: give at least low=3."


def test_arguments_without_annotation_may_be_anything_and_open_ends_take_any_name():
    def make(a, **more):
        raise AssertionError("it is not called")

    check_arguments(make, {"a": object(), "b": 1}, "node")


def test_keyword_arguments_may_be_annotated_by_the_settings_that_they_are():
    def make(scale: Count, **settings: Annotated[Any, Part]):
        raise AssertionError("it is not called")

    check_arguments(make, {"scale": 2, "rate": 3}, "node")
    with pytest.raises(LfnetError) as caught:
        check_arguments(make, {"scale": 0, "share": 2, "size": 1}, "node")
    assert sorted(str(caught.value).splitlines()) == [
        "node.scale=0: give a whole number of 1 or more.",
        "node.share=2: give a number from 0 to 1.",
        "node.size: there is no such setting; known: scale, rate, share.",
    ]


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        (int, "a whole number"),
        (Annotated[int, Field(ge=1, le=5)], "a whole number from 1 to 5"),
        (Annotated[int, Field(ge=1, le=1_000_000)], "a whole number from 1 to 1000000"),
        (Annotated[float, Field(ge=0, lt=0.5)], "a number from 0 to below 0.5"),
        (Annotated[float, Field(gt=0, lt=1)], "a number above 0 and below 1"),
        (Annotated[float, Field(gt=0, le=1)], "a number above 0 and at most 1"),
        (Annotated[int, Field(ge=2)] | None, "a whole number of 2 or more, or null"),
        (tuple[Positive, ...], "a list, each a number above 0"),
        (Annotated[tuple[Positive, ...], Field(min_length=1)], "a list of 1 or more, each a number above 0"),
        (tuple[str, Positive], "a list of a text, a number above 0"),
        (Literal[True, "x"], "one of true, x"),
        (Part, "its settings by name (rate, share)"),
    ],
)
def test_annotations_in_words(hint, words):
    assert describe(hint) == words


def test_a_list_of_another_length_is_refused_with_the_length() -> None:
    @settings
    class Colours:
        mean: float | tuple[float, float, float]

    with pytest.raises(LfnetError) as raised:
        read(Colours, {"mean": [1, 2]}, "encoder")
    assert str(raised.value) == "encoder.mean=[1, 2]: give a number, or a list of a number, a number, a number."


@pytest.mark.parametrize("node", [[1], "text", None, {}, {"size": 3}])
def test_a_node_without_a_target_is_named(node):
    for use in (check_target, instantiate):
        with pytest.raises(LfnetError, match=r"^head=.*: give a node with _target_"):
            use(node, "head")


def test_a_target_that_cannot_be_called_is_named():
    with pytest.raises(LfnetError, match=r"head\._target_=json: give a class or function, not a module"):
        check_target({"_target_": "json"}, "head")


def test_names_of_settings_are_texts():
    with pytest.raises(LfnetError, match=r"head: 1\.5 is no name of a setting"):
        plain(OmegaConf.create({"head": {1.5: 2}}))
