"""Lines on stated targets: who reaches them, who does not, on which cohort, and what a wrong target says."""

from types import SimpleNamespace

import pytest

from lfnet.config import read
from lfnet.errors import LfnetError
from lfnet.evaluation.replicates import summarise
from lfnet.runs.run import MISSING, Run
from lfnet.tables.columns import parse
from lfnet.tables.remarks import target_lines
from lfnet.tables.settings import TableSettings
from lfnet.tables.table import Cell, Row
from tests.tables.factory import leave, result

SHOWN = [parse(name, "recording") for name in ("test.mae", "test.pcc", "parameters", "frame_latency")]


def row(name, **values):
    cells = {column.replace("_", "."): value for column, value in values.items()}
    return Row("model", {"head": name}, {c: Cell("", dict(enumerate(v)), summarise(v)) for c, v in cells.items()})


def bounds(targets):
    node = {"name": "t", "rows": ["head"], "columns": [column.name for column in SHOWN], "targets": targets}
    return read(TableSettings, node, "table").bounds


def group(name, simulated):
    cohort = SimpleNamespace(name=name, simulated=simulated)
    return SimpleNamespace(runs=[SimpleNamespace(result=SimpleNamespace(cohort=cohort, config={}, tested=None))])


def test_each_target_names_the_rows_that_reach_it_and_the_cohort():
    rows = [row("a", test_mae=[9.0, 9.4], test_pcc=[0.3]), row("b", test_mae=[9.4, 9.6], test_pcc=[None])]
    wanted = bounds({"test.mae": "below 9.5", "test.pcc": "above .3"})
    first, mae, pcc = target_lines(wanted, rows, [group("made", True)], SHOWN)
    assert first == "Targets, each row by its mean over seeds:"
    made = "on cohort made (simulated)"
    assert mae == f"Test MAE below 9.5, {made}: reached by a (9.20); not by b (9.50)."
    assert pcc == f"Test PCC above 0.3, {made}: reached by none; not by a (0.30), b (undefined)."
    _, mae, _ = target_lines(wanted, rows, [group("AVEC2014", False)], SHOWN)
    assert mae.startswith("Test MAE below 9.5, on cohort AVEC2014: ")


def test_targets_of_cost_name_what_was_measured():
    wanted = bounds({"frame_latency": "below 100", "parameters": "below 5e6"})
    rows = [row("a", frame_latency=[0.5], parameters=[131_585.0])]
    rows[0].cells["frame_latency"] = rows[0].cells.pop("frame.latency")
    _, time, size = target_lines(wanted, rows, [group("made", True)], SHOWN)
    assert time == "Head ms/frame below 100, of the head alone, on this machine: reached by a (0.50)."
    assert size == "Parameters below 5.00 M, of the head alone: reached by a (132 k)."


def test_a_head_is_timed_by_the_frames_a_window_advances(tmp_path):
    done = result()
    done["cost"]["latency_ms"] = 5.0
    done["config"]["protocol"]["hop"] = 250
    assert SHOWN[3].read(Run.open(tmp_path / leave(tmp_path, done)).result) == pytest.approx(0.02)


@pytest.mark.parametrize(
    "node",
    [
        {"test.mae": "9.5"},
        {"test.mae": 9.5},
        {"test.mae": "under 9.5"},
        {"test.mae": "below nothing"},
        {"dim": "below 3"},
    ],
)
def test_a_wrong_target_is_named(node):
    with pytest.raises(LfnetError, match=rf"table\.targets\.{next(iter(node))}={next(iter(node.values()))}: "):
        bounds(node)


def test_a_row_has_the_name_that_its_own_sweep_gives_it(tmp_path):
    # The mean head alone, trained for a table of heads, is `ingredient=none` in a table of ingredients.
    done = result("mean_mlp")
    done["config"]["head"]["hidden"] = 3
    run = Run(tmp_path / leave(tmp_path, done), ("+ingredient=none", "seed=0"))
    assert run.setting("ingredient") == "none"
    assert (run.setting("head"), run.setting("head.hidden"), run.setting("leak")) == ("mean_mlp", 3, MISSING)
