"""Sentences on what a table found: from the comparisons that the verdicts come from, in the same words."""

from pathlib import Path

import pytest

from lfnet.cli.configs import compose
from lfnet.evaluation.compare import VERDICTS
from lfnet.evaluation.estimates import Difference
from lfnet.evaluation.evidence import Comparison
from lfnet.evaluation.intervals import Interval
from lfnet.tables.build import build
from lfnet.tables.findings import EITHER_WAY, Asked, finding
from tests.tables.factory import result, sweep

EVIDENCE = {"against": ["train_median", "head=mean_mlp"], "resamples": 400, "flips": 400}
ASKED = Asked("vs mean_mlp", "the architectures", "new people", people=250, min_people=10, margin=1.0)


def compared(verdict: str, value: float, low: float, high: float) -> Comparison:
    apart = {"mae": Difference(value, Interval(low, high, 0.95, "studentised"))}
    return Comparison("mean_mlp", apart, 0.1, 0.1, 0.1, 0.1, None, 0.5, verdict)


def test_each_verdict_names_its_rows_with_their_differences() -> None:
    rows = [
        ("a", compared("cannot tell", 0.5, -0.4, 1.4)),
        ("b", compared("better", -1.1, -1.6, -0.6)),
        ("c", compared("worse", 2, 1, 3)),
        ("d", compared("equivalent", 0.1, -0.3, 0.5)),
        ("e", compared("better", -2, -3, -1)),
    ]
    assert finding(ASKED, rows).text == (
        "better: b −1.10 [−1.60, −0.60], e −2.00 [−3.00, −1.00]; equivalent: d +0.10 [−0.30, +0.50]; "
        "cannot tell: a +0.50 [−0.40, +1.40]; worse: c +2.00 [+1.00, +3.00]"
    )


def test_every_verdict_is_in_a_sentence_in_its_own_words() -> None:
    for verdict in VERDICTS:
        assert finding(ASKED, [("a", compared(verdict, 0, -0.5, 0.5))]).text.startswith(f"{verdict}: a ")


@pytest.mark.parametrize(
    ("low", "high", "margin", "either"),
    [(-1.2, 1.3, 1.0, True), (-1.0, 1.0, 1.0, True), (-0.9, 1.3, 1.0, False), (-1.3, 0.9, 1.0, False),
     (-0.9, 1.3, 0.5, True), (0.1, 2.0, 1.0, False)],
)  # fmt: skip
def test_no_evidence_either_way_needs_a_gain_and_a_loss_of_the_margin(low, high, margin, either) -> None:
    asked = Asked("vs a", "these trained heads", "new people", 50, 10, margin)
    text = finding(asked, [("b", compared("cannot tell", (low + high) / 2, low, high))]).text
    assert text.startswith("cannot tell") and (EITHER_WAY in text) == either


def test_a_control_that_is_worse_says_what_its_model_uses() -> None:
    asked = Asked("shuffled vs masked", "the architectures", "new people", 250, 10, 1.0, "the order of frames is read")
    rows = [("ldbm", compared("worse", 1.1, 0.5, 1.7)), ("mean_mlp", compared("equivalent", 0, -0.1, 0.1))]
    assert finding(asked, rows).text == (
        "equivalent: mean_mlp 0.00 [−0.10, +0.10]; worse, so the order of frames is read: ldbm +1.10 [+0.50, +1.70]"
    )


def results(seeds: int, each: int = 50) -> list:
    made = [
        result(head, seed, skill=skill, noise=noise, each=each)
        for head, skill, noise in (("mean_mlp", 0.2, 6), ("ldbm", 0.9, 2))
        for seed in range(seeds)
    ]
    for head, skill in (("mean_mlp", 0.2), ("ldbm", -0.5)):
        for seed in range(seeds):
            one = result(head, seed, skill=skill, noise=6, each=each)
            one["choices"]["protocol"] = one["config"]["protocol"]["name"] = "permuted"
            made.append({**one, "_control": True})
    return made


def test_findings_are_the_verdicts_of_the_evidence_with_the_estimand_said_once(tmp_path: Path) -> None:
    for seeds, subject in ((2, "these trained heads"), (5, "the architectures")):
        folder = tmp_path / str(seeds)
        table = build(sweep(folder, results(seeds), controls=["protocol=permuted"], evidence=EVIDENCE), folder)
        assert f"What was found about {subject}, on " in table.findings.head
        assert not any(subject in text for line in table.findings.lines for text in line)
        blocks = [block for block in table.sections[0].evidence if block.finding]
        assert [lead for lead, _ in table.findings.lines] == ["vs train median", "vs mean_mlp",
                                                              "permuted vs masked, paired by seed"]  # fmt: skip
        for block, (_, text) in zip(blocks, table.findings.lines, strict=True):
            for name, *_, difference, verdict in ((row[0], row[1], row[-1]) for row in block.rows):
                part = next(part for part in text.split("; ") if f"{name.partition(',')[0]} {difference}" in part)
                assert part.partition(":")[0].partition(",")[0] == verdict
    assert "worse, so something was learnt from the labels: ldbm" in table.findings.lines[2][1]


def test_what_differs_between_lines_is_said_in_each(tmp_path: Path) -> None:
    rows = [one for one in results(5) if not (one.get("_control") and one["seed"])]
    table = build(sweep(tmp_path, rows, controls=["protocol=permuted"], evidence=EVIDENCE), tmp_path)
    assert "What was found, on" in table.findings.head
    leads = [lead for lead, _ in table.findings.lines]
    assert leads[0] == "vs train median (the architectures)" and leads[-1].endswith("(these trained heads)")


def test_of_too_few_people_nothing_is_said(tmp_path: Path) -> None:
    table = build(sweep(tmp_path, results(5, each=4), controls=["protocol=permuted"], evidence=EVIDENCE), tmp_path)
    people = table.rows[0].runs[0].result.cohort.people["test"]
    assert {text for _, text in table.findings.lines} == {f"n = {people}: too few people to compare"}
    assert not any("[" in text for line in table.findings.lines for text in line)


def test_a_table_without_comparisons_has_no_findings(tmp_path: Path) -> None:
    assert build(sweep(tmp_path, results(2), evidence=None), tmp_path).findings is None
    folder = tmp_path / "alone"
    models = [one for one in results(2) if "_control" not in one]
    assert build(sweep(folder, models, evidence={**EVIDENCE, "against": []}), folder).findings is None


@pytest.mark.parametrize("name", ["architectures", "patch_size", "published"])
def test_the_default_tables_are_about_architectures_and_test_new_people(name: str) -> None:
    """Fewer seeds, or controls with fewer, would make their verdicts ones on the trained heads alone."""
    from lfnet.tables.settings import TableEvidence
    from tests.composing import composed, swept

    config, _ = composed(f"table={name}")
    evidence = TableEvidence(**config["table"]["evidence"])
    assert evidence.estimand == "auto" and len(swept(name)["seed"]) >= evidence.min_seeds
    assert not any("seed" in control for control in config["table"]["controls"] or ())
    cohort = compose("train", [f"table={name}"]).cohort
    assert cohort.people == "one_each" and cohort.recordings.test >= 250
    assert (cohort.recordings.train, cohort.recordings.dev) == (50, 50)


def test_equivalence_says_which_interval_lies_within_the_margin(tmp_path: Path) -> None:
    same = [result(head, seed, skill=0.5, noise=4) for head in ("mean_mlp", "ldbm") for seed in range(5)]
    for one in same:
        one["_predictions"] = same[0]["_predictions"]
    head = build(sweep(tmp_path / "a", same, evidence=EVIDENCE), tmp_path / "a").findings.head
    assert "Equivalent: the 90 % interval lies within the margin (two one-sided tests)" in head
    narrow = {**EVIDENCE, "level": 0.9}
    assert "the 80 % interval" in build(sweep(tmp_path / "b", same, evidence=narrow), tmp_path / "b").findings.head
    few = sweep(tmp_path / "c", results(2, each=4), evidence=EVIDENCE)
    assert "Equivalent" not in build(few, tmp_path / "c").findings.head
