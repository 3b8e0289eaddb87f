"""Evidence on rows with an obvious truth, and its invariances."""

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from lfnet.config import read
from lfnet.errors import LfnetError
from lfnet.evaluation import evidence
from lfnet.evaluation.evidence import EvidenceSettings, RowScores, compute_evidence
from lfnet.evaluation.metrics import METRICS
from tests.evaluation.cases import Case, quantity

QUICK = EvidenceSettings(resamples=400, flips=1000)


@pytest.fixture
def case():
    return Case(1)


def test_values_equal_the_metrics_of_tables(case):
    score = case.scores(seeds=3)
    found = compute_evidence([case.row("a", score)], settings=QUICK, constant=12.0).rows["a"].estimates
    for name, metric in METRICS.items():
        values = metric.function(case.label, score)
        assert found[name].value == pytest.approx(values.mean(), rel=1e-12)
        assert found[name].sd_seeds == pytest.approx(values.std(ddof=1))
        assert found[name].var_seeds == pytest.approx(values.var(ddof=1) / 3)
        assert found[name].interval.low < found[name].value < found[name].interval.high
    floor = np.abs(case.label - 12).mean()
    assert found["skill"].value == pytest.approx(1 - np.abs(score - case.label).mean() / floor)
    assert "skill" not in compute_evidence([case.row("a", score)], settings=QUICK).rows["a"].estimates


def test_matrix_products_use_one_thread(case, monkeypatch):
    seen = []

    def measured(*given):
        seen.extend(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")
        return measure_rows(*given)

    measure_rows = evidence.measure_rows
    monkeypatch.setattr(evidence, "measure_rows", measured)
    with threadpool_limits(2, user_api="blas"):
        evidence.compute_evidence([case.row("a")], settings=QUICK)
    assert seen and set(seen) == {1}


def test_order_of_recordings_and_other_rows_change_nothing(case):
    score, other = case.scores(seeds=5), case.scores(seeds=5)
    first = compute_evidence([case.row("a", score), case.row("b", other)], "b", QUICK)
    order = case.random.permutation(50)
    ids, people = ([names[n] for n in order] for names in (case.recording_id, case.person_id))
    turned = [RowScores(n, ids, people, case.label[order], s[:, order]) for n, s in (("b", other), ("a", score))]
    again = compute_evidence(turned, "b", QUICK)
    assert first.estimand == "architecture"
    for metric, estimate in first.rows["a"].estimates.items():
        assert again.rows["a"].estimates[metric].interval.low == pytest.approx(estimate.interval.low, rel=1e-9)
    assert again.rows["a"].comparison.p == first.rows["a"].comparison.p
    alone = compute_evidence([case.row("a", score)], settings=QUICK)
    for metric, estimate in first.rows["a"].estimates.items():
        assert alone.rows["a"].estimates[metric].interval == estimate.interval


def test_verdicts_on_obvious_rows(case):
    base = case.label + case.random.normal(0, 8, (3, 50))
    rows = [
        case.row("reference", base),
        case.row("close", base + case.random.normal(0, 0.3, (3, 50))),
        case.row("good", case.label + case.random.normal(0, 2, (3, 50))),
        case.row("bad", case.label + 25 + case.random.normal(0, 2, (3, 50))),
        case.row("same", base),
        case.row("unsure", case.label + case.random.normal(0, 7.5, (3, 50))),
        case.row("slightly", case.label + 0.97 * (base - case.label)),
    ]
    found = compute_evidence(rows, "reference", QUICK)
    verdicts = {name: row.comparison.verdict for name, row in found.rows.items() if row.comparison}
    assert verdicts == {
        "close": "equivalent",
        "good": "better",
        "bad": "worse",
        "same": "equivalent",
        "unsure": "cannot tell",
        "slightly": "better but inside the margin",
    }
    assert found.rows["reference"].comparison is None
    assert found.rows["good"].comparison.effect > 0.8 and found.rows["good"].comparison.probability > 0.8
    assert found.rows["bad"].comparison.effect < -0.8 and found.rows["bad"].comparison.probability < 0.2
    same = found.rows["same"].comparison
    assert same.p == 1 and same.probability == 0.5 and same.differences["mae"].value == 0
    for name in ("good", "bad", "unsure"):
        comparison = found.rows[name].comparison
        assert comparison.p_holm >= comparison.p and comparison.p_equivalent_holm >= comparison.p_equivalent


def test_differences_equal_those_of_the_metrics(case):
    rows = [case.row("a", case.scores(noise=3)), case.row("b", case.scores(noise=9))]
    found = compute_evidence(rows, "b", QUICK)
    for metric, difference in found.rows["a"].comparison.differences.items():
        values = [found.rows[name].estimates[metric].value for name in ("a", "b")]
        assert difference.value == pytest.approx(values[0] - values[1])
        assert difference.interval.low < difference.value < difference.interval.high
    assert found.rows["a"].comparison.differences["mae"].value < 0


def test_architectures_need_five_seeds_of_every_row_with_seeds(case):
    few, many = case.row("few", case.scores(seeds=4)), case.row("many", case.scores(seeds=5))
    fixed = case.row("fixed", case.scores(seeds=1), deterministic=True)
    assert compute_evidence([many, fixed], settings=QUICK).estimand == "architecture"
    found = compute_evidence([many, few, fixed], settings=QUICK)
    assert found.estimand == "trained"
    assert found.notes == (
        "Verdicts are about these trained models, not about architectures: that needs 5 seeds, and few has 4.",
    )
    with pytest.raises(LfnetError, match=r"needs 5 seeds of every row, but few has 4\. Train more \(seed=0,1,2,3,4\)"):
        compute_evidence([many, few], settings=EvidenceSettings(estimand="architecture"))
    assert compute_evidence([many], settings=EvidenceSettings(estimand="trained", resamples=400)).notes == ()
    assert compute_evidence([fixed], settings=QUICK).estimand == "trained"


def test_paired_seeds_cancel_what_two_runs_of_a_seed_have_in_common(case):
    common = 3 + case.random.normal(0, 2, (6, 1)) ** 2
    step = case.random.normal(1, 0.1, (6, 1))
    rows = [case.row("model", case.label + common), case.row("control", case.label + common + step)]
    quick = EvidenceSettings(resamples=1000)
    apart = compute_evidence(rows, "model", quick).rows["control"].comparison
    paired = compute_evidence(rows, "model", quick, paired=True).rows["control"].comparison
    assert apart.differences["mae"].value == pytest.approx(step.mean()) == paired.differences["mae"].value
    assert apart.verdict == "cannot tell" and paired.verdict == "worse"
    # People make no difference here, so that only the six seeds' differences vary.
    gap = quantity(case, case.label + common + step, "mae", joint=True, reference=case.label + common, paired=True)
    assert gap.people == pytest.approx(0) and gap.seeds_df == pytest.approx(5)
    assert gap.seeds == pytest.approx(step.var(ddof=1) / 6)
    drawn = np.std(gap.value_B)
    assert drawn == pytest.approx(step.std(ddof=0) / 6**0.5, rel=0.05)  # the bootstrap of six differences
    with pytest.raises(LfnetError, match="model, control have different numbers of seeds"):
        compute_evidence([rows[0], case.row("control", case.scores(seeds=3))], "model", quick, paired=True)


def test_an_architecture_that_depends_on_seeds_is_not_better(case):
    """Five seeds that scatter more than the rows differ: the trained models differ, the architectures may not."""
    spread = np.array([-6, -3, 0, 3, 6])[:, None]
    base = case.label + 20 + case.random.normal(0, 1, (5, 50)) + spread
    rows = [case.row("reference", base), case.row("other", base - 1.6)]
    trained = compute_evidence(rows, "reference", EvidenceSettings(estimand="trained", resamples=1000))
    architecture = compute_evidence(rows, "reference", EvidenceSettings(resamples=1000))
    assert trained.rows["other"].comparison.verdict == "better"
    assert architecture.rows["other"].comparison.verdict == "cannot tell"


def test_seeds_that_differ_only_on_these_people_have_no_effect_of_their_own(case):
    """sd_effect: seeds whose errors are drawn recording by recording scatter, but not on unlimited people."""
    case = Case(5, people=150, recordings=150)
    ratios = []
    for _ in range(20):
        noise = case.random.normal(0, 6, (40, 150))
        estimate = compute_evidence([case.row("a", case.label + noise)], settings=QUICK).rows["a"].estimates["mae"]
        ratios.append(estimate.sd_effect**2 / estimate.sd_seeds**2)
    assert np.mean(ratios) < 0.2
    biased = case.label + case.random.normal(0, 1, (40, 150)) + np.linspace(5, 20, 40)[:, None]
    estimate = compute_evidence([case.row("a", biased)], settings=QUICK).rows["a"].estimates["mae"]
    assert estimate.sd_effect == pytest.approx(estimate.sd_seeds, rel=0.01)


def test_people_of_another_split_are_measured_separately(case):
    score = case.label + 1.0 + np.where(case.person < 12, 0.0, 9.0) + np.zeros((3, 1))
    shared = frozenset(f"p{number:03}" for number in range(12)) | {"somebody else"}
    rows = [case.row("a", score, shared_people=shared), case.row("b", score)]
    found = compute_evidence(rows, settings=QUICK, constant=12.0).rows
    assert found["a"].shared.people == 12 and found["a"].new.people == 18
    assert found["a"].shared.recordings == (case.person < 12).sum()
    assert found["a"].shared.estimates["mae"].value == pytest.approx(1)
    assert found["a"].new.estimates["mae"].value == pytest.approx(10)
    assert found["a"].shared.estimates["rmse"].interval is None  # nothing varies
    assert found["b"].shared is None and found["b"].new is None


def test_undefined_metrics_are_none_and_counted(case):
    score = case.scores(seeds=3)
    score[1] = 12.0
    rows = [case.row("a", score), case.row("constant", np.full((1, 50), 12.0), deterministic=True)]
    found = compute_evidence(rows, "constant", QUICK, constant=12.0)
    pcc = found.rows["a"].estimates["pcc"]
    assert pcc.undefined == 1
    assert pcc.value == pytest.approx(np.mean([METRICS["pcc"].function(case.label, score[n]) for n in (0, 2)]))
    constant = found.rows["constant"].estimates
    assert constant["pcc"].value is None and constant["pcc"].undefined == 1 and constant["pcc"].interval is None
    assert constant["sigma_ratio"].value == 0 and constant["sigma_ratio"].interval is None
    assert constant["skill"].value == 0 and constant["skill"].interval is None
    assert constant["mae"].interval is not None
    assert "pcc" not in found.rows["a"].comparison.differences
    assert found.rows["a"].comparison.differences["ccc"].value == found.rows["a"].estimates["ccc"].value


def test_too_few_people_get_no_interval_and_no_verdict():
    case = Case(2, people=6, recordings=9)
    rows = [case.row("a"), case.row("b", case.scores(noise=1))]
    found = compute_evidence(rows, "a", QUICK)
    assert found.rows["b"].estimates["mae"].value is not None and found.rows["b"].estimates["mae"].interval is None
    comparison = found.rows["b"].comparison
    assert comparison.p is None and comparison.p_holm is None and comparison.verdict == "cannot tell"
    assert any("6 people are too few for an interval" in note for note in found.notes)


def test_mistakes_are_named(case):
    with pytest.raises(LfnetError, match=r"there is no row 'nobody' to compare with\. Choose one of a\."):
        compute_evidence([case.row("a")], "nobody", QUICK)
    with pytest.raises(
        LfnetError, match=r"table.evidence.level_of_trust: there is no such setting; known: level, margin"
    ):
        read(EvidenceSettings, {"level_of_trust": 1}, "table.evidence")
    assert read(EvidenceSettings, {"margin": 2, "level": 0.9}, "table.evidence") == EvidenceSettings(
        margin=2, level=0.9
    )
    for wrong in (
        {"level": 95},
        {"margin": 0},
        {"margin": -1},
        {"margin": "x"},
        {"estimand": "both"},
        {"resamples": 5},
        {"flips": 5},
    ):
        with pytest.raises(LfnetError, match=rf"^table.evidence.{next(iter(wrong))}=\S+: give [^\n]+$"):
            read(EvidenceSettings, wrong, "table.evidence")
    for wrong in (
        {"min_people": 1},
        {"min_seeds": 1},
        {"margin": "1"},
        {"margin": -1},
        {"resamples": 500.5},
        {"seed": True},
    ):
        with pytest.raises(LfnetError, match=rf"^table.evidence.{next(iter(wrong))}=\S+: give [^\n]+$"):
            read(EvidenceSettings, wrong, "table.evidence")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("varied", [True, False])
def test_perfect_scores_and_equal_labels_are_handled(varied):
    case = Case(3, people=20, recordings=30)
    if not varied:
        case.label = np.full(30, 7.0)
    rows = [
        case.row("perfect", np.tile(case.label, (5, 1))),
        case.row("model", case.scores(seeds=5)),
        case.row("constant", np.full((1, 30), 7.0), deterministic=True),
    ]
    found = compute_evidence(rows, "constant", QUICK, constant=7.0).rows
    perfect = found["perfect"].estimates
    assert perfect["mae"].value == 0 and perfect["mae"].interval is None and perfect["rmse"].interval is None
    assert found["perfect"].comparison.verdict == ("better" if varied else "equivalent")
    assert found["model"].estimates["mae"].interval is not None
    assert (found["model"].estimates["pcc"].value is None) == (not varied)
    assert (perfect["skill"].value is None) == (not varied)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("people", [["a"], ["a", "a"], ["a", "b"]])
def test_one_or_two_people_are_handled(people):
    label = 5.0 + 3.0 * np.arange(len(people))
    ids = [str(number) for number in range(len(people))]
    rows = [RowScores(name, ids, people, label, [label + shift]) for name, shift in (("x", 1.0), ("y", 2.0))]
    found = compute_evidence(rows, "x", QUICK, constant=5.0)
    assert found.rows["y"].comparison.verdict == "cannot tell" and "too few for an interval" in found.notes[-1]
