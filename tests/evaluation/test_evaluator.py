"""`lfnet.evaluate`: the same numbers as the evidence that it is made of and as a table's; mistakes are named."""

import numpy as np
import pandas as pd
import pytest

import lfnet
from lfnet.errors import LfnetError
from lfnet.evaluation.baselines import Constant
from lfnet.evaluation.evidence import EvidenceSettings, compute_evidence
from lfnet.evaluation.metrics import METRICS, compute_metrics
from lfnet.tables.build import build
from tests.evaluation.cases import Case
from tests.tables.factory import recordings, result, sweep

FEW = {"resamples": 400, "flips": 400}


@pytest.fixture
def case():
    return Case()


def test_arrays_have_the_numbers_of_the_evidence_they_are_made_of(case):
    scores = {"a": case.scores(seeds=5), "b": case.scores(seeds=5, noise=2), "c": case.scores(seeds=1)[0]}
    found = lfnet.evaluate(case.label, scores, case.person_id, case.recording_id, against="a", constant=12.0, **FEW)
    rows = [case.row(name, np.atleast_2d(score)) for name, score in scores.items()]
    settings = EvidenceSettings(**FEW)
    assert found.evidence == compute_evidence(rows, None, settings, 12.0)
    assert found.comparisons["a"] == compute_evidence([rows[1], rows[2], rows[0]], "a", settings, 12.0)
    assert found.models == ("a", "b", "c") and found.split is None
    assert set(found.estimates["a"]) == {*METRICS, "skill"}
    assert found.verdicts == {"a": {"b": "better", "c": found.comparisons["a"].rows["c"].comparison.verdict}}


def test_wide_long_and_array_inputs_give_the_same(case):
    score_SN = case.scores(seeds=5)
    ids = case.person_id, case.recording_id
    arrays = lfnet.evaluate(case.label, {"a": score_SN, "b": score_SN + 1}, *ids, against="b", **FEW)
    wide = pd.DataFrame({"a": score_SN.ravel(), "b": score_SN.ravel() + 1})
    seeds = np.repeat(np.arange(5), 50)
    five = [np.tile(column, 5) for column in (case.label, *ids)]
    assert lfnet.evaluate(five[0], wide, *five[1:], seed=seeds, against="b", **FEW).to_json() == arrays.to_json()
    order = np.random.default_rng(0).permutation(500)
    long = pd.DataFrame(
        {
            "y": np.tile(five[0], 2),
            "person": np.tile(five[1], 2),
            "recording": np.tile(five[2], 2),
            "model": np.repeat(["a", "b"], 250),
            "seed": np.tile(seeds, 2),
            "score": np.concatenate([wide["a"], wide["b"]]),
        }
    ).iloc[np.argsort(order, kind="stable")]
    one = lfnet.evaluate(
        long["y"], long["score"], long["person"], long["recording"], model=long["model"], seed=long["seed"],
        against="b", **FEW,
    )  # fmt: skip
    assert one.evidence.estimand == arrays.evidence.estimand == "architecture"
    assert one.estimates == arrays.estimates and one.verdicts == arrays.verdicts


def test_a_column_of_a_frame_gives_its_name(case):
    frame = pd.DataFrame({"label": case.label, "mine": case.scores(seeds=1)[0]})
    assert lfnet.evaluate(frame["label"], frame["mine"], case.person_id, **FEW).models == ("mine",)
    assert lfnet.evaluate(frame["label"], frame["mine"].to_numpy(), case.person_id, **FEW).models == ("model",)


def test_rows_of_one_recording_are_averaged(case):
    score = case.scores(seeds=1)[0]
    twice = [np.tile(column, 2) for column in (case.label, case.person_id, case.recording_id)]
    both = np.concatenate([score - 2, score + 2])
    found = lfnet.evaluate(twice[0], both, *twice[1:], **FEW)
    assert found.evidence.recordings == 50
    wanted = compute_metrics(case.label, score)
    for metric in METRICS:
        assert found.estimates["model"][metric].value == pytest.approx(wanted[metric])


def test_the_numbers_are_those_of_a_tables_evidence(tmp_path):
    results = [result("mean_mlp", seed, skill=0.2, noise=6) for seed in (0, 1)]
    results += [result("ldbm", seed, skill=0.9, noise=2) for seed in (0, 1)]
    table = build(sweep(tmp_path, results, evidence={"against": ["train_median", "head=mean_mlp"], **FEW}), tmp_path)
    own, constant, head = table.sections[0].evidence
    frames = []
    for number, name in ((0, "mean_mlp"), (2, "ldbm")):
        for seed in (0, 1):
            frame = results[number + seed]["_predictions"].at("recording").frame
            frames.append(frame.assign(model=name, seed=seed, score=frame["score"].round(6)))
    scored = pd.concat(frames)
    scored = scored[scored["split"] != "train"]
    train = recordings().query("split == 'train'").assign(model="mean_mlp", seed=0, score=0.0)
    rows = pd.concat([scored, train])
    found = lfnet.evaluate(
        rows["label"], rows["score"], rows["person_id"], rows["recording_id"], rows["split"],
        model=rows["model"], seed=rows["seed"], against=["train_median", "mean_mlp"], **FEW,
    )  # fmt: skip
    for line in own.data["rows"]:
        if line["row"] not in found.models:
            continue
        for metric, numbers in line["estimates"].items():
            mine = found.estimates[line["row"]][metric]
            assert (mine.value, mine.interval.low, mine.interval.high) == (
                numbers["value"],
                numbers["low"],
                numbers["high"],
            ), metric
        for part in ("shared", "new"):
            subset = getattr(found.evidence.rows[line["row"]], part)
            assert (subset and subset.people) == (line[part] and line[part]["people"])
            assert subset is None or subset.estimates["mae"].value == line[part]["estimates"]["mae"]["value"]
    for block, reference in ((constant, "train_median"), (head, "mean_mlp")):
        for line in block.data["rows"]:
            comparison = found.comparisons[reference].rows[line["row"]].comparison
            for field in ("p", "p_holm", "p_equivalent", "p_equivalent_holm", "effect", "probability", "verdict"):
                assert getattr(comparison, field) == line[field], field


def test_train_rows_give_baselines_and_are_not_scored():
    table = recordings()
    rows = table.assign(score=np.random.default_rng(0).normal(15, 5, len(table)))
    found = lfnet.evaluate(rows["label"], rows["score"], rows["person_id"], split=rows["split"], **FEW)
    assert found.split == "test" and found.evidence.recordings == 50
    median = Constant("median").fit(rows[rows["split"] == "train"]).value
    test = rows[rows["split"] == "test"]
    estimate = found.estimates["train_median"]
    assert estimate["mae"].value == pytest.approx((test["label"] - median).abs().mean())
    assert estimate["skill"].value == 0
    assert list(found.comparisons) == ["train_median"]
    dev = lfnet.evaluate(rows["label"], rows["score"], rows["person_id"], split=rows["split"], on="dev", **FEW)
    assert dev.split == "dev" and dev.evidence.recordings == 50
    assert not lfnet.evaluate(
        rows["label"], rows["score"], rows["person_id"], split=rows["split"], against=[], **FEW
    ).comparisons


def test_too_few_people_have_no_correlation_and_no_interval():
    label = np.array([3.0, 9, 14, 22, 31])
    found = lfnet.evaluate(label, {"a": label + np.array([1, -1, 2, -2, 1]), "b": label[::-1]}, against="b", **FEW)
    text = str(found)
    assert text.startswith("5 recordings of 5 people; no intervals, n = 5: too few")
    assert "95 %" not in text and "0.9" not in text.partition("MAE vs")[0] and text.count("n = 5: too few") == 1 + 2 * 2
    frame = found.to_frame()
    correlations = frame[frame["metric"].isin(["pcc", "ccc"])]
    assert len(correlations) == 6 and correlations[["value", "low", "high", "sd_seeds"]].isna().all(axis=None)
    assert frame.query("metric == 'mae'")["value"].notna().all()
    assert lfnet.evaluate(np.tile(label, 2), np.tile(label, 2) + 1.0, **FEW).to_frame()["value"].notna().any()


def test_a_model_named_as_a_baseline_replaces_it(case):
    split = ["train"] * 20 + ["test"] * 30
    scores = {"train_median": np.full(50, 9.0), "a": case.scores(seeds=1)[0]}
    found = lfnet.evaluate(case.label, scores, split=split, **FEW)
    assert found.models == ("train_median", "a") and list(found.evidence.rows) == ["train_median", "a", "train_mean"]
    assert found.estimates["train_median"]["mae"].value == pytest.approx(np.abs(case.label[20:] - 9).mean())
    assert list(found.verdicts["train_median"]) == ["a"]


def test_without_people_the_result_says_so(case):
    found = lfnet.evaluate(case.label, case.scores(seeds=1)[0], **FEW)
    assert found.evidence.people == 50 and "each recording counts as a person of its own" in repr(found)
    assert "counts as a person" not in repr(lfnet.evaluate(case.label, case.scores(seeds=1)[0], case.person_id, **FEW))


def test_the_repr_and_the_frame_have_the_same_numbers(case):
    scores = {"a": case.scores(seeds=1)[0], "b": case.scores(seeds=1, noise=2)[0]}
    found = lfnet.evaluate(case.label, scores, case.person_id, case.recording_id, against="a", margin=2, **FEW)
    frame = found.to_frame()
    text = repr(found)
    assert max(map(len, text.splitlines()[:10])) <= 100 and "50 recordings of" in text
    own = frame[(frame["reference"] == "") & (frame["metric"] == "mae")].set_index("model")
    for name in scores:
        row = own.loc[name]
        assert f"{row['value']:.2f} [{row['low']:.2f}, {row['high']:.2f}]" in text
    (gap,) = frame[(frame["reference"] == "a") & (frame["metric"] == "mae")].to_dict("records")
    assert gap["verdict"] in text and f"{gap['value']:+.2f}" in text and f"{gap['p_holm']:.3f}" in text
    assert found.to_json()["margin"] == 2 and len(found.to_json()["rows"]) == len(frame)


def test_a_constant_prediction_is_shown_as_undefined(case):
    found = lfnet.evaluate(case.label, np.full(50, 12.0), case.person_id, **FEW)
    assert found.estimates["model"]["pcc"].value is None and "undefined" in repr(found)
    (line,) = [row for row in found.to_json()["rows"] if row["metric"] == "pcc"]
    assert line["value"] is None and line["low"] is None


MISTAKES = {
    "no such model": (dict(against="z"), "against=z: there is no such model. Choose one of model."),
    "margin": (dict(margin=-1), "margin=-1: give a number above 0."),
    "level": (dict(level=95), "level=95: give a number above 0.5 and below 1."),
    "length": (dict(person=["a"]), r"person has the shape \(1,\): give one value per row of y, which has 50."),
    "split": (dict(split=["train"] * 25 + ["val"] * 25, on="test"), r"no row has the split test. .*: train, val\."),
    "no test": (dict(split=["train"] * 25 + ["val"] * 25), "no row has the split test"),
    "no splits": (dict(on="test"), "on=test: no splits are given"),
    "long": (dict(seed=np.zeros(50)), "need `recording`"),
    "missing": (dict(person=[None] + ["a"] * 49), r"person of row 0 is missing \(of 1 rows in all\)"),
    "people": (dict(recording=["r"] * 50), "recording r has several values of (person|label)"),
    "seeds": (dict(estimand="architecture"), "needs 5 seeds of every row, but model has 1"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_named(case, name):
    options, message = MISTAKES[name]
    with pytest.raises(LfnetError, match=message):
        lfnet.evaluate(case.label, case.scores(seeds=1)[0], **options, **FEW)


def test_scores_that_cannot_be_used_are_named(case):
    score = case.scores(seeds=1)[0]
    with pytest.raises(LfnetError, match=r"scores have the shape \(49,\): give \[50\] or \[seeds, 50\]"):
        lfnet.evaluate(case.label, score[:49])
    with pytest.raises(LfnetError, match="scores: give numbers"):
        lfnet.evaluate(case.label, ["x"] * 50)
    with pytest.raises(LfnetError, match=r"the score of recording r001 by model is nan \(so are 1 of 50\)"):
        lfnet.evaluate(case.label, np.where(np.arange(50) == 1, np.nan, score), recording=case.recording_id)
    with pytest.raises(LfnetError, match="y of row 2 is infinite"):
        lfnet.evaluate(np.where(np.arange(50) == 2, np.inf, case.label), score)
    with pytest.raises(LfnetError, match="y is empty"):
        lfnet.evaluate([], [])
    split, known = ["train"] * 20 + ["test"] * 30, np.arange(50) >= 20
    unscored = lfnet.evaluate(case.label, np.where(known, score, np.nan), split=split, **FEW)
    assert unscored.to_json() == lfnet.evaluate(case.label, score, split=split, **FEW).to_json()
    model = np.array(["a"] * 50 + ["b"] * 49)
    rows = [np.concatenate([column, column[:49]]) for column in (case.label, score, case.recording_id)]
    with pytest.raises(LfnetError, match="b has not scored 1 of 50 recordings with each of its seeds, such as r049"):
        lfnet.evaluate(rows[0], rows[1], recording=rows[2], model=model)
    with pytest.raises(LfnetError, match="give seeds either as rows"):
        lfnet.evaluate(case.label, case.scores(), recording=case.recording_id, seed=np.zeros(50))
