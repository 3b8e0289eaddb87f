"""Each block of docs/ runs in the order of its page, in a folder that holds what the page assumes, or says why not."""

import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from joblib.externals.loky import get_reusable_executor

from lfnet.cli.main import main
from tests.packaging import made_folders as made
from tests.packaging.doc_blocks import DOCS, Block, blocks, faults

PAGES = [page for page in sorted(DOCS.rglob("*.md")) if blocks(page)]
NAMES = [page.relative_to(DOCS).with_suffix("").as_posix() for page in PAGES]

# What a page assumes to be in the reader's folder.
FOLDERS: dict[str, tuple[Callable[[Path, Path], None], ...]] = {
    "audio": (made.make_videos, made.make_sound_network),
    "cohorts": (made.make_two_cohorts,),
    "corpora": (made.make_corpus, made.make_tree),
    "features": (made.make_faces,),
    "groups": (made.make_grouped,),
    "labels": (made.make_scores, made.make_items, made.make_labelled),
    "people": (made.make_videos, made.make_interview),
    "promises": (made.make_person,),
    "tutorials/avec2014": (made.make_avec2014,),
    "tutorials/run_to_bundle": (made.make_videos,),
    "tutorials/your_encoder": (made.make_videos,),
    "tutorials/your_videos": (made.make_videos,),
}
_VIDEOS = "lfnet cohort init my_videos --labels scores.csv"
_CLIPS = "trainer=quick debug=fast protocol.window=64 protocol.hop=32"
_TRAIN = f"lfnet train cohort=folder encoder=blendshapes head=mean_mlp {_CLIPS} cohort.root="
# What a page's reader has done by other means.
BEFORE: dict[str, list[str]] = {
    "audio": [_VIDEOS],
    "cohorts": [f"lfnet cohort init {name} --kind features --fps 30 --labels scores.csv" for name in "AB"],
    "groups": ["lfnet cohort init DIR --kind features --fps 30 --labels people.csv"],
    "labels": [
        "lfnet cohort init my_yes_no --kind features --fps 30 --scale binary --labels yes_no.csv",
        "lfnet cohort init my_phq8 --kind features --fps 30 --scale phq8 --labels phq8.csv",
    ],
    "people": [_VIDEOS, f"{_TRAIN}my_videos", "lfnet export RUN --out my_bundle"],
    "promises": [
        "lfnet cohort init my_videos --kind features --fps 30 --labels scores.csv",
        f"lfnet train cohort=folder cohort.root=my_videos head=mean_mlp {_CLIPS}",
    ],
    "tutorials/run_to_bundle": [_VIDEOS],
    "tutorials/your_encoder": [_VIDEOS],
}
_DRAWN = (
    "cohort.dim=16 cohort.people=one_each 'cohort.recordings={train:20,dev:12,test:12}' head=mean_mlp seed=0,1 "
    "'cohort.duration={min:4,max:8,median:6,spread:0.3}' debug=fast protocol.window=64 protocol.hop=64"
)
_OTHER = _DRAWN.replace("cohort.", "test_cohort.").partition(" head=")[0]
_FEW = f"{_CLIPS} head=mean_mlp,tcn seed=0 table.controls=null launcher=serial"
# Settings that make the commands of a page which begin so small; those that a command has itself are left as they are.
SMALLER: dict[str, dict[str, str]] = {
    "audio": {
        "lfnet train": _CLIPS,
        "lfnet table sound launcher": "'cohort.recordings={train:16,dev:8,test:8}' cohort.dim=16 seed=0 "
        "cohort.pulse.segment=2 'cohort.duration={min:4,max:6,median:5,spread:0.3}' fusion/joined=face,face_sound",
    },
    "cluster": {"lfnet table": f"{_DRAWN} table.controls=null launcher.jobs=2"},
    "cohorts": {
        "lfnet train cohort=folder": _CLIPS,
        "lfnet train amount": f"{_DRAWN.replace('seed=0,1', 'seed=0').replace('train:20', 'train:24')} trainer=quick",
        "lfnet train": f"{_DRAWN.replace('seed=0,1', 'seed=0')} {_OTHER} trainer=quick",
        "lfnet table transfer cohort=mine": _FEW,
        "lfnet table transfer": f"{_DRAWN} {_OTHER} launcher=serial",
        "lfnet table architectures": f"{_FEW} protocol=masked",
        "lfnet table how_much": f"{_DRAWN} amount=all,clip_25,people_6 launcher=serial",
        "lfnet table cohorts": f"{_DRAWN} cohort.seed=0,1,2 launcher=serial",
        "lfnet report cohorts": f"{_DRAWN} cohort.seed=0,1,2 launcher=serial",
    },
    "corpora": {"lfnet table": f"{_FEW} protocol=masked"},
    "features": {"lfnet table": _FEW},
    "groups": {
        "lfnet table architectures cohort=folder": f"{_FEW} protocol=masked",
        "lfnet table": f"{_DRAWN} launcher=serial",
    },
    "labels": {"lfnet train": _CLIPS, "lfnet table": f"{_DRAWN} table.controls=null launcher=serial"},
}


def test_every_page_that_needs_preparation_has_blocks():
    assert {*FOLDERS, *BEFORE, *SMALLER} <= set(NAMES)


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.stem)
def test_a_command_is_run_or_says_why_not(page):
    assert faults(page) == []
    for block in blocks(page):
        if block.language == "python":
            compile(block.text, block.file or page.name, "exec")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("```sh\npip install lfnet\n```", "no test runs `pip install lfnet`"),
        ("<!-- not run: it needs a network -->\n\n```sh\npip install lfnet\n```", "no test runs `pip install lfnet`"),
        ("<!-- not run `lfnet jobs`: it needs a cluster -->\n```sh\nmake test\n```", "no test runs `make test`"),
        ("<!-- not run `jobs`: it needs a cluster -->\n```sh\nlfnet train\n```", "no line has `jobs`"),
        ("<!-- not run: slow -->\n```sh\nlfnet train\n```", "no reason: slow"),
        ("```console\n$ lfnet train\n```", "no test runs a block of console"),
        ("```\nlfnet train\n```", "a command in a block of text: lfnet train"),
        ("    lfnet train head=ldbm", "outside a block: lfnet train head=ldbm"),
        ("<!-- not run: it needs a cluster -->\n", "outside a block: <!-- not run: it needs a cluster -->"),
    ],
)
def test_a_command_that_no_test_runs_is_found(text, fault, tmp_path):
    (tmp_path / "page.md").write_text(f"# Page\n\n{text}\n\n```text\nlfnet: 12 clips\n```\n")
    assert fault in faults(tmp_path / "page.md")


@pytest.mark.parametrize("page", [page for page in PAGES if any(b.language == "yaml" for b in blocks(page))])
def test_settings_of_a_yaml_block_are_those_of_conf(page, tmp_path, monkeypatch):
    from hydra import compose, initialize_config_dir

    from lfnet.config import conf_dir, plain
    from lfnet.jobs.session import Session
    from lfnet.jobs.settings import read_settings

    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    write_files(blocks(page))
    for block in blocks(page):
        if block.language != "yaml":
            continue
        found = re.fullmatch(r"my_conf/(\w+)/(\w+)\.yaml", block.file)
        assert found and yaml.safe_load(block.text), "the title of a yaml is my_conf/GROUP/NAME.yaml"
        chosen = [f"hydra.searchpath=[file://{tmp_path}/my_conf]", f"{found[1]}={found[2]}"]
        with initialize_config_dir(str(conf_dir()), version_base="1.3"):
            config = compose("train", overrides=chosen)
        read_settings(plain(config), Session())


@pytest.mark.long
@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_blocks_run(page, tmp_path, monkeypatch, request, capsys):
    name = page.relative_to(DOCS).with_suffix("").as_posix()
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    if name.startswith("corpora/"):
        made.MINIATURES[page.stem](tmp_path / "DIR")
    for make in FOLDERS.get(name, ()):
        make(tmp_path, request.getfixturevalue("shared"))
    for line in BEFORE.get(name, ()):
        run(line, capsys)
    # Workers of an earlier page would work in its folder.
    get_reusable_executor().shutdown(wait=True)
    names: dict = {}
    for block in blocks(page):
        write_files([block])
        if block.language == "python" and not block.file:
            exec(compile(block.text, page.name, "exec"), names)
        for line in block.lines:
            if not block.reason(line):
                run(smaller(line, SMALLER.get(name, {})), capsys)


def write_files(found: list[Block]) -> None:
    """Write the files that blocks are."""
    for block in found:
        if block.file:
            Path(block.file).parent.mkdir(parents=True, exist_ok=True)
            Path(block.file).write_text(block.text)


def smaller(line: str, settings: dict[str, str]) -> str:
    """Add settings to a command, but for those that it has itself."""
    command = shlex.split(line, comments=True)
    given = {word.partition("=")[0] for word in command}
    added = next((own for begin, own in settings.items() if line.startswith(begin)), "")
    return shlex.join([*command, *(word for word in shlex.split(added) if word.partition("=")[0] not in given)])


def run(line: str, capsys: pytest.CaptureFixture) -> None:
    """Run one command in this process; RUN stands for the run that there is."""
    words = shlex.split(line, comments=True)[1:]
    runs = [result.parent.name for result in Path("lfnet_runs").glob("*/result.json")]
    status = main([runs[0] if word == "RUN" else word for word in words])
    printed = capsys.readouterr()
    sys.stdout.write(f"$ {line}\n{printed.out}")
    assert status == 0, f"{line}\n{printed.out}\n{printed.err}"
