"""What is printed: a small table written out by hand, and the rules of each format."""

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

from lfnet.reports.html_page import write_report
from lfnet.reports.latex import latex
from lfnet.reports.markdown import escape as markdown_escape
from lfnet.reports.markdown import markdown
from lfnet.reports.terminal import terminal
from lfnet.reports.write import raw_csv, write
from lfnet.seals import write_sealed_json
from lfnet.tables.build import build
from lfnet.tables.table import Table
from lfnet.text import spreadsheet_cell
from tests.tables.factory import result, sweep

COLUMNS = ["dev.mae", "test.mae", "test.pcc", "test.sigma_ratio", "gap.mae", "parameters", "flops", "seconds", "epochs"]


def measured(mae: float, pcc: float | None, sigma_ratio: float) -> dict[str, Any]:
    return {"recording": {"mae": mae, "pcc": pcc, "sigma_ratio": sigma_ratio, "n": 50}}


def by_hand(folder: Path, **more: Any) -> Table:
    """Two heads with two seeds and numbers that can be averaged in the head."""
    numbers = {
        ("mean_mlp", 0): (measured(8.6, 0.43, 0.5), measured(10.4, 0.1, 0.5)),
        ("mean_mlp", 1): (measured(8.8, 0.41, 0.5), measured(10.6, 0.3, 0.7)),
        ("ldbm", 0): (measured(9.0, 0.5, 0.9), measured(10.0, 0.3, 0.9)),
        ("ldbm", 1): (measured(9.2, 0.4, 0.1), measured(11.0, None, 0.0)),
    }
    results = []
    for (head, seed), (dev, test) in numbers.items():
        done = result(head, seed)
        done["metrics"] = {"dev": dev, "test": test}
        done["cohort"]["people"] = {"train": 42, "dev": 41, "test": 43}
        constant = {"mae": 9.5, "pcc": None, "sigma_ratio": 0.0}
        oracle = {"mae": 6.25, "pcc": 0.8, "sigma_ratio": 0.75}
        done["references"] = {
            "train_mean": {"dev": constant, "test": {**constant, "mae": 9.0}},
            "oracle_signal_median": {"dev": oracle, "test": {**oracle, "pcc": 0.7}},
            "oracle_signal_mean": {"dev": {**oracle, "mae": 7.0}, "test": {**oracle, "mae": 7.0}},
        }
        done["training"]["converged"] = (head, seed) != ("ldbm", 1)
        done["training"]["epochs"] = 12 - 3 * (head == "ldbm") * seed
        results.append(done)
    more = {"columns": COLUMNS, "references": ["train_mean", "oracle_signal"], **more}
    return build(sweep(folder, results, **more), folder)


GOLDEN = """\
# Temporal architectures

Does a more complex temporal head generalise better than mean pooling?

**Simulated: the truth is known, and no person stands behind it.**

- Cohort: simulated.
- Scale: BDI-II, 0–63 points.
- Recordings: train 50 of 42 people, dev 50 of 41 people, test 50 of 43 people.
- Features: simulated, 512-D, 97 % of frames valid.
- Settings: protocol masked, encoder none, trainer quick, at most 12 epochs.
- Level: recording.
- **Warning:** people in more than one split: 27 (71 of 150 recordings).

| Head              |   Dev MAE ↓ |   Test MAE ↓ |                 Test PCC ↑ | Test sigma_ratio |      Gap MAE | Parameters |  FLOPs | Seconds |                       Epochs |
| ----------------- | ----------: | -----------: | -------------------------: | ---------------: | -----------: | ---------: | -----: | ------: | ---------------------------: |
| mean_mlp          | 8.70 ± 0.14 | 10.50 ± 0.14 |                0.20 ± 0.14 |      0.60 ± 0.14 | +1.80 ± 0.00 |    131,585 |  525 k |    12.2 |                           12 |
| ldbm              | 9.10 ± 0.14 | 10.50 ± 0.71 | 0.30 (undefined in 1 of 2) |      0.45 ± 0.64 | +1.40 ± 0.57 |  1,354,881 | 86.2 M |    12.2 | 9–12, not converged (1 of 2) |
| *train mean*      |        9.50 |         9.00 |                  undefined |             0.00 |        −0.50 |          — |      — |       — |                            — |
| *oracle (signal)* |        6.25 |         6.25 |                       0.80 |             0.75 |         0.00 |          — |      — |       — |                            — |

Test over 2 architectures: MAE mean 10.50, sd 0.00, range [10.50, 10.50], gap +1.60; PCC mean 0.25, sd 0.07, range [0.20, 0.30].

- Mean ± standard deviation (ddof 1) over 2 seeds (0, 1).
- Test over rows: sd (ddof 1) and range of the rows' means.
- Gap: test − dev.
- sigma_ratio: SD of the scores / SD of the labels (ddof 0); near 0 a model has collapsed to a constant.
- undefined: scores or labels are constant, so that no correlation exists.
- Seconds: the training of one run.
- not converged: dev MAE had not stopped improving when training ended.
- —: does not apply, or nothing was labelled.
- FLOPs: of one forward pass over a window of 512 frames, a multiply-add being 2.
- Train mean is a constant, taken from the training labels.
- Oracle (signal) is the Bayes predictor from the features, given the generator's parameters: MAE is that of the posterior median, all else that of the posterior mean.
- Made by `lfnet table architectures`; digest of its runs DIGEST.
- With lfnet 0.1.0, torch 2.15.0, 1 thread, cpu, 32-true.
- Research instrument, not a diagnosis: scores describe a model, not a person's health.

## Run folders

Reference rows come from all run folders of their section.

- mean_mlp: `RUN`, `RUN`
- ldbm: `RUN`, `RUN`
"""  # noqa: E501


def test_markdown_by_hand(tmp_path: Path) -> None:
    shown = markdown(by_hand(tmp_path))
    shown = re.sub(r"runs [0-9a-f]{16}", "runs DIGEST", re.sub(r"`[0-9a-f]{16}`", "`RUN`", shown))
    assert shown == GOLDEN


def test_markdown_columns_are_aligned(tmp_path: Path) -> None:
    rows = [line for line in markdown(by_hand(tmp_path)).splitlines() if line.startswith("|")]
    bars = [[i for i, character in enumerate(line) if character == "|"] for line in rows]
    assert len(rows) == 6 and all(places == bars[0] for places in bars)


def test_markdown_hides_nothing_of_a_reason(tmp_path: Path) -> None:
    table = build(sweep(tmp_path, [result("ldbm")], failed={"head=x seed=0": "a | b <tag> *c* `d|e`"}), tmp_path)
    row = next(line for line in markdown(table).splitlines() if line.startswith("| x "))
    assert r"failed: a \| b \<tag\> \*c\* 'd\|e'" in row
    assert r"- `head=x seed=0`: a \| b \<tag\> \*c\* `d|e`" in markdown(table)


def test_a_terminal_that_is_too_narrow_breaks_between_metrics_and_costs(tmp_path: Path) -> None:
    first, second = (line for line in terminal(by_hand(tmp_path), 110).splitlines() if line.startswith("mean_mlp"))
    assert first.split()[-3:] == ["+1.80", "±", "0.00"] and second.split() == [
        "mean_mlp",
        "131,585",
        "525",
        "k",
        "12.2",
        "12",
    ]


def test_a_row_of_failures_is_marked_where_its_first_number_would_be(tmp_path: Path) -> None:
    table = build(sweep(tmp_path, [result("ldbm")], failed={"head=x seed=0": "boom"}), tmp_path)
    for shown in (markdown(table), terminal(table), latex(table)):
        row = next(line for line in shown.splitlines() if line.strip(" |").startswith(("x ", "x\\textsuper")))
        assert re.split(r"[\s|&]+", row.strip(" |"))[1] == "failed"


def test_csv_has_raw_numbers_and_their_runs(tmp_path: Path) -> None:
    table = by_hand(tmp_path)
    rows = list(csv.DictReader(io.StringIO(raw_csv(table))))
    ldbm = rows[1]
    assert (ldbm["head"], ldbm["protocol"], ldbm["kind"], ldbm["seeds"]) == ("ldbm", "masked", "model", "0 1")
    assert float(ldbm["test.mae"]) == 10.5 and float(ldbm["test.mae.sd"]) == pytest.approx(0.5**0.5)
    assert (ldbm["test.pcc"], ldbm["test.pcc.sd"], ldbm["undefined"]) == ("0.3", "", "test.pcc 1/2")
    assert (ldbm["parameters"], ldbm["epochs"]) == ("1354881", "10.5") and "parameters.sd" not in ldbm
    assert ldbm["runs"].split() == list(table.rows[1].run_names)
    assert [row["reference"] for row in rows[2:]] == ["train mean", "oracle (signal)"]
    assert rows[2]["test.pcc"] == "" and rows[2]["undefined"] == "test.pcc 1/1"
    assert "nan" not in raw_csv(table).lower()


@pytest.mark.parametrize("text", ["=1+1", "+x", "-x", "@x", "\t=1", "\r=1", "＝1"])
def test_no_cell_of_a_csv_is_a_formula(tmp_path: Path, text: str) -> None:
    done = result("ldbm")
    done["choices"]["head"], done["marks"] = text, [text]
    table = build(sweep(tmp_path, [done], overrides=[["seed=0"]], references=[]), tmp_path)
    (row,) = csv.DictReader(io.StringIO(raw_csv(table)))
    assert row["head"] == row["note"] == f"'{text}".replace("\r", " ")
    assert float(row["gap.mae"]) == table.rows[0].cells["gap.mae"].summary.mean, "numbers stay numbers"


def test_numbers_below_zero_stay_numbers() -> None:
    assert [spreadsheet_cell(text) for text in ("-0.5", "+1e-3", "-inf", "—")] == ["-0.5", "+1e-3", "-inf", "—"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[x](javascript:alert(1))", r"[x]\(javascript:alert(1))"),
        ("![x](https://a.b/c)", r"![x]\(https://a.b/c)"),
        ("[x]: javascript:alert(1)", r"[x]\: javascript:alert(1)"),
        ("`<img src=x>``", r"'\<img src=x\>''"),
        ("a\r<b>|", r"a \<b\>\|"),
        ("`a` | `b`", r"`a` \| `b`"),
    ],
)
def test_markdown_has_no_link_tag_or_column_of_a_text(text: str, shown: str) -> None:
    assert markdown_escape(text) == shown


def test_files_of_a_table_name_no_place_and_no_reason_unless_asked(tmp_path: Path) -> None:
    results = [result("ldbm"), result("ldbm")]
    for done, person in zip(results, ("erika", "karl"), strict=True):
        done["config"]["cohort"] |= {"root": f"/clinic/{person}"}
        done["cohort"]["fingerprint"] = person * 8
    failed = {"head=mean_mlp cohort.root=/clinic/anna seed=0": "/clinic/anna/clip_of_anna.mp4 is damaged"}
    record = sweep(tmp_path, results, failed=failed, sections=["cohort.root"], evidence={"resamples": 200})
    content = json.loads(record.read_text())
    write_sealed_json(record, {**content, "command": "lfnet table a 'cohort.root=/clinic/erika,/clinic/karl'"})
    table = build(record, tmp_path)
    shown = [path.read_text() for path in [*write(table, tmp_path / "shown"), *write_report(table, tmp_path / "shown")]]
    assert not [text for text in shown if re.search("clinic|erika|karl|anna", text)]
    assert "clip_of_anna.mp4" in terminal(table), "the person at this machine reads the reason"
    table = build(record, tmp_path, show_paths=True)
    asked = [path.read_text() for path in [*write(table, tmp_path / "asked"), *write_report(table, tmp_path / "asked")]]
    assert len(asked) == len(shown) and all("/clinic/erika" in text for text in asked)


def test_terminal_fits_its_width(tmp_path: Path) -> None:
    table = by_hand(tmp_path, columns=["test.rmse", "dev.pcc", *COLUMNS, "active_parameters"])
    for width in (80, 100, 120, 200):
        shown = terminal(table, width)
        assert max(map(len, shown.splitlines())) <= width
        for text in ("9.10 ± 0.14", "1,354,881", "converged", "oracle (signal)", "SIMULATED"):
            assert text in shown
    heads = [line for line in terminal(table, 120).splitlines() if line.startswith("mean_mlp")]
    assert len(heads) == 2 and "131,585" in heads[1] and "10.50 ± 0.14" in heads[0]
    assert len([line for line in terminal(table, 200).splitlines() if line.startswith("mean_mlp")]) == 1
    assert terminal(table) == terminal(table, 100)  # standard output is no terminal here
    # A block without a number for the references does not repeat them.
    assert terminal(table, 120).count("train mean  ") == 1


@pytest.mark.parametrize(("columns", "width"), [(90, 90), (300, 300), (20, 40)])
def test_tables_have_the_width_of_the_terminal_and_sentences_at_most_100_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, columns: int, width: int
) -> None:
    table = by_hand(tmp_path, columns=["test.rmse", "dev.pcc", *COLUMNS, "active_parameters"])
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert terminal(table) == terminal(table, width)
    sentences = [line for line in terminal(table).splitlines() if re.search(r"[a-z] [a-z]+ [a-z]+ [a-z]", line)]
    assert len(sentences) > 10 and max(map(len, sentences)) <= min(width, 100)
    assert max(map(len, terminal(table, full=False).splitlines())) <= width


def test_a_wide_terminal_shows_columns_in_the_order_of_their_importance(tmp_path: Path) -> None:
    table = by_hand(tmp_path, evidence={"resamples": 200, "flips": 200})

    def headings(width: int) -> str:
        shown = terminal(table, width, full=False).splitlines()
        rule = next(place for place, line in enumerate(shown) if line.startswith("─"))
        return " ".join(" ".join(shown[max(0, rule - 2) : rule]).split())

    assert "Test MAE" in headings(40)
    assert all(name in headings(100) for name in ("Test MAE", "Test PCC")) and "Dev" not in headings(100)
    assert all(name in headings(200) for name in ("Dev MAE", "Test MAE", "Gap MAE", "FLOPs", "Epochs"))


def test_written_files_are_what_the_renderers_say(tmp_path: Path) -> None:
    table = by_hand(tmp_path)
    paths = write(table, tmp_path / "out")
    assert [path.name for path in paths] == [f"architectures.{suffix}" for suffix in ("md", "csv", "tex", "json")]
    assert [path.read_text() for path in paths[:3]] == [markdown(table), raw_csv(table), latex(table)]
    content = json.loads(paths[3].read_text())
    cell = content["sections"][0]["rows"][1]["cells"]["test.pcc"]
    assert cell == {
        "text": "0.30 (undefined in 1 of 2)",
        "mean": 0.3,
        "sd": None,
        "values": dict(zip(table.rows[1].run_names, [0.3, None], strict=True)),
    }
    before = [path.read_bytes() for path in paths]
    assert [path.read_bytes() for path in write(by_hand(tmp_path), tmp_path / "out")] == before


def nasty(folder: Path) -> Table:
    """Sections, notes, failures, and every character that LaTeX does not print as it is."""
    results = []
    for name in ("a_b & c", "50 % {d}"):
        done = result("ldbm", cohort_seed=len(name))
        done["config"]["cohort"] = {"signal": {"name": name}}
        done["cohort"]["warnings"] = [r"C:\new #1 costs $5 ~ x^2 <y> | `code_1` ± − → … ≥ σ “q” 'q' \"q\""]
        done["marks"] = ["selected_on test"]
        results.append(done)
    failed = {"head=mean_mlp cohort.signal.name=z_1 seed=0": "boom & {bust} 100%"}
    return build(sweep(folder, results, failed=failed, rows=["head"], sections=["cohort.signal"]), folder)


def test_latex_rows_have_the_columns_they_declare(tmp_path: Path) -> None:
    for table in (by_hand(tmp_path / "hand"), nasty(tmp_path / "nasty")):
        text = latex(table)
        assert "Note &" not in text and "& Note" not in text
        columns = re.search(r"\\begin\{tabular\}\{@\{\}([lr]+)@\{\}\}\n", text)[1]
        body = text[text.index(r"\toprule") : text.index(r"\bottomrule")]
        lines = [line for line in body.splitlines() if re.search(r"(?<!\\)&", line)]
        assert len(lines) == 1 + len(table.rows)
        assert {len(re.findall(r"(?<!\\)&", line)) + 1 for line in lines} == {len(columns)}
        assert len(re.findall(r"(?<!\\)\{", text)) == len(re.findall(r"(?<!\\)\}", text))
        opened, closed = (re.findall(rf"\\{word}\{{(\w+)\}}", text) for word in ("begin", "end"))
        assert sorted(opened) == sorted(closed)


def test_latex_notes_are_letters_below(tmp_path: Path) -> None:
    text = latex(nasty(tmp_path))
    assert r"ldbm\textsuperscript{a}" in text and r"\textsuperscript{a}\,selected\_\allowbreak{}on test." in text
    assert r"mean\_mlp\textsuperscript{b}" in text and r"\textsuperscript{b}\,failed: boom \& \{bust\} 100\%." in text
    assert r"\textbf{Signal: a\_b \& c}" in text
