"""Figures of reports: what each says of itself, its intervals, and its headline."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lfnet.evaluation.estimates import Estimate
from lfnet.evaluation.intervals import Interval
from lfnet.evaluation.mean_error import mean_error
from lfnet.reports import headlines
from lfnet.reports.figure_data import Course, Drawn, Part, parts
from lfnet.reports.figures import FIGURES, draw
from lfnet.reports.html_page import write_report
from lfnet.reports.scatter_plot import draw as draw_scatter
from lfnet.reports.write import write
from lfnet.tables.build import build
from lfnet.tables.table import Block, Finding, Table
from tests.reports.test_html_page import BANDS, made, results  # noqa: F401
from tests.tables.factory import result, sweep
from tests.test_drawing import fonts

OVER_BANDS = tuple((band["name"], float(band["low"]), float(band["high"])) for band in BANDS)


def part(rows: int = 24, people: int = 60, **more: Any) -> Part:
    """A section of rows with scores, seeds and learning curves of their own."""
    random = np.random.default_rng(0)
    label_N = np.tile(np.arange(0, 60, 2.0), 4)
    person_N = np.arange(len(label_N)) % people
    drawn = tuple(
        Drawn(
            f"row_{number}",
            label_N,
            15 + 0.3 * label_N + random.normal(0, 3, len(label_N)),
            person_N,
            ((8.0 + number / 10, 9.0), (8.1, 9.5)),
            tuple(Course(seed, "dev recordings", random.uniform(7, 9, 6), 3, seed == 0) for seed in (0, 1)),
        )
        for number in range(rows)
    )
    return Part("", drawn, None, "BDI-II", 0, 63, OVER_BANDS, simulated=True, **more)


def texts(figure: Any) -> tuple[str, str]:
    """Headline and foot."""
    head, foot = (" ".join(text.get_text().split()) for text in figure.texts)
    return head, foot


def test_every_figure_says_of_whom_it_is_and_nothing_covers_data(made: tuple[Table, Path]) -> None:  # noqa: F811
    table, _ = made
    (shown,) = parts(table)
    for name in FIGURES:
        figure = draw(name, shown)
        if figure is None:
            continue
        head, foot = texts(figure)
        assert head.endswith("."), name
        assert "Simulated cohort." in foot and "Research instrument, not a diagnosis." in foot, name
        assert name == "courses" or "Test: 50 recordings of 50 people; 2 seeds a row." in foot, (name, foot)
        figure.draw_without_rendering()
        renderer = figure._get_renderer()
        around = [
            *(text.get_window_extent() for text in figure.texts),
            *(one.get_window_extent() for one in figure.legends),
        ]
        for axis in figure.axes:
            if axis.get_visible():
                assert not any(box.overlaps(axis.get_tightbbox(renderer)) for box in around), name
                assert axis.patch.get_alpha() == 0 or axis.get_facecolor()[3] == 0, "no white ground on a dark page"
                assert axis.get_legend() is None
    assert "Simulated" not in texts(draw("predicted", replace(shown, simulated=False)))[1]


def test_files_have_truetype_fonts(made: tuple[Table, Path]) -> None:  # noqa: F811
    table, folder = made
    pdfs = [path for path in write_report(table, folder / "out", with_figures=True) if path.suffix == ".pdf"]
    assert len(pdfs) >= 7 and all(fonts(pdf) == {"TrueType"} for pdf in pdfs)


def test_24_rows_are_told_apart() -> None:
    shown = part()
    for name in ("residuals", "seeds"):
        figure = draw(name, shown)
        (legend,) = figure.legends
        looks = {(line.get_color(), line.get_marker()) for line in legend.get_lines()}
        assert len(looks) == len(legend.get_texts()) == 24, name
    for name in ("predicted", "agreement", "courses"):
        axes = [axis for axis in draw(name, shown).axes if axis.get_visible()]
        assert [axis.get_title() for axis in axes] == [f"row_{n}" for n in range(24)]
    assert "The first 24 of 30 rows." in texts(draw("predicted", part(30)))[1]


def test_bars_of_residuals_are_intervals_over_people() -> None:
    shown = part(rows=1, people=12)
    figure = draw("residuals", shown)
    (row,) = shown.rows
    bars = [collection.get_segments()[0][:, 1] for collection in figure.axes[0].collections]
    people = [len(set(row.person_N[(row.label_N >= low) & (row.label_N <= high)])) for _, low, high in OVER_BANDS]
    assert len(bars) == sum(number >= 10 for number in people) < len(OVER_BANDS)
    within = (row.label_N >= 29) & (row.label_N <= 63)
    own = mean_error((row.score_N - row.label_N)[within], row.person_N[within])
    assert bars[-1] == pytest.approx([own.interval.low, own.interval.high])
    assert "95 % intervals over people" in texts(figure)[1]


def test_learning_curves_have_all_seeds_and_the_epoch_that_was_kept() -> None:
    shown = part(rows=3)
    figure = draw("courses", shown)
    for axis, row in zip(figure.axes, shown.rows, strict=False):
        curves = [line.get_ydata() for line in axis.lines if len(line.get_xdata()) == 6]
        kept = [(line.get_xdata()[0], line.get_ydata()[0]) for line in axis.lines if len(line.get_xdata()) == 1]
        assert [list(one) for one in curves] == [list(course.mae_E) for course in row.courses]
        assert kept == [(3, course.mae_E[2]) for course in row.courses]
        assert axis.get_ylim() == figure.axes[0].get_ylim()
    assert texts(figure)[0] == "Dev MAE had stopped improving in 3 of 6 runs when training ended."


def test_the_forest_marks_the_constant_and_groups_rows(made: tuple[Table, Path]) -> None:  # noqa: F811
    table, _ = made
    (shown,) = parts(table)
    figure = draw("forest", shown)
    (axis,) = figure.axes
    (median,) = [row for row in table.rows if row.label == "train median"]
    lines = [line.get_xdata() for line in axis.lines if line.get_linestyle() == "--"]
    assert lines[0][0] == pytest.approx(median.cells["test.mae"].summary.mean)
    assert "train median" in [text.get_text() for text in axis.texts]
    places = axis.get_yticks()
    assert places[2] - places[1] > places[1] - places[0], "references stand apart from models"
    assert axis.get_xlabel() == "MAE on test, BDI-II points" and "Bars: 95 % intervals over people." in texts(figure)[1]


def compared(*verdicts: tuple[str, tuple[str, ...]], question: str = "vs mean_mlp") -> Block:
    return Block("", (), (), 0, {}, Finding(question, "", "", "", verdicts=verdicts))


@pytest.mark.parametrize(
    ("verdicts", "headline"),
    [
        (
            [("better", ("a",)), ("cannot tell", ("b", "c"))],
            "MAE vs mean_mlp: a better; the data cannot tell for b and c.",
        ),
        ([("cannot tell", tuple("abc"))], "MAE vs mean_mlp: the data cannot tell for any of 3 rows."),
        ([("worse", tuple("abc")), ("equivalent", ("d",))], "MAE vs mean_mlp: 3 of 4 rows worse; d equivalent."),
        ([("better", tuple("abcdefg"))], "MAE vs mean_mlp: all 7 rows better."),
        (
            [("better", ("a, b",)), ("worse", tuple("cdefgh"))],
            "MAE vs mean_mlp: 1 of 7 rows better; 6 of 7 rows worse.",
        ),
        ([], ""),
    ],
)
def test_a_headline_gives_the_verdicts_of_the_table(verdicts: list[Any], headline: str) -> None:
    assert headlines.of_comparisons([compared(*verdicts)]) == headline
    assert headlines.of_comparisons([compared(*verdicts, question="shuffled vs masked, paired by seed")]) == ""


def test_a_headline_counts_intervals_that_include_zero() -> None:
    def one(low: float, high: float) -> Estimate:
        return Estimate(0.5, Interval(low, high, 0.95, "jackknife t"))

    found = [one(0.1, 1), one(-1, -0.1), one(-1, 1), one(-2, 2), Estimate(3.0)]
    assert headlines.of_differences(found) == (
        "On average scores are too high in 1 of 4 rows; on average scores are too low in 1 of 4 rows; the interval of "
        "the mean difference includes 0 in 2 of 4 rows."
    )
    assert headlines.of_differences([one(-1, 1)] * 2) == "The interval of the mean difference includes 0 in all 2 rows."
    assert headlines.of_differences([Estimate(3.0)]) == ""
    rows = [{"minimal": one(1, 2), "severe": one(-2, -1)}, {"minimal": one(-1, 2), "severe": one(-2, -1)}]
    shown = part(rows=0)
    shown = replace(shown, bands=(OVER_BANDS[0], OVER_BANDS[-1]))
    assert headlines.of_bands(shown, rows) == (
        "Scores are too high for minimal labels in 1 of 2 rows, and too low for severe labels in all 2 rows."
    )


def test_two_people_have_neither_interval_nor_finding(tmp_path: Path) -> None:
    done = []
    for head in ("mean_mlp", "ldbm"):
        for one in (result(head, seed, each=2) for seed in (0, 1)):
            one["config"]["cohort"]["scale"] = {"bands": BANDS}
            done.append(one)
    (shown,) = parts(build(sweep(tmp_path, done, evidence={"resamples": 200, "flips": 200}), tmp_path))
    heads = {name: texts(figure)[0] for name in FIGURES if (figure := draw(name, shown)) is not None}
    assert heads["forest"] == "MAE of each row on test; too few people for intervals."
    assert heads["predicted"] == "Score against label of each recording."
    assert heads["agreement"] == "Differences of score and label."
    assert heads["residuals"] == "Mean error in each band of severity."
    assert heads["coverage"] == "Share of labels within intervals, by their level."
    assert "[" not in "".join(text.get_text() for text in draw("forest", shown).axes[0].texts)


def test_curves_that_coincide_stay_visible() -> None:
    (row,) = part(rows=1).rows
    from lfnet.evaluation.coverage import LEVELS, Curve

    curves = tuple(Curve(kind, LEVELS, np.array(LEVELS), np.ones(len(LEVELS)), 50) for kind in ("a", "b", "c"))
    figure = draw("coverage", replace(part(rows=0), rows=(replace(row, curves=curves),)))
    lines = [line for line in figure.axes[0].lines if line.get_marker() != "None"]
    for below, above in pairwise(lines):
        assert above.get_linewidth() < below.get_linewidth() and above.get_markersize() < below.get_markersize()
        assert above.get_marker() != below.get_marker() and above.get_color() != below.get_color()


def test_published_and_measured_errors_never_share_an_axis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quoted = [
        {"name": "MSN", "note": "AVEC2014", "values": {"test.mae": 5.82, "parameters": 77.7e6}},
        {"name": "Other", "note": "AVEC2013; epoch chosen on test", "values": {"test.mae": 7.0, "parameters": 1e6}},
    ]
    node = {"columns": ["test.mae", "parameters"], "published": quoted, "closing": False}
    node["figure"] = {"x": "parameters", "y": "test.mae", "log": True}
    done = [result("mean_mlp", cohort_seed=0), result("ldbm", cohort_seed=0), result("ldbm", cohort_seed=1)]
    table = build(sweep(tmp_path, done, sections=["cohort.seed"], rows=["head"], **node), tmp_path)
    drawn = []
    monkeypatch.setattr("lfnet.reports.scatter_plot.save_figure", lambda figure, *_, **__: drawn.append(figure))
    assert table.figure is not None
    draw_scatter(table, table.figure, tmp_path)
    axes = drawn[0].axes
    assert [axis.get_title() for axis in axes] == [
        *(section.label for section in table.sections), "published, on AVEC2014", "published, on AVEC2013"
    ]  # fmt: skip
    shown = [len(axis.collections[0].get_offsets()) for axis in axes]
    assert shown == [2, 1, 1, 1], "a point a row, each among those of its cohort"
    assert [len([line for line in axis.lines if line.get_linewidth() == 1]) for axis in axes] == [2, 1, 0, 0]
    assert "95 % intervals over people" in texts(drawn[0])[1]
    monkeypatch.undo()
    assert {path.suffix for path in write(table, tmp_path / "out")} >= {".png", ".svg"}
