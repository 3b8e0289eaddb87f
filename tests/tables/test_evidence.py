"""Evidence under a table: what the run folders' scores say of each row, in every format."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lfnet.errors import LfnetError
from lfnet.evaluation.evidence import EvidenceSettings, RowScores, compute_evidence
from lfnet.evaluation.predictions import Predictions
from lfnet.reports.latex import latex
from lfnet.reports.markdown import markdown
from lfnet.reports.terminal import terminal
from lfnet.tables.build import build
from lfnet.tables.table import Block, Table
from tests.tables.factory import recordings, result, sweep

FEW = {"resamples": 400, "flips": 400}


def made(folder: Path, results: list[dict[str, Any]], node: Any) -> Table:
    return build(sweep(folder, results, evidence=node), folder)


def two_heads(**second: Any) -> list[dict[str, Any]]:
    first = [result("mean_mlp", seed, skill=0.2, noise=6) for seed in (0, 1)]
    return first + [result("ldbm", seed, **({"skill": 0.9, "noise": 2} | second)) for seed in (0, 1)]


def blocks(table: Table) -> tuple[Block, ...]:
    return table.sections[0].evidence


def test_the_numbers_are_those_of_lfnet_evaluation(tmp_path: Path) -> None:
    results = two_heads()
    table = made(tmp_path, results, {"against": ["head=mean_mlp"], **FEW})
    rows = []
    for name, number in (("mean_mlp", 0), ("ldbm", 2)):
        frames = [
            results[number + seed]["_predictions"].in_split("test").at("recording").frame.sort_values("recording_id")
            for seed in (0, 1)
        ]
        scores = np.stack([frame["score"].round(6) for frame in frames])
        rows.append(RowScores(name, frames[0]["recording_id"], frames[0]["person_id"], frames[0]["label"], scores))
    expected = compute_evidence(rows, "mean_mlp", EvidenceSettings(**FEW))
    own, compared = blocks(table)
    mae = {line["row"]: line["estimates"]["mae"] for line in own.data["rows"]}
    for name in ("mean_mlp", "ldbm"):
        interval = expected.rows[name].estimates["mae"].interval
        assert (mae[name]["value"], mae[name]["low"], mae[name]["high"]) == pytest.approx(
            (expected.rows[name].estimates["mae"].value, interval.low, interval.high)
        )
    (line,) = compared.data["rows"]
    comparison = expected.rows["ldbm"].comparison
    assert line["verdict"] == comparison.verdict == "better" and line["p"] == pytest.approx(comparison.p)
    assert compared.title == "vs mean_mlp: verdicts on these trained heads, margin 1 point"
    assert compared.rows[0][-1] == "better"


def test_every_format_shows_intervals_comparisons_and_what_they_mean(tmp_path: Path) -> None:
    table = made(tmp_path, two_heads(), {"against": ["train_median", "head=mean_mlp"], **FEW})
    for text in (terminal(table), markdown(table)):
        for words in (
            "MAE [95 %]",
            "vs train median: verdicts on these trained heads",
            "vs mean_mlp: verdicts on these trained heads, margin 1 point",
            "better",
            "P(closer)",
            "Margin 1 point.",
        ):
            assert words in " ".join(text.split()), words
        assert "Better: its MAE is smaller" in text
    printed = latex(table)
    assert printed.count(r"\begin{tabular}{@{}l") >= 3 and printed.count(r"\toprule") == 4
    assert max(map(len, terminal(table).splitlines())) <= 100
    data = table.to_json()["sections"][0]["evidence"]
    assert [block["title"].split()[0] for block in data] == ["Evidence:", "vs", "vs"]


@pytest.mark.parametrize(("each", "size"), [(40, 28), (100, 84)])
def test_the_foot_quotes_the_coverage_measured_at_the_nearest_size(tmp_path: Path, each: int, size: int) -> None:
    results = [result("ldbm", seed, each=each) for seed in (0, 1)]
    foot = [line for line in made(tmp_path, results, {"against": [], **FEW}).foot if "contained the truth" in line]
    assert len(foot) == 1 and f"simulated cohorts of {size} people" in foot[0]


def test_no_coverage_is_quoted_where_too_few_people_have_no_interval(tmp_path: Path) -> None:
    results = [result("ldbm", seed, each=6) for seed in (0, 1)]
    assert not any("contained the truth" in line for line in made(tmp_path, results, {"against": [], **FEW}).foot)


def test_references_have_intervals_and_an_oracle_its_best_guess_for_each_metric(tmp_path: Path) -> None:
    table = made(tmp_path, two_heads(), {"against": [], **FEW})
    (own,) = blocks(table)
    assert [row[0] for row in own.rows[own.models :]] == [
        "train mean", "train median", "oracle (signal)", "oracle (people)"
    ]  # fmt: skip
    shown = {row.label: row for row in table.rows if row.kind == "reference"}["oracle (signal)"]
    lines = {line["row"]: line["estimates"] for line in own.data["rows"]}
    assert lines["oracle (signal)"]["mae"]["value"] == pytest.approx(shown.cells["test.mae"].summary.mean, abs=1e-5)
    assert lines["oracle (signal)"]["pcc"]["value"] == pytest.approx(shown.cells["test.pcc"].summary.mean, abs=1e-5)


def renamed(splits: set[str]) -> list[dict[str, Any]]:
    """Two heads, where each recording of these splits is of a person of its own."""

    def alone(scores: Predictions) -> Predictions:
        frame = scores.frame
        return Predictions(
            frame.assign(person_id=frame["recording_id"].where(frame["split"].isin(splits), frame["person_id"]))
        )

    results = two_heads()
    for one in results:
        one["_predictions"] = alone(one["_predictions"])
        one["_references"] = {name: alone(model) for name, model in one["_references"].items()}
    return results


def test_where_people_are_shared_the_new_ones_lead_and_the_title_says_so(tmp_path: Path) -> None:
    (own,) = blocks(made(tmp_path, renamed({"dev"}), {"against": [], **FEW}))
    row = own.data["rows"][0]
    people = {split: set(part["person_id"]) for split, part in recordings().groupby("split")}
    shared = people["test"] & people["train"]
    assert 0 < len(shared) < len(people["test"])
    text = f"people drawn as these, {len(shared)} of {len(people['test'])} of whom are in another split too"
    assert text in own.title
    assert own.headings[1] == "MAE, new people [95 %]" and own.headings[-1] == "MAE, shared people"
    assert row["new"]["people"] == len(people["test"] - shared) and row["shared"]["people"] == len(shared)
    assert own.rows[0][1].startswith(f"{row['new']['estimates']['mae']['value']:.1f} [")


def test_constants_have_their_error_on_new_people_next_to_that_of_the_models(tmp_path: Path) -> None:
    (own,) = blocks(made(tmp_path, renamed({"dev"}), {"against": [], **FEW}))
    lines = {line["row"]: line for line in own.data["rows"]}
    assert {row[0]: row[1] for row in own.rows}["train median"].startswith(
        f"{lines['train median']['new']['estimates']['mae']['value']:.1f} ["
    )
    assert lines["train median"]["new"]["people"] == lines["ldbm"]["new"]["people"]


def followed(folder: Path, against: list[str]) -> tuple[Table, list[dict[str, Any]]]:
    """Heads under two protocols, of which the second has another train median."""
    results = [result(head, 0, skill=0.9, noise=2) for _ in ("masked", "published") for head in ("mean_mlp", "ldbm")]
    for done in results[2:]:
        done["choices"]["protocol"] = done["config"]["protocol"]["name"] = "published"
        model = done["_references"]["train_median"]
        moved = Predictions(model.frame.assign(score=model.frame["score"] + 9))
        done["_references"] = done["_references"] | {"train_median": moved}
        done["references"]["train_median"] = {
            split: levels["recording"] for split, levels in moved.metrics().items() if split != "train"
        }
    return made(folder, results, {"against": against, **FEW}), results


def test_references_that_follow_a_row_key_have_evidence_for_each_of_its_values(tmp_path: Path) -> None:
    table, results = followed(tmp_path, ["train_median"])
    own, compared = blocks(table)
    names = [line["row"] for line in own.data["rows"]]
    assert names[4:] == [
        "train mean", "train median, protocol masked", "train median, protocol published",
        "oracle (signal)", "oracle (people)",
    ]  # fmt: skip
    shown = {row.label: row for row in table.rows if row.kind == "reference"}
    for line in own.data["rows"][5:7]:
        assert line["estimates"]["mae"]["value"] == pytest.approx(shown[line["row"]].cells["test.mae"].summary.mean)
    assert compared.title.startswith("vs train median of the same protocol: ")
    of = {line["row"]: line for line in compared.data["rows"]}
    assert of["mean_mlp, masked"]["reference"] == "train median, protocol masked"
    assert of["ldbm, published"]["reference"] == "train median, protocol published"
    for name, done in (("mean_mlp, masked", results[0]), ("ldbm, published", results[3])):
        mae = next(line["estimates"]["mae"]["value"] for line in own.data["rows"] if line["row"] == name)
        difference = of[name]["differences"]["mae"]["value"]
        assert mae - difference == pytest.approx(done["references"]["train_median"]["test"]["mae"])
    assert "Skill compares every row with train median, protocol masked." in table.foot


def test_people_of_dev_are_no_new_people(tmp_path: Path) -> None:
    (own,) = blocks(made(tmp_path, two_heads(), {"against": [], **FEW}))
    people = {split: set(part["person_id"]) for split, part in recordings().groupby("split")}
    assert people["test"] <= people["train"] | people["dev"]
    assert "50 of 50 of whom are in another split too" in own.title and own.data["rows"][0]["new"] is None


def test_new_people_are_said_only_where_nobody_is_shared(tmp_path: Path) -> None:
    (own,) = blocks(made(tmp_path, renamed({"test"}), {"against": [], **FEW}))
    assert own.title.endswith("on new people (50 recordings of 50 people)")
    assert not any("people" in heading for heading in own.headings if heading.startswith("MAE"))


def test_rows_on_other_recordings_are_named_and_not_compared(tmp_path: Path) -> None:
    results = two_heads(each=40)
    for done in results[2:]:
        done["cohort"] = results[0]["cohort"]  # as where clips were left out as unusable
        done["references"] = results[0]["references"]
    table = made(tmp_path, results, {"against": ["train_median"], **FEW})
    assert any(line.startswith("No evidence on ldbm") for line in table.foot)
    assert [row[0] for row in blocks(table)[1].rows] == ["mean_mlp"]


def test_runs_without_predictions_leave_a_table_without_evidence(tmp_path: Path) -> None:
    results = two_heads()
    for done in results:
        done.pop("_predictions")
    table = made(tmp_path, results, {"against": ["train_median"], **FEW})
    assert blocks(table) == ()
    assert any(line.startswith("No evidence on mean_mlp, ldbm") for line in table.foot)


@pytest.mark.parametrize(
    ("node", "words"),
    [
        ("yes", "table.evidence=yes: give its settings by name"),
        ({"agains": []}, "table.evidence.agains: there is no such setting"),
        ({"split": "train"}, "table.evidence.split=train: give one of dev, test"),
        ({"margin": 0}, "table.evidence.margin=0"),
        ({"against": ["hat=red"]}, "none of table.rows"),
    ],
)
def test_a_wrong_setting_is_one_message(tmp_path: Path, node: Any, words: str) -> None:
    with pytest.raises(LfnetError, match=words):
        made(tmp_path, two_heads(), node)


def test_a_reference_that_no_run_has_is_reported(tmp_path: Path) -> None:
    table = made(tmp_path, two_heads(), {"against": ["duration"], **FEW})
    assert "No run has the reference duration: nothing is compared with it." in table.foot


def test_a_row_may_be_compared_with_one_other_row(tmp_path: Path) -> None:
    results = [*two_heads(), *(result("transformer", seed) for seed in (0, 1))]
    table = made(tmp_path, results, {"against": ["head=mean_mlp", {"head=ldbm": ["transformer"]}], **FEW})
    _, every, one = blocks(table)
    assert [row[0] for row in every.rows] == ["ldbm", "transformer"]
    assert one.title.startswith("vs ldbm: ") and [row[0] for row in one.rows] == ["transformer"]
    (line,) = one.data["rows"]
    assert line["reference"] == "ldbm" and line["p"] == line["p_holm"]  # one question: nothing to adjust for
    alone = made(tmp_path / "other", results, {"against": [{"head=ldbm": "transformer"}], **FEW})
    assert blocks(alone)[1].rows == one.rows
    for wrong in ({"ldbm": "transformer"}, {"head=ldbm": []}):
        with pytest.raises(LfnetError, match=r"write \{key=value: \[other values\]\}"):
            made(tmp_path / "wrong", results, {"against": [wrong]})


def test_rows_that_rank_people_backwards_are_marked_and_not_compared_with_each_other(tmp_path: Path) -> None:
    results = [result("mean_mlp", seed, skill=-0.9, noise=1) for seed in (0, 1)]
    results += [result("ldbm", seed, skill=-0.5, noise=1) for seed in (0, 1)]
    results += [result("transformer", seed, skill=0.9, noise=1) for seed in (0, 1)]
    table = made(tmp_path, results, {"against": ["train_median", "head=mean_mlp"], **FEW})
    own, constant, head = blocks(table)
    marked = {line[0]: "backwards" in " ".join(line) for line in own.rows}
    assert (marked["mean_mlp"], marked["ldbm"], marked["transformer"]) == (True, True, False)
    assert any(line.startswith("backwards: ") for line in table.foot)
    assert {line[0]: line[-1] for line in head.rows} == {"ldbm": "not compared", "transformer": "better"}
    assert "not compared" not in {line[-1] for line in constant.rows}
    assert any(
        "Not compared: both rows rank people backwards" in line or "not compared: both" in line for line in table.foot
    )
