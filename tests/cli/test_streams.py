"""Standard output and the working folder fail as they like: every command ends with one line, or the right result."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lfnet.cli.commands import COMMANDS

HYDRA = ("train", "extract")  # their help takes seconds and is printed alike
# Runs commands of lfnet, given as JSON, each in a forked process whose file descriptor 1 is FILE ("" closes it).
CHILD = """
import io, json, os, sys
import lfnet.cli.main
from lfnet.cli.commands import COMMANDS
from lfnet.process import end_quickly
for command in COMMANDS.values():
    command.load()
def ended(words, file):
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(1)
        sys.stdout = None
        if file:
            os.dup2(os.open(file, os.O_WRONLY), 1)
            sys.stdout = open(1, "w", closefd=False)
        os.dup2(write, 2)
        status = end_quickly()
        status.append(lfnet.cli.main.main(words))
        sys.exit(status[0])
    os.close(write)
    text = open(read).read()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), text
print(json.dumps([ended(*each) for each in json.loads(sys.argv[1])]))
"""


def ends_of(*commands: tuple[list[str], str]) -> list[tuple[int, str]]:
    """Exit status and errors of each pair of command and FILE."""
    child = [sys.executable, "-c", CHILD, json.dumps(commands)]
    done = subprocess.run(child, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return [tuple(each) for each in json.loads(done.stdout)]


def run(*words: str, **more) -> subprocess.CompletedProcess[str]:
    start = "import sys; from lfnet.cli.main import main; sys.exit(main())"
    return subprocess.run([sys.executable, "-c", start, *words], capture_output=True, text=True, timeout=120, **more)


def test_a_full_or_closed_output_is_one_line_for_every_command():
    helps = [
        *([name, "--help"] for name in COMMANDS if name not in HYDRA),
        ["--help"],
        ["--version"],
        ["list", "heads"],
    ]
    some = helps[-4:]
    ends = ends_of(*((words, "/dev/full") for words in helps), *((words, "") for words in some))
    full, closed = ends[: len(helps)], ends[len(helps) :]
    message = "error: cannot write standard output: No space left on device. Free some space, or write elsewhere.\n"
    assert dict(zip(map(tuple, helps), full, strict=True)) == {tuple(words): (2, message) for words in helps}
    assert dict(zip(map(tuple, some), closed, strict=True)) == {tuple(words): (0, "") for words in some}


def test_a_message_that_cannot_be_written_changes_no_exit_status():
    with Path("/dev/full").open("w") as full:
        start = "import sys; from lfnet.cli.main import main; sys.exit(main())"
        assert subprocess.run([sys.executable, "-c", start, "nonsense"], stderr=full, timeout=120).returncode == 2


def test_a_deleted_working_folder_is_one_line(tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    start = "import os, sys; from lfnet.cli.main import main; os.rmdir(os.getcwd()); sys.exit(main())"
    for words in (["train"], ["list", "heads"], ["cohort", "init", "x"]):
        gone.mkdir(exist_ok=True)
        done = subprocess.run([sys.executable, "-c", start, *words], cwd=gone, capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == "error: the current folder does not exist any more: change to another one.\n"


@pytest.fixture
def scores(tmp_path):
    path = tmp_path / "scores.csv"
    rows = [f"{n},{'train' if n < 8 else 'test'},{n},{n + n % 3}" for n in range(20)]
    path.write_text("\n".join(["person,split,label,score", *rows]) + "\n")
    return path


def test_an_ascii_terminal_shows_what_it_can(scores, tmp_path):
    ascii_only = {**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0"}
    done = run("evidence", str(scores), "--csv", str(tmp_path / "out.csv"), env=ascii_only)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.isascii() and "mae" in done.stdout.lower()
    usual = run("evidence", str(scores), "--csv", str(tmp_path / "usual.csv"))
    assert usual.returncode == 0
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "usual.csv").read_bytes()


def test_a_table_is_written_before_it_is_printed(tmp_path, monkeypatch, capsys):
    from lfnet.cli import table
    from lfnet.reports import terminal
    from tests.tables.factory import result, sweep

    record = sweep(tmp_path, [result(head, 0, each=10) for head in ("ldbm", "mean_mlp")])
    monkeypatch.setattr(table, "find_sweep_outputs", lambda *_: (record, tmp_path, tmp_path / "tables"))
    monkeypatch.setattr(terminal, "terminal", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        table.table(["architectures", "--render"])
    assert {path.suffix for path in (tmp_path / "tables").iterdir()} >= {".md", ".csv", ".tex", ".json"}
