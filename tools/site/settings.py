"""Reference of the settings: every yaml of conf/ with its comments, and what the settings classes allow."""

import functools
import html
import inspect
import pkgutil
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_origin

import yaml

from lfnet.cohorts.feature_stream import FeatureStream
from lfnet.config import describe, setting_types
from lfnet.jobs.settings import Switches
from lfnet.tables.power import PowerSettings
from tools.site.places import ROOT

__all__ = ["Setting", "pages", "read_settings"]

_CONF = ROOT / "conf"
# The classes that read nodes without a `_target_`, by the nodes' names.
_CLASSES = {
    "amount": "lfnet.jobs.settings.Amount",
    "encoder": "lfnet.jobs.settings.Encoding",
    "filming": "lfnet.features.normalised.FilmingSettings",
    "fusion": "lfnet.fusion.settings.FusionSettings",
    "logger": "lfnet.jobs.settings.Logger",
    "paths": "lfnet.jobs.settings.Paths",
    "protocol": "lfnet.data.protocol.Protocol",
    "pulse": "lfnet.pulse.settings.PulseSettings",
    "streams": "lfnet.features.joined_streams.JoinSettings",
    "table": "lfnet.tables.settings.TableSettings",
    "trainer": "lfnet.training.settings.TrainerSettings",
}
# Where the settings of a group are on the command line, if not under the group's name.
_PLACES = {"features": "cohort.features", "scale": "cohort.scale", "fusion/component": "fusion", "validity": "pulse"}
_TOP = ("train", "base", "table_defaults", "extract", "audit", "power")


@dataclass(frozen=True)
class Setting:
    """A setting of a yaml. allowed: what its class allows, in words; "" where no class says."""

    name: str
    value: str
    allowed: str
    comment: str


@functools.cache
def pages() -> dict[str, str]:
    """Return the pages of the settings: name → Markdown."""
    found = {"reference/settings/index.md": _index()}
    for group in _groups():
        files = sorted((_CONF / group).glob("*.yaml"))
        found[f"reference/settings/{_file(group)}"] = f"# {group}\n\n" + "\n".join(_section(file) for file in files)
    return found


def read_settings(file: Path) -> Iterator[Setting]:
    """Yield the settings of a yaml of conf/, in order."""
    text = file.read_text(encoding="utf-8")
    tree = yaml.compose(text)
    if not isinstance(tree, yaml.MappingNode):
        return
    place = _place(file.relative_to(_CONF).parent.as_posix(), text)
    target = next((value.value for key, value in tree.value if key.value == "_target_"), None)
    kind: Any = setting_types(pkgutil.resolve_name(target)) if target else _kind_of_all()
    for name in place.split(".") if place and not target else ():
        kind = _child(kind, name)
    yield from _walk(tree, place, kind, text.splitlines())


@functools.cache
def _kind_of_all() -> Mapping[str, Any]:
    """What is allowed in a job's settings, in conf/power.yaml, and in sets of columns."""
    known = {name: pkgutil.resolve_name(path) for name, path in _CLASSES.items()}
    known["cohort"] = {"features": dict[str, FeatureStream]}
    return setting_types(Switches) | setting_types(PowerSettings) | known


def _walk(node: yaml.MappingNode, place: str, kind: Any, lines: list[str]) -> Iterator[Setting]:
    for key, value in node.value:
        name = f"{place}.{key.value}" if place else key.value
        if key.value in ("defaults", "_target_") or (name.startswith("hydra") and not _sweeps(name)):
            continue
        inner = _child(kind, key.value)
        comment = _comment(key, value, lines)
        if isinstance(value, yaml.MappingNode) and not value.flow_style and value.value:
            if comment and not name.startswith("hydra"):
                yield Setting(name, "", "", comment)
            yield from _walk(value, name, inner, lines)
            continue
        shown = lines[value.start_mark.line][value.start_mark.column : value.end_mark.column]
        if value.start_mark.line != value.end_mark.line:
            whole = yaml.SafeLoader("").construct_document(value)
            shown = whole if isinstance(whole, str) else yaml.safe_dump(whole, default_flow_style=True, width=10_000)
        allowed = "" if inner in (None, Any) else describe(inner)
        allowed = "" if allowed == "another value" else allowed
        yield Setting(name.removeprefix("hydra.sweeper.params."), shown.strip(), allowed, comment)


def _child(kind: Any, name: str) -> Any:
    """The annotation of a setting in a node of some kind: a mapping, a class of settings, or a choice of those."""
    if isinstance(kind, Mapping):
        return kind.get(name)
    if get_origin(kind) is dict:
        return get_args(kind)[1]
    if inspect.isclass(kind) and is_dataclass(kind):
        return setting_types(kind).get(name)
    found = (_child(part, name) for part in get_args(kind))
    return next((hint for hint in found if hint is not None), None)


def _sweeps(name: str) -> bool:
    return name in ("hydra", "hydra.sweeper") or name.startswith("hydra.sweeper.params")


def _comment(key: yaml.Node, value: yaml.Node, lines: list[str]) -> str:
    """The comment lines just above a key, and those on its line and below it, further to the right."""
    first, column = key.start_mark.line, key.start_mark.column
    above: list[str] = []
    for line in reversed(lines[:first]):
        if not (line.lstrip().startswith("#") and len(line) - len(line.lstrip()) == column):
            break
        above.insert(0, line)
    if first == len(above):  # the description of the file
        above = []
    is_block = isinstance(value, yaml.CollectionNode) and not value.flow_style
    last = first if is_block else max(first, value.end_mark.line - (value.end_mark.column == 0))
    end = value.end_mark.column if not is_block and value.end_mark.line == last else key.end_mark.column
    after = re.findall(r"(?:^|\s)(#.*)$", lines[last][end:])
    for line in lines[last + 1 :] if after or not is_block else ():
        if not (line.lstrip().startswith("#") and len(line) - len(line.lstrip()) > column):
            break
        after.append(line)
    texts = [" ".join(line.strip().lstrip("#").strip() for line in part) for part in (above, after)]
    return ". ".join(filter(None, texts)).replace(".. ", ". ")


def _place(group: str, text: str) -> str:
    package = re.search(r"^# @package (\S+)", text, re.MULTILINE)
    if package:
        return "" if package[1] == "_global_" else package[1]
    return "" if group == "." else _PLACES.get(group, group)


def _groups() -> list[str]:
    folders = {path.parent.relative_to(_CONF).as_posix() for path in _CONF.rglob("*.yaml")} - {"."}
    return sorted(folders)


def _file(group: str) -> str:
    return f"{group.replace('/', '-')}.md"


def _description(file: Path) -> str:
    lines: list[str] = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        if "@package" not in line:
            lines.append(line.lstrip("# "))
    return " ".join(lines)


def _index() -> str:
    lines = [
        "# Settings",
        "",
        "Every setting is in a yaml of `conf/`. These pages are made from the yamls and their comments; the column "
        "*allowed* comes from the classes that check the settings before any work starts.",
        "",
        "A group is chosen with `group=option`, a setting is given with `name=value`, as in "
        "`lfnet train head=ldbm head.patch_size=8`. `lfnet train --cfg job` prints all settings of a job.",
        "",
        "| group | options |",
        "|---|---|",
    ]
    for group in _groups():
        names = ", ".join(f"`{file.stem}`" for file in sorted((_CONF / group).glob("*.yaml")))
        lines.append(f"| [{group}]({_file(group)}) | {names} |")
    return "\n".join([*lines, "", *(_section(_CONF / f"{name}.yaml") for name in _TOP)])


def _section(file: Path) -> str:
    lines = [f"## {file.stem}", "", _escaped(_description(file)), ""]
    tree = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    if target := tree.get("_target_"):
        lines += [f"Class: `{target}`", ""]
    if based := [_default(entry) for entry in tree.get("defaults", []) if entry != "_self_"]:
        lines += [f"Starts from: {', '.join(based)}", ""]
    rows = [
        f"<tr><td>{_code(found.name)}</td><td>{_code(found.value)}</td>"
        f"<td>{_escaped(found.allowed)}</td><td>{_escaped(found.comment)}</td></tr>"
        for found in read_settings(file)
    ]
    if rows:
        head = "<tr><th>setting</th><th>here</th><th>allowed</th><th>meaning</th></tr>"
        lines += [f"<table><thead>{head}</thead><tbody>", *rows, "</tbody></table>", ""]
    return "\n".join(lines)


def _default(entry: Any) -> str:
    if isinstance(entry, str):
        return f"`{entry}`"
    ((group, option),) = entry.items()
    return f"`{group.removeprefix('override ').lstrip('/')}={option}`"


def _code(text: str) -> str:
    """A name or value as HTML, which may be broken after a comma, underscore or bracket, or a dot that is in a name."""
    shown = re.sub(r"(?<=[a-z_])\.(?=\w)|[_,/|)\]](?=\S)", r"\g<0><wbr>", html.escape(text))
    return f"<code>{shown}</code>" if text else ""


def _escaped(text: str) -> str:
    """A text as HTML that Markdown leaves alone, with `code`."""
    shown = re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text, quote=False))
    return re.sub(r"[*_$\[\]|\\]", lambda found: f"&#{ord(found[0])};", shown)
