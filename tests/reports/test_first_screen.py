"""What `lfnet table` prints first: what was found, then the main columns; `--full` prints everything."""

import re
from itertools import islice, product
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from lfnet.cli.configs import names
from lfnet.cli.report import main as report
from lfnet.cli.table import table as table_command
from lfnet.reports.html_page import page
from lfnet.reports.markdown import markdown
from lfnet.reports.terminal import terminal
from lfnet.tables.build import build
from lfnet.tables.table import Table
from tests.composing import composed, swept
from tests.conftest import ROOT
from tests.tables.factory import result, sweep

EVIDENCE = {"against": ["train_median", "head=mean_mlp"], "resamples": 400, "flips": 400}


def two_heads(folder: Path, **node: Any) -> Table:
    results = [
        result(head, seed, skill=skill, noise=noise)
        for head, skill, noise in (("mean_mlp", 0.2, 6), ("ldbm", 0.9, 2))
        for seed in (0, 1)
    ]
    for one in results[2:]:
        one["marks"] = ["collapsed: dev sigma_ratio below 0.1"]
    return build(sweep(folder, results, evidence=EVIDENCE, **node), folder)


def of_yaml(name: str, folder: Path) -> Table:
    """The table of conf/table/NAME.yaml with made results: at most 24 of its jobs."""
    config, choices = composed(f"table={name}")
    varied = swept(name)
    seeds = [int(seed) for seed in varied.pop("seed", ["0"])][:2]
    results = []
    for values in islice(product(*varied.values()), 0, None, 1 + _jobs(varied) // 12):
        for seed in seeds:
            one = result("ldbm", seed, skill=0.4 + 0.01 * (len(results) % 9))
            one["choices"] = {**choices, "table": name}
            one["config"] = {**one["config"], "protocol": config["protocol"]}
            one["marks"] = ["collapsed: dev sigma_ratio below 0.1"] * (len(results) % 3 == 0)
            given = {key.lstrip("+").rpartition("@")[2]: value for key, value in zip(varied, values, strict=True)}
            for key, value in ({key: "svr" for key in config["table"]["rows"] if "." in key} | given).items():
                if "." in key:
                    group, *rest = key.split(".")
                    node = one["config"].setdefault(group, {})
                    for part in rest[:-1]:
                        node = node.setdefault(part, {})
                    node[rest[-1]] = parsed(value)
                elif "/" in key and key not in config["table"]["rows"]:  # a group inside another: its own settings
                    one["choices"][key] = value
                    inside = OmegaConf.to_container(OmegaConf.load(ROOT / "conf" / key / f"{value}.yaml"))
                    group = key.partition("/")[0]
                    one["config"][group] = {**one["config"].get(group, {}), **inside}
                else:
                    one["choices"][key] = value
                    one["config"][key] = {**(one["config"].get(key) or {}), "name": value}
            results.append(one)
    node = config["table"]
    if node["evidence"]:
        node["evidence"] |= {"resamples": 200, "flips": 200}
    return build(sweep(folder, results, **{**node, "evidence": node["evidence"]}), folder)


def _jobs(varied: dict[str, list[str]]) -> int:
    total = 1
    for values in varied.values():
        total *= len(values)
    return total


def parsed(value: str) -> Any:
    if value.startswith("{"):
        return {key: parsed(one) for key, one in (part.split(":") for part in value.strip("{}").split(","))}
    try:
        return float(value) if "." in value else int(value)
    except ValueError:
        return value


@pytest.mark.parametrize("name", [name for name in names("table") if name != "none"])
def test_no_line_is_longer_than_100_columns(name: str, tmp_path: Path) -> None:
    table = of_yaml(name, tmp_path)
    short, full = (terminal(table, full=full) for full in (False, True))
    for text in (short, full):
        assert max(map(len, text.splitlines())) <= 100
    # One block of columns: no row is named a second time, and every row is there.
    lines = short.splitlines()
    assert sum(line.startswith("─") for line in lines) == 1
    assert len(short) < len(full)
    for _, text in table.findings.lines if table.findings else ():
        assert text in " ".join(short.split()) and text in " ".join(full.split())


def test_the_first_screen_leads_with_the_findings_and_keeps_the_intervals(tmp_path: Path) -> None:
    table = two_heads(tmp_path)
    shown = terminal(table, full=False)
    plain = " ".join(shown.split())
    assert plain.index(table.findings.head) < plain.index("─") and "[95 %]" in shown
    rows = {row[0]: row for row in table.sections[0].evidence[0].rows}
    for line in shown.splitlines():
        if line.startswith("ldbm "):
            assert rows["ldbm"][1] in line and "±" in line
    assert "Collapsed: dev sigma_ratio below 0.1: ldbm." in plain, "a mark is not hidden with the column of notes"
    assert "--full shows more: Dev MAE, Dev PCC, Gap MAE, Parameters" in plain
    for text in ("P(closer)", "Skill", "Gap MAE"):
        assert (text in shown.replace("--full shows more: ", "").split("Collapsed")[0]) is False
        assert text in terminal(table, full=True)


def test_markdown_and_the_page_lead_with_the_findings_and_have_all_columns(tmp_path: Path) -> None:
    table = two_heads(tmp_path)
    for text, below in ((markdown(table), "- Cohort:"), (page(table, ()), "<dl>")):
        plain = " ".join(re.sub(r"</?span[^>]*>", "", text).replace("&amp;", "&").split())
        places = [plain.index(f"{question}: {answer}.") for question, answer in table.findings.lines]
        assert places == sorted(places)
        assert max(plain.index(table.findings.head), *places) < plain.index(below)
        assert all(column.heading in plain for column in table.columns)
    assert table.to_json()["findings"]["lines"] == [list(line) for line in table.findings.lines]


def test_many_rows_are_counted_on_the_first_screen_and_named_in_full(tmp_path: Path) -> None:
    results = []
    for number in range(14):
        one = result("ldbm", skill=0.9 if number == 13 else 0.2, noise=2 if number == 13 else 6)
        one["choices"]["head"] = one["config"]["head"]["name"] = f"head_{number}"
        results.append(one)
    given = [[f"head={one['choices']['head']}"] for one in results]
    table = build(
        sweep(tmp_path, results, overrides=given, evidence={**EVIDENCE, "against": ["head=head_0"]}), tmp_path
    )
    short, full = (" ".join(terminal(table, full=full).split()) for full in (False, True))
    assert "vs head_0: better: 1 of 13 rows; " in short and "better: head_13 −" in full
    assert "12 of 13 rows" in short and "of 13 rows" not in full.partition("─")[0]


@pytest.mark.parametrize(("command", "words"), [(table_command, ["--render"]), (report, [])])
def test_full_is_an_option_of_both_commands(command, words, tmp_path: Path, capsys) -> None:
    runs = tmp_path / "runs"
    two_heads(runs)
    given = ["architectures", f"paths.runs={runs}", *words]
    assert command(given) == 0
    short = capsys.readouterr().out
    assert command([*given, "--full"]) == 0
    full = capsys.readouterr().out
    assert "What was found about these trained heads" in short and "P(closer)" not in short
    assert "What was found about these trained heads" in full and "P(closer)" in full


def test_where_people_are_shared_new_ones_have_a_column(tmp_path: Path) -> None:
    from tests.tables.test_evidence import renamed

    table = build(sweep(tmp_path, renamed({"dev"}), evidence=EVIDENCE), tmp_path)
    shown = " ".join(terminal(table, full=False).split())
    assert "are in another split too" in shown
    (line,) = [line for line in terminal(table, full=False).splitlines() if line.startswith("ldbm ")]
    own = next(row for row in table.sections[0].evidence[0].rows if row[0] == "ldbm")
    assert own[1] in line and own[2] in line, "new people, then all"
