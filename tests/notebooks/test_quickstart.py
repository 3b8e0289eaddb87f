"""The notebook runs from top to bottom, shows what its words say, and is committed without outputs."""

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.conftest import ROOT

NOTEBOOK = ROOT / "notebooks" / "quickstart.ipynb"
# Put behind the last cell: what the tables ended with, as data.
LOOK = """
named = rows["head"].fillna(rows["reference"]) + rows["kind"].map({"control": ", "}).fillna("")
named += rows["protocol"].where(rows["kind"] == "control", "")
print(rows.set_index(named)[["test.mae", "test.pcc"]].to_json())
"""


def read() -> Any:
    return nbformat.read(NOTEBOOK, as_version=4)


def test_it_is_committed_without_outputs():
    cells = [cell for cell in read().cells if cell.cell_type == "code"]
    assert cells and all(cell.outputs == [] and cell.execution_count is None for cell in cells)
    assert str(Path.home()) not in NOTEBOOK.read_text(encoding="utf-8")


@pytest.mark.slow
def test_it_runs_and_shows_what_it_says(tmp_path):
    from nbclient import NotebookClient

    notebook = read()
    notebook.cells.append(nbformat.v4.new_code_cell(LOOK))
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    printed = ["".join(out.get("text", "") for out in cell.get("outputs", [])) for cell in notebook.cells]
    first = next(text for text in printed if "Temporal architectures" in text)
    assert "8 jobs: 0 finished already, 8 to run" in first
    assert "SIMULATED" in first and "train median" in first and "oracle" in first
    (broken,) = (text for text in printed if "breaks the rule" in text)
    assert broken.startswith("Forgetful breaks the rule 'mask'")
    found = json.loads(printed[-1])
    mae, pcc = found["test.mae"], found["test.pcc"]
    assert mae["change"] < mae["train median"] - 1 and pcc["change"] > 0.5
    assert mae["mean_mlp"] > mae["train median"] - 1 and pcc["mean_mlp"] < 0.3
    assert mae["oracle (signal)"] < mae["change"] + 1
    for control in ("change, shuffled", "change, permuted"):
        assert mae[control] > mae["change"] + 1, "without order, or without labels, there is nothing to learn"
    assert not list(tmp_path.iterdir()), "everything lands in a folder of its own"
