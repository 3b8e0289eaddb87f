"""The page of `lfnet explain` in a real browser: sizes, themes, keys, print; no error, no request outside."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lfnet.deploy.bundle import Bundle
from lfnet.deploy.clip_page import write_explanation
from lfnet.deploy.explanation import explain_clip
from lfnet.deploy.film import Still
from lfnet.deploy.scorer import Scorer
from lfnet.pulse.segments import Segment
from lfnet.testing import make_toy_bundle
from tests.reports.browser import CONTRAST, SIZES, SMALL_TEXT, Page, chromium

pytestmark = pytest.mark.slow

SECONDS = 40


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with all of its parts: those that need a video are made up."""
    folder = tmp_path_factory.mktemp("explained")
    make_toy_bundle(folder / "toy")
    bundle = Bundle.open(folder / "toy")
    features = np.random.default_rng(0).uniform(0, 1, (30 * SECONDS, 3)).astype(np.float32)
    valid = np.arange(len(features)) // 30 != 7
    np.savez(folder / "clip.npz", features=features, valid=valid, time=np.arange(len(features)) / 30)
    with Scorer.of(bundle, threads=1) as scorer:
        found = explain_clip(scorer, bundle, folder / "clip.npz")
    found.content["parts"] = {"effects": {"brows": 0.51, "left cheek": -1.25, "eyes": 0.0, "mouth": 2.0, "head": None}}
    found.content["notes"] = ["fewer frames per second than in training"]
    segments, seconds = [], SECONDS / 2
    for number, outcome in enumerate(("kept", "no pulse")):
        pulse_N = np.sin(np.arange(int(30 * seconds)) / 4)
        segments.append(Segment(number * seconds, seconds, outcome, 30, pulse_N=pulse_N, q=0.5, snr=3.2 - 9 * number))
        span = {"start_s": number * seconds, "end_s": (number + 1) * seconds}
        found.content["pulse_segments"].append({**span, "outcome": outcome, "snr_db": 3.2 - 9 * number})
    segments[0] = replace(segments[0], heart_rate=71.6)
    grid = np.random.default_rng(1).uniform(100, 300, (478, 2)).astype(np.float32)
    stills = [
        Still(SECONDS * (place + 0.5) / 10, None if place == 2 else grid, (640, 480), None) for place in range(10)
    ]
    write_explanation(replace(found, stills=stills, pulse=segments), folder / "clip.explained.html")
    return folder / "clip.explained.html"


@pytest.fixture
def page(driver: Any, written: Path) -> Iterator[Page]:
    opened = Page(driver)
    opened.size(1280, 900)
    opened.open(written.as_uri())
    yield opened
    opened.check()


def test_the_score_is_first_and_says_what_it_is_not(page: Page) -> None:
    assert "Research instrument, not a diagnosis" in page.texts(".top .only")[0]
    assert page.texts("main > .banner")[0].startswith("Simulated: the model was trained on a simulated cohort")
    assert page.texts(".result")[0].startswith("score ") and "90 % interval" in page.texts(".result")[0]
    assert page.js("return document.querySelector('.result').getBoundingClientRect().bottom < innerHeight")
    assert page.texts("h2") == [
        "Score",
        "Over time",
        "Deletion test",
        "Parts of the face",
        "Pulse",
        "How it was computed",
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_size_cuts_the_page_and_all_texts_can_be_read(page: Page, theme: str) -> None:
    for width, height in SIZES:
        page.size(width, height, theme)
        page.js("document.querySelectorAll('details').forEach(one => { one.open = true; })")
        assert page.overflow() <= 0, width
        assert page.js(SMALL_TEXT) == [], width
        assert page.js(CONTRAST) == [], (theme, width)


def test_the_theme_changes_by_the_button(page: Page) -> None:
    ground = "return getComputedStyle(document.body).backgroundColor"
    assert page.js(ground) == "rgb(255, 255, 255)"
    page.find("#theme").click()
    assert page.js(ground) != "rgb(255, 255, 255)"
    page.js("localStorage.clear()")


def test_keys_reach_the_charts_and_the_numbers(page: Page) -> None:
    page.size(400, 800)
    reached = []
    for _ in range(12):
        page.keys("TAB")
        reached.append(page.js("return document.activeElement.ariaLabel || document.activeElement.innerText"))
    assert reached[:2] == ["Skip to the results", "Dark theme"]
    chart = reached.index("Chart over time")
    summary = reached.index("The numbers of the segments")
    assert chart < summary
    page.js("document.querySelector('[aria-label=\"Chart over time\"]').focus()")
    page.keys("ARROW_RIGHT")
    page.wait("document.activeElement.scrollLeft > 0")
    page.js("document.querySelector('summary').focus()")
    page.keys("ENTER")
    page.wait("document.querySelector('details').open")
    assert len(page.texts("details tbody tr")) == page.js("return document.querySelectorAll('details tbody tr').length")


def test_everything_has_a_name_for_a_screen_reader(page: Page) -> None:
    unnamed = page.js(
        "return [...document.querySelectorAll('button, svg, [role=region], section')]"
        ".filter(one => !(one.ariaLabel || one.innerText?.trim())).map(one => one.outerHTML.slice(0, 80))"
    )
    assert unnamed == []


def test_it_is_printed_light_and_whole(page: Page) -> None:
    page.paper()
    assert page.js("return getComputedStyle(document.querySelector('h1')).color") == "rgb(26, 29, 33)"
    assert page.texts("button, .skip") == []
    assert page.overflow() <= 0 and page.js("return document.querySelector('details').open")
    for region in page.js(
        "return [...document.querySelectorAll('.scroll')].map(one => one.scrollWidth - one.clientWidth)"
    ):
        assert region <= 0
