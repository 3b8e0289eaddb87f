"""The TRIPOD+AI checklist: all sub-items, what runs tell of them, and nothing that names people or places."""

import re
from dataclasses import replace

import pandas as pd
import pytest

from lfnet.cli.main import main
from lfnet.reports.tripod import checklist, summary, write_tripod
from lfnet.tables.build import build
from tests.tables.factory import result, sweep

PARTS = {3: 3, 5: 2, 6: 3, 8: 3, 9: 3, 12: 7, 18: 6, 20: 3, 23: 2, 27: 3}  # items with several sub-items


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tripod")
    record = sweep(folder, [result(head, seed, each=10) for head in ("ldbm", "mean_mlp") for seed in (0, 1)])
    return build(record, folder)


def test_there_are_27_items_with_52_parts_in_order(table):
    numbers = [entry.number for entry in checklist(table)]
    wanted = [
        f"{item}{part}" for item in range(1, 28) for part in ("abcdefg"[: PARTS[item]] if item in PARTS else [""])
    ]
    assert numbers == wanted and len(numbers) == 52


def test_what_the_runs_tell_is_filled_in(table):
    entries = {entry.number: entry for entry in checklist(table)}
    done = table.rows[0].runs[0].result
    assert f"test {done.cohort.recordings['test']} of {done.cohort.people['test']} people" in entries["21"].found
    assert f"{done.features.dim} numbers a frame" in entries["12b"].found
    assert done.scale.name in entries["8a"].found
    assert "ldbm" in entries["12c"].found and "mean_mlp" in entries["12c"].found
    mae = next(row for row in table.rows if row.identity.get("head") == "ldbm").cells["test.mae"].text
    assert f"ldbm: Test MAE ↓ {mae}" in entries["23a"].found
    assert table.question in entries["4"].found


def test_what_no_run_can_know_is_named_as_missing(table):
    entries = checklist(table)
    for entry in entries:
        assert entry.found or entry.lacking, entry
    empty = [entry.number for entry in entries if not entry.found]
    assert {"1", "5b", "6b", "17", "18a", "18b", "18d", "19", "20b"} <= set(empty)
    assert summary(entries).endswith(f"{len(empty)} are yours alone: {', '.join(empty)}.")


def test_what_is_known_of_people_is_named_and_not_shown(table, monkeypatch):
    known = pd.DataFrame({"recording_id": ["r"], "person_id": ["Ann"], "split": "test", "sex": "f", "age": "41"})
    for run in (run for row in table.rows for run in row.runs):
        monkeypatch.setitem(vars(run), "groups", known)
    entries = {entry.number: entry for entry in checklist(table)}
    assert entries["20b"].found == "known of the people: sex, age"
    assert "41" not in entries["20b"].found and entries["20b"].lacking


def test_the_file_is_a_table_with_its_source_and_says_that_it_is_simulated(table, tmp_path):
    path, entries = write_tripod(table, tmp_path)
    text = path.read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if re.match(r"\| \d", line)]
    assert len(rows) == len(entries) == 52
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {5}
    assert "CC BY 4.0" in text and "10.1136/bmj-2023-078378" in text
    assert table.simulated is ("Simulated cohort" in text)


def test_it_names_no_folder(tmp_path):
    done = result("mean_mlp", 0, each=10)
    done["config"]["cohort"]["root"] = "/clinic/Quaggl"
    done["choices"]["cohort"] = "folder"
    record = sweep(tmp_path, [done], overrides=[["cohort.root=/clinic/Quaggl", "head=mean_mlp"]])
    table = replace(build(record, tmp_path), command="lfnet table architectures cohort.root=/clinic/Quaggl")
    path, _ = write_tripod(table, tmp_path)
    text = path.read_text(encoding="utf-8")
    assert "Quaggl" not in text and "cohort.root=…" in text


def test_the_command_writes_it_and_says_what_is_missing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    sweep(tmp_path / "lfnet_runs", [result("mean_mlp", seed, each=10) for seed in (0, 1)])
    assert main(["report", "architectures", "--tripod"]) == 0
    said = capsys.readouterr().out
    assert "TRIPOD+AI: of 52 sub-items the runs fill " in said
    assert "written: lfnet_runs/tables/architectures.tripod.md" in said
    assert (tmp_path / "lfnet_runs" / "tables" / "architectures.tripod.md").is_file()
