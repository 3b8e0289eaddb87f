"""Places of the repository's files in the site, and links between them."""

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

__all__ = ["ROOT", "linked_files", "pages", "place", "rewrite_links", "title"]

ROOT = Path(__file__).resolve().parents[2]

_TOP = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
_LINK = re.compile(r"(?<=\]\()([^)\s#]+)(?=[#)])")
_FENCE = re.compile(r"^(```.*?^```[^\n]*$)", re.MULTILINE | re.DOTALL)


def place(name: str) -> str:
    """Return where a file or folder of the repository is in the site.

    Examples
    --------
    >>> [place(name) for name in ("README.md", "docs/people.md", "experiments/pulse/README.md", "notebooks")]
    ['index.md', 'people.md', 'experiments/pulse/index.md', 'notebooks/index.md']
    """
    if name in _TOP:
        return _TOP[name]
    if name.startswith("docs/"):
        return name.removeprefix("docs/")
    if (ROOT / name).is_dir():
        return f"{name}/index.md"
    folder, file = posixpath.split(name)
    if file == "README.md":
        return f"{folder}/index.md"
    return name.removesuffix(".ipynb") + ".md" if name.endswith(".ipynb") else name


def pages() -> list[str]:
    """Return the files outside docs/ that are pages of the site."""
    files = [*sorted(ROOT.glob("experiments/*/README.md")), *sorted(ROOT.glob("notebooks/*.ipynb"))]
    return [*_TOP, *(path.relative_to(ROOT).as_posix() for path in files)]


def linked_files(name: str, text: str) -> Iterator[str]:
    """Yield the repository's files that a page links to; `name` is the page's own file in the repository."""
    for part in _FENCE.split(text)[::2]:
        for target in _LINK.findall(part):
            found = posixpath.normpath(posixpath.join(posixpath.dirname(name), target))
            if ":" not in target and (ROOT / found).exists():
                yield found


def rewrite_links(name: str, text: str) -> str:
    """Rewrite a page's links to files of the repository as links between places of the site.

    Examples
    --------
    >>> rewrite_links("docs/labels.md", "See [the pulse](../experiments/pulse/README.md#limits).")
    'See [the pulse](experiments/pulse/index.md#limits).'
    """
    here = posixpath.dirname(place(name))

    def rewrite(match: re.Match[str]) -> str:
        found = posixpath.normpath(posixpath.join(posixpath.dirname(name), match[0]))
        if ":" in match[0] or not (ROOT / found).exists():
            return match[0]
        return posixpath.relpath(place(found), here or ".")

    parts = _FENCE.split(text)
    parts[::2] = [_LINK.sub(rewrite, part) for part in parts[::2]]
    return "".join(parts)


def title(text: str) -> str:
    """Return a page's first heading."""
    found = re.search(r"^# (.+)$", text, re.MULTILINE)
    return found[1].strip() if found else ""
