"""The report: one page that asks no network for anything and names no person."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lfnet.cli.main import main
from lfnet.reports.figure_data import Course, Drawn, Part, parts
from lfnet.reports.figures import FIGURES, draw
from lfnet.reports.html_page import page, write_report
from lfnet.seals import write_sealed_json
from lfnet.tables.build import build
from lfnet.tables.table import Table
from tests.sealing import reseal
from tests.tables.factory import result, sweep

BANDS = [
    {"name": "minimal", "low": 0, "high": 13},
    {"name": "mild", "low": 14, "high": 19},
    {"name": "moderate", "low": 20, "high": 28},
    {"name": "severe", "low": 29, "high": 63},
]
METRICS = "dev/mae,epoch,step,train/loss\n9.5,0,3,\n,0,3,0.7\n8.1,1,7,\n,1,7,0.6\n8.4,2,11,\n"

TUNING = {
    "trials": 3, "failed": 0, "collapsed": 0, "best_trial": 2, "seconds": 10.0,
    "select": {"split": "dev", "metric": "mae", "level": "recording"},
    "curve": [
        {"trial": trial, "value": value, "metrics": {"test": {"recording": {"mae": value + 1}}}}
        for trial, value in ((1, 8.0), (2, 7.0))
    ],
}  # fmt: skip


def results() -> list[dict[str, Any]]:
    made = []
    for head, skill in (("mean_mlp", 0.2), ("ldbm", 0.8)):
        for seed in (0, 1):
            done = result(head, seed, skill=skill)
            done["config"]["cohort"]["scale"] = {"bands": BANDS}
            done["training"]["best_epoch"] = 2
            if head == "ldbm":
                done["tuning"] = TUNING
            made.append(done)
    return made


@pytest.fixture
def made(tmp_path: Path) -> tuple[Table, Path]:
    manifest = sweep(tmp_path, results(), evidence={"against": ["head=mean_mlp"], "resamples": 300, "flips": 300})
    table = build(manifest, tmp_path)
    for row in table.rows:
        for run in row.runs if row.kind == "model" else ():
            (run.folder / "metrics.csv").write_text(METRICS)
            reseal(run.folder)
    return build(manifest, tmp_path), tmp_path


class _Text(HTMLParser):
    """What a page refers to, and whether every element that is opened is closed."""

    VOID = ("meta", "br", "path", "use", "rect", "stop", "image", "circle", "line")

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.open: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if name in ("src", "href", "xlink:href", "srcset", "action"):
                self.links.append(value or "")
            if name == "id":
                self.ids.append(value or "")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


@pytest.mark.parametrize(("people", "lines"), [(2, 1), (9, 1), (10, 4)])
def test_limits_of_agreement_need_people(people, lines):
    random = np.random.default_rng(0)
    label_N = random.uniform(0, 60, 30)
    drawn = Drawn("mean", label_N, label_N + random.normal(size=30), np.arange(30) % people, (), ())
    part = Part("", (drawn,), None, "BDI-II", 0, 63, (("all", 0, 63),))
    (axis,) = draw("agreement", part).axes
    assert len(axis.lines) == 1 + lines  # the points, zero, the mean and its two limits
    assert [text.get_text() for text in axis.texts] == ([] if lines == 4 else [f"n = {people}: too few"])
    (axis,) = draw("residuals", part).axes
    assert bool(axis.collections) == (lines == 4)  # the error bar


def test_the_page_is_complete_names_no_person_and_needs_no_network(made: tuple[Table, Path]) -> None:
    table, _runs = made
    text = page(table, parts(table))
    reader = _Text()
    reader.feed(text)
    assert reader.open == [] and all(link.startswith("#") for link in reader.links)
    assert len(reader.ids) == len(set(reader.ids)), "two elements have one id"
    assert "url(http" not in text and "@import" not in text
    assert not re.search(r"\bp\d{3}\b|\br\d{3}\b", re.sub(r"<path[^>]*>", "", text)), "a person or recording is named"
    verdicts = "vs mean_mlp: verdicts on these trained heads, margin 1 point"
    for words in ("Research instrument, not a diagnosis", verdicts, "Reproduce it", "Warnings"):
        assert words in text
    assert "patch_size" in text[text.index("Settings in which the rows differ") :]
    anchors = {link[1:] for link in reader.links if link != "#"}
    assert anchors <= set(reader.ids), "a link of the contents leads nowhere"


def test_notes_stand_below_the_table_with_the_number_of_their_row(tmp_path: Path) -> None:
    done = results()
    done[0]["marks"] = done[3]["marks"] = ["collapsed"]
    text = page(build(sweep(tmp_path, done), tmp_path), ())
    (head, *_) = re.findall(r"<thead>.*?</thead>", text, re.DOTALL)
    assert "Test MAE" in head and "Note" not in head
    numbers = re.findall(r">(mean_mlp|ldbm)<sup><a href=\"#note-(\d)\"", text)
    assert numbers == [("mean_mlp", "1"), ("ldbm", "1")] and '<li id="note-1">collapsed (1 of 2 seeds)</li>' in text


def test_pending_jobs_are_counted_and_the_reasons_of_failed_ones_shown(tmp_path: Path) -> None:
    record = sweep(tmp_path, results(), {"head=tcn seed=0": "out of memory", "head=tcn seed=1": "waits"})
    content = json.loads(record.read_text())
    content["jobs"][-1]["status"] = "pending"
    write_sealed_json(record, content)
    table = build(record, tmp_path)
    text = page(table, parts(table))
    assert "<summary>Jobs that are pending: 1</summary>" in text and "<code>head=tcn seed=1</code></li>" in text
    assert "<details open><summary>Jobs that failed: 1</summary>" in text and "<code>head=tcn seed=0</code>: " in text
    assert "MAE and RMSE are in BDI-II points." in text


def test_the_same_table_gives_the_same_page(made: tuple[Table, Path]) -> None:
    table, _runs = made
    assert page(table, parts(table)) == page(table, parts(table))


def test_every_figure_is_drawn_and_written_for_a_paper(made: tuple[Table, Path]) -> None:
    table, runs = made
    written = write_report(table, runs / "out", with_figures=True)
    drawn = set(FIGURES) - {"reliability", "pooled"}  # of binary labels, and of several cohorts
    assert {path.name for path in written[1:]} == {f"{name}.{ending}" for name in drawn for ending in ("png", "pdf")}
    for path in written[1:]:
        if path.suffix == ".png":
            assert np.asarray(Image.open(path).convert("L")).std() > 5, f"{path.name} is blank"
        else:
            assert path.read_bytes().startswith(b"%PDF")


def test_the_figures_show_the_runs_own_numbers(made: tuple[Table, Path]) -> None:
    table, _runs = made
    (part,) = parts(table)
    own = {row.name: row for row in part.rows}["ldbm"]
    scores = [
        done["_predictions"].in_split("test").at("recording").frame.set_index("recording_id")["score"].round(6)
        for done in results()[2:]
    ]
    expected = (scores[0] + scores[1]) / 2
    assert np.sort(own.score_N) == pytest.approx(np.sort(expected.to_numpy()), abs=1e-6)
    axis = draw("seeds", part).axes[0]
    x, y = axis.lines[0].get_data()
    assert list(zip(x, y, strict=True)) == [tuple(seed) for seed in part.rows[0].seeds]
    courses = draw("courses", part).axes[0]
    assert list(courses.lines[0].get_ydata()) == [9.5, 8.1, 8.4]


def test_learning_curves_of_windows_and_of_recordings_do_not_share_a_scale() -> None:
    def drawn(name: str, of: str, mae: float) -> Drawn:
        return Drawn(
            name, np.zeros(0), np.zeros(0), np.zeros(0, int), (), (Course(0, of, np.array([mae, mae + 1]), 1),)
        )

    rows = (drawn("a", "dev windows", 10), drawn("b", "dev recordings", 5), drawn("c", "dev recordings", 7))
    figure = draw("courses", Part("", rows, None, "BDI-II", 0, 63, ()))
    a, b, c = figure.axes
    assert [axis.get_ylabel() for axis in (a, b, c)] == [
        "MAE of dev windows", "MAE of dev recordings", "MAE of dev recordings"
    ]  # fmt: skip
    assert b.get_ylim() == c.get_ylim() != a.get_ylim()
    one = draw("courses", Part("", rows[1:], None, "BDI-II", 0, 63, ()))
    assert one.axes[0].get_ylabel() == "MAE of dev recordings"
    assert one.axes[0].get_ylim() == one.axes[1].get_ylim()
    assert any("BDI-II points" in text.get_text() for text in one.texts)


def test_the_page_reports_coverage_of_intervals(tmp_path: Path) -> None:
    # Test people that nobody trained on: those of the factory are shared with train and dev.
    made = []
    for seed in (0, 1, 2):
        done = result("ldbm", seed)
        frame = done["_predictions"].frame.copy()  # the factory keeps its own
        own = frame["split"] == "test"
        frame.loc[own, "person_id"] = "new" + frame.loc[own, "recording_id"]
        made.append({**done, "_predictions": type(done["_predictions"])(frame)})
    table = build(sweep(tmp_path, made), tmp_path)
    (part,) = parts(table)
    curves = {curve.kind: curve for curve in part.rows[0].curves}
    assert list(curves) == ["conformal", "ensemble of 3", "conformal, by the spread"]
    assert curves["conformal"].n == 50 and curves["conformal"].calibrated == 25
    assert curves["conformal"].at(0.8)[0] == pytest.approx(0.8, abs=0.06)
    assert curves["ensemble of 3"].at(0.9)[0] < 0.9  # three seeds know nothing of noisy labels
    text = page(table, (part,))
    assert "50 people, 25 of them calibrating (up to 96 %)" in text and "How often intervals contain the label" in text


def test_missing_files_are_not_drawn() -> None:
    bare = Part("", (), None, "BDI-II", 0, 63, ())
    assert [name for name in FIGURES if draw(name, bare) is not None] == []


def test_the_command_needs_a_table_that_was_run(tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["report", "architectures"]) == 2
    assert "Run `lfnet table architectures` first." in capsys.readouterr().err
    assert main(["report", "architectures", "--pictures"]) == 2
    assert "--pictures is now --figures" in capsys.readouterr().err
    assert main(["report", "--figures"]) == 2
