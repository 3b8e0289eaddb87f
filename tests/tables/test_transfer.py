"""Tables of heads that are tested on several cohorts: each section has its own reference, and ranks stay ranks."""

from pathlib import Path
from typing import Any

import pytest

from lfnet.evaluation.ranks import add_rank_metrics
from lfnet.reports.terminal import terminal
from lfnet.tables.build import build
from lfnet.tables.settings import TableEvidence
from lfnet.tables.table import Table
from tests.tables import factory
from tests.tables.test_class_columns import CLASSES, SCALE

SEEDS = {"north": 0, "south": 1}
COLUMNS = ["test.mae", "test.pcc", "test.spearman", "test.auroc", "test.sensitivity"]
EVIDENCE = {"against": ["train_median", "cohort=test_cohort"], "cutoffs": [14], "resamples": 200, "flips": 200}


def result(train: str, test: str, *, points: bool = True, skill: float = 0.3, each: int = 50) -> dict[str, Any]:
    """A head of cohort `train` on the recordings of `test`."""
    from lfnet.evaluation.class_metrics import add_class_metrics

    done = factory.result("ldbm", 0, skill=skill, cohort_seed=SEEDS[test], each=each)
    tested = {"run": "0" * 16, "trained_on": train, "scale": "PHQ-9", "conversion": None, "points": points}
    done |= {"tested": tested, "choices": {**done["choices"], "cohort": train, "test_cohort": test}}
    done["config"]["test_cohort"] = {"name": test, "seed": SEEDS[test]}
    done["config"]["cohort"]["seed"] = SEEDS[train]
    done["scale"]["classes"] = CLASSES
    measured = add_class_metrics(done["metrics"], done["_predictions"], SCALE)
    done["metrics"] = add_rank_metrics(measured, done["_predictions"], points=points)
    for name, own in done["references"].items():
        levels = {split: {"recording": one} for split, one in own.items()}
        made = add_rank_metrics(levels, done["_references"][name], points=points)
        done["references"][name] = {split: one["recording"] for split, one in made.items()}
    return done


def table(folder: Path, *, points: bool = True, both: bool = True, each: int = 50) -> Table:
    done = [
        result(train, test, points=points or train == test, skill=0.6 if train == test else 0.1, each=each)
        for train in SEEDS
        for test in SEEDS
        if both or train != test
    ]
    settings = {"rows": ["head", "cohort"], "sections": ["test_cohort"], "columns": COLUMNS, "closing": False}
    overrides = [["head=ldbm", f"cohort={one['choices']['cohort']}"] for one in done]
    made = factory.sweep(folder, done, overrides=overrides, **settings, evidence=EVIDENCE, references=["train_median"])
    return build(made, folder)


def blocks(made: Table) -> dict[str, dict[str, tuple[str, ...]]]:
    """Section and first words of each block's title → its rows by name."""
    return {
        f"{section.identity['test_cohort']}: {block.title.split(':')[0]}": {row[0]: row for row in block.rows}
        for section in made.sections
        for block in section.evidence
    }


def test_the_drop_is_measured_against_the_row_that_was_trained_on_the_cohort_of_the_section(tmp_path: Path) -> None:
    found = blocks(table(tmp_path))
    assert set(found["north: vs north"]) == {"south"} and set(found["south: vs south"]) == {"north"}
    drop = {row.identity["cohort"]: row.cells["test.mae"].summary.mean for row in table(tmp_path).sections[0].rows[:2]}
    value = float(found["north: vs north"]["south"][1].split(" ")[0].replace("−", "-"))
    assert value == pytest.approx(drop["south"] - drop["north"], abs=0.006)


def test_scores_on_another_scale_have_ranks_and_nothing_in_points(tmp_path: Path) -> None:
    made = table(tmp_path, points=False)
    for section in made.sections:
        other = next(row for row in section.rows if row.identity["cohort"] != section.identity["test_cohort"])
        assert other.cells["test.mae"].values == {} and other.cells["test.sensitivity"].values == {}
        assert all(other.cells[f"test.{name}"].summary.mean is not None for name in ("pcc", "spearman", "auroc"))
        for block in section.evidence:
            rows = {row[0]: dict(zip(block.headings, row, strict=True)) for row in block.rows}
            mine = rows.get(other.identity["cohort"])
            if block.title.startswith("Classification"):
                assert mine is not None and mine["Sens. [95 %]"] == "—" and "[" in mine["AUROC [95 %]"]
            elif "AUROC" in block.title:
                assert mine is None or "Difference in AUROC" in mine
            else:
                assert mine is None
    assert "No evidence in points on south" in " ".join(made.foot)


def test_few_people_have_no_rank_correlation(tmp_path: Path) -> None:
    rows = [row for row in table(tmp_path, points=False, each=8).rows if row.kind == "model"]
    assert rows and all(row.cells["test.spearman"].text.endswith(": too few") for row in rows)


def test_a_section_of_ranks_alone_can_be_shown(tmp_path: Path) -> None:
    made = table(tmp_path, points=False, both=False)
    assert [block.title.partition(",")[0] for part in made.sections for block in part.evidence] == [
        "Classification"
    ] * 2
    assert "MAE" not in "".join(line for line in terminal(made, full=True).splitlines() if "ldbm" in line)


def test_a_value_that_is_no_section_stays_as_it_is() -> None:
    asked = TableEvidence(against=["train_median", "cohort=test_cohort", {"head=test_cohort": "ldbm"}])
    assert asked.in_section({"test_cohort": "b"}).names == ("train_median", "cohort=b", "head=b")
    assert asked.in_section({"cohort.name": "b"}) == asked
