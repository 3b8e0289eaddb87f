"""Nothing handed on names a person, clip, recording, file, folder, user or host, although marked names are planted."""

import getpass
import io
import json
import platform
import re
import shutil
import socket
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pytest
import wandb
from PIL import Image

from lfnet.cli.main import main as lfnet
from lfnet.config import instantiate
from lfnet.deploy.replace import replaced
from lfnet.fusion import persist
from lfnet.fusion.system import fuse
from tests.composing import composed
from tests.fusion.simulated_splits import SMALL as SMALL_FUSION
from tests.fusion.simulated_splits import settings as fusion_settings
from tests.fusion.simulated_splits import split as make_split
from tests.real.clips import cut
from tests.wandb_files import read_wandb

MARK = "Quaggl"  # part of every planted name, and in no word
SPLITS = ("train",) * 8 + ("dev",) * 5 + ("test",) * 5
SMALL = (
    *("protocol.window=16", "protocol.hop=8", "protocol.health.min_coverage=0.5", "protocol.health.unusable=drop"),
    *("trainer=default", "trainer.max_epochs=1", "trainer.batch_size=8", "launcher=serial"),
)


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a cohort; home, user, host, current folder and git remote have marked names, too."""
    home = tmp_path / f"home_of_{MARK}"
    work, root = home / f"work_{MARK}", home / f"Study of {MARK} M" / f"clips of {MARK}"
    for folder in (work / ".git", root, home / ".config"):
        folder.mkdir(parents=True)
    url = f"ssh://{MARK}@host_{MARK}/{MARK}.git"
    (work / ".git" / "config").write_text(f'[remote "origin"]\n\turl = {url}\n[user]\n\tname = {MARK}\n')
    (work / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    for name in ("USER", "LOGNAME", "USERNAME", "LNAME", "HOSTNAME", "WANDB_USERNAME", "WANDB_HOST"):
        monkeypatch.setenv(name, f"{name}_{MARK}")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PWD", str(work))
    monkeypatch.chdir(work)
    for owner, name in ((socket, "gethostname"), (socket, "getfqdn"), (platform, "node"), (getpass, "getuser")):
        monkeypatch.setattr(owner, name, lambda *_, name=name: f"{name}_{MARK}")
    monkeypatch.setattr("sys.argv", [f"/bin/{MARK}/lfnet", f"argument_{MARK}"])
    generator = np.random.default_rng(0)
    rows = []
    for number, split in enumerate(SPLITS):
        features = generator.normal(size=(24, 4)).astype(np.float32)
        if number == 1:
            features[1:] = np.nan  # left out as unusable
        (root / f"day_{MARK}").mkdir(exist_ok=True)
        name = f"day_{MARK}/film_{MARK}_{number}.npy"
        np.save(root / name, features)
        ids = {one: f"{one}_{MARK}_{number}" for one in ("clip_id", "recording_id", "person_id")}
        guessed = "yes" if number == 0 else ""
        facts = {"fps": 10, "person_guessed": guessed, "sex": "fm"[number % 2]}
        rows.append({"path": name, **ids, "split": split, "label": number, **facts})
    rows[-1]["person_id"] = rows[0]["person_id"]  # a leak, of which the audit knows the person
    pd.DataFrame(rows).to_csv(root / f"labels_{MARK}.csv", index=False)
    return root


def contents(name: str, data: bytes) -> Iterator[tuple[str, bytes]]:
    """A file's bytes, and those of its members and compressed parts."""
    yield name, data
    if zipfile.is_zipfile(io.BytesIO(data)):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for member in archive.infolist():
                yield f"{name}!{member.filename}", f"{member.filename}\n".encode() + member.comment
                yield from contents(f"{name}!{member.filename}", archive.read(member))
    elif data.startswith(b"\x89PNG"):
        yield f"{name}!text", repr(Image.open(io.BytesIO(data)).info).encode()
    elif data.startswith(b"%PDF"):
        for stream in re.findall(rb"stream\r?\n(.*?)endstream", data, re.DOTALL):
            yield f"{name}!stream", zlib.decompressobj().decompress(stream) if stream[:1] == b"x" else stream
    elif data.startswith(b"\x1f\x8b"):
        yield f"{name}!gz", zlib.decompress(data, 31)
    elif name.endswith(".onnx"):
        yield f"{name}!text", str(onnx.load_from_string(data)).encode()


def named(folder: Path) -> list[str]:
    """The places below a folder where the mark stands, in names of files as well; empty files do not count."""
    found = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            data = str(path.readlink()).encode()
        elif path.is_dir():
            data = b""
        else:
            data = read_wandb(path) if path.suffix == ".wandb" else path.read_bytes()
        for part, text in contents(name, data):
            text = name.encode() + b"\n" + text
            for encoding in ("ascii", "utf-16-le", "utf-16-be"):
                if (at := text.lower().find(MARK.lower().encode(encoding))) >= 0:
                    found.append(f"{part}: {text[max(0, at - 60) : at + 40]!r}")
    return found


def test_nothing_that_is_handed_on_has_a_planted_name(planted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    work = Path.cwd()
    wandb.teardown()  # the service of an earlier test would write to the folder in which it was started
    cohort = ["cohort=folder", f"cohort.root='{planted}'", f"cohort.manifest=labels_{MARK}.csv", *SMALL]
    swept = [*cohort, "head=mean_mlp", "protocol=masked", "seed=0,1", "logger=wandb", "table.controls=[]"]
    swept += ["table.evidence.resamples=200", "table.evidence.flips=200", "trainer.lr=1e-3,1e30"]
    swept += ["table.rows=[head,trainer.lr]", "table.sections=[cohort.root]", "table.evidence.min_people=3"]
    swept += ["table.figure={x: seconds, y: test.mae}", "table.evidence.groups={sex: null}"]
    assert lfnet(["table", "architectures", *swept]) == 1, "one learning rate fails"
    assert lfnet(["report", "architectures", *swept, "--figures"]) == 0
    assert lfnet(["dashboard", "architectures", *swept]) == 0
    assert lfnet(["view"]) == 0
    (run, *_) = sorted(path.parent for path in work.glob("lfnet_runs/*/result.json"))
    assert lfnet(["export", str(run), "--out", "bundle", "--tolerance", "1"]) == 0
    assert json.loads((run / "result.json").read_text())["cohort"]["name"] == f"clips-of-{MARK}"
    assert MARK in (run / "train.log").read_text() and MARK in (run / "predictions.csv").read_text(), (
        "names are planted"
    )
    assert lfnet(["evidence", str(run / "predictions.csv"), "--csv", "evidence/evidence.csv"]) == 0
    capsys.readouterr()
    out = [
        work / folder for folder in ("lfnet_runs/tables", "lfnet_runs/view", "lfnet_runs/wandb", "bundle", "evidence")
    ]
    suffixes = {path.suffix for folder in out for path in folder.rglob("*") if path.is_file()}
    assert suffixes >= {".md", ".csv", ".tex", ".json", ".html", ".js", ".png", ".pdf", ".svg", ".wandb", ".onnx"}
    card, page = (work / "bundle" / "MODEL_CARD.md").read_text(), next(out[0].glob("*.md")).read_text()
    for text in (card, page):
        assert "1 clip left out as unusable" in text and "guessed from file names" in text, "facts are kept"
        assert "sex: 2 groups of fewer than" in text, "groups were asked for"
    assert MARK in (run / "groups.csv").read_text()
    assert "cohort.root=…" in page and "lfnet table architectures" in page
    assert "Cohort folder." in card and re.search(r"Cohort\W+folder\b", page), "the name of the folder is private"
    assert {folder.name: named(folder) for folder in out} == {folder.name: [] for folder in out}
    # After a removal, too; its record names no one.
    assert lfnet(["forget", f"person_id_{MARK}_17".upper(), *cohort[:3], "--yes"]) == 2, "the leak renamed this person"
    assert lfnet(["forget", f"person_id_{MARK}_16".upper(), *cohort[:3], "--yes"]) == 0
    assert lfnet(["report", "architectures", *swept]) == 0
    assert lfnet(["view", "--no-open"]) == 0
    assert lfnet(["export", str(run), "--out", "bundle", "--tolerance", "1"]) == 0
    assert "removed on request" in (work / "bundle" / "MODEL_CARD.md").read_text()
    assert {folder.name: named(folder) for folder in out} == {folder.name: [] for folder in out}
    (record,) = (work / "lfnet_runs" / "removals").iterdir()
    assert "person_id" not in record.read_text()


def test_the_model_of_a_fusion_has_no_planted_name(tmp_path: Path) -> None:
    train, test = make_split(f"train_{MARK}", clips=30, people=10), make_split(f"test_{MARK}")
    assert all(MARK in name for ids in (train.people, train.clip_ids, train.recording_ids) for name in ids)
    chosen = fusion_settings(*SMALL_FUSION, "fusion.model=fused", fusion="published")
    persist.save(fuse(train, {"test": test}, chosen, seed=0).system, tmp_path / "model.skops")
    assert zipfile.is_zipfile(tmp_path / "model.skops") and named(tmp_path) == []


def test_names_of_an_avec_tree_are_in_no_warning(planted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of label files, of clips that are left out, of labels without a clip: each is planted."""
    root = planted.parent / f"tree of {MARK}"
    for number, part in enumerate(("Training", "Development", "Testing")):
        folder = root / f"of {MARK}" / part
        (folder / "Freeform").mkdir(parents=True)
        (folder / "Freeform" / f"{number}_1_Freeform_video.mp4").touch()
        (folder / "Freeform" / f"spare_{MARK}.mp4").touch()
        (folder / f"{number}_1_{MARK}_Depression.csv").write_text("3\n")
    (folder / f"9_1_{MARK}_Depression.csv").write_text("3\n")
    files = rf"cohort.labels.files=['(?P<person>\d+)_(?P<session>\d+)_{MARK}_Depression\.csv']"
    settings, _ = composed("cohort=avec2014", f"cohort.root='{root}'", files)
    cohort = instantiate(settings["cohort"], "cohort")
    assert len(cohort.clips) == 3 and cohort.clips["label"].tolist() == [3, 3, 3]
    assert MARK in capsys.readouterr().err, "the person at this machine is told"
    assert len(cohort.warnings) >= 3 and MARK not in repr(cohort.warnings)


def test_no_lock_lies_in_a_folder_that_is_handed_on(planted: Path) -> None:
    """A lock names the process and the host, and stays when its holder is killed."""
    with replaced(planted.parent / "bundle") as folder:
        assert named(planted.parent / "bundle") == [], "while an export runs"
        (folder / "bundle.json").write_text('{"files": {}}')
        (folder / "MODEL_CARD.md").touch()
    assert named(planted.parent / "bundle") == []


@pytest.mark.long
@pytest.mark.shared
@pytest.mark.parametrize("encoder", ["blendshapes", "mobilenet", "expression"])
def test_a_bundle_that_scores_video_has_no_planted_name(planted: Path, shared: Path, encoder: str) -> None:
    """Clips, weights and landmarker are the user's own files, with planted names."""
    own = {"face_landmarker.task": "video.landmarker.path"}
    own |= {"mobilenet": {"mobilenetv3_small_features.pt": "encoder.mobilenet.weights.path"}}.get(encoder, {})
    own |= {"expression": {"expression_7.onnx": "encoder.expression.weights.path"}}.get(encoder, {})
    words = []
    for name, key in own.items():
        copied = shutil.copy(shared / "weights" / name, planted / f"{MARK}_{name}")
        words += [f"{key}='{copied}'", *([f"{key.removesuffix('path')}sha256=null"] if "encoder" in key else [])]
    rows = []
    for number, part in enumerate(("train", "train", "dev", "test")):
        cut(shared / "media" / "single_face.mp4", planted / f"film_{MARK}_{number}.mp4", 0.3 * number, 0.5)
        rows.append(f"film_{MARK}_{number}.mp4,{MARK}_{number},{part},{10 * number}")
    (planted / "manifest.csv").write_text("\n".join(["path,person_id,split,label", *rows]) + "\n")
    cohort = ["cohort=folder", f"cohort.root='{planted}'", f"encoder={encoder}", *words]
    assert (
        lfnet(["train", *cohort, "head=mean_mlp", "trainer.max_epochs=1", "protocol.window=8", "protocol.hop=8"]) == 0
    )
    (run,) = Path().glob("lfnet_runs/*/result.json")
    assert lfnet(["export", str(run.parent), "--out", "bundle", "--tolerance", "1"]) == 0
    facts = json.loads(Path("bundle/bundle.json").read_text())
    assert facts["encoder"]["name"] == encoder and Path("bundle", facts["video"]["file"]).is_file()
    assert named(Path("bundle")) == []
