"""Hooks of MkDocs: pages made at build time, the navigation, links into the repository, and equations."""

import html
import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # MkDocs imports this file by its path

from latex2mathml.converter import convert
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

from tools.site import api, check, commands, notebooks, places, settings

_MATH = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)
_SOURCES: dict[str, str] = {}  # page of the site → its file in the repository


def on_config(config: Any) -> Any:
    """Add the generated pages to the navigation."""
    config.nav = _navigation(config.nav)
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are not in docs/, and the files that pages link to."""
    texts = {f"docs/{file.src_uri}": file.content_string for file in files if file.is_documentation_page()}
    _SOURCES.update({places.place(name): name for name in texts})
    for name in places.pages():
        texts[name] = notebooks.page(name) if name.endswith(".ipynb") else (places.ROOT / name).read_text("utf-8")
        _SOURCES[places.place(name)] = name
        files.append(File.generated(config, places.place(name), content=texts[name]))
    for name, text in _generated().items():
        files.append(File.generated(config, name, content=text))
    linked = {found for name, text in texts.items() for found in places.linked_files(name, text)}
    known = {file.src_uri for file in files}
    for name in sorted(linked):
        if places.place(name) not in known and (path := places.ROOT / name).is_file():
            if path.suffix == ".md":  # a table of results
                _SOURCES[name] = name
                files.append(File.generated(config, name, content=path.read_text("utf-8")))
            else:
                files.append(File.generated(config, name, abs_src_path=str(path)))
    for name in ("site.css", "worker.js"):
        files.append(File.generated(config, f"assets/{name}", abs_src_path=str(Path(__file__).with_name(name))))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Rewrite links to files of the repository; in the search, answers come first, and tables of results do not."""
    name = _SOURCES.get(page.file.src_uri)
    if name and name.startswith("experiments/") and not name.endswith("README.md"):
        page.meta["search"] = {"exclude": True}
    elif page.file.src_uri.startswith(("faq", "glossary", "start", "tutorials/")):
        page.meta["search"] = {"boost": 2}
    return places.rewrite_links(name, markdown) if name else markdown


def on_page_content(content: str, **_: Any) -> str:
    """Turn TeX into MathML, which needs no script, and the `::` before a docstring's literal block into `:`."""
    shown = _MATH.sub(
        lambda found: convert(html.unescape(found[2]), display="block" if found[1] == "div" else "inline"), content
    )
    return shown.replace("::</p>", ":</p>")


def on_post_build(config: Any) -> None:
    """Write the index of the search as a script, which pages that are opened from a folder read, and check the site.

    The build ends with an error where a page fetches something from another host, or cannot be reached.
    """
    index = Path(config.site_dir) / "search" / "search_index.json"
    index.with_suffix(".js").write_text(f"var __index = {index.read_text('utf-8')}", encoding="utf-8")
    named = set(re.findall(r"[\w./-]+\.md", str(config.nav)))
    if found := list(check.faults(Path(config.site_dir), Path(config.docs_dir), named)):
        raise PluginError("\n".join(found))


def _generated() -> dict[str, str]:
    """The pages that have no file: name → Markdown."""
    return {
        "experiments/index.md": _experiments(),
        "notebooks/index.md": notebooks.index(),
        "reference/commands.md": commands.page(),
        **settings.pages(),
        **api.pages(),
    }


def _experiments() -> str:
    lines = [
        "# Results",
        "",
        "A question, a hypothesis from before the run, the result, and its limits, a page each.",
        "",
    ]
    for path in sorted(places.ROOT.glob("experiments/*/README.md")):
        lines.append(f"- [{places.title(path.read_text('utf-8'))}]({path.parent.name}/index.md)")
    return "\n".join(lines) + "\n"


def _navigation(given: list[Any]) -> list[Any]:
    """The navigation of mkdocs.yml, with pages of docs/ that it does not name under Guides, and generated pages."""
    named = set(re.findall(r"[\w./-]+\.md", str(given)))
    docs = places.ROOT / "docs"
    others = sorted(path.relative_to(docs).as_posix() for path in docs.rglob("*.md"))
    experiments = [places.place(name) for name in places.pages() if name.startswith("experiments/")]
    added = {
        "Guides": _by_folder([name for name in others if name not in named]),
        "Notebooks": ["notebooks/index.md", *(places.place(n) for n in places.pages() if n.endswith(".ipynb"))],
        "Results": ["experiments/index.md", *experiments],
        "Settings": list(settings.pages()),
        "API": list(api.pages()),
    }
    return [_filled(entry, added) for entry in given]


def _by_folder(names: list[str]) -> list[Any]:
    """Pages, and after them a section for each folder."""
    folders = sorted({name.rpartition("/")[0] for name in names} - {""})
    sections = [{folder.capitalize(): [name for name in names if name.startswith(f"{folder}/")]} for folder in folders]
    return [name for name in names if "/" not in name] + sections


def _filled(entry: Any, added: dict[str, list[Any]]) -> Any:
    if not isinstance(entry, dict):
        return entry
    ((name, content),) = entry.items()
    if isinstance(content, list):
        return {name: [*(_filled(part, added) for part in content), *added.get(name, [])]}
    return entry
