"""`lfnet runs`: the list, its filters, its order, and runs next to each other."""

import csv
import io
import json
from pathlib import Path

import pytest

from lfnet.cli.main import main
from lfnet.locks import lock
from tests.tables.factory import result, sweep


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two heads with two seeds, with fewer errors for ldbm, and the record of their table."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    results = [result(head, seed, each=10) for head in ("ldbm", "mean_mlp") for seed in (0, 1)]
    for place, one in enumerate(results):
        one["metrics"]["test"]["recording"]["mae"] = 9.0 - place
        one["cohort"] |= {"name": "clinic_of_ann", "simulated": False}
        one["config"]["cohort"]["root"] = f"/data/{place}"
        one["config"]["cohort"]["name"] = None
    folder = tmp_path / "lfnet_runs"
    sweep(folder, results)
    return folder


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    assert main(["runs", *words]) == 0
    return capsys.readouterr().out.splitlines()


def names(lines: list[str]) -> list[tuple[str, str]]:
    """Head and test MAE of the rows."""
    return [(row.split()[1], row.split()[5]) for row in lines[1:] if "finished  20" in row]


def test_the_list_has_a_row_a_run_and_names_no_folder(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys)
    assert lines[0].split("  ")[0] == "run" and "dev MAE  test MAE  state" in lines[0]
    assert sorted(names(lines)) == [("ldbm", "8.00"), ("ldbm", "9.00"), ("mean_mlp", "6.00"), ("mean_mlp", "7.00")]
    assert "clinic_of_ann" not in "\n".join(lines) and "/data" not in "\n".join(printed(capsys, "--csv"))
    assert "clinic_of_ann" in "\n".join(printed(capsys, "--show-paths"))
    assert "/data/3" in "\n".join(printed(capsys, "--show-paths", "--csv"))


def test_simulated_runs_are_marked_also_next_to_unfinished_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "lfnet_runs"
    sweep(folder, [result("ldbm", 0, each=10)])
    (folder / "0123").mkdir()
    (folder / "0123" / "config.yaml").write_text("head: {_target_: lfnet.heads.mamba_gru.MambaGRU}\nseed: 1\n")
    lines = printed(capsys)
    assert "MAE: of recordings, in points of BDI-II" in lines and "All cohorts are simulated." in lines
    (line,) = [line for line in lines if line.startswith("0123")]
    assert line.split()[1] == "mamba_gru"
    other = result("ldbm", 1, each=10)
    other["cohort"]["simulated"] = False
    sweep(folder, [other])
    assert "1 run on a simulated cohort." in printed(capsys)


@pytest.mark.parametrize("where", [(), ("architectures",), ("lfnet_runs",), ("lfnet_runs/sweeps/architectures.json",)])
def test_filters_and_order(runs: Path, capsys: pytest.CaptureFixture[str], where: tuple[str, ...]) -> None:
    words = (*where, "--sort", "test.mae")
    assert names(printed(capsys, *words)) == [
        ("mean_mlp", "6.00"),
        ("mean_mlp", "7.00"),
        ("ldbm", "8.00"),
        ("ldbm", "9.00"),
    ]
    assert names(printed(capsys, *words, "--reverse", "head=ldbm")) == [("ldbm", "9.00"), ("ldbm", "8.00")]
    assert names(printed(capsys, *words, "head=ldbm,mean_mlp", "seed=1")) == [("mean_mlp", "6.00"), ("ldbm", "8.00")]
    assert names(printed(capsys, *words, "head.patch_size=16", "seed=0")) == [("ldbm", "9.00")]
    assert printed(capsys, *where, "head=nosuch")[0].startswith("no run fits the filters in ")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("hed=ldbm", "no run has a setting hed. Did you mean `head`?"),
        ("--sort test.mea", "no run has a column test.mea. Did you mean `test.mae`"),
        ("state=done", "state=done: give some of finished, running"),
        ("nosuch", "nosuch does not exist"),
        ("one two", "give one folder or table: one or two."),
        ("--compare 2", "--compare needs two runs or more."),
        ("--compare zz yy", "zz names no finished run"),
        ("--compare zz yy --sort seed", "--compare takes runs alone"),
    ],
)
def test_mistakes_are_one_message(runs: Path, capsys: pytest.CaptureFixture[str], words: str, message: str) -> None:
    assert main(["runs", *words.split()]) == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1


def test_the_state_of_runs_without_a_result(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for state in ("running", "interrupted", "failed", "stopped"):
        folder = runs / state
        folder.mkdir()
        (folder / "config.yaml").write_text("head: {_target_: my_module.MyHead}\nseed: 3\n")
        (folder / "train.log").write_text("INFO epoch 1\n")
    (runs / "interrupted" / ".training_state").touch()
    (runs / "failed" / "train.log").write_text("2026-11-30 12:00:00 ERROR the job failed\nTraceback\n")
    with lock(runs / "running" / ".run.lock"):
        lines, some = printed(capsys), printed(capsys, "state=failed,stopped")
    rows = {row.split()[0]: row.split() for row in lines if "MyHead" in row}
    assert {name: row[6] for name, row in rows.items()} == {name: name for name in rows} and len(rows) == 4
    assert "4 finished, 1 running, 1 interrupted, 1 failed, 1 stopped" in lines
    assert [row.split()[0] for row in some if "MyHead" in row] == ["failed", "stopped"]


def test_a_comparison_shows_metrics_and_the_settings_that_differ(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = [folder.name for folder in sorted(runs.glob("*/")) if (folder / "result.json").is_file()]
    by_head = {json.loads((runs / name / "result.json").read_text())["model"]: name for name in chosen}
    two = [by_head["ldbm"], by_head["mean_mlp"][:7]]
    lines = printed(capsys, "--compare", *two)
    rows = {line.split("  ")[0]: line.split()[1:] for line in lines if line}
    assert lines[0].split() == [by_head["ldbm"], by_head["mean_mlp"]]
    assert rows["head"] == ["ldbm", "mean_mlp"] and rows["head.patch_size"] == ["16", "-"]
    assert rows["cohort.root"] == ["…", "…"] and "protocol.window" not in rows
    assert "/data/" in "\n".join(printed(capsys, "--compare", *two, "--show-paths"))
    main(["runs", "--csv", "--compare", *two])
    table = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert table[0] == ["", by_head["ldbm"], by_head["mean_mlp"]] and ["head.patch_size", "16", "'-"] in table


def test_a_prefix_of_several_runs_names_them(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = next(runs.glob("*/result.json")).parent
    twin = first.with_name(f"{first.name[:6]}ffffffffff")
    first.joinpath("result.json").read_text()
    twin.mkdir()
    (twin / "result.json").write_bytes((first / "result.json").read_bytes())
    assert main(["adapt", first.name[:6]]) == 2
    err = capsys.readouterr().err
    assert f"{first.name} (" in err and f"{twin.name} (" in err and "Give more of it." in err


@pytest.mark.parametrize("width", [60, 100, 200])
def test_the_list_fits_the_terminal(
    runs: Path, width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    for number, name in enumerate(("a", "b")):
        done = result("ldbm", 5 + number, each=10)
        done["choices"] |= {"protocol": f"protocol_{name}" * 5, "encoder": name}
        sweep(runs, [done], name=name)
    lines = printed(capsys)
    assert ("protocol" in lines[0]) == (width == 200)
    assert "date" in lines[0]
