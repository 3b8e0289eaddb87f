"""A figure with a panel a column and a line a value of a row key."""

from pathlib import Path

import pytest

from lfnet.errors import LfnetError
from lfnet.reports.line_plot import draw_lines, lines
from lfnet.tables.build import build
from lfnet.tables.settings import read_table
from tests.tables import factory

FIGURE = {"x": ["clip_share", "train_people"], "y": "test.mae", "by": "head", "log": True}
AMOUNTS = {"all": (1.0, 50), "clip_50": (0.5, 50), "people_6": (1.0, 6)}


def test_a_panel_shows_what_one_column_changes(tmp_path: Path) -> None:
    done = []
    for amount, (share, people) in AMOUNTS.items():
        for head in ("ldbm", "mean_mlp"):
            one = factory.result(head, skill=0.2 + share / 4 + people / 200)
            one["choices"]["amount"] = amount
            one["config"]["amount"] = {"clip_share": share, "train_people": None if people == 50 else people}
            one["cohort"]["people"]["train"] = people
            done.append(one)
    overrides = [[f"head={one['choices']['head']}", f"amount={one['choices']['amount']}"] for one in done]
    node = {"rows": ["head", "amount"], "columns": ["clip_share", "train_people", "test.mae"], "figure": FIGURE}
    made = build(factory.sweep(tmp_path, done, overrides=overrides, closing=False, **node), tmp_path)
    mae = {(row.identity["head"], row.identity["amount"]): row.cells["test.mae"].summary.mean for row in made.rows[:6]}
    assert made.figure is not None
    by_share, by_people = (lines(made.sections[0], made.figure, x) for x in made.figure.axes)
    assert by_share["ldbm"] == [(50.0, mae["ldbm", "clip_50"], 0.0), (100.0, mae["ldbm", "all"], 0.0)]
    assert by_people["ldbm"] == [(6.0, mae["ldbm", "people_6"], 0.0), (50.0, mae["ldbm", "all"], 0.0)]
    assert list(by_share) == ["ldbm", "mean_mlp"]
    assert all(path.stat().st_size > 1000 for path in draw_lines(made, made.figure, tmp_path))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"by": None}, "table.figure.x: several columns need table.figure.by"),
        ({"by": "protocol"}, "table.figure.by=protocol: choose one of table.rows"),
        ({"x": ["dim"]}, "table.figure.x=dim: choose one of table.columns"),
    ],
)
def test_wrong_figures_are_refused(changed: dict, message: str) -> None:
    node = {"name": "x", "rows": ["head"], "columns": ["clip_share", "train_people", "test.mae"]}
    with pytest.raises(LfnetError, match=message):
        read_table({"table": {**node, "figure": FIGURE | changed}})
