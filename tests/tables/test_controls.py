"""Control rows stand below the models, have intervals, and count in no comparison and no closing line."""

from pathlib import Path

import pytest

from lfnet.errors import LfnetError
from lfnet.reports.markdown import markdown
from lfnet.reports.terminal import terminal
from lfnet.tables.build import build
from tests.tables.factory import result, sweep

CONTROLS = ["protocol=shuffled", "protocol=permuted"]
EVIDENCE = {"against": ["train_median", "head=mean_mlp"], "resamples": 400, "flips": 400}


def results():
    made = [result(head, seed, skill=0.5, noise=4) for head in ("mean_mlp", "ldbm") for seed in (0, 1)]
    for head in ("mean_mlp", "ldbm"):
        for name, skill in (("shuffled", 0.4), ("permuted", 0.0)):
            control = result(head, 0, skill=skill, noise=4)
            control["choices"]["protocol"] = name
            control["config"]["protocol"]["name"] = name
            control["_control"] = True
            made.append(control)
    return made


def test_controls_are_shown_and_not_counted(tmp_path: Path):
    table = build(sweep(tmp_path, results(), controls=CONTROLS, evidence=EVIDENCE), tmp_path)
    kinds = [row.kind for row in table.rows]
    assert kinds[:6] == ["model"] * 2 + ["control"] * 4 and set(kinds[6:]) == {"reference"}
    own, *compared = table.sections[0].evidence
    assert own.models == 2
    assert [row[0] for row in own.rows[:6]] == [
        "mean_mlp, masked", "ldbm, masked",
        "mean_mlp, shuffled", "mean_mlp, permuted", "ldbm, shuffled", "ldbm, permuted",
    ]  # fmt: skip
    assert [[row[0] for row in block.rows] for block in compared] == [
        ["mean_mlp, masked", "ldbm, masked"],
        ["ldbm, masked"],
    ]
    assert [line for line in table.sections[0].closing if "2 architectures" in line] == list(table.sections[0].closing)
    for text in (terminal(table), markdown(table)):
        assert "permuted: training labels were permuted between training people" in " ".join(text.split())
    assert "2 seeds" in " ".join(table.foot)


def test_a_job_of_the_sweep_itself_is_a_model(tmp_path: Path):
    shuffled = [row | {"_control": False} for row in results() if row["choices"]["protocol"] == "shuffled"]
    table = build(sweep(tmp_path, shuffled, controls=CONTROLS), tmp_path)
    assert [row.kind for row in table.rows[:2]] == ["model", "model"]
    assert not any("controls" in line for line in table.foot)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("protocol=shuffled", "table.controls=protocol=shuffled: give a list"),
        (["cohort.dim=3"], r"table.controls=\[cohort.dim=3\]: cohort.dim=3 sets none of table.rows"),
    ],
)
def test_controls_that_no_row_can_show_are_refused(tmp_path: Path, wrong, said):
    with pytest.raises(LfnetError, match=said):
        build(sweep(tmp_path, results(), controls=wrong), tmp_path)


def test_statements_about_architectures_do_not_depend_on_controls(tmp_path: Path):
    five = [result(head, seed, skill=0.5, noise=4) for head in ("mean_mlp", "ldbm") for seed in range(5)]
    controls = [row for row in results() if row.get("_control")]
    for estimand in ("auto", "architecture"):
        folder = tmp_path / estimand
        node = {**EVIDENCE, "estimand": estimand}
        table = build(sweep(folder, five + controls, controls=CONTROLS, evidence=node), folder)
        assert "this architecture" in table.sections[0].evidence[0].title
