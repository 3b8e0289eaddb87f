"""Reference rows and sections: constants and oracles beside the models they belong to, never a mixture of cohorts."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from lfnet.errors import LfnetError
from lfnet.tables.build import build
from lfnet.tables.table import Row, Table
from tests.composing import CONF
from tests.tables.factory import result, sweep


def make(folder: Path, results: list[dict[str, Any]], **more: Any) -> Table:
    return build(sweep(folder, results, **more), folder)


def references(table: Table) -> dict[str, Row]:
    return {row.label: row for row in table.rows if row.kind == "reference"}


def signalled(name: str, block: int, seed: int = 0, **more: Any) -> dict[str, Any]:
    """A run on the cohort variant of that signal."""
    done = result("ldbm", seed, cohort_seed=block + len(name))
    done["config"]["cohort"] = {"signal": {"name": name, "block": block, "shares": {"level": 0.4}, **more}}
    return done


def published(head: str, seed: int = 0) -> dict[str, Any]:
    done = result(head, seed)
    done["choices"]["protocol"] = "published"
    done["config"]["protocol"]["window"] = 2000
    return done


def test_an_oracle_has_the_mae_of_its_median_and_all_else_of_its_mean(tmp_path: Path) -> None:
    done = result("ldbm")
    columns = ["test.mae", "test.rmse", "test.pcc", "gap.mae", "parameters"]
    rows = references(make(tmp_path, [done], columns=columns))
    assert list(rows) == ["train mean", "train median", "oracle (signal)", "oracle (people)"]
    median, mean = (done["references"][f"oracle_signal_{kind}"] for kind in ("median", "mean"))
    cells = rows["oracle (signal)"].cells
    assert cells["test.mae"].summary.mean == median["test"]["mae"] != mean["test"]["mae"]
    assert cells["gap.mae"].summary.mean == median["test"]["mae"] - median["dev"]["mae"]
    assert cells["test.rmse"].summary.mean == mean["test"]["rmse"] != median["test"]["rmse"]
    assert cells["test.pcc"].summary.mean == mean["test"]["pcc"]
    assert "parameters" not in cells


def test_constants_have_no_correlation_and_no_sd(tmp_path: Path) -> None:
    results = [result("ldbm", seed) for seed in (0, 1, 2)]
    row = references(make(tmp_path, results))["train mean"]
    assert row.cells["test.pcc"].text == "undefined"
    assert row.cells["test.sigma_ratio"].text == "0.00"
    assert row.cells["test.mae"].text == f"{results[0]['references']['train_mean']['test']['mae']:.2f}"
    assert len(row.cells["test.mae"].run_names) == 3


def test_only_references_asked_for_and_present_are_shown(tmp_path: Path) -> None:
    table = make(tmp_path / "some", [result("ldbm")], references=["train_median", "duration"])
    assert list(references(table)) == ["train median"]
    assert "No run has the reference duration." in table.foot
    assert references(make(tmp_path / "none", [result("ldbm")], references=[])) == {}


def test_a_real_cohort_has_no_oracle_and_no_note_on_it(tmp_path: Path) -> None:
    done = result("ldbm")
    done["cohort"].update(name="avec2014", simulated=False)
    done["references"] = {name: done["references"][name] for name in ("train_mean", "train_median")}
    table = make(tmp_path, [done])
    assert list(references(table)) == ["train mean", "train median"]
    assert not table.simulated
    assert not any("oracle" in line.lower() or "No run has" in line for line in table.foot)


def test_each_section_has_its_own_references(tmp_path: Path) -> None:
    variants = [("mixture", 32), ("tempo", 8), ("tempo", 64)]
    results = [signalled(name, block, seed) for name, block in variants for seed in (0, 1)]
    table = make(tmp_path, results, rows=["head"], sections=["cohort.signal"])
    assert [part.label for part in table.sections] == [
        "Signal: mixture",
        "Signal: tempo, block 8",
        "Signal: tempo, block 64",
    ]
    for number, part in enumerate(table.sections):
        own = {row.label: row for row in part.rows}["train mean"]
        assert own.cells["test.mae"].summary.mean == results[2 * number]["references"]["train_mean"]["test"]["mae"]
        assert set(own.runs) == {run for row in part.rows if row.kind == "model" for run in row.runs}


def test_sections_by_several_keys(tmp_path: Path) -> None:
    results = [signalled("tempo", 8), signalled("tempo", 64)]
    table = make(tmp_path, results, rows=["head"], sections=["cohort.signal.name", "cohort.signal.block"])
    assert [part.label for part in table.sections] == ["Signal: tempo; Block: 8", "Signal: tempo; Block: 64"]


def test_a_failed_job_finds_its_section(tmp_path: Path) -> None:
    overrides = [[f"cohort.signal.name={name}", f"cohort.signal.block={block}", f"seed={seed}"]
                 for name, block, seed in (("tempo", 8, 0), ("tempo", 64, 0))]  # fmt: skip
    results = [signalled("tempo", 8), signalled("tempo", 64)]
    failed = {
        "head=ldbm cohort.signal.name=tempo cohort.signal.block=64 seed=1": "one",
        "head=mean_mlp cohort.signal.name=tempo cohort.signal.block=8 seed=0": "two",
    }
    table = make(tmp_path, results, overrides=overrides, failed=failed, rows=["head"], sections=["cohort.signal"])
    first, second = table.sections
    assert [(row.kind, row.identity["head"]) for row in first.rows[:2]] == [("model", "ldbm"), ("failed", "mean_mlp")]
    assert [row.notes for row in second.rows if row.kind == "model"] == [("1 of 2 jobs failed: one",)]


def test_a_row_of_failures_finds_the_section_that_its_overrides_do_not_contradict(tmp_path: Path) -> None:
    """Two variants differ in a setting that follows from the block and that no override names."""
    results = [signalled("tempo", 8, ramp=2), signalled("tempo", 64, ramp=16)]
    failed = {"head=mean_mlp cohort.signal.block=64 seed=0": "boom"}
    table = make(tmp_path, results, failed=failed, rows=["head"], sections=["cohort.signal"])
    assert [part.label for part in table.sections] == [
        "Signal: tempo, block 8, ramp 2",
        "Signal: tempo, block 64, ramp 16",
    ]
    assert [row.kind for row in table.sections[1].rows[:2]] == ["model", "failed"]


def test_references_that_follow_the_protocol_are_shown_for_each(tmp_path: Path) -> None:
    """A protocol that trains on fewer recordings has other constants."""
    results = [result("ldbm"), result("mean_mlp"), published("ldbm"), published("mean_mlp")]
    for done in results[2:]:
        done["references"] = {"train_mean": {split: {"mae": 11.0} for split in ("dev", "test")}}
    table = make(tmp_path, results, references=["train_mean"], columns=["test.mae"])
    rows = references(table)
    assert list(rows) == ["train mean, protocol masked", "train mean, protocol published"]
    assert rows["train mean, protocol published"].cells["test.mae"].text == "11.00"
    assert len(rows["train mean, protocol published"].runs) == 2


def test_several_draws_of_one_cohort_give_mean_and_sd_over_draws(tmp_path: Path) -> None:
    results = [result(head, seed, cohort_seed=seed) for head in ("ldbm", "mean_mlp") for seed in (0, 1, 2)]
    row = references(make(tmp_path, results))["train mean"]
    values = [result("ldbm", 0, cohort_seed=seed)["references"]["train_mean"]["test"]["mae"] for seed in (0, 1, 2)]
    assert row.cells["test.mae"].summary.n == 3
    assert row.cells["test.mae"].summary.mean == pytest.approx(sum(values) / 3)
    assert " ± " in row.cells["test.mae"].text
    assert row.notes == ("over 3 draws of the cohort",)
    draws = make(tmp_path / "draws", [result("ldbm", 0, cohort_seed=seed) for seed in (0, 1, 2)])
    assert draws.foot[0].endswith("over 3 runs: draws or deals of the cohort, trained with seed 0.")


def test_two_cohorts_in_one_section_have_their_own_rows_or_are_refused(tmp_path: Path) -> None:
    results = [signalled("tempo", 8), signalled("level", 32)]
    rows = references(make(tmp_path / "key", results, rows=["head", "cohort.signal.name"], references=["train_mean"]))
    assert list(rows) == ["train mean, name tempo", "train mean, name level"]
    other = result("mean_mlp")
    other["references"]["train_mean"]["test"]["mae"] += 0.01
    another = result("mean_mlp", 1)
    with pytest.raises(LfnetError, match="runs of one section disagree about the reference 'train_mean'"):
        make(tmp_path / "refused", [other, another])


def test_the_last_digits_of_another_machine_are_no_disagreement(tmp_path: Path) -> None:
    other = result("mean_mlp")
    other["references"]["train_mean"]["test"]["mae"] += 1e-12
    assert "train mean" in references(make(tmp_path, [result("ldbm"), other]))


@pytest.mark.parametrize(
    "path", [*sorted(CONF.glob("table/*.yaml")), CONF / "table_defaults.yaml"], ids=lambda p: p.stem
)
def test_nuisance_stands_next_to_duration_in_every_table(path: Path) -> None:
    content = yaml.safe_load(path.read_text()) or {}
    shown = content.get("table", content).get("references") or []
    assert ("duration" in shown) == ("nuisance" in shown), shown
    if "duration" in shown:
        assert shown.index("nuisance") == shown.index("duration") + 1


def test_the_foot_names_what_nuisance_uses_and_lacks(tmp_path: Path) -> None:
    one, other = result("ldbm", seed=0), result("mean_mlp", seed=0)
    for run in (one, other):
        run["nuisance"] = {"used": ["length"], "constant": ["frame rate"], "absent": ["loudness", "noise"]}
        run["references"]["nuisance"] = run["references"]["train_median"]
        run["_references"]["nuisance"] = run["_references"]["train_median"]
    table = make(tmp_path, [one, other], references=["train_median", "nuisance"])
    assert [line for line in table.foot if line.startswith("Nuisance")] == [
        "Nuisance is ridge regression on how people were filmed: it sees no expression.",
        "Nuisance uses length; the same everywhere: frame rate; unknown: loudness, noise.",
    ]
