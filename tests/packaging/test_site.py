"""The documentation site: its pages, links, equations and settings, and what a browser would fetch for it."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from tools.site import check, hooks, places, settings

ROOT = Path(__file__).resolve().parents[2]
CONF = ROOT / "conf"


@pytest.fixture(scope="module")
def navigation() -> list:
    """The entries of the site's navigation."""
    text = (ROOT / "tools" / "site" / "mkdocs.yml").read_text(encoding="utf-8")
    return hooks.on_config(SimpleNamespace(nav=yaml.safe_load(text)["nav"])).nav


def test_every_page_is_in_the_navigation_once(navigation):
    named = re.findall(r"[\w./-]+\.md", str(navigation))
    assert len(named) == len(set(named))
    docs = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    pages = {f"experiments/{path.parent.name}/index.md" for path in ROOT.glob("experiments/*/README.md")}
    groups = {f"reference/settings/{path.name}.md" for path in CONF.iterdir() if path.is_dir()}
    assert (docs | pages | groups) - set(named) == set()


def test_a_page_that_the_navigation_does_not_name_is_a_guide(navigation):
    (guides,) = (entry["Guides"] for entry in navigation if "Guides" in entry)
    assert "people.md" in guides and "index.md" not in guides


def test_every_extra_is_on_the_first_page():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    rows = re.findall(r"^\| (`[^|]*`) \|", (ROOT / "docs" / "start.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", " ".join(rows))) == set(project["optional-dependencies"]) - {"dev"}


@pytest.mark.parametrize(
    ("text", "fetched"),
    [
        ('<a href="https://a.org/x">link</a> <link rel="canonical" href="https://a.org">', []),
        ('<script src="assets/a.js"></script><img src="data:image/png;base64,xx">', []),
        ('<script defer src="https://a.org/a.js"></script>', ["https://a.org/a.js"]),
        ('<img alt="x" src="//a.org/a.png">', ["//a.org/a.png"]),
        ('<link rel="stylesheet" href=https://a.org/font.css>', ["https://a.org/font.css"]),
        ('<link rel="preconnect" href="https://a.org">', ["https://a.org"]),
        ("@font-face{src:url(https://a.org/f.woff)}", ["https://a.org/f.woff"]),
        ('<pre class="mermaid">graph</pre>', ['class="mermaid']),
    ],
)
def test_what_a_browser_fetches_from_other_hosts_is_found(text, fetched):
    assert [address.rstrip('"') for address in check.external_requests(text)] == [f.rstrip('"') for f in fetched]


def test_a_site_with_a_request_or_a_hidden_page_is_refused(tmp_path):
    site, docs = tmp_path / "site", tmp_path / "docs"
    site.mkdir(), docs.mkdir()
    (site / "index.html").write_text('<img src="https://a.org/a.png">')
    (docs / "lost.md").write_text("# Lost")
    assert list(check.faults(site, docs, {"index.md"})) == [
        "index.html fetches https://a.org/a.png",
        "docs/lost.md is not in the navigation",
    ]


@pytest.mark.parametrize(
    ("page", "link", "there"),
    [
        ("README.md", "docs/people.md#what", "people.md#what"),
        ("docs/labels.md", "../experiments/classes/README.md", "experiments/classes/index.md"),
        ("experiments/targets/README.md", "int8.csv", "int8.csv"),
        ("experiments/order/README.md", "../mechanisms/README.md", "../mechanisms/index.md"),
        ("README.md", "notebooks", "notebooks/index.md"),
        ("docs/labels.md", "https://example.org/a.md", "https://example.org/a.md"),
    ],
)
def test_links_lead_to_the_places_of_the_site(page, link, there):
    assert places.rewrite_links(page, f"[x]({link})") == f"[x]({there})"


def test_links_in_code_are_left_alone():
    text = "```text\n[x](README.md)\n```\n"
    assert places.rewrite_links("CHANGELOG.md", text) == text


def test_equations_become_mathml():
    shown = hooks.on_page_content(r'<p>so <span class="arithmatex">\(a &lt; \frac{1}{2}\)</span></p>')
    assert "<math" in shown and "<mfrac>" in shown and "&#x0003C;" in shown and "arithmatex" not in shown


def leaves(node: dict, place: str) -> set[str]:
    """Dotted names of all settings below a node."""
    found = set()
    for name, value in node.items():
        full = f"{place}.{name}" if place else name
        if full != "hydra" and name not in ("defaults", "_target_"):
            found |= leaves(value, full) if isinstance(value, dict) and value else {full}
    return found


@pytest.mark.parametrize("file", sorted(CONF.rglob("*.yaml")), ids=lambda file: file.relative_to(CONF).as_posix())
def test_every_setting_of_a_yaml_is_in_the_reference_with_its_value(file):
    text = file.read_text(encoding="utf-8")
    place = settings._place(file.relative_to(CONF).parent.as_posix(), text)
    # A mapping that is written in one line is one setting.
    shown = [found.name for found in settings.read_settings(file) if found.value]
    lacking = [
        n for n in leaves(yaml.safe_load(text) or {}, place) if not any(f"{n}.".startswith(f"{s}.") for s in shown)
    ]
    assert lacking == []


@pytest.mark.parametrize(
    ("file", "name", "value", "allowed", "comment"),
    [
        ("protocol/masked", "protocol.window", "512", "a whole number from 1 to 1000000", "frames of a window"),
        ("trainer/default", "trainer.device", "cpu", "one of cpu, cuda, mps", "cpu | cuda | mps"),
        ("head/ldbm", "head.ff", "256", "a whole number of 1 or more", "width of an encoder layer's feed-forward part"),
        ("table/architectures", "table.level", "recording", "one of window, clip, recording", ""),
        ("features/openface", "cohort.features.units.factor", "0.2", "a number above 0", ""),
        ("paths/default", "paths.data", "lfnet_data", "a path", "cohorts' videos and manifests"),
    ],
)
def test_a_setting_has_its_value_what_is_allowed_and_its_comment(file, name, value, allowed, comment):
    (found,) = (found for found in settings.read_settings(CONF / f"{file}.yaml") if found.name == name)
    assert (found.value, found.allowed, found.comment) == (value, allowed, comment)


def test_a_comment_of_several_lines_is_read_whole_from_above_and_behind(tmp_path, monkeypatch):
    (tmp_path / "group").mkdir()
    file = tmp_path / "group" / "a.yaml"
    file.write_text(
        "# Description.\n# Above\n# the first.\na: 1   # behind,\n       # and below\nb: [1,\n  2]  # list\n"
    )
    monkeypatch.setattr(settings, "_CONF", tmp_path)
    first, second = settings.read_settings(file)
    assert first == settings.Setting("group.a", "1", "", "behind, and below")
    assert (second.value, second.comment) == ("[1, 2]", "list")


@pytest.mark.long
def test_the_search_works_in_pages_that_are_opened_from_a_folder(tmp_path):
    from selenium.webdriver.support.ui import WebDriverWait

    from tests.reports.browser import chromium

    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(tmp_path / "site")]
    command += ["--config-file", str(ROOT / "tools" / "site" / "mkdocs.yml")]
    subprocess.run(command, cwd=ROOT, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, check=True)
    with chromium(tmp_path / "profile") as driver:
        driver.get(f"{(tmp_path / 'site' / 'start.html').as_uri()}?q=sigma_ratio")
        links = WebDriverWait(driver, 60).until(
            lambda page: page.find_elements("css selector", ".md-search-result__link")
        )
        found = [link.get_attribute("href") for link in links]
    assert any("glossary.html" in link for link in found[:3])
    assert not any("result.html" in link for link in found)
