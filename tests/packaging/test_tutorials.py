"""Every block of the tutorials runs, in the order of the page, in a folder that holds what the page assumes."""

import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from joblib.externals.loky import get_reusable_executor

from lfnet.cli.main import main
from tests.packaging.made_folders import make_arrays, make_avec2014, make_faces, make_videos

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = [DOCS / "start.md", *sorted((DOCS / "tutorials").glob("*.md"))]
_BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```', re.MULTILINE | re.DOTALL)

# Pages that assume more than an empty folder.
FOLDERS: dict[str, tuple[Callable[[Path, Path], None], ...]] = {
    "avec2014": (make_avec2014,),
    "run_to_bundle": (make_videos,),
    "your_encoder": (make_videos,),
    "your_features": (make_faces, make_arrays),
    "your_videos": (make_videos,),
}
# Commands that need a cluster, a network, a licence, or another shell; test_texts.py checks that they can be typed.
NOT_RUN = re.compile(
    r"make |source |lfnet (jobs|cancel|doctor)|.* --submit|lfnet weights fetch|.*encoder=webface"
    r"|lfnet table architectures +#"
)
# What a page's commands need and its reader has done by other means.
BEFORE = {
    "run_to_bundle": "lfnet cohort init my_videos --labels scores.csv",
    "your_encoder": "lfnet cohort init my_videos --labels scores.csv",
}


def blocks(page: Path) -> list[tuple[str, str, str]]:
    """Language, name of a file ("" for none) and text of each block."""
    return _BLOCK.findall(page.read_text(encoding="utf-8"))


def command_lines(text: str) -> list[str]:
    return [line.strip() for line in text.replace("\\\n", " ").splitlines() if line.strip()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_blocks_are_known_and_can_be_read(page):
    found = blocks(page)
    assert found and {language for language, _, _ in found} <= {"sh", "python", "yaml", "text"}
    for language, name, text in found:
        if language == "python":
            compile(text, name or page.name, "exec")
        elif language == "yaml":
            assert name and yaml.safe_load(text)
        for line in command_lines(text) if language == "sh" else ():
            assert line.startswith("lfnet ") or NOT_RUN.match(line), line


@pytest.mark.long
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_blocks_run(page, tmp_path, monkeypatch, request, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for make in FOLDERS.get(page.stem, ()):
        make(tmp_path, request.getfixturevalue("shared"))
    if page.stem in BEFORE:
        run(BEFORE[page.stem], capsys)
    # Workers of an earlier page would work in its folder.
    get_reusable_executor().shutdown(wait=True)
    names: dict = {}
    for language, name, text in blocks(page):
        if name:
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).write_text(text)
        elif language == "python":
            exec(compile(text, page.name, "exec"), names)
        for line in command_lines(text) if language == "sh" else ():
            if not NOT_RUN.match(line):
                run(line, capsys)


def run(line: str, capsys: pytest.CaptureFixture) -> None:
    """Run one command in this process; RUN stands for the run that there is."""
    words = shlex.split(line, comments=True)[1:]
    runs = [result.parent.name for result in Path("lfnet_runs").glob("*/result.json")]
    status = main([runs[0] if word == "RUN" else word for word in words])
    printed = capsys.readouterr()
    sys.stdout.write(f"$ {line}\n{printed.out}")
    assert status == 0, f"{line}\n{printed.out}\n{printed.err}"
