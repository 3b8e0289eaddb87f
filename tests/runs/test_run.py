"""The run folder: one reader of every file, and one line for each that is damaged."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lfnet.cli.main import main
from lfnet.errors import LfnetError
from lfnet.files import write_text
from lfnet.runs.result import FORMAT, Result
from lfnet.runs.run import MISSING, Run, check_same_config_except_seed
from lfnet.seals import write_sealed_json
from tests.sealing import reseal
from tests.tables.factory import leave, recordings, result

CURVE = "dev/mae,epoch,step,train/loss\n9.5,0,3,\n,0,3,0.8\n9.25,1,7,\n,1,7,0.7\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / leave(tmp_path, result("ldbm", 3))
    write_text(folder / "metrics.csv", CURVE)
    write_text(folder / "config.yaml", "head: {_target_: lfnet.heads.mean_mlp.TemporalMeanMLP}\nseed: 3\n")
    reseal(folder)
    return folder


def test_a_run_reads_what_its_job_wrote(folder: Path) -> None:
    done = result("ldbm", 3)
    run = Run.open(folder)
    assert (run.name, run.seed, run.result.model, run.result.kind) == (folder.name, 3, "ldbm", "head")
    assert run.config == {"head": {"_target_": "lfnet.heads.mean_mlp.TemporalMeanMLP"}, "seed": 3}
    assert run.result.metrics == done["metrics"] and run.result.references == done["references"]
    assert run.predictions.to_csv_text() == done["_predictions"].to_csv_text()
    assert list(run.baselines) == list(done["_references"])
    frame = recordings()
    people = {split: set(part["person_id"]) for split, part in frame.groupby("split")}
    assert run.trained_people == people["train"]
    for split, others in (("test", people["train"] | people["dev"]), ("train", people["dev"] | people["test"])):
        assert run.shared_people(split) == people[split] & others
    assert run.learning_curve.to_dict("list") == {
        "epoch": [0, 1], "dev/mae": [9.5, 9.25], "step": [3, 7], "train/loss": [0.8, 0.7],
    }  # fmt: skip
    assert run.spread is None and run.folds == ()
    assert run.weights_path == folder / "head.safetensors"


def test_settings_are_options_then_values(folder: Path) -> None:
    run = Run.open(folder)
    assert (run.setting("head"), run.setting("head.patch_size"), run.setting("head.layers")) == ("ldbm", 16, MISSING)


def test_a_result_is_written_as_it_is_read(folder: Path) -> None:
    before = json.loads((folder / "result.json").read_text())
    done = Result.read(folder)
    done.write(folder)
    after = json.loads((folder / "result.json").read_text())
    assert Result.read(folder) == done and after["format"] == FORMAT
    del before["sha256"]  # of the file; the factory leaves out empty fields that are written
    assert {name: after[name] for name in before} == before
    undefined = replace(done, metrics={"test": {"recording": {"pcc": None}}})
    undefined.write(folder)
    assert Result.read(folder).metrics["test"]["recording"]["pcc"] is None


def test_a_run_is_found_by_the_first_letters_of_its_name(folder: Path) -> None:
    assert Run.find(folder.name[:6], folder.parent) == Run.find(str(folder), Path("none")) == Run(folder)
    shutil.copytree(folder, folder.with_name(f"{folder.name[:8]}00000000"))
    for name, message in (("zz", "neither zz nor"), (folder.name[:6], "2 runs of .* begin with "), ("", "is empty")):
        with pytest.raises(LfnetError, match=message):
            Run.find(name, folder.parent)
    with pytest.raises(LfnetError, match=r"is no finished run: it contains no result\.json"):
        Run.open(folder.parent)


DAMAGE = {
    "result.json": ["", "[[[[", "[" * 100_000, "[]", "{}", '{"format": 1}', '{"format": 3, "seed": "x"}'],
    "predictions.csv": ["", "level,split\nrecording,test\n", "a" * 100, "\xe9\xff"],
    "references.csv": ["", "model\nx\n", "level,split\nrecording,test\n"],
    "metrics.csv": ["", "step\n1\n", "epoch\nx\n", "epoch,dev/mae\n0,8>5\n"],
    "config.yaml": ["a: [", "a: b: c", "\x1b", "\xe9", "a: &x 1\nb: *x", "[" * 3000, "1: 2"],
    "spread.csv": ["", "recording_id,person_id,sd\nr1,p1,2\n"],
    "groups.csv": ["", "recording,sex\nr1,f\n"],
    "head.safetensors": ["", "half"],
}
READERS = {
    "result.json": lambda run: run.result,
    "predictions.csv": lambda run: run.predictions,
    "references.csv": lambda run: run.baselines,
    "metrics.csv": lambda run: run.learning_curve,
    "config.yaml": lambda run: run.config,
    "spread.csv": lambda run: run.spread,
    "groups.csv": lambda run: run.groups,
    "head.safetensors": lambda run: run.weights(),
}


@pytest.mark.parametrize("forged", [False, True])
@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in DAMAGE.items() for text in texts])
def test_a_damaged_file_is_one_line_that_says_how_to_recompute_it(
    folder: Path, name: str, text: str, forged: bool
) -> None:
    (folder / name).write_text(text, encoding="latin-1")
    if forged and name != "result.json":
        reseal(folder)  # so that the reader of the file sees it
    with pytest.raises(LfnetError) as raised:
        READERS[name](Run(folder))
    line = str(raised.value)
    assert "\n" not in line and line.startswith(f"{folder / name} cannot be used: ")
    assert line.endswith(f"Delete the folder {folder} and run the job or table again to recompute it.")


def test_commands_refuse_a_folder_of_an_earlier_format(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = tmp_path / "old"
    shutil.copytree(folder, old)
    content = json.loads((old / "result.json").read_text())
    (old / "result.json").write_text(json.dumps({**content, "format": 1}))
    for words in (["adapt", str(old)], ["export", str(old), "--out", str(tmp_path / "bundle")]):
        assert main(words) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert str(old / "result.json") in line and "recompute" in line
    assert not (tmp_path / "bundle").exists()


def test_runs_that_differ_in_their_seed_alone(tmp_path: Path) -> None:
    def left(**changes: object) -> Run:
        done = result("ldbm", int(str(changes.pop("seed", 0))))
        done["config"]["protocol"] |= changes
        return Run(tmp_path / leave(tmp_path, done))

    check_same_config_except_seed([left(seed=0), left(seed=1)])
    with pytest.raises(LfnetError, match="have the same seed 0"):
        check_same_config_except_seed([left(seed=0), left(seed=0)])
    with pytest.raises(LfnetError, match="differ in their settings"):
        check_same_config_except_seed([left(seed=0), left(seed=1, window=3)])


def test_scores_may_be_left_out_of_a_folder(folder: Path) -> None:
    assert Run(folder).has_scores
    (folder / "predictions.csv").unlink()
    assert not Run(folder).has_scores


def test_a_spread_is_a_table_of_recordings(folder: Path) -> None:
    write_text(folder / "spread.csv", "recording_id,person_id,split,label,score,sd,members\n001,p,test,3,4.5,0.25,5\n")
    reseal(folder)
    frame = Run(folder).spread
    assert isinstance(frame, pd.DataFrame) and frame["recording_id"].tolist() == ["001"]
    np.testing.assert_array_equal(frame["sd"], [0.25])


def test_splits_of_recordings_and_people_are_the_same(folder: Path) -> None:
    content = json.loads((folder / "result.json").read_text())
    del content["cohort"]["people"]["test"]
    write_sealed_json(folder / "result.json", content)
    with pytest.raises(LfnetError, match="recordings and people must have the same splits"):
        _ = Run(folder).result
