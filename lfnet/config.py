"""Read settings: nodes of Hydra's config become validated, frozen objects.

`@settings` declares a class of settings: types, ranges and choices are its annotations, rules between fields its
validators. `read` builds one from a node and reports all faults of the node at once. `instantiate` calls a node's
`_target_`. Both raise `LfnetError` with one line a fault: `path.key=value: what is allowed`.
"""

import contextlib
import functools
import inspect
import io
import pkgutil
import traceback
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import (
    Annotated,
    Any,
    Literal,
    TypeVar,
    Union,
    cast,
    dataclass_transform,
    get_args,
    get_origin,
    get_type_hints,
)

import yaml  # type: ignore[import-untyped]
from hydra.errors import InstantiationException
from hydra.utils import instantiate as _instantiate
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import BeforeValidator, ConfigDict, Field, Strict, TypeAdapter, ValidationError, create_model
from pydantic.dataclasses import dataclass as _dataclass

import lfnet
from lfnet.errors import LfnetError
from lfnet.files import refuse_special, user_path

__all__ = [
    "Count",
    "NonNegative",
    "Positive",
    "Share",
    "Target",
    "check_arguments",
    "check_nesting",
    "check_target",
    "conf_dir",
    "describe",
    "instantiate",
    "plain",
    "read",
    "read_yaml",
    "setting_types",
    "settings",
]

_T = TypeVar("_T")
_CONFIG = ConfigDict(extra="forbid", allow_inf_nan=False, arbitrary_types_allowed=True)
_OPEN = ConfigDict(extra="allow", allow_inf_nan=False, arbitrary_types_allowed=True)

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]

_MAX_DEPTH = 50  # of a yaml
_HERE = "\0"  # stands for the place of a node whose faults are reported before its place is known


def conf_dir() -> Path:
    """Return the absolute folder of lfnet's yamls: `lfnet/conf` in a wheel, else the repository's `conf/`.

    Hydra takes a relative `config_path` for the name of a Python module, so every command passes this path.
    """
    package = Path(lfnet.__file__).resolve().parent
    for folder in (package / "conf", package.parent / "conf"):
        if (folder / "train.yaml").is_file():
            return folder
    raise LfnetError(
        f"lfnet's settings are missing: neither {package / 'conf'} nor {package.parent / 'conf'} contains train.yaml. "
        "Install lfnet again, or run it from a whole clone."
    )


def _from_target(value: Any) -> Any:
    """Build a node with `_target_`; its faults join those of the settings around it."""
    if not (isinstance(value, Mapping) and "_target_" in value):
        return value
    try:
        return instantiate(dict(value), _HERE)
    except LfnetError as error:
        raise ValueError(str(error)) from error


# Marks a field whose node names a `_target_` to build: `loss: Annotated[Loss, Target]`.
Target = BeforeValidator(_from_target)
_TARGET = Annotated[Any, Target]


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(Field,))
def settings(cls: type[_T]) -> type[_T]:
    """Make a class a frozen, validated dataclass of settings with keyword arguments only.

    Leaves are strict: "3" is no number, 1.5 and true are no whole number; a whole number is a number. A list is taken
    for a tuple, a single value is not. Unknown names are refused. Rules between fields are pydantic validators that
    raise `ValueError(".key=value: what is allowed")`, where the key is relative to the node, or a sentence.

    Examples
    --------
    >>> from typing import Annotated
    >>> from pydantic import Field
    >>> @settings
    ... class Window:
    ...     length: Annotated[int, Field(ge=1)] = 512
    >>> read(Window, {"length": 0}, "protocol")
    Traceback (most recent call last):
    lfnet.errors.LfnetError: protocol.length=0: give a whole number of 1 or more.
    """
    hints = get_type_hints(cls, include_extras=True)
    own = inspect.get_annotations(cls)
    cls.__annotations__ = {name: _strict(hints[name]) for name in own}
    made: Any = _dataclass(frozen=True, kw_only=True, config=_CONFIG)(cls)
    return made


def _strict(hint: Any) -> Any:
    """The annotation with strict leaves, whatever it is built of."""
    if hint in (int, float, bool, str):
        return Annotated[hint, Strict()]
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return Annotated[(_strict(inner[0]), *inner[1:])]
    if origin in (Union, types.UnionType):
        return Union[tuple(_strict(part) for part in inner)]  # noqa: UP007  built at run time
    if origin in (tuple, list, dict):
        return origin[tuple(part if part is Ellipsis else _strict(part) for part in inner)]
    return hint


def read(kind: type[_T], node: Any, path: str) -> _T:
    """Build settings of class `kind` from a config node.

    Parameters
    ----------
    kind : type
        A class declared with `@settings`.
    node : mapping
        The resolved node.
    path : str
        Where the node lies, as a user writes it: "protocol", "table.evidence".

    Returns
    -------
    An object of `kind`.

    Raises
    ------
    LfnetError
        One line for each wrong setting of the node.
    """
    node = plain(node)
    if not isinstance(node, Mapping):
        raise LfnetError(f"{path}={_shown(node)}: give {describe(kind)}.")
    try:
        made: _T = _adapter(cast(Any, kind)).validate_python(dict(node))
        return made
    except ValidationError as error:
        hints = get_type_hints(kind, include_extras=True)
        raise LfnetError("\n".join(_faults(error, node, path, hints))) from None


@functools.cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def check_arguments(target: Callable[..., Any], arguments: Mapping[str, Any], path: str) -> None:
    """Check settings against the signature of the function or class that will be called with them.

    Parameters
    ----------
    target : callable
        Its annotations say what each argument may be; arguments without one may be anything.
    arguments : mapping
        Settings by name; arguments that other code adds (a head's `n_features`) may be left out.
    path : str
        Where the settings lie, as a user writes it.

    Raises
    ------
    LfnetError
        One line for each setting that is unknown or wrong.
    """
    if _is_settings(target):
        read(cast(type[Any], target), arguments, path)
        return
    try:
        _arguments(target).validate_python(dict(arguments))
    except ValidationError as error:
        if lines := _faults(error, arguments, path, setting_types(target), missing=False):
            raise LfnetError("\n".join(lines)) from None


def _is_settings(target: Any) -> bool:
    """Whether a class was declared with `@settings`."""
    return is_dataclass(target) and hasattr(target, "__pydantic_validator__")


def setting_types(target: Callable[..., Any]) -> dict[str, Any]:
    """Return the annotation of each setting of a class or function; `Any` for one without."""
    if _is_settings(target):
        return get_type_hints(target, include_extras=True)
    names = [name for name in inspect.signature(target).parameters if name != "self"]
    try:
        known = get_type_hints(target.__init__ if inspect.isclass(target) else target, include_extras=True)
    except NameError:  # annotations that exist for type checkers alone
        known = {}
    hints = {name: known.get(name, Any) for name in names}
    for name, hint in tuple(hints.items()):
        for kind in filter(_is_settings, getattr(hint, "__metadata__", ())):  # **NAME: Annotated[Any, kind]
            del hints[name]
            hints |= get_type_hints(kind, include_extras=True)
    return hints


@functools.cache
def _arguments(target: Callable[..., Any]) -> TypeAdapter[Any]:
    hints, config = setting_types(target), _CONFIG
    parameters = inspect.signature(target).parameters
    given: dict[str, Any] = {
        f"argument_{name}": (hint, Field(None, alias=name)) for name, hint in hints.items() if name not in parameters
    }
    for name, parameter in parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            config = _OPEN if name in hints else _CONFIG
        elif parameter.kind is not parameter.VAR_POSITIONAL:
            default = ... if parameter.default is parameter.empty else parameter.default
            given[f"argument_{name}"] = (_strict(hints[name]), Field(default, alias=name))
    return TypeAdapter(create_model("Arguments", __config__=config, **given))


def _faults(
    error: ValidationError, node: Mapping[str, Any], path: str, hints: Mapping[str, Any], *, missing: bool = True
) -> list[str]:
    """One line for each wrong setting."""
    lines: dict[str, str] = {}
    for fault in error.errors(include_url=False):
        names, value, hint, known = _place(fault["loc"], node, hints)
        place = ".".join((path, *names) if path else names)
        if fault["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
            text = f"{place}: there is no such setting; known: {', '.join(known)}."
        elif fault["type"].startswith("missing") and not isinstance(fault["loc"][-1], int):
            if not missing:
                continue
            text = f"{place} is missing: give {describe(hint)}."
        elif fault["type"] == "value_error":
            said = str(fault["ctx"]["error"])
            said = said.replace(_HERE, place)
            absolute = path != "" and said.startswith(f"{path}.")
            text = said if absolute else place + said if said.startswith(".") else f"{place}={_shown(value)}: {said}"
        else:
            text = f"{place}={_shown(value)}: give {describe(hint)}{_quoted(place, value, hint)}."
        lines.setdefault(place, text)
    return list(lines.values())


def _place(
    loc: tuple[int | str, ...], node: Any, hints: Mapping[str, Any]
) -> tuple[tuple[str, ...], Any, Any, tuple[str, ...]]:
    """Find a fault's path, value, annotation and the names known next to it; skip tags of unions."""
    names: list[str] = []
    value: Any = node
    hint: Any = None
    known = tuple(hints)
    for position, part in enumerate(loc):
        if isinstance(value, Mapping) and (part in hints or part in value):
            hint, value, known = hints.get(str(part)), value.get(part), tuple(hints)
        elif isinstance(value, list | tuple) and isinstance(part, int) and part < len(value):
            hint, value = _item(hint, part), value[part]
        else:
            continue
        names.append(str(part))
        inner = next((kind for kind in _kinds(hint) if is_dataclass(kind)), None)
        values = next((get_args(kind)[1] for kind in _kinds(hint) if get_origin(kind) is dict), None)
        hints = get_type_hints(inner, include_extras=True) if inner else {}
        if values is not None and isinstance(value, Mapping):
            hints = dict.fromkeys(map(str, value), values)
        elif hint is None and position < len(loc) - 1 and isinstance(value, Mapping):
            hints = dict.fromkeys(map(str, value))
    return tuple(names), value, hint, known


def _quoted(place: str, value: Any, hint: Any) -> str:
    """How a name such as 2024, which Hydra reads as a number, is given where a text is wanted."""
    texts = {str, Path} & {hint, *get_args(hint)}
    return f""", as in '{place}="{value}"'""" if texts and type(value) in (int, float) else ""


def _item(hint: Any, place: int) -> Any:
    """Return the annotation of one item of a list; None where there is none."""
    inner = get_args(next((kind for kind in _kinds(hint) if get_origin(kind) in (tuple, list)), None))
    return inner[place] if Ellipsis not in inner and place < len(inner) else next(iter(inner), None)


def describe(hint: Any) -> str:
    """What an annotation allows, in words: "a whole number of 1 or more, or null"."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        if Target in inner[1:]:
            return "a node with _target_, chosen from its group of conf/"
        what, limits = describe(inner[0]), _range(inner[1:])
        return what.replace("a list", f"a list{limits}", 1) if what.startswith("a list") else what + limits
    if origin in (Union, types.UnionType):
        words = [describe(part) for part in inner if part is not type(None)]
        words = [word for word in words if word != "a text" or "a path" not in words]
        return ", or ".join([*words, *(["null"] if type(None) in inner else [])])
    if origin is Literal:
        words = [_shown(choice) for choice in inner]
        return words[0] if len(words) == 1 else f"one of {', '.join(words)}"
    if origin in (tuple, list):
        if inner and Ellipsis not in inner and len(inner) > 1:
            return f"a list of {', '.join(map(describe, inner))}"
        return f"a list, each {describe(inner[0])}" if inner else "a list"
    if origin is dict or hint is dict:
        return "names and their values"
    if is_dataclass(hint):
        return f"its settings by name ({', '.join(item.name for item in fields(hint))})"
    kinds = {int: "a whole number", float: "a number", bool: "true or false", str: "a text", Path: "a path"}
    return kinds.get(hint, "another value")


def _range(marks: Iterable[Any]) -> str:
    """The limits among an annotation's marks: " from 0 to 1", " above 0", " of 1 or more"."""
    limits: dict[str, Any] = {}
    for mark in marks:
        for part in getattr(mark, "metadata", [mark]):
            limits |= {
                name: getattr(part, name) for name in ("gt", "ge", "lt", "le", "min_length") if hasattr(part, name)
            }
    low = f"above {limits['gt']:.7g}" if "gt" in limits else f"{limits['ge']:.7g}" if "ge" in limits else ""
    high = f"below {limits['lt']:.7g}" if "lt" in limits else f"{limits['le']:.7g}" if "le" in limits else ""
    if low and high and "gt" in limits:
        return f" {low} and {high if 'lt' in limits else f'at most {high}'}"
    if low and high:
        return f" from {low} to {high}"
    if low:
        return f" {low}" if "gt" in limits else f" of {low} or more"
    if high:
        return f" {high}" if "lt" in limits else f" of {high} or less"
    return f" of {limits['min_length']} or more" if limits.get("min_length") else ""


def _bare(hint: Any) -> Any:
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


def _kinds(hint: Any) -> tuple[Any, ...]:
    """The types that an annotation is a choice of."""
    bare = _bare(hint)
    return tuple(map(_bare, get_args(bare))) if get_origin(bare) in (Union, types.UnionType) else (bare,)


def _shown(value: Any) -> str:
    """A value as YAML and Hydra's overrides write it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {_shown(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_shown, value)) + "]"
    return str(value)


def read_yaml(path: Path) -> Any:
    """Read a yaml file of settings, unresolved, as dicts, lists and scalars.

    Raises
    ------
    LfnetError
        The file is missing, cannot be read, is no UTF-8 or no YAML, is nested deeply, or repeats a part by an alias: a
        small file could fill all memory, or take hours.
    """
    refuse_special(path)
    try:
        text = Path(path).read_text(encoding="utf-8")
        check_nesting(path, text, aliases=False)
        values = OmegaConf.to_container(OmegaConf.load(io.StringIO(text)), resolve=False)
    except FileNotFoundError as error:
        raise LfnetError(f"{path} does not exist.") from error
    except OSError as error:
        raise LfnetError(f"{path} cannot be read ({error.strerror or error}).") from error
    except (yaml.YAMLError, OmegaConfBaseException, ValueError, RecursionError) as error:
        raise LfnetError(f"{path} is no valid yaml file of settings ({' '.join(str(error).split())}).") from error
    _check_names(values, str(path))
    return values


def check_nesting(path: Path, text: str, *, aliases: bool = True) -> None:
    """Raise `LfnetError` where a yaml is nested deeply: the time of its parser grows with the square of the depth.

    aliases: whether parts may be repeated (`*name`). Text that is no YAML is a `yaml.YAMLError`.

    Examples
    --------
    >>> check_nesting(Path("mine.yaml"), "[" * 5000)
    Traceback (most recent call last):
    lfnet.errors.LfnetError: mine.yaml is no file of settings: line 1 is nested more than 50 levels deep.
    """
    depth = 0
    for event in yaml.parse(text):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        has_alias = not aliases and isinstance(event, yaml.AliasEvent)
        if has_alias or depth > _MAX_DEPTH:
            fault = "has an alias (*name)" if has_alias else f"is nested more than {_MAX_DEPTH} levels deep"
            raise LfnetError(f"{path} is no file of settings: line {event.start_mark.line + 1} {fault}.")


def plain(node: Any) -> Any:
    """A config node with everything resolved, as dicts, lists and scalars; a `~` in `paths` is the home folder.

    Raises `LfnetError` for a name of a setting that is no text.
    """
    if not OmegaConf.is_config(node):
        return node
    values = OmegaConf.to_container(node, resolve=True, throw_on_missing=True)
    _check_names(values, "")
    if isinstance(values, dict) and isinstance(paths := values.get("paths"), dict):
        values["paths"] = {name: str(user_path(str(folder))) for name, folder in paths.items()}
    return values


def _check_names(node: Any, path: str) -> None:
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for name, value in items:
        if isinstance(node, dict) and not isinstance(name, str):
            shown = f"{name!r}"[:100]
            raise LfnetError(f"{path or 'settings'}: {shown} is no name of a setting. Quote it, or correct the yaml.")
        _check_names(value, f"{path}.{name}" if path else str(name))


def instantiate(node: DictConfig | Mapping[str, Any], path: str = "", /, **extra: Any) -> Any:
    """Call a node's `_target_` with its settings.

    Parameters
    ----------
    node : mapping
        `_target_` and the settings that it takes.
    path : str
        Where the node lies, as a user writes it ("head"); "" for the target's own name.
    **extra
        Further arguments that code adds (`n_features`).

    Returns
    -------
    What the target returns.

    Raises
    ------
    LfnetError
        The target does not exist, or does not take a setting; one line a fault. An `LfnetError` that the target itself
        raises comes through as it is. A `TypeError` or `ValueError` of the target is a wrong setting; any other
        exception of a target outside lfnet is named with its file and line, and one of lfnet's own comes through.
    """
    node = plain(node)
    check_target(node, path)
    name = str(node["_target_"])
    try:
        return _instantiate(node, **extra, _convert_="all")
    except InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, LfnetError):
            raise cause from None
        if isinstance(cause, TypeError) and "argument" in str(cause) and _raised_by_call(cause):
            raise LfnetError(f"{name} does not take these settings: {cause}. See its yaml in conf/.") from error
        if cause is None or isinstance(cause, ImportError | AttributeError):
            first = str(error).splitlines()[0]
            raise LfnetError(f"_target_ {name!r} cannot be used: {first}. Check its yaml in conf/.") from error
        if isinstance(cause, ValidationError):
            raise LfnetError(
                "\n".join(_faults(cause, node, path or name, setting_types(pkgutil.resolve_name(name))))
            ) from None
        if isinstance(cause, TypeError | ValueError):
            raise LfnetError(f"{path or name} refuses its settings: {cause}. See its yaml in conf/.") from error
        if name.partition(".")[0] != "lfnet":
            raise LfnetError(f"{path or name} cannot be made: {_import_fault(cause, _file_of(name))}.") from error
        raise cause from error


def _file_of(name: str) -> str | None:
    """The file of a class or function; None where that is not known."""
    with contextlib.suppress(TypeError):
        return inspect.getsourcefile(pkgutil.resolve_name(name))
    return None


def _import_fault(error: BaseException, file: str | None = None) -> str:
    """Why a module cannot be imported; where code fails, with its file and line, those of `file` where it is in it."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}, line {error.lineno}: {error.msg}"
    if isinstance(error, ImportError | AttributeError | ValueError):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    last = next((frame for frame in reversed(frames) if frame.filename == file), frames[-1])
    return f"{last.filename}, line {last.lineno}: {type(error).__name__}: {error}"


def check_target(node: Mapping[str, Any], path: str = "") -> None:
    """Check a node's settings against its `_target_`'s signature without calling it, and nested nodes alike.

    Parameters
    ----------
    node : mapping
        A resolved node with `_target_`.
    path : str
        Where the node lies, as a user writes it; "" for the target's own name.

    Raises
    ------
    LfnetError
        The target cannot be imported, or one line for each wrong setting.
    """
    if not isinstance(node, Mapping) or "_target_" not in node:
        raise LfnetError(f"{path or 'node'}={_shown(node)[:200]}: give {describe(_TARGET)}.")
    name = str(node["_target_"])
    place = f"{path}._target_" if path else "_target_"
    try:
        target = pkgutil.resolve_name(name)
    except Exception as error:  # a module of the user's own may raise anything
        raise LfnetError(
            f"{place}={name} cannot be imported: {_import_fault(error)}. Give a class or function of an installed "
            "module, or of one in the current folder."
        ) from error
    if not callable(target):
        raise LfnetError(f"{place}={name}: give a class or function, not a {type(target).__name__}.")
    own = {key: value for key, value in node.items() if not key.startswith("_")}
    faults: list[str] = []
    if not _is_settings(target):  # settings check the nodes in them themselves
        for key in [key for key, value in own.items() if isinstance(value, Mapping) and "_target_" in value]:
            try:
                check_target(own.pop(key), f"{path or name}.{key}")
            except LfnetError as error:
                faults.append(str(error))
    try:
        check_arguments(target, own, path or name)
    except LfnetError as error:
        faults.append(str(error))
    if faults:
        raise LfnetError("\n".join(faults))


def _raised_by_call(error: TypeError) -> bool:
    """Whether the TypeError comes from calling the target (wrong settings) and not from within it."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return last is not None and "hydra" in last.tb_frame.f_code.co_filename
