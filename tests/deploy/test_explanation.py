"""The page of a clip: what it says, that it loads nothing, names nothing, and shows a face only where asked."""

import json
import re
import stat
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from lfnet import RESEARCH_ONLY
from lfnet.cli.main import main
from lfnet.deploy.bundle import Bundle
from lfnet.deploy.clip_page import clip_page, deletion_verdict, largest_effect
from lfnet.deploy.explanation import Explanation, explain_clip
from lfnet.deploy.film import Film, Still
from lfnet.deploy.scorer import Scorer
from lfnet.errors import LfnetError
from lfnet.fingerprints import file_digest
from lfnet.pulse.segments import Segment, read_segments
from lfnet.pulse.settings import PulseSettings
from lfnet.seals import write_sealed_json
from lfnet.testing import make_toy_bundle
from lfnet.testing.toy_bundle import HALF_WIDTH, MEAN, SD
from lfnet.video.faces import Mesh

RATE, PLANTED = 30, slice(120, 135)  # 4.0 to 4.5 s of 10 s
MARK = "Quaggl"


@pytest.fixture
def toy(tmp_path) -> Path:
    make_toy_bundle(tmp_path / "toy")
    return tmp_path / "toy"


def features(lost: slice = slice(0, 0)) -> np.ndarray:
    x_TD = np.random.default_rng(0).uniform(0, 0.2, (300, 3))
    x_TD[PLANTED, 0] += 3
    x_TD[lost] = np.nan
    return x_TD


def explained(folder: Path, x_TD: np.ndarray) -> Explanation:
    bundle = Bundle.open(folder)
    with Scorer.of(bundle, threads=1) as scorer:
        return explain_clip(scorer, bundle, x_TD, RATE)


def pulse() -> list[Segment]:
    time = np.arange(600) / RATE
    colour = 1 - 0.01 * np.sin(2 * np.pi * 1.2 * time)[:, None, None] * [0.33, 0.77, 0.53]
    skin = np.concatenate([[120, 90, 80] * colour.repeat(3, axis=1), np.full((600, 3, 1), 900)], axis=2)
    return read_segments(skin, time, np.ones(600, bool), PulseSettings())


def stills(jpeg: bytes | None = None) -> list[Still]:
    mesh = np.random.default_rng(0).uniform(100, 200, (478, 2)).astype(np.float32)
    return [Still(2.0, mesh, (640, 480), jpeg), Still(5.0, None, (640, 480), jpeg), Still(8.0, mesh, (640, 480), jpeg)]


class Page(HTMLParser):
    """The texts and elements of a page; an element that is not closed in order is an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def test_the_planted_segment_is_found_and_the_score_is_that_of_predict(toy):
    content = explained(toy, features()).content
    with Scorer.of(Bundle.open(toy), threads=1) as scorer:
        report = scorer.score(features(), RATE)
    assert content["score"] == report["score"] and content["interval"] == report["interval"]
    top = max(content["segments"], key=lambda one: one["effect"])
    assert (top["start_s"], top["end_s"], top["frames"]) == (4.0, 4.5, 15)
    # A window's score is 20 + 10 · the mean of its 4 frames; windows that the planted segment fills are left out.
    rest = features(PLANTED)
    windows = [rest[start : start + 4, 0] for start in range(0, 297, 2)]
    without = np.mean([MEAN + SD * np.nanmean(window) for window in windows if np.isfinite(window).any()])
    assert top["effect"] == pytest.approx(report["score"] - without, abs=2e-4)
    assert content["deletion"]["beats_random"] and "better than chance." in deletion_verdict(content)
    said = largest_effect(content)
    assert said.startswith("The largest effect is that of 4.0 to 4.5 s: +") and "interval is 10.0 wide" in said


def test_the_page_has_what_was_found_and_can_be_read_by_all(toy):
    explanation = explained(toy, features(slice(200, 240)))
    found = Explanation(explanation.content, stills(), pulse())
    text = clip_page(found)
    page = Page(text)
    score = explanation.content["score"]
    for part in (
        RESEARCH_ONLY,
        f"score {score:.1f} (BDI-II, 0 to 63), 90 % interval {score - HALF_WIDTH:.1f} to {score + HALF_WIDTH:.1f}",
        "Simulated: the model was trained on a simulated cohort",
        "a face in 260 of 300 frames (87 %)",
        "not how the person feels",
        "better than chance",
        "not whether they are true of the person",
        "the bundle scores ready features, and what their numbers stand for is not known",
        "no attention weights, so that none are shown",
        "no face",
    ):
        assert part in page.text, part
    assert (
        page.text.index(RESEARCH_ONLY) < page.text.index("Simulated: the model") < page.text.index(f"score {score:.1f}")
    )
    assert len(page.all("svg")) == 4, "score, time, deletion test, and a segment of the pulse"
    assert all(own["role"] == "img" and own["aria-label"] for own in page.all("svg"))
    scrolled = [own for own in page.all("div") if "scroll" in (own.get("class") or "")]
    assert scrolled and all(own["tabindex"] == "0" and own["aria-label"] for own in scrolled)
    assert [own["lang"] for own in page.all("html")] == ["en"] and len(page.all("h1")) == 1
    rows = len(page.all("tr")) - 1
    assert rows == len(explanation.content["segments"]) == 20


def test_the_page_loads_nothing_and_draws_the_mesh_without_the_face(toy):
    explanation = explained(toy, features())
    text = clip_page(Explanation(explanation.content, stills(), []))
    page = Page(text)
    assert not re.search(r"(https?:|//[a-z]|url\(|@import|data:image)", text)
    assert not [own for _, own in page.elements if own.get("src") or own.get("srcset")]
    assert [own["href"] for own in page.all("a")] == ["#main"] and page.all("image") == page.all("img") == []
    lines = [own for own in page.all("polyline") if own["class"] == "face"]
    assert len(lines) == 22, "11 lines of each of two faces"
    numbers = [float(number) for own in lines for number in re.split("[ ,]", own["points"])]
    assert min(numbers) >= 0 and max(numbers) <= 960
    assert "It shows no image of the face" in page.text and "This page shows the person's face" not in page.text
    shown = clip_page(Explanation(explanation.content, stills(b"\xff\xd8 a frame"), []))
    assert shown.count('href="data:image/jpeg;base64,/9ggYSBmcmFtZQ=="') == 3
    assert "This page shows the person's face. It is personal data" in Page(shown).text


def test_a_gap_without_a_face_has_no_effect(toy):
    content = explained(toy, features(slice(150, 165))).content
    gap = content["segments"][10]
    assert (gap["start_s"], gap["frames"], gap["frames_with_a_face"], gap["effect"]) == (5.0, 15, 0, None)
    assert 'class="unknown"' in clip_page(Explanation(content, [], []))


def test_numbers_that_are_not_known_do_not_break_the_page(toy):
    x_TD = np.full((300, 3), np.nan)
    x_TD[:15] = features()[:15]
    found = explained(toy, x_TD)
    assert found.content["deletion"] is None and found.content["segments"][0]["effect"] is None
    assert "fewer than three segments" in Page(clip_page(found)).text


def test_a_clip_without_a_face_is_refused(toy):
    with pytest.raises(LfnetError, match="no face in any of 300 frames"):
        explained(toy, np.full((300, 3), np.nan))


def planted_clip(tmp_path: Path) -> Path:
    folder = tmp_path / f"Study of {MARK}"
    folder.mkdir()
    np.savez(folder / f"film_{MARK}.npz", features=features(), time=np.arange(300) / RATE)
    return folder / f"film_{MARK}.npz"


def test_neither_page_nor_numbers_name_the_clip_or_a_folder(toy, tmp_path):
    out = tmp_path / "out" / "page.html"
    bundle = tmp_path / f"bundle_{MARK}"
    toy.rename(bundle)
    assert main(["explain", str(planted_clip(tmp_path)), "--bundle", str(bundle), "--out", str(out)]) == 0
    assert sorted(path.name for path in out.parent.iterdir()) == ["page.html", "page.json"]
    for path in out.parent.iterdir():
        text = path.read_text()
        assert MARK not in text and str(tmp_path) not in text and tmp_path.name not in text
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(out.with_suffix(".json").read_text())["disclaimer"] == RESEARCH_ONLY


def test_no_torch_is_imported(toy, tmp_path):
    code = (
        "import sys; from lfnet.cli.main import main; status = main(['explain', *sys.argv[1:]])\n"
        "assert not {'torch', 'lightning', 'matplotlib'} & set(sys.modules); sys.exit(status)"
    )
    words = [str(planted_clip(tmp_path)), "--bundle", str(toy), "--out", str(tmp_path / "page.html")]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_film_keeps_evenly_spaced_frames_and_images_only_where_asked():
    face = Mesh(np.ones((478, 3), np.float32), None, np.eye(4, dtype=np.float32), 1)
    films = [Film(count=3), Film(count=3, show_face=True)]
    for film in films:
        for number in range(90):
            film.add(np.zeros((40, 60, 3), np.uint8), number / 30, None if number < 30 else face, duration=3.0)
    for film in films:
        assert [still.time for still in film.stills] == pytest.approx([0.5, 1.5, 2.5])
        assert [still.landmarks_L2 is None for still in film.stills] == [True, False, False]
    assert all(still.jpeg is None for still in films[0].stills)
    assert all(still.jpeg.startswith(b"\xff\xd8") for still in films[1].stills)


def with_means(folder: Path, content: bytes | np.ndarray) -> Bundle:
    """The toy bundle with a file of feature means."""
    facts = make_toy_bundle(folder)
    path = folder / "feature_means.npy"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.save(path, content)
    facts["features"]["means"] = path.name
    facts["files"][path.name] = {"sha256": file_digest(path), "bytes": path.stat().st_size}
    facts["constants"] = {"mean": 12.5, "median": 9.0}
    write_sealed_json(folder / "bundle.json", facts)
    return Bundle.open(folder)


def test_means_of_features_are_read_and_the_constants_are_on_the_page(tmp_path):
    bundle = with_means(tmp_path / "b", np.arange(3, dtype=np.float32))
    assert bundle.feature_means().tolist() == [0, 1, 2]
    page = Page(clip_page(explained(tmp_path / "b", features()))).text
    assert "the mean of the training labels, 12.5, or their median, 9.0" in page
    assert "training mean 12.5" in page and "training median 9.0" in page


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': (((",
        np.arange(4.0),
        np.array([1, np.nan, 0]),
        np.array([1, 2, 3]),
    ],
)
def test_damaged_means_are_one_message(tmp_path, content):
    bundle = with_means(tmp_path / "b", content)
    with pytest.raises(LfnetError, match=r"feature_means\.npy .*export the run again"):
        bundle.feature_means()


def test_means_that_are_no_file_of_the_bundle_are_refused(tmp_path):
    facts = make_toy_bundle(tmp_path / "b")
    facts["features"]["means"] = "../other.npy"
    write_sealed_json(tmp_path / "b" / "bundle.json", facts)
    with pytest.raises(LfnetError, match="features"):
        Bundle.open(tmp_path / "b")
