"""Notebooks run from top to bottom, show what their text states, and are committed without outputs."""

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.conftest import ROOT
from tests.pulse.settings import settings_of

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
    assert [path.stem for path in NOTEBOOKS] == [
        "explore_a_sweep",
        "own_head",
        "own_predictions",
        "pulse_of_a_clip",
        "quickstart",
    ]


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


@pytest.mark.slow
def test_pulse_of_a_clip(tmp_path):
    last = """
import json
outcomes = {name: frame.groupby("method")["outcome"].agg(list).to_dict()
            for name, frame in (("quiet", quiet), ("lamp", lamp), ("noise", noise))}
table = minutes.reset_index().rename(columns={"value [ms]": "value", "truth [ms]": "truth", "rate [1/min]": "rate"})
print(json.dumps({"outcomes": outcomes, "truth": truth, "settings": PulseSettings(method="pos", **NESTED).recipe(),
                  "quiet": quiet["peak [1/min]"].tolist(), "q": noise["Q"].tolist(),
                  "lamp": [float(lamp["Q"].min()), float(quiet["Q"].max())],
                  "minutes": table[["noise", "feature", "value", "truth", "rate", "state"]].to_dict("records")}))
"""
    found = run("pulse_of_a_clip", tmp_path, last)
    no_pulse, kept = ["no pulse"] * 3, ["kept"] * 3
    assert found["outcomes"]["quiet"] == {"green": kept, "chrom": kept, "pos": kept}
    assert found["outcomes"]["lamp"] == {"green": kept, "chrom": no_pulse, "pos": no_pulse}
    assert found["outcomes"]["noise"] == {"green": no_pulse, "chrom": no_pulse, "pos": no_pulse}
    assert all(abs(peak - found["truth"]) < 1.5 for peak in found["quiet"])
    assert sum(q > 0.3 for q in found["q"][:3]) == 2 and found["lamp"][0] > found["lamp"][1]
    states = {(row["noise"], row["feature"]): row["state"] for row in found["minutes"]}
    error = "withheld: error"
    assert states == {
        **{("low", "RMSSD"): "given", ("low", "SDNN"): "given", ("middle", "RMSSD"): error},
        **{("middle", "SDNN"): "given", ("high", "RMSSD"): error, ("high", "SDNN"): error},
    }
    assert all(abs(row["rate"] - found["truth"]) < 1 for row in found["minutes"])
    share = {row["noise"]: row["value"] / row["truth"] for row in found["minutes"] if row["feature"] == "RMSSD"}
    assert abs(share["low"] - 1) < 0.1 and share["middle"] > 4 / 3
    own, nested = found["settings"], settings_of("nested").recipe()
    rules = ("min_seconds", "min_intervals")  # the notebook has some of them
    assert {name for name in nested if own[name] != nested[name]} == {"name", *rules}
    assert all(own[name].items() <= nested[name].items() for name in rules)


@pytest.mark.slow
def test_explore_a_sweep(tmp_path):
    last = """
import json
print(json.dumps({
    "runs": len(runs),
    "mae": frame.pivot(index="seed", columns="trainer.lr", values="test.mae").to_dict("list"),
    "converged": frame.groupby("trainer.lr")["converged"].agg(list).to_dict(),
    "best": [[run.learning_curve["dev/mae"].min() for run in some] for some in (slow, fast)],
    "verdicts": found.verdicts,
    "mean": [mae.interval.low, mae.value, mae.interval.high, mae.sd_seeds],
    "ensemble": ensemble["mae"],
}))
"""
    found = run("explore_a_sweep", tmp_path, last)
    slow, fast = found["mae"]["0.0003"], found["mae"]["0.005"]
    assert found["runs"] == 10 and sum(a < b for a, b in zip(fast, slow, strict=True)) == 4
    assert not all(found["converged"]["0.0003"])
    assert min(found["best"][0]) > max(found["best"][1])
    assert found["verdicts"] == {"lr 3e-4": {"lr 5e-3": "cannot tell"}}
    low, value, high, sd = found["mean"]
    assert low + 1 < value < high - 1 and sd < 0.75
    assert found["ensemble"] < sum(fast) / 5
    assert "person" not in found["printed"] and "recording_id" not in found["printed"]
