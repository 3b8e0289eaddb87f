"""Notebooks as pages."""

import json

from tools.site.places import ROOT, title

__all__ = ["index", "page"]


def page(name: str) -> str:
    """Return a notebook's text and code as Markdown."""
    cells = json.loads((ROOT / name).read_text(encoding="utf-8"))["cells"]
    parts = []
    for cell in cells:
        text = "".join(cell["source"])
        parts.append(text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```")
    return "\n\n".join(parts) + "\n"


def index() -> str:
    """Return the page that lists the notebooks."""
    names = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("notebooks/*.ipynb"))
    lines = [f"- [{title(page(name))}]({name.split('/')[1].removesuffix('.ipynb')}.md) (`{name}`)" for name in names]
    return "\n".join(["# Notebooks", "", "The tests run each of them from top to bottom.", "", *lines, ""])
