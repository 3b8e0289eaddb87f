"""Explain errors of Hydra, OmegaConf and YAML as one message about the setting."""

import difflib
import errno
import re
import traceback
from collections.abc import Iterable
from typing import Any

from lfnet.cli.configs import conf_of, groups, names
from lfnet.files import DISK_ERRORS

__all__ = ["explain", "hint"]

# What is wrong with a path and not with the program.
_PLACE_ERRORS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.ENOTDIR, errno.EEXIST)


def explain(error: BaseException) -> str | None:
    """Return one message that names the setting and the fix; None where `error` is no mistake in the settings.

    Errors of building an object from its settings are reported by `lfnet.config.instantiate`.
    """
    text = str(error)
    if text.startswith("Config group override must be a string or a list"):
        return f"a group is chosen by name, as in head=ldbm, not by a number ({text.partition('. ')[2]})."
    if isinstance(error, OSError) and error.errno in _PLACE_ERRORS and error.filename:
        no_folder = error.errno in (errno.ENOTDIR, errno.EEXIST)
        remedy = "It is no folder: choose another one" if no_folder else "Free some space or choose another folder"
        return f"cannot write {error.filename}: {error.strerror}. {remedy} in `paths`."
    if isinstance(error, FileNotFoundError) and _last_function(error) == "mkdir":  # in /proc
        return f"cannot make the folder {error.filename}: choose another one in `paths`."
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return f"{str(error.filename)[:60]}… is no file: the name is too long."
    if isinstance(error, OSError) and error.errno in (*DISK_ERRORS, errno.ELOOP, errno.ENOMEM):
        place = error.filename or "a file or standard output"
        return f"{place}: {error.strerror}. Check the disk, then run the same command again."
    if isinstance(error, UnicodeEncodeError) and error.reason == "surrogates not allowed":
        text = error.object[max(0, error.start - 40) : error.end + 40].encode(errors="backslashreplace").decode()
        return f"{text!r} is not UTF-8 text: rename the file or folder."
    kind = _kind(error)
    rules = {
        "hydra.MissingConfigException": _missing_choice,
        "hydra.OverrideParseException": _unreadable,
        "hydra.SearchPathException": _line,
        "hydra.ConfigCompositionException": _composition,
        "omegaconf.MissingMandatoryValue": _mandatory,
        "omegaconf.InterpolationKeyError": _line,
        "omegaconf.InterpolationResolutionError": _line,
        "omegaconf.UnsupportedInterpolationType": _line,
        "omegaconf.ValidationError": _line,
    }
    if kind in rules:
        return rules[kind](error)
    if kind.startswith("yaml.") and getattr(error, "problem_mark", None) is not None:
        mark = error.problem_mark  # type: ignore[attr-defined]
        problem = error.problem  # type: ignore[attr-defined]
        return f"{mark.name}, line {mark.line + 1}, column {mark.column + 1}: not valid YAML ({problem})."
    known = kind.startswith(("yaml.", "omegaconf."))
    if known or isinstance(error, ValueError | AssertionError | RecursionError | TypeError):
        return _composing(error)
    return None


def _composing(error: BaseException) -> str | None:
    """What is wrong with a yaml or an override where Hydra ends with an error of another library; None elsewhere.

    Hydra opens the user's yamls, so that only the traceback knows which one it was reading.
    """
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    packages = [str(frame.f_globals.get("__name__", "")).partition(".")[0] for frame in frames]
    own = max((place for place, name in enumerate(packages) if name == "lfnet"), default=-1)
    if "hydra" not in packages[own + 1 :]:
        return None
    reading = [frame.f_locals for frame in frames if frame.f_code.co_filename.endswith("config_source.py")]
    paths = [local.get("full_path") or local.get("config_path") for local in reading]
    file = next((str(path) for path in reversed(paths) if path), None)
    reason = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else _line(error)
    if isinstance(error, RecursionError):
        reason = "it is nested too deeply"
    if "Cannot merge DictConfig with ListConfig" in reason:
        setting = getattr(error, "full_key", None) or "a setting"
        reason = f"{setting} has a list in place of names with values, or the reverse; write [a, b] or {{name: a}}"
    return f"{file} cannot be used: {reason}." if file else f"the settings cannot be read: {reason}."


def _last_function(error: BaseException) -> str:
    return [frame.f_code.co_name for frame, _ in traceback.walk_tb(error.__traceback__)][-1]


def _kind(error: BaseException) -> str:
    # By name, so that a mistake found before Hydra was needed does not import it.
    return f"{type(error).__module__.partition('.')[0]}.{type(error).__name__}"


def _missing_choice(error: Any) -> str:
    missing = str(error.missing_cfg_file or "")
    group, _, name = missing.partition("/") if "//" in missing else missing.rpartition("/")
    options = [option for option in error.options or names(group) if (group, option) != ("table", "none")]
    if not group or not options:
        return _line(error)
    return f"there is no `{group}={name}`.{hint(name, options)} There are: {', '.join(options)}."


def _unreadable(error: Any) -> str:
    override = getattr(error, "override", None)
    named = f"cannot read `{override}`" if override else f"cannot read a setting ({_first(str(error))})"
    return f"{named}: a setting is name=value. Quote brackets, commas and spaces for your shell: 'name=[1,2]'."


def _composition(error: BaseException) -> str:
    text = str(error)
    cause = error.__cause__
    if text.startswith("Could not override") and cause is not None and _kind(cause).startswith("omegaconf."):
        return _unknown_setting(text.split("'")[1], cause)
    if text.startswith("Could not override") and "No match in the defaults list" in text:
        return f"this command has no setting `{text.split(chr(39))[1]}`. Add --cfg job to it to see every setting."
    if text.startswith("Ambiguous value for argument"):
        given = text.split("'")[1]
        name, _, value = given.partition("=")
        return f"`{given}` names several values: add -m for a job with each, or write '{name}=[{value}]' for a list."
    if text.startswith("Sweep parameters "):
        return f"`{text.split(chr(39))[1]}` names several values: add -m for a job with each."
    if text.startswith("Could not override") and "Did you mean to override " in text:
        return f"{' '.join(text.partition('?')[0].split())}?".replace("Could not override", "there is no group")
    if "appears more than once in the final defaults list" in text:
        return f"{text.split()[0]} is chosen twice: name each choice of a group once."
    if text.startswith("Could not append to config. An item is already at"):
        return f"`{text.split(chr(39))[1]}` exists already: write it without the +."
    if cause is not None:
        return explain(cause) or _line(error)
    return _line(error)


# Settings of earlier versions, and what took their place.
_REPLACED = {"trainer.bags": "choose pooling=mean; trainer.pooling.recordings are the recordings in a step"}


def _unknown_setting(key: str, cause: Any) -> str:
    """key: as typed, such as head.patchsize. The cause has the node where the search ended."""
    full = str(cause.full_key or key)
    if full in _REPLACED:
        return f"there is no setting `{full}` any more: {_REPLACED[full]}."
    key = full if full.startswith(f"{key}.") else key
    rest = key.removeprefix(full)
    found, part = full.rpartition(".")[::2]
    prefix = f"{found}." if found else ""
    parent = cause.parent_node
    siblings = [str(name) for name in parent] if hasattr(parent, "keys") else []
    if not found:
        folders = {name.partition("/")[0] for name in groups()}
        siblings = [name for name in {*siblings, *folders} if name not in ("hydra", part)]
    if not found and (setting := rest.strip(".").partition(".")[0]):
        siblings = [name for name in siblings if _options_with(name, setting) or name == "hydra"]
    near = hint(part, siblings, prefix, rest)
    if not near and (options := _options_with(found, part)):
        first, *more = sorted(options, key=lambda option: option != "folder")  # of cohorts, the usual one
        others = f", or another one that has it: {', '.join(more)}" if more else ""
        near = f" Choose {found}={first} first{others}."
    elif not near and siblings and found:
        near = f" There are: {', '.join(sorted(prefix + name for name in siblings))}."
    return f"there is no setting `{key}`.{near} Add --cfg job to the command to see every setting."


def _options_with(group: str, setting: str) -> list[str]:
    """Return the options of a group that have a setting."""
    wanted = re.compile(rf"^{re.escape(setting)}:", re.MULTILINE)
    files = {name: conf_of(group, name) / group / f"{name}.yaml" for name in (names(group) if group else ())}
    return [name for name, path in files.items() if wanted.search(path.read_text(encoding="utf-8"))]


def _mandatory(error: Any) -> str:
    key = error.full_key or str(error.key)
    return f"`{key}` must be given: add {key}=VALUE."


def _line(error: Any) -> str:
    """The library's own message on one line, with the setting that it concerns."""
    wanted = [line.strip() for line in str(error).splitlines()]
    wanted = wanted[: wanted.index("Config search path:")] if "Config search path:" in wanted else wanted
    drop = ("object_type=", "full_key:", "reference_type=", "See https:")
    text = " ".join(line for line in wanted if line and not line.startswith(drop))
    named = [line.removeprefix("full_key:").strip() for line in wanted if line.startswith("full_key:")]
    key = getattr(error, "full_key", None) or "".join(named[:1])
    return f"`{key}`: {text}" if key else text


def _first(text: str) -> str:
    return text.strip().splitlines()[0] if text.strip() else "empty"


# Nodes that are only there when an option was chosen for them.
_NODES = {"test_cohort": " Choose a cohort to test on first: cohort@test_cohort=NAME."}


def hint(word: str, options: Iterable[str], prefix: str = "", suffix: str = "") -> str:
    """Return a sentence that names the options that are nearest to a word, or an empty text."""
    if word in _NODES:
        return _NODES[word]
    near = difflib.get_close_matches(word, list(options), n=3)
    return f" Did you mean {' or '.join(f'`{prefix}{name}{suffix}`' for name in near)}?" if near else ""
