"""Tab completion: commands and options, Hydra's settings, and the script in a real bash."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lfnet.cli.commands import COMMANDS
from lfnet.cli.completion import complete, script
from lfnet.errors import LfnetError


@pytest.mark.parametrize(
    ("line", "answers"),
    [
        ("lfnet tr", ["train "]),
        ("lfnet table arch", ["architectures "]),
        ("lfnet list enc", ["encoders "]),
        ("lfnet weights f", ["fetch "]),
        ("lfnet weights fetch mobilef", ["mobileface "]),
        ("lfnet train head=ld", ["head=ldbm "]),
        (
            "lfnet train launcher=",
            [f"launcher={name} " for name in ("dask", "joblib", "ray", "serial", "slurm")],
        ),
        ("lfnet train head=ldbm head.patch_s", ["head.patch_size="]),
        ("lfnet train -m head=mamba_gru see", ["seed="]),
        ("lfnet table architectures protocol=m", ["protocol=masked "]),
        ("lfnet extract cohort=f", ["cohort=folder "]),
        ("lfnet cohort sh", ["show "]),
        ("lfnet cohort show cohort=av", ["cohort=avec2013 ", "cohort=avec2014 "]),
        ("lfnet train --mul", ["--multirun "]),
        ("lfnet evidence scores.csv --sc", ["--score "]),
        ("lfnet evidence sco", []),
        ("lfnet export --in", ["--int8 "]),
        ("lfnet cohort init --skip", ["--skip-unreadable "]),
        ("lfnet runs st", ["state="]),
        ("lfnet view --o", ["--out "]),
        ("lfnet nonsense ", []),
        ("lfnet train head=nonsense se", []),
    ],
)
def test_answers(line, answers):
    assert complete(line) == answers


def test_all_commands_at_the_start():
    assert {f"{name} " for name in COMMANDS} <= set(complete("lfnet "))


def test_tables_do_not_include_none():
    assert "none " not in complete("lfnet table ")


def test_a_folder_continues(tmp_path, monkeypatch):
    (tmp_path / "videos").mkdir()
    monkeypatch.chdir(tmp_path)
    assert complete("lfnet train cohort=folder cohort.root=./vid") == ["cohort.root=./videos/"]


@pytest.mark.parametrize("line", ["export", "adapt", "bench", "runs --compare 2abc"])
def test_names_of_runs(line, tmp_path, monkeypatch):
    for name in ("lfnet_runs/0123abcd", "lfnet_runs/0199ffff", "elsewhere/01ee"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "result.json").touch()
    (tmp_path / "lfnet_runs" / "01dead").mkdir()
    monkeypatch.chdir(tmp_path)
    assert complete(f"lfnet {line} 01") == ["0123abcd ", "0199ffff "]
    assert complete(f"lfnet {line} paths.runs=elsewhere 0") == ["01ee "]


def test_an_unknown_shell_is_refused_with_an_example():
    with pytest.raises(LfnetError, match="--shell-completion bash"):
        script("tcsh")


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("line", "replies"),
    [
        ("lfnet tra", ["train "]),
        # bash hands over and replaces only what follows the last `=`.
        ("lfnet train head=ld", ["ldbm "]),
        ("lfnet train head=ldbm head.patch_s", ["head.patch_size="]),
        ("lfnet train nothing_like_it", []),
    ],
)
def test_in_bash(line, replies, tmp_path):
    command = tmp_path / "lfnet"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m lfnet.cli.main "$@"\n')
    command.chmod(0o755)
    session = (
        'eval "$(lfnet --shell-completion bash)"\n'
        "COMP_WORDBREAKS=$' \\t\\n\"\\'><=;|&(:'\n"
        f'COMP_LINE="{line}"; COMP_POINT=${{#COMP_LINE}}; _lfnet\n'
        'printf "%s\\n" "${COMPREPLY[@]}"\ncomplete -p lfnet\n'
    )
    environment = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "--norc", "-c", session], capture_output=True, text=True, env=environment, cwd=Path.cwd(), check=True
    )
    *answers, rule = done.stdout.splitlines()
    assert [answer for answer in answers if answer] == replies
    assert "-F _lfnet lfnet" in rule
    assert done.stderr == ""
