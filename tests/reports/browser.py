"""Chromium driven by Selenium, and what tests ask of the page in it.

Where Chromium, its driver or Selenium is missing, tests are skipped; in continuous integration they fail.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

__all__ = ["CONTRAST", "SIZES", "SMALL_TEXT", "Page", "chromium"]

SIZES = [(400, 800), (1280, 900), (1920, 1080), (3840, 2160)]
A4 = (718, 1047)  # pixels of the sheet within its margins of a centimetre

_MAC = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
PROGRAMS = ("chromium", "chromium-browser", "google-chrome", _MAC)
SWITCHES = (
    *("headless=new", "no-sandbox", "disable-gpu", "no-first-run", "disable-dev-shm-usage"),
    *("disable-background-networking", "disable-component-update", "disable-sync"),
)


def _needed(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def chromium(profile: Path) -> Iterator[Any]:
    """A browser without a window, whose console and requests are recorded. profile: an empty folder."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    chromedriver = shutil.which("chromedriver")
    if program is None or chromedriver is None:
        _needed("needs Chromium and its driver (Debian: apt install chromium chromium-driver)")
    try:
        from selenium import webdriver
    except ModuleNotFoundError:
        _needed("needs selenium (pip install selenium)")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for word in (*SWITCHES, f"user-data-dir={profile}"):
        options.add_argument(f"--{word}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(chromedriver))
    try:
        driver.set_script_timeout(60)
        driver.get("about:blank")  # in place of the browser's own first page
        for kind in ("browser", "performance"):
            driver.get_log(kind)
        yield driver
    finally:
        driver.quit()


_HEADS = "document.querySelectorAll('#list thead th')"
_STARTS = "one.innerText.startsWith(arguments[0])"


class Page:
    """A page in the browser."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver
        self.allowed = ("file:", "data:", "about:")

    def open(self, url: str) -> None:
        self.driver.get("about:blank")  # a change of the fragment alone would not load the page again
        self.driver.get(url)

    def size(self, width: int, height: int, theme: str = "light", media: str = "screen") -> None:
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        features = [{"name": "prefers-color-scheme", "value": theme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})

    def js(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def find(self, selector: str) -> Any:
        return self.driver.find_element("css selector", selector)

    def label(self, selector: str) -> str:
        """What a screen reader says of an element."""
        return self.wait(f"document.querySelector({json.dumps(selector)})?.getAttribute('aria-label')")

    def texts(self, selector: str) -> list[str]:
        """The texts of what is shown."""
        return self.js(
            "return [...document.querySelectorAll(arguments[0])].filter(one => one.checkVisibility())"
            ".map(one => one.innerText.trim())", selector
        )  # fmt: skip

    def wait(self, script: str) -> Any:
        """The value of an expression, as soon as it is true."""
        from selenium.webdriver.support.ui import WebDriverWait

        return WebDriverWait(self.driver, 60, 0.05).until(lambda _: self.js(f"return {script}"))

    def keys(self, *names: str) -> None:
        """Press keys where the focus is."""
        from selenium.webdriver.common.keys import Keys

        for name in names:
            self.driver.switch_to.active_element.send_keys(getattr(Keys, name) if len(name) > 1 else name)

    def type(self, selector: str, text: str) -> None:
        box = self.find(selector)
        box.clear()
        box.send_keys(text)

    def head(self, name: str) -> Any:
        """The button of the column of the runs that has this heading."""
        return self.js(f"return [...{_HEADS}].find(one => {_STARTS}).querySelector('button')", name)

    def column(self, name: str) -> list[str]:
        """The texts of this column of the runs."""
        return self.js(
            f"const place = [...{_HEADS}].findIndex(one => {_STARTS});"
            "return [...document.querySelectorAll('#list tbody tr')].map(row => row.cells[place].innerText)",
            name,
        )

    def choose(self, selector: str, value: str) -> None:
        """Choose an option of a select."""
        self.js(
            "const box = document.querySelector(arguments[0]); box.value = arguments[1];"
            "box.dispatchEvent(new Event('change'))",
            selector,
            value,
        )

    def overflow(self) -> int:
        """By how many pixels the page, or its panel, is wider than its place."""
        return self.js(
            "return Math.max(...[document.documentElement, document.querySelector('dialog')].filter(Boolean)"
            ".map(one => one.scrollWidth - one.clientWidth))"
        )

    def paper(self) -> None:
        """Lay the page out as for print on A4, from a dark screen of 400 pixels."""
        self.size(400, 800, "dark")
        self.js("dispatchEvent(new Event('beforeprint'))")
        self.size(*A4, "dark", media="print")

    def check(self) -> None:
        errors = [line["message"] for line in self.driver.get_log("browser")]
        assert errors == []
        messages = [json.loads(line["message"])["message"] for line in self.driver.get_log("performance")]
        asked = {one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent"}
        assert {url for url in asked if not url.startswith(self.allowed)} == set()


CONTRAST = """
const parse = colour => { const [r, g, b, a = 1] = colour.match(/[\\d.]+/g).map(Number); return [r, g, b, a]; };
const ground = one => {
  for (; one; one = one.parentElement) {
    const own = parse(getComputedStyle(one).backgroundColor);
    if (own[3] > 0.99) return own;
  }
};
const linear = v => v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4;
const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
const found = [];
for (const one of document.querySelectorAll("body *")) {
  const own = [...one.childNodes].some(child => child.nodeType === 3 && child.textContent.trim());
  if (!own || !one.checkVisibility() || one.closest("svg, [disabled]")) continue;
  const [a, b] = [light(parse(getComputedStyle(one).color)), light(ground(one))];
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const name = `${one.tagName} ${one.className} ${one.textContent.trim().slice(0, 30)}`;
  if (ratio < 4.5) found.push(`${name} ${ratio.toFixed(2)}`);
}
return found;
"""
"""Texts whose contrast with the ground behind them is below 4.5, as WCAG AA asks."""

SMALL_TEXT = """
const found = [];
for (const one of document.querySelectorAll("body *")) {
  const own = [...one.childNodes].some(child => child.nodeType === 3 && child.textContent.trim());
  if (!own || !one.checkVisibility() || one.matches("title")) continue;
  const scale = one.getScreenCTM ? Math.hypot(one.getScreenCTM().a, one.getScreenCTM().b) : 1;
  const size = parseFloat(getComputedStyle(one).fontSize) * scale;
  if (size < 9.9) found.push(`${one.tagName} ${one.textContent.trim().slice(0, 30)} ${size.toFixed(1)}`);
}
return found;
"""
"""Texts that are shown smaller than ten pixels."""
