"""Columns and the figure of tuned rows: numbers worked out by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from lfnet.errors import LfnetError
from lfnet.reports.figure_data import parts
from lfnet.reports.figures import draw
from lfnet.reports.markdown import markdown
from lfnet.runs.result import Result
from lfnet.tables.build import build
from lfnet.tables.columns import parse
from lfnet.tables.table import Table
from tests.tables.factory import leave, result, sweep

COLUMNS = [
    "test.mae", "tuning_optimism", "select@1", "select@2", "select@3", "test.mae@1", "test.mae@2", "test.mae@3",
    "test.pcc@3", "dev.mae@1", "select@9", "trials", "best_trial", "tuning_seconds",
]  # fmt: skip


def point(trial: int, value: float | None, test: float | None, pcc: float = 0.5) -> dict[str, Any]:
    return {"trial": trial, "value": value, "metrics": {"test": {"recording": {"mae": test, "pcc": pcc}}}}


def tuned(seed: int, *curve: dict[str, Any], trials: int = 3, failed: int = 0, collapsed: int = 0, metric: str = "mae"):
    done = result("ldbm", seed)
    done["tuning"] = {
        "trials": trials, "failed": failed, "collapsed": collapsed, "best_trial": curve[-1]["trial"],
        "select": {"split": "dev", "metric": metric, "level": "recording"}, "seconds": 10.0 * (seed + 1),
        "curve": list(curve),
    }  # fmt: skip
    return done


RESULTS = [
    tuned(0, point(1, 8.0, 9.0), point(3, 7.0, 8.5, 0.6), failed=1),
    tuned(1, point(1, 8.4, 9.4), point(2, 8.0, 9.6), point(3, 7.2, 9.2, 0.4), collapsed=2),
    tuned(2, point(1, 8.2, 9.2, 0.2)),
]
# dev gained 1.0, 1.2 and 0.0 points, test 0.5, 0.2 and 0.0.
OPTIMISM = [0.5, 1.0, 0.0]


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Table:
    folder = tmp_path_factory.mktemp("tuned")
    untuned = result("mean_mlp", 0)
    return build(sweep(folder, [*RESULTS, untuned], rows=["head"], columns=COLUMNS, closing=False), folder)


def test_columns_by_hand(table: Table) -> None:
    row = table.sections[0].rows[0]
    means = {name: cell.summary.mean for name, cell in row.cells.items()}
    assert means["select@1"] == pytest.approx((8.0 + 8.4 + 8.2) / 3)
    assert means["select@2"] == pytest.approx((8.0 + 8.0 + 8.2) / 3)
    assert means["select@3"] == pytest.approx((7.0 + 7.2 + 8.2) / 3)
    assert means["test.mae@1"] == pytest.approx((9.0 + 9.4 + 9.2) / 3)
    assert means["test.mae@2"] == pytest.approx((9.0 + 9.6 + 9.2) / 3)
    assert means["test.mae@3"] == pytest.approx((8.5 + 9.2 + 9.2) / 3)
    assert means["test.pcc@3"] == pytest.approx((0.6 + 0.4 + 0.2) / 3)
    assert row.cells["dev.mae@1"].text == row.cells["select@9"].text == "—"
    assert row.cells["trials"].text == "3 (of 9: 1 failed, 2 collapsed)"
    assert row.cells["best_trial"].text == "1–3" and means["tuning_seconds"] == 20.0


def test_optimism_is_what_dev_gained_and_test_did_not(table: Table) -> None:
    cell = table.sections[0].rows[0].cells["tuning_optimism"]
    assert list(cell.values.values()) == pytest.approx(OPTIMISM)
    low, high = stats.t.interval(0.95, 2, np.mean(OPTIMISM), stats.sem(OPTIMISM))
    assert cell.text == f"+0.50 [{low:+.2f}, {high:+.2f}]".replace("-", "−")


def test_of_a_metric_that_is_better_when_higher_the_sign_is_the_same(tmp_path: Path) -> None:
    done = tuned(0, point(1, 0.2, 9.0, 0.1), point(3, 0.6, 9.5, 0.15), metric="pcc")
    read = Result.read(tmp_path / leave(tmp_path, done))
    assert parse("tuning_optimism", "recording").read(read) == pytest.approx(0.4 - 0.05)


def test_an_untuned_row_has_none_of_them(table: Table) -> None:
    row = next(row for row in table.sections[0].rows if row.identity.get("head") == "mean_mlp")
    assert {row.cells[name].text for name in COLUMNS[1:]} == {"—"}


def test_the_foot_explains_them(table: Table) -> None:
    shown = markdown(table)
    for words in (
        "- Trials: fits with other settings",
        "- @N: of the settings that led",
        "- Optimism of tuning: by how",
    ):
        assert words in shown


@pytest.mark.parametrize(
    "name", ["select@0", "select@", "select@x", "train.mae@1", "test.mea@2", "test@2", "gap.mae@2"]
)
def test_another_name_is_no_column(name: str) -> None:
    with pytest.raises(LfnetError, match=r"select@N and SPLIT\.METRIC@N"):
        parse(name, "recording")


def test_the_figure_holds_each_leader_until_the_next(table: Table) -> None:
    (part,) = parts(table)
    (budget,) = part.budgets
    assert budget.name == "ldbm" and budget.metric == "mae"
    assert budget.select_K == pytest.approx(np.mean([[8.0, 8.0, 7.0], [8.4, 8.0, 7.2], [8.2, 8.2, 8.2]], axis=0))
    assert budget.test_K == pytest.approx(np.mean([[9.0, 9.0, 8.5], [9.4, 9.6, 9.2], [9.2, 9.2, 9.2]], axis=0))
    figure = draw("budget", part)
    (axis,) = [axis for axis in figure.axes if axis.get_visible()]
    assert axis.get_title() == "ldbm" and len(axis.get_lines()) == 2
    assert axis.get_ylabel() == "MAE, points" and any("BDI-II" in text.get_text() for text in figure.texts)
