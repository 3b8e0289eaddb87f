"""Control rows stand below the models, have intervals, and are compared with their own model alone."""

from pathlib import Path

import numpy as np
import pytest

from lfnet.errors import LfnetError
from lfnet.evaluation.evidence import EvidenceSettings, RowScores, compute_evidence
from lfnet.reports.markdown import markdown
from lfnet.reports.terminal import terminal
from lfnet.tables.build import build
from tests.tables.factory import result, sweep

CONTROLS = ["protocol=shuffled", "protocol=permuted"]
EVIDENCE = {"against": ["train_median", "head=mean_mlp"], "resamples": 400, "flips": 400}


def control(head, name, seed, skill):
    made = result(head, seed, skill=skill, noise=4)
    made["choices"]["protocol"] = made["config"]["protocol"]["name"] = name
    return {**made, "_control": True}


def results(seeds=(0, 1), control_seeds=(0, 1)):
    """Masked models, published ones that differ more from the controls, and controls."""
    made = [result(head, seed, skill=0.5, noise=4) for head in ("mean_mlp", "ldbm") for seed in seeds]
    return made + [
        control(head, name, seed, skill)
        for head in ("mean_mlp", "ldbm")
        for name, skill in (("shuffled", 0.4), ("permuted", -0.5))
        for seed in control_seeds
    ]


def published(seeds):
    made = [result(head, seed, skill=0.9, noise=1) for head in ("mean_mlp", "ldbm") for seed in seeds]
    for one in made:
        one["choices"]["protocol"] = "published"
        one["config"]["protocol"] = {"name": "published", "window": 2000, "length": 2000}
    return made


def test_controls_are_shown_and_compared_with_their_model_alone(tmp_path: Path):
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
        ["mean_mlp, shuffled", "ldbm, shuffled"],
        ["mean_mlp, permuted", "ldbm, permuted"],
    ]
    assert [line for line in table.sections[0].closing if "2 architectures" in line] == list(table.sections[0].closing)
    for text in (terminal(table), markdown(table)):
        assert "permuted: labels were permuted between people" in " ".join(text.split())
    assert "2 seeds" in " ".join(table.foot)


def test_a_control_is_paired_with_the_nearest_model_by_seed(tmp_path: Path):
    rows = [*published([0, 1, 2]), *results((0, 1, 2), (2, 0))]
    table = build(sweep(tmp_path, rows, controls=CONTROLS, evidence=EVIDENCE), tmp_path)
    shuffled, permuted = table.sections[0].evidence[-2:]
    assert shuffled.title.startswith("shuffled vs masked, paired by seed: verdicts on these trained heads")
    runs = {(row.identity["head"], row.identity["protocol"]): row.runs for row in table.rows if row.kind != "reference"}
    for block, name in ((shuffled, "shuffled"), (permuted, "permuted")):
        for one in block.data["rows"]:
            head = one["row"].partition(",")[0]
            test = [{run.seed: run.result.metrics["test"]["recording"]["mae"] for run in runs[head, protocol]}
                    for protocol in (name, "masked")]  # fmt: skip
            expected = np.mean([test[0][seed] - test[1][seed] for seed in (0, 2)])
            assert one["differences"]["mae"]["value"] == pytest.approx(expected, abs=1e-6)
    assert {row[-1] for row in permuted.rows} == {"worse"}


def test_a_control_without_a_seed_of_its_model_is_named(tmp_path: Path):
    table = build(sweep(tmp_path, results((0, 1), (5,)), controls=CONTROLS, evidence=EVIDENCE), tmp_path)
    assert not any("paired" in block.title for block in table.sections[0].evidence)
    line = "ldbm, permuted is not compared with ldbm, masked: they have no seed in common."
    assert any(line in text for text in table.foot)


def test_a_job_of_the_sweep_itself_is_a_model(tmp_path: Path):
    shuffled = [{**row, "_control": False} for row in results() if row["choices"]["protocol"] == "shuffled"]
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


def test_statements_about_architectures_do_not_depend_on_seeds_that_controls_lack(tmp_path: Path):
    for estimand in ("auto", "architecture"):
        folder = tmp_path / estimand
        node = {**EVIDENCE, "estimand": estimand}
        table = build(sweep(folder, results(range(5), (0,)), controls=CONTROLS, evidence=node), folder)
        assert "this architecture" in table.sections[0].evidence[0].title
        assert "these trained heads" in table.sections[0].evidence[-1].title
    table = build(
        sweep(tmp_path / "five", results(range(5), range(5)), controls=CONTROLS, evidence=EVIDENCE), tmp_path / "five"
    )
    assert all("the architectures" in block.title for block in table.sections[0].evidence[1:])


def unlike_seeds(*, control_seeds):
    """Models of five seeds, and permuted heads that scatter around no relation: PCC near −1 or 1 by the seed."""
    made = [result(head, seed, skill=0.5, noise=4) for head in ("mean_mlp", "ldbm") for seed in range(5)]
    skills = (-0.9, -0.9, -0.9, 0.9, 0.3)
    return made + [control("ldbm", "permuted", seed, skills[seed]) for seed in control_seeds]


def test_intervals_of_controls_are_over_seeds_as_the_title_says(tmp_path: Path):
    table = build(sweep(tmp_path, unlike_seeds(control_seeds=range(5)), controls=CONTROLS, evidence=EVIDENCE), tmp_path)
    own = table.sections[0].evidence[0]
    assert own.title.startswith("Evidence: the error of this architecture, over seeds and people,")
    pcc = next(line["estimates"]["pcc"] for line in own.data["rows"] if line["row"] == "ldbm, permuted")
    assert pcc["value"] < 0 < pcc["high"] and pcc["high"] - pcc["low"] > 4 * pcc["var_people"] ** 0.5
    assert not any("backwards" in cell for row in own.rows for cell in row)
    assert not any("over people alone" in line for line in table.foot)


def test_controls_with_too_few_seeds_for_the_title_are_named(tmp_path: Path):
    table = build(sweep(tmp_path, unlike_seeds(control_seeds=range(3)), controls=CONTROLS, evidence=EVIDENCE), tmp_path)
    assert "over seeds and people" in table.sections[0].evidence[0].title
    assert "Intervals of ldbm, permuted are over people alone: over seeds needs 5 seeds." in table.foot


def test_seeds_of_a_control_and_its_model_are_drawn_together(tmp_path: Path):
    """Seeds differ much, and a control little from the model of its seed: pairs cancel what a seed has of its own."""
    skills = (0.9, 0.1, 0.7, -0.5, 0.4)
    made = [result("ldbm", seed, skill=skills[seed], noise=4) for seed in range(5)]
    made += [control("ldbm", "shuffled", seed, skills[seed] - 0.02) for seed in range(5)]
    table = build(sweep(tmp_path, made, controls=CONTROLS, evidence={**EVIDENCE, "against": []}), tmp_path)
    block = table.sections[0].evidence[-1]
    assert block.title.endswith("verdicts on the architectures, margin 1 point")
    shown = block.data["rows"][0]["differences"]["mae"]
    rows = []
    for name, number in (("model", 0), ("control", 5)):
        frames = [one["_predictions"].in_split("test").at("recording").frame for one in made[number : number + 5]]
        scores = np.stack([frame["score"].round(6) for frame in frames])
        rows.append(RowScores(name, frames[0]["recording_id"], frames[0]["person_id"], frames[0]["label"], scores))
    settings = EvidenceSettings(resamples=400, flips=400)
    gap, alone = (
        compute_evidence(rows, "model", settings, paired=paired).rows["control"].comparison.differences["mae"].interval
        for paired in (True, False)
    )
    assert (shown["low"], shown["high"]) == pytest.approx((gap.low, gap.high))
    assert shown["high"] - shown["low"] < (alone.high - alone.low) / 5
