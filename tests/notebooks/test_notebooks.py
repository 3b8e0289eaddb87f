"""Notebooks run from top to bottom, show what their text states, and are committed without outputs."""

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.conftest import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def read(name: str) -> Any:
    return nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)


def run(name: str, folder: Path, last: str) -> dict:
    """Execute a notebook, then the cell `last`, which prints one line of JSON."""
    from nbclient import NotebookClient

    notebook = read(name)
    notebook.cells.append(nbformat.v4.new_code_cell(last))
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": folder}}).execute()
    printed = ["".join(out.get("text", "") for out in cell.get("outputs", [])) for cell in notebook.cells]
    assert not list(folder.iterdir()), "notebooks write to a temporary folder of their own"
    found: dict = json.loads(printed[-1].strip().splitlines()[-1])
    return found | {"printed": "\n".join(printed[:-1])}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_committed_without_outputs(path):
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert cells and all(cell.outputs == [] and cell.execution_count is None for cell in cells)
    assert str(Path.home()) not in path.read_text(encoding="utf-8")


def test_all_notebooks_are_tested():
    assert [path.stem for path in NOTEBOOKS] == ["own_head", "own_predictions", "quickstart"]


@pytest.mark.slow
def test_quickstart(tmp_path):
    last = """
import json
named = rows.set_index(rows["head"].fillna(rows["label"]))
print(json.dumps({
    "mae": named["test.mae"].to_dict(),
    "runs": len(runs),
    "recordings": len(test),
    "score": prediction.score,
    "again": len(lfnet.make_table("architectures", settings).rows),
    "runs_again": len(lfnet.open_runs("lfnet_runs")),
}))
"""
    found = run("quickstart", tmp_path, last)
    mae = found["mae"]
    assert mae["oracle (signal)"] < min(mae["mean_mlp"], mae["ldbm"])
    assert found["runs"] == found["runs_again"] == 4 and found["recordings"] == 60
    assert 0 <= found["score"] <= 63


@pytest.mark.slow
def test_own_predictions(tmp_path):
    last = """
import json
print(json.dumps({"verdicts": found.verdicts, "leaks": [leak.name for leak in report.leaks],
                  "clean": [leak.name for leak in lfnet.audit_cohort(cohort).leaks]}))
"""
    found = run("own_predictions", tmp_path, last)
    assert found["verdicts"]["train_median"] == {"ours": "better", "rival": "better", "guess": "equivalent"}
    assert found["verdicts"]["ours"] == {"rival": "equivalent", "guess": "worse"}
    assert found["leaks"] == ["people", "duration"] and found["clean"] == []


@pytest.mark.slow
def test_own_head(tmp_path):
    last = """
import json
label = rows["head"].fillna(rows["label"]) + rows["kind"].map({"control": ", "}).fillna("")
label += rows["protocol"].where(rows["kind"] == "control", "")
print(rows.set_index(label)[["test.mae", "test.pcc"]].to_json())
"""
    found = run("own_head", tmp_path, last)
    assert "NoMask breaks the rule 'mask'" in found["printed"]
    mae, pcc = found["test.mae"], found["test.pcc"]
    assert mae["change"] < mae["train median"] - 1 and pcc["change"] > 0.5
    assert mae["mean_mlp"] > mae["train median"] - 1 and pcc["mean_mlp"] < 0.3
    assert mae["oracle (signal)"] < mae["change"] + 1
    for control in ("change, shuffled", "change, permuted"):
        assert mae[control] > mae["change"] + 1, "without order, or without labels, there is nothing to learn"
