"""`lfnet forget`: one person's features, digests and rows are removed, and the rest of each run is as before."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from lfnet.cli.main import main
from lfnet.runs import removal
from lfnet.runs.run import TRAINING_STATE, Run

PERSON = "Ottilie-Marker"
SPELLED = "OTTILIE_Marker"  # the same person, in another row of the manifest
NAMES = (PERSON, SPELLED, "take_of_marker")
SETTINGS = ["cohort=folder", "cohort.root=study"]
TRAIN = [
    "head=mean_mlp", "protocol=masked", "protocol.window=8", "protocol.hop=8", "trainer.max_epochs=1",
    "head.dropout=0.1", "trainer.mc_dropout=2", "loss=quantile", "table.controls=[]",
    "table.evidence.resamples=200", "seed=0",
    "launcher=serial",
]  # fmt: skip
TABLE = ["table", "architectures", *SETTINGS, *TRAIN]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A cohort of ready features, with a marked person in test, and a table of one run."""
    root = tmp_path_factory.mktemp("forget")
    (root / "study").mkdir()
    rng = np.random.default_rng(0)
    rows = []
    for split, count in (("train", 8), ("dev", 5), ("test", 5)):
        for number in range(count):
            rows.append([f"{split}{number}", f"{split}{number}.npz", split, int(rng.integers(0, 40)), "fm"[number % 2]])
    rows[-1][:2] = [PERSON, "take_of_marker.npz"]
    rows[-2][:2] = [SPELLED, "take_of_marker_2.npz"]
    rows[0][:2] = ["Trained-Marker", "take_of_trained.npz"]
    for _, name, *_ in rows:
        features = rng.normal(size=(16, 4)).astype(np.float32)
        np.savez(root / "study" / name, features=features, time=np.arange(16) / 30.0)
    with (root / "study" / "manifest.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([["person_id", "path", "split", "label", "sex"], *rows])
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        assert main(TABLE) == 0
    return root


@pytest.fixture
def here(finished, tmp_path, monkeypatch):
    shutil.copytree(finished, tmp_path / "copy", copy_function=shutil.copy2)
    for entry in (tmp_path / "copy" / "lfnet_cache" / "digests").glob("*.json"):  # as if they were made here
        entry.write_text(entry.read_text().replace(f"{finished}/", f"{tmp_path}/copy/"))
    monkeypatch.chdir(tmp_path / "copy")
    return tmp_path / "copy"


def forget(person: str, *words: str) -> int:
    return main(["forget", person, *SETTINGS, *words])


def contains(folder: Path, *texts: str) -> set[str]:
    """The files below a folder that have one of the texts in their name or content."""
    found = set()
    for path in folder.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        if any(text in path.name or text.encode() in content for text in texts):
            found.add(str(path.relative_to(folder)))
    return found


def content(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def the_run(here: Path) -> Path:
    (file,) = here.glob("lfnet_runs/*/result.json")
    return file.parent


def test_nothing_is_removed_before_it_is_asked_for(here, capsys):
    before = content(here)
    assert forget(PERSON) == 0
    out = capsys.readouterr().out
    assert content(here) == before
    assert "nothing was removed: give --yes to remove it" in out
    assert "would remove: " in out and "rows of predictions.csv" in out


def test_no_file_but_those_that_are_named_has_the_person_afterwards(here, capsys):
    assert contains(here / "lfnet_runs", PERSON) and contains(here / "lfnet_runs", SPELLED)
    assert contains(here / "lfnet_cache", "take_of_marker")
    failed = here / "lfnet_runs" / "0123456789abcdef"
    failed.mkdir()
    (failed / "train.log").write_text("2 clips left out as unusable: take_of_marker, test0\n")
    submitted = failed.parent / "submissions" / "0af2af19"
    submitted.mkdir(parents=True)
    for name in ("7_0_0_log.out", "0.json"):
        (submitted / name).write_text('{"error": "clip take_of_marker cannot be read"}')
    assert forget("ottilie marker", "--yes") == 0  # in a third spelling
    out = capsys.readouterr().out
    assert f"ottilie marker, as in cohort study and its runs: {SPELLED}, {PERSON}\n" in out
    left = contains(here, *NAMES)
    assert left == {"study/manifest.csv", "study/take_of_marker.npz", "study/take_of_marker_2.npz"}
    assert all(str(here / name) in out for name in left)
    assert (failed / "train.log").read_text() == "2 clips left out as unusable: (removed), test0\n"
    for name in ("7_0_0_log.out", "0.json"):
        assert (submitted / name).read_text() == '{"error": "clip (removed) cannot be read"}'
    assert "ottilie marker is still in cohort study" in out
    assert "trained weights" not in out
    assert "lfnet_runs/tables/" in out.partition("made earlier from these runs")[2]
    assert forget(PERSON, "--yes") == 0
    assert "nothing of Ottilie-Marker is left in" in capsys.readouterr().out


def test_the_other_rows_are_as_before_and_tables_recompute_from_them(here, capsys):
    run = the_run(here)
    names = ("predictions.csv", "references.csv", "spread.csv", "quantiles.csv", "groups.csv")
    before = {name: (run / name).read_text() for name in names}
    mae = Run.open(run).result.metrics["test"]["recording"]["mae"]
    assert forget(PERSON, "--yes") == 0
    for name in names:
        kept = [line for line in before[name].splitlines(keepends=True) if not any(text in line for text in NAMES)]
        assert (run / name).read_text() == "".join(kept) != before[name]
    result = Run.open(run).result
    assert "scores of 1 person removed on request" in result.marks
    scores = Run.open(run).predictions.at("recording").frame
    test = scores[scores["split"] == "test"]
    assert result.metrics["test"]["recording"]["mae"] == pytest.approx((test["label"] - test["score"]).abs().mean())
    assert result.metrics["test"]["recording"]["mae"] != mae
    capsys.readouterr()
    assert main([*TABLE, "--render"]) == 0
    out = capsys.readouterr().out
    assert "Scores of 1 person removed on request: mean_mlp." in " ".join(out.split())
    # The person is in the manifest still: features are extracted again, and the run keeps what was removed removed.
    assert main(TABLE) == 0
    printed = capsys.readouterr()
    assert "1 finished already, 0 to run" in printed.out
    (said,) = (line for line in printed.err.splitlines() if "removed" in line)
    assert said.startswith(f"warning: `lfnet forget` removed {SPELLED}, {PERSON}, and cohort study still names them: ")
    assert PERSON not in (run / "references.csv").read_text()


def test_sizes_are_counted_again_and_what_cannot_be_is_dated(here):
    before = Run.open(the_run(here)).result
    assert before.cohort.recordings["test"] == 5 and before.cohort.people["test"] == 5
    assert forget(PERSON, "--yes") == 0
    after = Run.open(the_run(here)).result
    assert after.cohort.recordings == {**before.cohort.recordings, "test": 3}
    assert after.cohort.people == {**before.cohort.people, "test": 3}
    assert after.spread["splits"]["test"]["n"] == 3 == after.metrics["test"]["recording"]["n"]
    assert after.spread["splits"]["dev"] == pytest.approx(before.spread["splits"]["dev"], abs=1e-5)
    counted = [entry for entry in before.audit if any(letter.isdigit() for letter in entry.text)]
    assert counted and before.cohort.warnings
    for old, new in zip(before.audit, after.audit, strict=True):
        assert new.text == old.text + " (counted before a removal)" * (old in counted)
    assert after.cohort.warnings == tuple(text + " (counted before a removal)" for text in before.cohort.warnings)


def test_a_split_without_people_is_said_to_be_empty(here, capsys):
    run = the_run(here)
    people = sorted(set(Run.open(run).predictions.in_split("test").frame["person_id"]))
    for person in people:
        for found in removal.find_rows(here / "lfnet_runs", "study", person).found:
            removal.remove_rows(found, person, [])
    result = Run.open(run).result
    assert "test" not in result.metrics and result.cohort.recordings["test"] == 0
    assert {"split test is empty since the removal", "scores of 4 people removed on request"} <= {*result.marks}
    capsys.readouterr()
    for command in ([*TABLE, "--render"], ["report", *TABLE[1:]]):
        assert main(command) == 0
        printed = " ".join(capsys.readouterr().out.split())
        assert "Split test is empty since the removal: mean_mlp." in printed
        assert "Scores of 4 people removed on request: mean_mlp." in printed


def test_a_removed_person_is_not_mentioned_once_the_manifest_names_them_no_more(here, capsys):
    assert forget(PERSON, "--yes") == 0
    manifest = here / "study" / "manifest.csv"
    kept = [line for line in manifest.read_text().splitlines(keepends=True) if "take_of_marker" not in line]
    manifest.write_text("".join(kept))
    capsys.readouterr()
    assert main(["extract", *SETTINGS]) == 0
    assert "removed" not in capsys.readouterr().err
    assert forget(PERSON, "--yes") == 0  # known from the record of the removal, which names no one
    assert f"nothing of {PERSON} is left in" in capsys.readouterr().out


def test_a_damaged_record_is_named_and_gets_no_right_digest(here, capsys):
    (record,) = here.glob("lfnet_runs/sweeps/*.json")
    record.write_text(record.read_text().replace('"finished"', f'"failed","error":"{PERSON}"', 1))
    before = record.read_bytes()
    assert forget(PERSON, "--yes") == 0
    assert f"not searched: {record.relative_to(here)} is damaged" in capsys.readouterr().out.replace(f"{here}/", "")
    assert record.read_bytes() == before


def test_the_state_of_an_unfinished_training_on_the_person_is_removed(here, capsys):
    run = the_run(here)
    kept = {}
    for name, people in (("unfinished", True), ("of_others", False)):
        folder = run.with_name(name)
        shutil.copytree(run, folder)
        (folder / "result.json").unlink()
        (folder / TRAINING_STATE).write_bytes(b"weights")
        if not people:
            for table in folder.glob("*.csv"):
                lines = table.read_text().splitlines(keepends=True)
                table.write_text("".join(line for line in lines if not any(person in line for person in NAMES)))
        kept[name] = folder / TRAINING_STATE
    assert forget(PERSON, "--yes") == 0
    assert str(kept["unfinished"].relative_to(here)) in capsys.readouterr().out
    assert not kept["unfinished"].exists() and kept["of_others"].exists()


def test_weights_that_have_seen_the_person_are_named(here, capsys):
    assert forget("Trained-Marker", "--yes") == 0
    out = capsys.readouterr().out
    assert "trained weights have seen this person" in out and f"delete the folders:\n  {the_run(Path())}\n" in out
    assert forget(PERSON, "--yes") == 0
    marks = Run.open(the_run(here)).result.marks
    assert marks[-1] == "scores of 2 people removed on request, of whom the weights have seen one or more"


@pytest.mark.parametrize("moved", [2, 6, 7, 10])  # while six files are prepared, and before a move of five
def test_a_killed_removal_is_finished_by_the_same_command(here, monkeypatch, capsys, moved):
    whole = here.parent / "whole"
    shutil.copytree(here, whole)
    monkeypatch.chdir(whole)
    assert forget(PERSON, "--yes") == 0
    monkeypatch.chdir(here)
    replace, calls = Path.replace, []

    def killed(self, target):
        if self.parent.name == ".forget":
            calls.append(self)
            if len(calls) > moved:
                raise KeyboardInterrupt
        return replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        assert forget(PERSON, "--yes") == 130
    assert removal.pending_removals(Path("lfnet_runs")) == [the_run(Path())]
    refused(capsys, "train", *SETTINGS, *TRAIN)
    refused(capsys, "extract", *SETTINGS)
    refused(capsys, *TABLE)
    main(["evidence", str(the_run(here) / "predictions.csv")])
    main(["export", str(the_run(here)), "--out", "bundle"])
    assert "run the job" not in capsys.readouterr().err
    assert forget(PERSON, "--yes") == 0
    run = the_run(here)
    assert PERSON not in (run / "predictions.csv").read_text()
    assert {p.name: p.read_bytes() for p in run.iterdir()} == {p.name: p.read_bytes() for p in the_run(whole).iterdir()}


@pytest.mark.parametrize("at", [0, 1])  # before the first feature file is gone, and before the second
def test_a_removal_killed_before_the_runs_is_finished_without_the_manifest_s_row(here, monkeypatch, capsys, at):
    unlink, calls = Path.unlink, []

    def killed(self, missing_ok=False):
        if self.suffix in (".safetensors", ".json"):
            calls.append(self)
            if len(calls) > at:
                raise KeyboardInterrupt
        return unlink(self, missing_ok=missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", killed)
        assert forget(PERSON, "--yes") == 130
    refused(capsys, "train", *SETTINGS, *TRAIN)
    manifest = here / "study" / "manifest.csv"
    kept = [line for line in manifest.read_text().splitlines(keepends=True) if "take_of_marker" not in line]
    manifest.write_text("".join(kept))
    refused(capsys, "extract", *SETTINGS)
    assert forget(PERSON, "--yes") == 0
    assert contains(here, *NAMES) == {"study/take_of_marker.npz", "study/take_of_marker_2.npz"}
    assert main(["extract", *SETTINGS]) == 0


def refused(capsys, *words: str) -> None:
    """The command says how the removal is finished, and changes nothing."""
    before = content(Path())
    capsys.readouterr()
    assert main(list(words)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: a removal from cohort study was interrupted, or runs now. Finish it with ")
    assert f"`lfnet forget {PERSON} cohort=folder cohort.root=study --yes`" in line
    assert content(Path()) == before


def test_a_person_of_another_cohort_with_the_same_clips_stays(here, capsys):
    shutil.copytree(here / "study", here / "twin")
    assert main(["train", "cohort=folder", "cohort.root=twin", *TRAIN[:-1]]) == 0
    runs = {
        Path(json.loads(file.read_text())["config"]["cohort"]["root"]).name: file.parent
        for file in here.glob("lfnet_runs/*/result.json")
    }
    before = content(runs["twin"]), content(here / "lfnet_cache/features/twin")
    assert forget(PERSON, "--yes") == 0
    assert (content(runs["twin"]), content(here / "lfnet_cache/features/twin")) == before
    assert PERSON not in (runs["study"] / "predictions.csv").read_text()
    assert f"runs on other cohorts, with a person of this id, not changed: {runs['twin'].relative_to(here)}" in (
        capsys.readouterr().out
    )


def test_a_manifest_is_enough_and_an_unknown_person_is_one_message(here, capsys):
    (here / "study" / "take_of_marker.npz").unlink()
    assert main(["forget", PERSON, "study/manifest.csv", "--yes"]) == 0
    assert contains(here, PERSON, "take_of_marker.") == {"study/manifest.csv"}
    capsys.readouterr()
    assert main(["forget", "Nobody", "study/manifest.csv"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: Nobody is no person_id of cohort study, nor of a run on it. ")
