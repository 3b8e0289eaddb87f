"""Feature files of event counts: zero and constant vectors are faults, or values where the user says so."""

from pathlib import Path

import numpy as np
import pytest

from lfnet.cli.main import main
from lfnet.encoders.blendshapes import Blendshapes
from lfnet.features import health
from lfnet.features.extract import extract
from lfnet.features.joined_streams import JoinedStreams, JoinSettings, parts_of
from tests.features.fakes import Brightness, cohort_of, crop_picture
from tests.video.media import write_folder

PEOPLE = {"ann": "train", "bob": "train", "cyd": "dev", "dee": "test"}
QUICK = ("trainer.max_epochs=1", "protocol.window=16", "protocol.hop=8", "cohort=folder", "cohort.root=clips")


@pytest.fixture
def counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Events in three columns, at every fifth frame; dee has none."""
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "clips"
    root.mkdir()
    lines = ["path,person_id,split,label,fps"]
    for number, (person, split) in enumerate(PEOPLE.items()):
        events = np.zeros((40, 3), np.float32)
        if person != "dee":
            events[number::5] = np.eye(3)[np.arange(8) % 3]
        np.save(root / f"{person}.npy", events)
        lines.append(f"{person}.npy,{person},{split},{10 * number},30")
    (root / "manifest.csv").write_text("\n".join(lines))
    return root


def test_counts_are_refused_with_the_setting_that_allows_them(counts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", *QUICK]) == 2
    said = capsys.readouterr().err
    assert "ann: all-zero vectors in 32 of 40 frames with a face" in said
    assert "if zero or constant vectors are values (counts, one-hot series), set cohort.sparse=true" in said


def test_counts_are_trained_on_exported_and_scored(counts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", *QUICK, "cohort.sparse=true", "head=mean_mlp"]) == 0
    (run,) = (path.parent for path in Path("lfnet_runs").glob("*/result.json"))
    assert "dee" in (run / "predictions.csv").read_text(), "a clip without an event has a score"
    assert main(["export", str(run), "--out", "bundle", "--min-frames", "1"]) == 0
    capsys.readouterr()
    assert main(["predict", "clips/dee.npy", "--fps", "30", "--bundle", "bundle"]) == 0
    import lfnet

    with lfnet.load(run) as model:
        assert np.isfinite(model.predict(counts / "dee.npy", fps=30).score)


def test_what_is_dead_is_found_in_other_streams(tmp_path: Path) -> None:
    class Events(Brightness):
        sparse = True

        def encode(self, faces):  # type: ignore[no-untyped-def]
            return np.where(faces.index[:, None] % 3 == 0, super().encode(faces), 0).astype(np.float32)

    class Dead(Brightness):
        def encode(self, faces):  # type: ignore[no-untyped-def]
            return np.zeros((len(faces), self.dim), np.float32)

    cohort = cohort_of({"a": write_folder(tmp_path / "a", [crop_picture(number) for number in range(9)])})
    events, dead, bright = Events(name="events"), Dead(name="dead"), Brightness(name="bright")
    assert not Blendshapes.sparse
    stores = extract(cohort, [events, dead, bright], cache=tmp_path / "cache")
    assert health.check(stores["events"], ["a"]).problems == [] and stores["events"].header("a")["sparse"] == "true"
    assert "sparse" not in stores["bright"].header("a")
    settings = JoinSettings(normalise="none", length=1.0, presence=False, valid="any", dropout=0.0, columns=None)
    names = ("events", "bright")
    both = JoinedStreams(parts_of({name: stores[name] for name in names}, settings, "a"), ["a"], settings)
    assert both.check(["a"], health.EXACT).problems == [] and health.check(both, ["a"]).problems == []
    names = ("events", "dead")
    both = JoinedStreams(parts_of({name: stores[name] for name in names}, settings, "a"), ["a"], settings)
    (problem,) = both.check(["a"], health.EXACT).problems
    assert problem.what == "dead: all-zero vectors in 9 of 9 frames with a face"
