"""Too few people: no correlation, no interval and no standard error is printed, and a banner says so."""

import re
from pathlib import Path

import pytest

from lfnet.reports.latex import latex
from lfnet.reports.markdown import markdown
from lfnet.reports.terminal import terminal
from lfnet.tables.build import build
from tests.tables.factory import result, sweep

EVIDENCE = {"against": ["train_median", "head=mean_mlp"], "resamples": 400, "flips": 400}
COLUMNS = ["dev.pcc", "test.mae", "test.pcc", "test.ccc", "gap.pcc"]


def made(folder: Path, each: int, **node):
    """A table on `each` recordings a split."""
    results = [result(head, seed, skill=0.5, noise=4, each=each) for head in ("mean_mlp", "ldbm") for seed in (0, 1)]
    return build(sweep(folder, results, evidence={**EVIDENCE, **node}, columns=COLUMNS, ensembles=True), folder)


@pytest.mark.parametrize("each", [2, 9])
def test_few_people_have_no_correlation_interval_or_standard_error(tmp_path: Path, each: int) -> None:
    table = made(tmp_path, each)
    people = table.rows[0].runs[0].result.cohort.people["test"]
    few = f"n = {people}: too few"
    for row in table.rows:
        for column in ("dev.pcc", "test.pcc", "test.ccc", "gap.pcc"):
            assert row.cells[column].text in (few, "—"), (row, column)
            assert row.cells[column].summary.mean is None
        assert row.cells["test.mae"].summary.mean is not None
    own, *compared = table.sections[0].evidence
    for line in own.rows:
        assert few in line and not any("[" in text for text in line)
        cells = dict(zip(own.headings, line, strict=True))
        assert cells["PCC [95 %]"] == few and cells["SE people"] == few
        assert re.fullmatch(rf"[\d.]+ \({few}\)", cells["MAE [95 %]"])
    for block in compared:
        assert "Difference in PCC" not in block.headings
        assert {line[-1] for line in block.rows} == {"cannot tell"}
    assert not any("PCC" in line for line in table.sections[0].closing)


def test_the_banner_stands_on_top_of_every_format(tmp_path: Path) -> None:
    table = made(tmp_path, 2)
    (banner,) = [text for text in table.banners if "few" in text]
    assert re.match(r"Too few people \(dev \d, test \d\): fewer than 10 support no interval", banner)
    for text, below in ((terminal(table), "Cohort:"), (markdown(table), "Cohort:"), (latex(table), r"\begin{tabular}")):
        head = " ".join(text.split())
        assert head.lower().index("too few people (") < head.index(below)
    assert table.to_json()["banners"] == list(table.banners)


@pytest.mark.parametrize("each, known", [(9, True), (9, False), (2, True)])
def test_the_banner_names_a_cross_validation_where_one_has_enough_people(
    tmp_path: Path, each: int, known: bool
) -> None:
    results = [result("mean_mlp", 0, each=each)]
    for one in results:
        one["cohort"]["simulated"] = not known
        one["config"]["cohort"]["name"] = "folder"
    table = build(sweep(tmp_path, results, evidence=EVIDENCE, columns=COLUMNS), tmp_path)
    (banner,) = [text for text in table.banners if "Too few" in text]
    assert ("splits=grouped splits.fold=1,2,3,4,5" in banner) == (each == 9 and known)


def test_enough_people_have_everything_and_the_number_is_a_setting(tmp_path: Path) -> None:
    table = made(tmp_path / "many", 50)
    assert not any("few" in text for text in table.banners)
    assert table.rows[0].cells["test.pcc"].text.startswith("0.")
    table = made(tmp_path / "bar", 50, min_people=60)
    assert "fewer than 60" in " ".join(table.banners) and "too few" in table.rows[0].cells["test.pcc"].text
