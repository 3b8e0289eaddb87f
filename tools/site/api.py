"""Reference of the Python API: the names of `lfnet` and of each package's `__all__`."""

import functools
import importlib
import pkgutil
from types import ModuleType

import lfnet

__all__ = ["pages"]

_ONLY_TEXT = "    options:\n      members: []\n      show_root_heading: false\n      show_root_toc_entry: false\n"


@functools.cache
def pages() -> dict[str, str]:
    """Return the pages of the API: name → Markdown with the identifiers that mkdocstrings fills in."""
    top = [target.replace(":", ".") for target in lfnet._API.values() if ":" in target]
    found = {"reference/api/lfnet.md": _page("lfnet", top)}
    for info in pkgutil.iter_modules(lfnet.__path__, "lfnet."):
        package = importlib.import_module(info.name)
        if info.ispkg and (names := getattr(package, "__all__", ())):
            found[f"reference/api/{info.name}.md"] = _page(
                info.name, [_defined(package, name) for name in sorted(names)]
            )
    return found


def _defined(package: ModuleType, name: str) -> str:
    """A public name with the module that defines it: packages import lazily, which is not seen in their source."""
    module = getattr(package, "_MODULES", {}).get(name)
    return f"{package.__name__}.{module}.{name}" if module else f"{getattr(package, name).__module__}.{name}"


def _page(package: str, names: list[str]) -> str:
    blocks = [f"::: {name}\n" for name in names]
    return "\n".join([f"# {package}\n", f"::: {package}\n{_ONLY_TEXT}", *blocks])
