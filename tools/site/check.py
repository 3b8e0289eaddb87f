"""Checks of the built site: no request to another host, and every page of docs/ in the navigation."""

import re
from collections.abc import Iterator
from pathlib import Path

__all__ = ["external_requests", "faults"]

# What a browser fetches by itself; a link (<a href>) is fetched when the reader follows it.
_FETCHED = re.compile(
    r"""<(?:script|img|iframe|source|video|audio|embed|object|use|input)\b[^>]*?\b(?:src|srcset|data|href)\s*=\s*["']?\s*((?:https?:)?//[^"'\s>]+)"""
    r"""|<link\b(?![^>]*rel=["']?(?:canonical|prev|next|alternate|license)\b)[^>]*?\bhref\s*=\s*["']?\s*((?:https?:)?//[^"'\s>]+)"""
    r"""|(?:url\(|@import)\s*["']?\s*((?:https?:)?//[^"'\s)]+)""",
    re.IGNORECASE,
)
# Scripts of the theme name hosts that it asks only where a page has a diagram of Mermaid or a repository's statistics.
_ASKS = re.compile(r"""class=["'][^"']*\bmermaid\b|data-md-component=["']source["']""")


def external_requests(text: str) -> list[str]:
    """Return the addresses that a browser would fetch from other hosts to show a page or a style sheet.

    Examples
    --------
    >>> external_requests('<a href="https://a.org">a</a> <img alt="" src="https://b.org/b.png">')
    ['https://b.org/b.png']
    """
    found = ["".join(groups) for groups in _FETCHED.findall(text)]
    return found + _ASKS.findall(text)


def faults(site: Path, docs: Path, named: set[str]) -> Iterator[str]:
    """Yield what is wrong with a built site; `named` are the pages that its navigation names."""
    for path in sorted([*site.rglob("*.html"), *site.rglob("*.css")]):
        for address in external_requests(path.read_text(encoding="utf-8")):
            yield f"{path.relative_to(site)} fetches {address}"
    for path in sorted(docs.rglob("*.md")):
        if (name := path.relative_to(docs).as_posix()) not in named:
            yield f"docs/{name} is not in the navigation"
