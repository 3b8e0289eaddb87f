"""Public objects: each has an example that runs, and the sections that its signature calls for."""

import ast
import doctest
import importlib
import inspect
import pkgutil
import re
import textwrap
from types import ModuleType
from typing import Any

import pytest

import lfnet
from lfnet.errors import LfnetError

_SECTION = re.compile(r"^(\w[\w ]*)\n-{3,}$", re.MULTILINE)


def public_names() -> list[str]:
    """The names of the package's API and of every subpackage with `__all__`, such as "lfnet.heads.TCN"."""
    names = [f"lfnet.{name}" for name in lfnet._API]
    for info in pkgutil.iter_modules(lfnet.__path__, "lfnet."):
        if info.ispkg:
            package = importlib.import_module(info.name)
            names += [f"{info.name}.{name}" for name in getattr(package, "__all__", ())]
    return sorted(names)


def resolve(name: str) -> Any:
    package, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(package), attribute)


def needs_documentation(found: Any) -> bool:
    """Protocols, type aliases and constants have no example of their own."""
    if inspect.isclass(found):
        return not getattr(found, "_is_protocol", False)
    return isinstance(found, ModuleType) or inspect.isroutine(found)


def sections(found: Any) -> dict[str, str]:
    """The sections of an object's own docstring, by title."""
    parts = _SECTION.split(inspect.cleandoc(found.__doc__ or ""))
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def documented_parameters(section: str) -> set[str]:
    """Names of a section's entries: lines that are not indented, "a, b : float" or "a, b"."""
    entries = [line.partition(" :")[0] for line in section.splitlines() if line and not line[0].isspace()]
    return {name.strip(" *") for entry in entries for name in entry.split(",")}


def body(found: Any) -> list[Any]:
    """The functions that run when the object is called."""
    if not inspect.isclass(found):
        return [found]
    own = [vars(found).get(name) for name in ("__init__", "__post_init__")]
    return [function for function in own if inspect.isfunction(function)]


def raises_lfnet_error(function: Any) -> bool:
    function = inspect.unwrap(function)
    if not function.__code__.co_filename.endswith(".py"):
        return False  # a dataclass's generated method
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    raised = [node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)]
    kinds = [function.__globals__.get(call.func.id) for call in raised if isinstance(call.func, ast.Name)]
    return any(inspect.isclass(kind) and issubclass(kind, LfnetError) for kind in kinds)


def faults(found: Any) -> list[str]:
    """What an object's docstring lacks."""
    given = sections(found)
    examples = doctest.DocTestParser().get_examples(given.get("Examples", ""))
    lacks = []
    if not examples or any(example.options.get(doctest.SKIP) for example in examples):
        lacks.append("an Examples section with >>>, of which nothing is skipped")
    if isinstance(found, ModuleType):
        return lacks
    signature = inspect.signature(found)
    titles = ("Parameters", "Attributes") if inspect.isclass(found) else ("Parameters",)
    documented = documented_parameters("\n".join(given.get(title, "") for title in titles))
    absent = [name for name in signature.parameters if name not in documented]
    if absent:
        lacks.append(f"in Parameters {', '.join(absent)}")
    if not inspect.isclass(found) and signature.return_annotation not in (None, "None") and "Returns" not in given:
        lacks.append("a Returns section")
    if any(raises_lfnet_error(function) for function in body(found)) and "LfnetError" not in given.get("Raises", ""):
        lacks.append("a Raises section with LfnetError")
    return lacks


@pytest.mark.parametrize("name", public_names())
def test_a_public_object_has_an_example_and_its_sections(name: str) -> None:
    found = resolve(name)
    if needs_documentation(found):
        assert not faults(found), f"the docstring of {name} lacks: {'; '.join(faults(found))}"
