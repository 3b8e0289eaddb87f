"""The audit above a table: what leaks in full, what is clear in a line, in every format."""

from pathlib import Path
from typing import Any

from lfnet.reports.latex import latex
from lfnet.reports.markdown import markdown
from lfnet.reports.terminal import terminal
from lfnet.tables.build import build
from lfnet.tables.table import Table
from tests.tables.factory import result, sweep


def line(name: str, status: str, text: str = "so it is") -> dict[str, Any]:
    title = name.replace("_", " ")
    return {
        "name": name,
        "title": title,
        "status": status,
        "flagged": status in ("leak", "warning"),
        "text": text,
    }


AUDIT = [
    line("people", "leak", "27 of 84 people are in more than one split"),
    line("copies", "clear"),
    line("labels", "warning", "the splits' labels differ: 50 % & more"),
    line("duration", "leak", "rank correlation 0.4"),
    line("coverage", "clear"),
    line("names", "not checked"),
]


def made(folder: Path, audits: list[list[dict[str, Any]] | None], same_cohort: bool = True) -> Table:
    results = []
    for number, audit in enumerate(audits):
        done = result("ldbm", seed=number, cohort_seed=0 if same_cohort else number)
        if audit is not None:
            done["audit"] = audit
        results.append(done)
    return build(sweep(folder, results), folder)


def test_leaks_are_first_then_warnings_and_what_is_clear_shares_a_line(tmp_path: Path) -> None:
    assert made(tmp_path, [AUDIT, AUDIT]).audit == (
        ("Leak", "27 of 84 people are in more than one split."),
        ("Leak", "rank correlation 0.4."),
        ("Warning", "the splits' labels differ: 50 % & more."),
        ("Clear", "copies, coverage."),
        ("Not checked", "names."),
    )


def test_runs_of_older_code_have_no_box(tmp_path: Path) -> None:
    table = made(tmp_path, [None, None])
    assert table.audit == () and table.to_json()["audit"] == []
    assert not any("Audit" in shown for shown in (markdown(table), terminal(table), latex(table)))


def test_several_cohorts_are_counted(tmp_path: Path) -> None:
    other = [line("people", "clear"), *AUDIT[1:3], line("duration", "leak", "rank correlation 0.5"), *AUDIT[4:]]
    assert made(tmp_path / "two", [AUDIT, other], same_cohort=False).audit == (
        ("Leak", "27 of 84 people are in more than one split (1 of 2 cohorts)."),
        ("Leak", "rank correlation 0.4 (the first of 2 of 2 cohorts)."),
        ("Warning", "the splits' labels differ: 50 % & more (2 of 2 cohorts)."),
        ("Clear", "people (1 of 2 cohorts), copies, coverage."),
        ("Not checked", "names."),
    )
    assert made(tmp_path / "half", [AUDIT, None], same_cohort=False).audit[-1] == (
        "Not audited",
        "1 of 2 cohorts; run the table again.",
    )


def test_every_format_shows_the_box_above_the_rows(tmp_path: Path) -> None:
    table = made(tmp_path, [AUDIT])
    shown = markdown(table)
    assert "> **Audit**\n>\n> - **Leak**: 27 of 84" in shown and "> - Clear: copies, coverage." in shown
    assert shown.index("> **Audit**") < shown.index("| Head")
    text = terminal(table, 80)
    assert "┌ Audit\n│ LEAK: 27 of 84 people are in more than one split." in text
    assert "└ Not checked: names." in text and text.index("┌ Audit") < text.index("ldbm  ")
    assert max(map(len, text.splitlines())) <= 80
    code = latex(table)
    assert r"\textbf{Leak}: 27 of 84" in code and r"differ: 50 \% \& more.\par" in code
    assert code.index(r"\textbf{Audit}") < code.index(r"\toprule") and code.count(r"\fbox{\begin{minipage}") == 1


def test_a_clear_audit_is_one_line(tmp_path: Path) -> None:
    assert made(tmp_path, [[line("people", "clear")]]).audit == (("Clear", "people."),)
    assert "┌ Audit\n└ Clear: people." in terminal(made(tmp_path, [[line("people", "clear")]]))
