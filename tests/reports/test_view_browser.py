"""The pages of `lfnet view` in a real browser: clicks, keys, sizes, themes; no error, no request outside."""

import functools
import http.server
import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lfnet.reports.view import write_view
from tests.reports.browser import CONTRAST, SIZES, SMALL_TEXT, Page, chromium
from tests.reports.viewed import make_runs

pytestmark = pytest.mark.slow

MAE = "one => one.innerText.startsWith('Test MAE')"


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = make_runs(tmp_path_factory.mktemp("runs"))
    view = write_view(runs, runs / "view")
    assert view.faults == ()
    return view.index.parent


@pytest.fixture
def page(driver: Any, site: Path) -> Iterator[Page]:
    """The index, opened from disk at 1280 pixels; at the end of a test there was no error and no request outside."""
    opened = Page(driver)
    opened.size(1280, 900)
    opened.open((site / "index.html").as_uri())
    yield opened
    opened.check()


def test_a_newcomer_sees_the_findings_and_then_the_runs(page: Page) -> None:
    assert page.texts("h1") == ["2 tables and 8 runs"]
    assert "Research instrument, not a diagnosis" in page.texts(".top .only")[0]
    assert page.texts("main > .banner") == ["Simulated: the truth is known, and no person stands behind it."]
    (finding,) = page.texts(".card:first-of-type .findings li")
    assert finding.startswith("vs mean_mlp: better: ldbm −")
    assert page.wait("document.querySelectorAll('.forests svg').length === 2")
    assert page.label(".forests svg").startswith("Test MAE with its interval.")
    assert page.js("return document.querySelector('.card').getBoundingClientRect().top < innerHeight")
    assert len(page.column("Model")) == 8


def test_the_list_is_sorted_filtered_and_has_columns_hidden(page: Page) -> None:
    before = page.column("Model")
    head = page.head("Test MAE")
    head.click()
    errors = [float(text.split()[0]) for text in page.column("Test MAE")]
    assert errors == sorted(errors) and len(set(errors)) == 8
    assert page.texts("[aria-sort=ascending]") == ["Test MAE ↓"]
    head.click()
    assert [float(text.split()[0]) for text in page.column("Test MAE")] == errors[::-1]
    head.click()
    assert page.column("Model") == before

    page.type("#list input[type=search]", "ldbm seed=0")
    assert page.column("Model") == ["ldbm"] and page.texts("#list output") == ["1 of 8 rows"]
    page.type("#list input[type=search]", "-ldbm mae<7")
    assert set(page.column("Model")) == {"transformer"}
    page.type("#list input[type=search]", "nosuch=3")
    assert page.texts("#list output") == ["no column is called “nosuch”"]
    page.type("#list input[type=search]", " ")
    page.choose("select[aria-label=Table]", "1")
    assert page.column("Model") == ["ldbm", "ldbm"]

    assert "Test PCC ↑" in page.texts("#list thead th")
    page.find("#list .menu summary").click()
    page.js(
        "[...document.querySelectorAll('#list .menu label')].find(one => one.innerText.includes('Test PCC')).click()"
    )
    assert "Test PCC ↑" not in page.texts("#list thead th")
    page.keys("ESCAPE")
    assert page.js("return !document.querySelector('#list .menu').open")


def test_the_forest_plot_is_of_the_runs_shown(page: Page) -> None:
    assert page.wait("document.querySelectorAll('#errors svg g.link').length") == 8
    page.type("#list input[type=search]", "transformer")
    page.wait("document.querySelectorAll('#errors svg g.link').length === 2")
    assert "95 % interval over people" in page.label("#errors svg")
    page.js("document.querySelector('#errors details').open = true")
    page.wait("document.querySelectorAll('#errors tbody tr').length === 2")
    name, value, low, high = page.texts("#errors tbody tr:first-child td")
    assert name.startswith("transformer") and float(low) < float(value) < float(high)


def test_a_run_is_opened_by_key_and_closed_by_key(page: Page) -> None:
    page.js("document.querySelector('#list a.open').focus()")
    page.keys("ARROW_DOWN", "ENTER")
    page.wait("document.querySelectorAll('#panel[open] figure svg').length === 3")
    title = page.texts("#panel-title")[0]
    assert title == page.js("return lfnet.nameOf(lfnet.list.kept[1])")
    labels = page.js("return [...document.querySelectorAll('#panel svg')].map(one => one.getAttribute('aria-label'))")
    assert [label.split(".")[0] for label in labels] == ["Predicted vs label", "Error by person", "Learning curve"]
    assert "Simulated" in page.texts("#panel figcaption")[0]
    assert page.texts("#panel .loud")[-1] == "Leak"
    page.keys("ARROW_RIGHT")
    page.wait(f"document.getElementById('panel-title').innerText !== {json.dumps(title)}")
    page.keys("ESCAPE")
    page.wait("!document.getElementById('panel').open")
    assert "run=" not in page.driver.current_url


def test_a_run_shows_its_own_numbers(page: Page, site: Path) -> None:
    page.type("#list input[type=search]", "ldbm seed=1")
    key = page.js("return lfnet.runs.keys[lfnet.list.kept[0]]")
    page.find("#list tbody td.number").click()  # anywhere in the row
    page.wait("document.querySelectorAll('#panel[open] figure svg').length === 3")
    done = json.loads((site.parent / key / "result.json").read_text())
    row = next(line for line in page.texts("#panel tbody tr") if line.startswith("test"))
    assert f"{done['metrics']['test']['recording']['mae']:.2f}" in row
    assert page.js("return document.querySelectorAll('#panel .drawing')[0].querySelectorAll('.dot').length") == 50
    assert "test: 50 recordings" in page.label("#panel .split + .figures svg")
    page.choose("#panel .split select", "dev")
    assert "dev: 50 recordings" in page.label("#panel .split + .figures svg")
    assert "Epoch kept (ring): 2." in page.texts("#panel figcaption")[-1]
    page.type("#panel input[type=search]", "patch")
    assert page.texts("#panel tbody code") == ["head.patch_size"]


def test_two_runs_are_compared(page: Page) -> None:
    page.type("#list input[type=search]", "seed=0")
    page.head("Model").click()
    for number in (1, 2):
        page.find(f"#list tbody tr:nth-child({number}) input").click()
    page.find("#selection .strong").click()
    page.wait("document.querySelectorAll('#panel[open] figure svg').length === 1")
    assert page.texts("#panel-title") == ["Two runs compared"]
    settings = dict(line.split("\t", 1) for line in page.texts("#panel .data:first-of-type tbody tr"))
    assert settings == {
        "head._target_": "lfnet.heads.ldbm.Head\tlfnet.heads.mamba_gru.Head",
        "head.patch_size": "16\t—",
    }
    page.driver.back()
    page.wait("!document.getElementById('panel').open")


def test_the_theme_follows_the_system_and_the_button(page: Page) -> None:
    ground = "return getComputedStyle(document.body).backgroundColor"
    light = page.js(ground)
    page.size(1280, 900, "dark")
    dark = page.js(ground)
    assert light == "rgb(255, 255, 255)" != dark
    page.find("#theme").click()
    assert page.js(ground) == light and page.find("#theme").get_attribute("aria-pressed") == "false"
    page.js("localStorage.clear()")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_size_cuts_a_page(page: Page, site: Path, theme: str) -> None:
    key = page.js("return lfnet.runs.keys[0]")
    pages = ("index.html", f"index.html#run={key}", "tables/architectures.html")
    for name in pages:
        page.open(f"{site.as_uri()}/{name}")
        for width, height in SIZES:
            page.size(width, height, theme)
            page.wait("document.querySelectorAll('figure svg').length > 0")
            page.driver.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
            assert page.overflow() <= 0, (name, width)
            cut = page.js(
                "return [...document.querySelectorAll('.drawing')].filter(one => one.checkVisibility()"
                " && (one.getBoundingClientRect().right > one.parentElement.getBoundingClientRect().right"
                " || one.tabIndex < 0 && one.scrollWidth > one.clientWidth)).length"
            )
            assert cut == 0, (name, width)
            assert page.js(SMALL_TEXT) == [], (name, width)


def test_pages_are_printed_light_and_whole(page: Page, site: Path) -> None:
    key = page.js("return lfnet.runs.keys[0]")
    for name in ("index.html", f"index.html#run={key}", "tables/architectures.html"):
        page.size(400, 800, "dark")
        page.open(f"{site.as_uri()}/{name}")
        page.wait("document.querySelectorAll('figure svg').length > 0")
        page.paper()
        colours = page.js("return ['color', 'backgroundColor'].map(name => getComputedStyle(document.body)[name])")
        assert colours == ["rgb(26, 29, 33)", "rgb(255, 255, 255)"]
        assert page.texts("button:not(th button), input, select, .hint") == [], name
        assert page.texts(".only")[-1].startswith("Research instrument, not a diagnosis"), name
        assert len(page.texts("h1")) == ("run=" not in name), "with a run open, only the run is printed"
        assert page.overflow() <= 0, name
        cut = page.js(
            "return [...document.querySelectorAll('table, figure svg')].filter(one => one.checkVisibility()"
            " && one.getBoundingClientRect().right > innerWidth).length"
        )
        assert cut == 0, name
    heads = page.texts("#table ~ .data thead th")
    left_out = page.texts("#table ~ .data .unprinted")
    assert len(heads) >= 8 and left_out == ["Columns left out: Gap MAE, Dev PCC ↑, Dev MAE ↓."]


def test_every_text_has_contrast(page: Page, site: Path) -> None:
    """Of WCAG AA: 4.5 for text, against the ground behind it."""
    for theme in ("light", "dark"):
        for name in ("index.html", "tables/architectures.html"):
            page.size(1280, 900, theme)
            page.open(f"{site.as_uri()}/{name}")
            assert page.js(CONTRAST) == [], (theme, name)


def test_every_control_has_a_name(page: Page) -> None:
    page.js("location.hash = 'run=' + lfnet.runs.keys[0]")
    page.wait("document.querySelectorAll('#panel[open] figure svg').length === 3")
    unnamed = page.js(
        "return [...document.querySelectorAll('button, input, select, a, svg[role=img], [role=region]')]"
        ".filter(one => !(one.ariaLabel || one.innerText?.trim() || one.labels?.length || one.textContent.trim()))"
        ".map(one => one.outerHTML.slice(0, 80))"
    )
    assert unnamed == []


def test_the_page_of_a_table_is_sorted_and_leads_to_its_runs(page: Page, site: Path) -> None:
    page.find(".card h3 a").click()
    page.wait("document.querySelector('h1')?.innerText === 'Temporal architectures'")
    cells = "[...document.querySelectorAll('#table ~ .data tbody tr')].map(row => row.cells[0].innerText)"
    before = page.js(f"return {cells}")
    page.js(f"[...document.querySelectorAll('#table ~ .data thead button')].find({MAE}).click()")
    after = page.js(f"return {cells}")
    assert after[0] == "oracle (people)" and after != before and sorted(after) == sorted(before)
    page.js("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    page.find("a[href*='#run=']").click()
    page.wait("document.querySelectorAll('#panel[open] figure svg').length === 3")


def test_it_works_from_a_server_of_files(page: Page, site: Path) -> None:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/"
        page.allowed = (address, *page.allowed)
        page.open(f"{address}index.html#run={page.js('return lfnet.runs.keys[0]')}")
        page.wait("document.querySelectorAll('#panel[open] figure svg').length === 3")
        page.open("about:blank")
        server.shutdown()


def test_a_page_without_its_data_says_so(page: Page, site: Path, tmp_path: Path) -> None:
    shutil.copy(site / "index.html", tmp_path)
    page.open((tmp_path / "index.html").as_uri())
    assert "runs.js is not next to this page" in page.texts("#list")[0]
    (error,) = page.driver.get_log("browser")  # that the file is missing, which is the case
    assert "runs.js" in error["message"]
