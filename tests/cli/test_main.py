"""`lfnet`: help, exit statuses, and messages for mistakes."""

import json
import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import lfnet
from lfnet.cli import main as entry
from lfnet.errors import LfnetError, LfnetWarning

HEAVY = ("torch", "numpy", "pandas", "hydra", "omegaconf", "cv2", "mediapipe", "sklearn", "timm")


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "lfnet.cli.main", *arguments], capture_output=True, text=True, cwd=cwd)


class StandIn:
    """A stand-in for a command."""

    def __init__(self, action):
        self.action = action

    def load(self):
        return self.action


@pytest.fixture
def command(monkeypatch):
    """A function that replaces `lfnet train`."""

    def replace(action):
        monkeypatch.setitem(entry.COMMANDS, "train", StandIn(action))

    return replace


def raising(error: BaseException):
    def action(argv):
        raise error

    return action


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from lfnet.cli.main import main; status = main(['--help']); "
        f"print(status, [name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.strip() == "0 []"
    for name in entry.COMMANDS:
        assert f"\n  {name} " in done.stdout
    assert lfnet.RESEARCH_ONLY in done.stdout


@pytest.mark.parametrize("name", entry.COMMANDS)
def test_every_command_explains_itself_with_examples(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("PYTHONSAFEPATH", os.environ.get("PYTHONSAFEPATH", ""))
    assert entry.main([name, "--help"]) == 0
    printed = capsys.readouterr().out
    assert "example" in printed.lower()
    assert f"lfnet {name}" in printed
    assert not list(tmp_path.iterdir()), "help leaves nothing behind"


def test_no_command_shows_the_page_and_fails(capsys):
    assert entry.main([]) == 2
    assert "usage: lfnet" in capsys.readouterr().out


@pytest.mark.parametrize("word", ["--version", "version"])
def test_version(word, capsys):
    assert entry.main([word]) == 0
    assert capsys.readouterr().out == f"lfnet {lfnet.__version__}\n"


@pytest.mark.parametrize(
    ("word", "meant"), [("trian", "train"), ("tabel", "table"), ("docter", "doctor"), ("lst", "list")]
)
def test_a_mistyped_command_is_recognised(word, meant, capsys):
    assert entry.main([word]) == 2
    printed = capsys.readouterr()
    assert f"Did you mean `lfnet {meant}`?" in printed.err
    assert printed.out == ""


def test_an_unknown_command_lists_all(capsys):
    assert entry.main(["zzzzzz"]) == 2
    assert ", ".join(entry.COMMANDS) in capsys.readouterr().err


def test_a_mistake_is_one_line_without_traceback(command, capsys):
    command(raising(LfnetError("manifest.csv, row 3: no label. Fill it in.")))
    assert entry.main(["train"]) == 2
    assert capsys.readouterr().err == "error: manifest.csv, row 3: no label. Fill it in.\n"


def test_a_defect_keeps_its_traceback_and_asks_for_a_report(command, capsys):
    command(raising(ZeroDivisionError("planted")))
    assert entry.main(["train"]) == 1
    printed = capsys.readouterr().err
    assert "Traceback" in printed and "ZeroDivisionError: planted" in printed
    assert printed.endswith(entry.DEFECT + "\n")


def test_an_interrupt_is_one_line(command, capsys):
    command(raising(KeyboardInterrupt()))
    assert entry.main(["train"]) == 130
    assert capsys.readouterr().err.count("\n") == 1


def test_sigterm_unwinds_like_an_interrupt_and_a_second_one_changes_nothing(command, capsys):
    unwound = []

    def work(arguments):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            unwound.append(True)

    command(work)
    assert entry.main(["train"]) == 143 and unwound == [True]
    assert capsys.readouterr().err.count("\n") == 1
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


@pytest.mark.parametrize(("code", "status"), [(None, 0), (3, 3), ("stopped", 1)])
def test_an_exit_becomes_a_status(code, status, command):
    command(raising(SystemExit(code)))
    assert entry.main(["train"]) == status


def test_a_commands_status_and_arguments_pass_through(command):
    seen = []

    def action(argv):
        seen.append(argv)
        return 7

    command(action)
    assert entry.main(["train", "head=ldbm", "-m"]) == 7
    assert seen == [["head=ldbm", "-m"]]


def test_own_warnings_are_plain_lines_printed_once_and_others_are_unchanged(command, capsys):
    def action(argv):
        for _ in range(3):
            warnings.warn("4 people are in two splits.", LfnetWarning, stacklevel=1)
        warnings.warn("from a library", UserWarning, stacklevel=1)
        return 0

    command(action)
    for _ in range(2):  # each call prints it again
        with pytest.warns(UserWarning, match="from a library"):
            assert entry.main(["train"]) == 0
        printed = capsys.readouterr().err
        assert printed.count("warning: 4 people are in two splits.\n") == 1
        assert "LfnetWarning" not in printed


def test_a_closed_pipe_is_no_defect():
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run([sys.executable, "-m", "lfnet.cli.main", "--help"], stdout=write, stderr=subprocess.PIPE)
    finally:
        os.close(write)
    assert done.stderr == b""
    assert done.returncode == 141


def test_a_mistyped_setting_is_one_line_before_torch_is_imported(tmp_path):
    code = (
        "import sys; from lfnet.cli.main import main; status = main(['train', 'head.patchsize=8', 'head=ldbm']); "
        "print(status, [name for name in ('torch', 'lightning', 'sklearn') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.strip() == "2 []"
    assert done.stderr.startswith("error: there is no setting `head.patchsize`. Did you mean `head.patch_size`?")
    assert done.stderr.count("\n") == 1


def test_json_on_stdout_is_json_alone(tmp_path):
    done = run("list", "protocols", "--json", cwd=tmp_path)
    assert {row["name"] for row in json.loads(done.stdout)} >= {"masked", "published"}


def test_options_may_stand_between_settings(tmp_path, monkeypatch, capsys):
    """A user's own folder of settings, as in `lfnet train --config-dir my head=mine`; Hydra alone wants it last."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my" / "head").mkdir(parents=True)
    (tmp_path / "my" / "head" / "mine.yaml").write_text("# Mine.\n_target_: my_heads.Mine\n")
    for words in (("train", "seed=3"), ("table", "architectures", "trainer.lr=1", "~cohort.dim")):
        assert entry.main([*words, "--config-dir", "my", "head=mine", "--cfg", "job", "seed=3"]) == 0
        printed = capsys.readouterr().out
        assert "_target_: my_heads.Mine" in printed and "\nseed: 3\n" in printed


def test_values_that_hydra_cannot_read_are_quoted(command, monkeypatch):
    monkeypatch.setenv("HOME", "/home/some one")
    quoted = {
        "cohort.root=~/my videos": 'cohort.root="/home/some one/my videos"',
        "paths.cache=~": 'paths.cache="/home/some one"',
        "cohort.root=~ann/x": 'cohort.root="~ann/x"',
        "cohort.root=Köln 2024/a&b": 'cohort.root="Köln 2024/a&b"',
        "cohort.root=a=b": 'cohort.root="a=b"',
    }
    left = ["~head", "a=[~/x]", "~/clip.mp4", "seed=1,2", "x='ü'", "head=glob(m*)", "a.b=c:/d e", "seed=${x}"]
    kept: list[str] = []
    command(lambda arguments: kept.extend(arguments) or 0)
    assert entry.main(["train", *quoted, *left]) == 0
    assert kept == [*quoted.values(), *left]


def test_a_long_value_does_not_make_a_long_message(command, capsys):
    command(raising(LfnetError("a.csv: row 3: " + "x" * 70_000 + "\nCorrect it.")))
    assert entry.main(["train"]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("error: a.csv: row 3: xx") and first.endswith("x…") and len(first) < 1100
    assert second == "Correct it."
