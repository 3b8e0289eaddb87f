"""`lfnet view`: what is written, what is kept, what is removed, and what the numbers are."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lfnet.cli.main import main
from lfnet.evaluation.evaluator import evaluate
from lfnet.reports import view as view_module
from lfnet.reports.run_detail import number_people
from lfnet.reports.run_list import list_runs
from lfnet.reports.view import write_view
from lfnet.runs.collection import open_runs
from lfnet.runs.run import Run
from tests.reports.viewed import make_runs, read_script
from tests.sealing import reseal
from tests.tables.factory import leave, result, sweep
from tests.tables.test_class_columns import binary_table
from tests.tables.test_fusion_columns import ROWS, fused


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = make_runs(tmp_path_factory.mktemp("runs"), {"mean_mlp": 0.2, "ldbm": 0.8})
    write_view(runs, runs / "view")
    return runs


@pytest.fixture
def runs(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "runs"))


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def column(listed: dict[str, Any], name: str) -> list[str]:
    (found,) = [one for one in listed["columns"] if one["name"] == name]
    return [found["texts"][place] for place in found["at"]]


def test_the_error_of_a_run_has_the_interval_that_evaluate_gives(made: Path) -> None:
    listed = read_script(made / "view" / "runs.js")
    assert len(listed["keys"]) == 4 and column(listed, "model") == ["ldbm"] * 2 + ["mean_mlp"] * 2
    for place in (0, 3):
        frame = Run.open(made / listed["keys"][place]).predictions.in_split("test").at("recording").frame
        found = evaluate(frame["label"], frame["score"], person=frame["person_id"])
        expected = found.estimates["score"]["mae"]
        got = [listed[name][place] for name in ("error", "low", "high")]
        assert got == pytest.approx([expected.value, expected.interval.low, expected.interval.high], rel=1e-5)
        assert column(listed, "test.mae")[place] == f"{got[0]:.2f} [{got[1]:.2f}, {got[2]:.2f}]"


def test_the_columns_tell_runs_apart(made: Path) -> None:
    listed = read_script(made / "view" / "runs.js")
    naming = [one["name"] for one in listed["columns"] if one["names"]]
    assert naming == ["model", "seed"], "the patch size differs between models alone"
    assert listed["same"]["protocol.window"] == "512" and "head.patch_size" in listed["apart"]
    swept = [result("ldbm", 0), result("ldbm", 0)]
    swept[1]["config"]["head"]["patch_size"] = 8
    found = list_runs(
        [Run.open(made.parent / "swept" / leave(made.parent / "swept", one)) for one in swept], [None] * 2
    )
    assert [one["heading"] for one in found["columns"] if one["names"]] == ["Model", "Patch size", "Seed"]
    assert column(found, "head.patch_size") == ["16", "8"]


def test_what_is_drawn_of_a_run_is_its_own(made: Path) -> None:
    key = read_script(made / "view" / "runs.js")["keys"][0]
    found = read_script(made / "view" / "runs" / f"{key}.js")
    rows = Run.open(made / key).predictions.in_split("dev").at("recording").frame
    drawn = found["splits"]["dev"]
    assert sorted(drawn["label"]) == sorted(rows["label"])
    assert np.abs(np.subtract(drawn["score"], drawn["label"])).mean() == pytest.approx(
        np.abs(rows["score"] - rows["label"]).mean(), abs=1e-3
    )
    assert sorted(set(drawn["person"])) == list(range(1, 1 + rows["person_id"].nunique()))
    assert found["curve"] == {
        "best": 2,
        "lines": [
            {"name": "training loss", "values": [0.7, 0.6, 0.55]},
            {"name": "MAE of dev recordings", "values": [9.5, 8.1, 8.4]},
        ],
    }
    assert [entry[0] for entry in found["audit"]] == ["leak", "clear"]


def test_a_number_of_a_person_is_the_same_in_all_runs_and_no_order_of_ids() -> None:
    rows = pd.DataFrame({"person_id": list("abcdefgh"), "label": [5.0] * 8})
    numbers = number_people(rows)
    assert sorted(numbers) == list(range(1, 9)) and numbers.tolist() != sorted(numbers)
    assert number_people(rows.iloc[::-1]).tolist() == numbers.tolist()[::-1]
    assert number_people(rows.assign(label=range(8))).tolist() == list(range(1, 9))


def test_no_page_names_a_person_or_recording(made: Path) -> None:
    for name, content in files(made / "view").items():
        text = re.sub(r"<path[^>]*>", "", content.decode())
        assert not re.search(r"\b[pr]\d{3}\b", text), name


def test_pages_load_only_their_own_scripts(made: Path) -> None:
    for name, content in files(made / "view").items():
        if name.endswith(".html"):
            sources = re.findall(r"""(?:src|href)=["']([^"'#$]*)""", content.decode())
            assert not [one for one in sources if ":" in one or one.startswith("/")], name
            assert "default-src 'none'" in content.decode(), name


def test_a_second_call_builds_and_changes_nothing(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = files(runs / "view")

    def build(*_: Any, **__: Any) -> None:
        raise AssertionError("an unchanged table is built again")

    monkeypatch.setattr(view_module, "build", build)
    assert write_view(runs, runs / "view").faults == ()
    assert files(runs / "view") == before
    monkeypatch.undo()
    (run, *_) = [run for run in open_runs(runs) if run.result.model == "mean_mlp"]
    content = json.loads((run.folder / "result.json").read_text())
    content["marks"] = ["collapsed"]
    (run.folder / "result.json").write_text(json.dumps(content))
    reseal(run.folder)
    write_view(runs, runs / "view")
    changed = {name for name, content in files(runs / "view").items() if before.get(name) != content}
    tables = {"tables/architectures.html", "tables/architectures.json"}
    assert changed == {"runs.js", "runs.json", f"runs/{run.name}.js", *tables}


def test_an_unchanged_run_is_read_no_second_time(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    described = []
    describe = view_module.describe_run
    monkeypatch.setattr(
        view_module, "describe_run", lambda run, *own: described.append(run.name) or describe(run, *own)
    )
    before = files(runs / "view")
    write_view(runs, runs / "view")
    assert described == []
    keys = read_script(runs / "view" / "runs.js")["keys"]
    (runs / "view" / "runs" / f"{keys[0]}.js").write_text("cut")
    (runs / "view" / "runs" / f"{keys[1]}.js").unlink()
    (runs / keys[2] / "metrics.csv").write_text("epoch,dev/mae,train/loss\n0,9.5,0.7\n")
    reseal(runs / keys[2])
    write_view(runs, runs / "view")
    assert described == keys[:3]
    changed = {name for name, content in files(runs / "view").items() if before[name] != content}
    assert {name for name in changed if name.startswith("runs/")} == {f"runs/{keys[2]}.js"}
    (runs / "view" / "runs.json").write_text("{")
    write_view(runs, runs / "view")
    assert described == keys[:3] + keys


def test_runs_that_are_gone_leave_the_folder_and_own_files_stay(runs: Path) -> None:
    key = read_script(runs / "view" / "runs.js")["keys"][0]
    shutil.rmtree(runs / key)
    (runs / "view" / "runs" / "mine.js").write_text("// mine\n")
    write_view(runs, runs / "view")
    assert not (runs / "view" / "runs" / f"{key}.js").exists()
    assert (runs / "view" / "runs" / "mine.js").read_text() == "// mine\n"
    assert len(read_script(runs / "view" / "runs.js")["keys"]) == 3


def test_damaged_scores_are_named_and_the_others_are_shown(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = read_script(runs / "view" / "runs.js")["keys"][0]
    with (runs / key / "predictions.csv").open("a") as file:
        file.write("x\n")
    assert main(["view", str(runs), "--no-open"]) == 1
    told = capsys.readouterr()
    assert f"{key}/predictions.csv cannot be used" in told.err
    assert main(["view", str(runs), "--no-open"]) == 1, "it is named again"
    assert f"{key}/predictions.csv cannot be used" in capsys.readouterr().err
    assert "4 runs" in told.out and "could not be read, and are left out: 1" in told.out
    assert read_script(runs / "view" / "runs" / f"{key}.js")["splits"] == {}
    assert read_script(runs / "view" / "runs.js")["error"][:2] != [None, None]


def test_a_damaged_learning_curve_is_named_and_the_run_is_shown_without_it(runs: Path, capsys: Any) -> None:
    key = read_script(runs / "view" / "runs.js")["keys"][0]
    (runs / key / "metrics.csv").write_text("cut")
    for _ in range(2):
        assert main(["view", str(runs), "--no-open"]) == 1
        assert f"{key}/metrics.csv cannot be used" in capsys.readouterr().err
    found = read_script(runs / "view" / "runs" / f"{key}.js")
    assert found["curve"] is None and set(found["splits"]) == {"test", "dev"}


def test_a_table_that_cannot_be_written_is_an_error(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(runs / "view")
    (runs / "view").mkdir()
    (runs / "view" / "tables").write_text("in the way")
    assert main(["view", str(runs), "--no-open"]) == 2
    assert "cannot write" in capsys.readouterr().err


def test_correlations_of_few_people_are_withheld(tmp_path: Path) -> None:
    done = result("ldbm", 0, each=6)
    key = leave(tmp_path, done)
    write_view(tmp_path, tmp_path / "view")
    listed = read_script(tmp_path / "view" / "runs.js")
    assert column(listed, "test.pcc") == ["n = 6: too few"] and listed["low"] == [None]
    (test, *_) = read_script(tmp_path / "view" / "runs" / f"{key}.js")["metrics"]["lines"]
    assert test[0] == "test" and "n = 6: too few" in test


def test_binary_labels_and_fusions_have_their_own_numbers(tmp_path: Path) -> None:
    binary_table(tmp_path)
    fusions = [
        fused(name, seed, skill=skill) for name, skill in (("published", 0.6), ("nested", 0.3)) for seed in (0, 1)
    ]
    sweep(
        tmp_path,
        fusions,
        name="modalities",
        overrides=[[] for _ in fusions],
        closing=False,
        rows=ROWS,
        evidence={"resamples": 200, "flips": 200},
    )
    assert write_view(tmp_path, tmp_path / "view").faults == ()
    listed = read_script(tmp_path / "view" / "runs.js")
    probabilities = [of == "AUROC on test" for of in listed["of"]]
    assert sum(probabilities) == 4 and {"AUROC on test", "MAE on test, BDI-II points"} == set(listed["of"])
    for place, binary in enumerate(probabilities):
        value, low, high = (listed[name][place] for name in ("error", "low", "high"))
        with_interval = f"{value:.2f} [{low:.2f}, {high:.2f}]"
        assert column(listed, "test.auroc")[place] == (with_interval if binary else "—")
        assert (column(listed, "test.mae")[place] == with_interval) == (not binary)
        assert listed["median"][place] is None if binary else listed["median"][place] > 0
        found = read_script(tmp_path / "view" / "runs" / f"{listed['keys'][place]}.js")
        assert found["binary"] == binary and (set(found["splits"]["test"]["label"]) == {0, 1}) == binary
        assert found["metrics"]["headings"][1] == ("AUROC" if binary else "MAE")
        assert found["curve"] is None, "the helpers of tables write none"
    assert column(listed, "fusion.name").count("published") == 2
    summaries = [json.loads(path.read_text()) for path in sorted((tmp_path / "view" / "tables").glob("*.json"))]
    units = [forest["unit"] for summary in summaries for forest in summary["forests"]]
    assert units == ["AUROC on test", "MAE on test, BDI-II points"]
    page = (tmp_path / "view" / "tables" / "architectures.html").read_text()
    assert "Test AUROC of each row" in page and "Test MAE of each row" not in page


def test_mistakes_have_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)
    for words, said in (
        ([], "lfnet_runs does not exist: run something first, such as `lfnet table architectures`."),
        (["nosuch"], "nosuch does not exist"),
        ([str(tmp_path)], "contains no finished run"),
        (["a", "b"], "one folder of runs"),
        (["--out"], "--out needs a folder"),
        (["--open"], "--open is no option"),
    ):
        assert main(["view", *words]) == 2
        assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
