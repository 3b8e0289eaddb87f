"""A table over several cohorts: differences are pooled over its sections, shown everywhere and drawn."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lfnet.errors import LfnetError
from lfnet.evaluation.meta_analysis import pool_effects
from lfnet.reports.figure_data import parts
from lfnet.reports.figures import draw
from lfnet.reports.html_page import page
from lfnet.reports.latex import latex
from lfnet.reports.markdown import markdown
from lfnet.reports.terminal import terminal
from lfnet.tables.build import build
from lfnet.tables.pooled import LABEL
from lfnet.tables.settings import read_table
from lfnet.tables.table import Table
from tests.tables import factory

EVIDENCE: dict[str, Any] = {"against": ["head=mean_mlp"], "pool": True, "resamples": 200, "flips": 200}


def table(folder: Path, cohorts: int = 4, **evidence: Any) -> Table:
    done = [
        factory.result(head, 0, cohort_seed=seed, skill=0.3 + 0.1 * seed * (head == "ldbm"))
        for seed in range(cohorts)
        for head in ("mean_mlp", "ldbm")
    ]
    overrides = [[f"head={one['choices']['head']}", f"cohort.seed={one['config']['cohort']['seed']}"] for one in done]
    node = {"sections": ["cohort.seed"], "rows": ["head"], "closing": False, "evidence": {**EVIDENCE, **evidence}}
    return build(factory.sweep(folder, done, overrides=overrides, **node), folder)


def test_the_pooled_difference_is_that_of_the_sections(tmp_path: Path) -> None:
    made = table(tmp_path)
    own = [block.data["rows"][0]["differences"]["mae"] for part in made.sections[:-1] for block in part.evidence[1:]]
    expected = pool_effects([one["value"] for one in own], [one["error"] for one in own])
    (block,) = made.sections[-1].evidence
    assert made.sections[-1].label == LABEL and not made.sections[-1].rows
    (line,) = block.data["rows"]
    assert {name: line[name] for name in ("effect", "low", "high", "tau2", "i2")} == {
        name: getattr(expected, name) for name in ("effect", "low", "high", "tau2", "i2")
    }
    assert [one["value"] for one in line["cohorts"]] == [one["value"] for one in own]
    assert np.sum([one["weight"] for one in line["cohorts"]]) == pytest.approx(1)
    assert f"{expected.effect:+.2f}".replace("-", "−") in block.rows[0][2]


def test_every_report_shows_it_and_the_figure_has_a_line_a_cohort(tmp_path: Path) -> None:
    made = table(tmp_path)
    text = made.sections[-1].evidence[0].rows[0][2]
    for shown in (terminal(made, full=False), terminal(made, full=True), markdown(made), json.dumps(made.to_json())):
        assert LABEL in shown
    assert text in markdown(made) and r"$\tau$" in latex(made) and LABEL in page(made, ())
    assert len(made.to_frame()) == len([row for part in made.sections for row in part.rows])
    (part,) = [one for one in parts(made) if one.pooled]
    figure = draw("pooled", part)
    assert [tick.get_text() for tick in figure.axes[0].get_yticklabels()] == [
        *(section.label for section in made.sections[:-1]),
        "pooled; line: a new cohort",
    ]
    assert all(draw("pooled", one) is None for one in parts(made) if not one.pooled)


@pytest.mark.parametrize("agree", [True, False])
def test_an_interval_that_is_short_because_cohorts_agree_is_said_to_be_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, agree: bool
) -> None:
    found = pool_effects([-1, -1.01, -0.99, -1.0] if agree else [-1.0, -0.4, -0.9, 0.1], [0.3] * 4)
    monkeypatch.setattr("lfnet.tables.pooled.pool_effects", lambda *_: found)
    said = [text for text in table(tmp_path).foot if "the cohorts agree on ldbm better than" in text]
    assert bool(said) == agree


def test_two_cohorts_are_not_pooled_and_the_foot_says_so(tmp_path: Path) -> None:
    made = table(tmp_path, cohorts=2)
    assert LABEL not in [section.label for section in made.sections]
    assert any("ldbm has a difference with an interval in 2 of 2 cohorts, and 3 are needed" in one for one in made.foot)


def test_sections_of_one_cohort_are_not_pooled(tmp_path: Path) -> None:
    done = [factory.result(head, seed) for seed in (0, 1, 2) for head in ("mean_mlp", "ldbm")]
    for one in done:
        one["choices"]["trainer"] = f"variant_{one['seed']}"
    node = {"sections": ["trainer"], "rows": ["head"], "closing": False, "evidence": EVIDENCE}
    made = build(factory.sweep(tmp_path, done, **node), tmp_path)
    assert "Not pooled: Trainer: variant_0 and Trainer: variant_1 are of one cohort." in made.foot


def test_pooling_needs_sections() -> None:
    node = {"name": "x", "rows": ["head"], "columns": ["test.mae"], "evidence": EVIDENCE}
    with pytest.raises(LfnetError, match=r"table.evidence.pool=true: name the keys of cohorts in table.sections"):
        read_table({"table": node})
