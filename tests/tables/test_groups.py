"""Groups of people in a table: numbers, the smallest group, what is not recorded, and that nothing else moves."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lfnet.evaluation.group_evidence import compute_group_evidence
from lfnet.evaluation.groups import make_grouping
from lfnet.files import write_text
from lfnet.reports.markdown import markdown
from lfnet.reports.terminal import terminal
from lfnet.runs.collection import RunCollection
from lfnet.runs.run import Run
from lfnet.tables.build import build
from lfnet.tables.settings import TableEvidence, read_table
from lfnet.tables.table import Table
from tests.sealing import reseal
from tests.tables.factory import recordings, result, sweep

FEW = {"resamples": 400, "flips": 400}


def made(folder: Path, recorded: bool = True, **node: Any) -> Table:
    record = sweep(folder, [result(head, 0) for head in ("mean_mlp", "ldbm")], evidence={**FEW, **node})
    if recorded:
        frame = recordings().drop(columns="label")
        number = frame["person_id"].str[1:].astype(int)
        frame["sex"] = np.where(number % 2 == 0, "f", "m")
        frame.loc[number.between(20, 24), "sex"] = "rare"  # all five are in test
        frame["age"] = (20 + number % 50).astype(str)
        for run in folder.glob("*/result.json"):
            write_text(run.parent / "groups.csv", frame.to_csv(index=False))
            reseal(run.parent)
    return build(record, folder)


def test_a_block_has_the_numbers_of_lfnet_evaluation_for_every_row(tmp_path: Path) -> None:
    table = made(tmp_path, groups={"sex": None, "age": [40]})
    by_sex, differences, by_age, _ = [block for block in table.sections[0].evidence if "groups" in block.data]
    (run, *_) = [run for row in table.rows for run in row.runs if run.result.model == "ldbm"]
    row = RunCollection([run]).row_scores("ldbm", "test")
    groups = run.groups.set_index("person_id")
    sex = make_grouping("sex", {person: [groups.loc[[person], "sex"].iloc[0]] for person in row.person_id})
    found = compute_group_evidence([row], [sex], TableEvidence(**FEW))
    theirs = [(one.group, one.people, one.recordings, one.estimates["mae"].value) for one in found.rows]
    own = [line for line in by_sex.data["rows"] if line["row"] == "ldbm"]
    assert [(one["group"], one["people"], one["recordings"], one["estimates"]["mae"]["value"]) for one in own] == theirs
    assert [line[1] for line in by_age.rows] == ["below 40", "40 or more"] * 2
    assert len(differences.rows) == 4 and differences.headings[-1] == "Verdict on groups"
    assert "Holm over all 8 differences" in differences.title


def test_a_group_of_fewer_people_than_the_setting_is_in_no_file(tmp_path: Path) -> None:
    table = made(tmp_path, groups={"sex": None})
    for text in (markdown(table), terminal(table, full=True), str(table.to_json())):
        assert "rare" not in text and "p020" not in text
        assert "1 group of fewer than 10 people not shown" in " ".join(text.split())
    assert "rare" in markdown(made(tmp_path, groups={"sex": None}, min_people=5))


def test_asking_for_groups_moves_no_other_number(tmp_path: Path) -> None:
    plain, asked = made(tmp_path, recorded=False), made(tmp_path, groups={"sex": None})
    pd.testing.assert_frame_equal(plain.to_frame(), asked.to_frame())
    others = [block for block in asked.sections[0].evidence if "groups" not in block.data]
    assert tuple(others) == plain.sections[0].evidence
    silent = made(tmp_path)  # the runs have groups that the table does not ask for
    assert silent.sections[0].evidence == plain.sections[0].evidence
    (line,) = set(silent.foot) - set(plain.foot)
    assert line.startswith("Groups of people in this cohort: sex, age; 'table.evidence.groups={sex: null}' shows")


def test_groups_that_the_runs_lack_are_named(tmp_path: Path) -> None:
    table = made(tmp_path, recorded=False, groups={"sex": None})
    assert "No groups of sex: the runs do not have it. Run the table again." in table.foot
    assert not [block for block in table.sections[0].evidence if "groups" in block.data]


def test_what_is_guessed_is_said(tmp_path: Path) -> None:
    table = made(tmp_path, groups={"age": None})
    (line,) = [line for line in table.foot if line.startswith("age is cut at ")]
    assert "guessed from the thirds of these people" in line


def test_a_wrong_setting_is_one_line() -> None:
    from lfnet.errors import LfnetError

    with pytest.raises(LfnetError, match=r"table\.evidence\.groups=\[sex\]: give names and their values, or null"):
        read_table({"table": {"name": None, "evidence": {"groups": ["sex"]}}})


def test_a_run_without_the_file_has_no_groups(tmp_path: Path) -> None:
    made(tmp_path, recorded=False)
    assert all(Run.open(path.parent).groups is None for path in tmp_path.glob("*/result.json"))
