"""Commands with damaged files, options and settings, run in this process up to where work would begin."""

import contextlib
import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

from lfnet.cli.commands import COMMANDS
from lfnet.cli.main import DEFECT, main
from lfnet.errors import LfnetError
from lfnet.runs.run import leaves
from lfnet.testing.mutations import WORDS, damage
from tests.composing import SMALL, composed
from tests.fuzz.of_runs import table_runs
from tests.fuzz.of_tables import cohort_of_features
from tests.fuzz.targets import target

# Of a message. Lists of problems and of choices are long; contents of files are longer.
_MAX_MESSAGE = 6000


def command(argv: list[str], folder: Path) -> str:
    """Run a command in `folder`; returns its status. An `AssertionError` is anything but a result or one message."""
    out, err = io.StringIO(), io.StringIO()
    here = Path.cwd()
    os.chdir(folder)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), _without_work():
            status = main(argv)
    finally:
        os.chdir(here)
    text = err.getvalue()
    shown = " ".join(argv)[:300]
    if "Traceback" in text or DEFECT in text:
        lines = [line.strip() for line in text.strip().splitlines() if line.strip() and line.strip() != DEFECT]
        places = [
            line.split('"')[1].split("/")[-1] + ":" + line.split()[3].rstrip(",") for line in lines if 'File "' in line
        ]
        raise AssertionError(f"traceback: {lines[-1][:200]} at {' < '.join(places[::-1][:3])} of `{shown}`")
    if status not in (0, 1, 2, 3):
        raise AssertionError(f"status {status} of `{shown}`")
    if status in (1, 2) and not (text.strip() or out.getvalue().strip()):
        raise AssertionError(f"status {status} without a word of `{shown}`")
    if len(text) > _MAX_MESSAGE:
        raise AssertionError(f"{len(text)} characters of `{shown}`")
    return f"status {status}"


@contextlib.contextmanager
def _without_work() -> Iterator[None]:
    """Settings, files and cohorts are read as ever; nothing is extracted, trained or fetched."""

    def stopped(*_: Any, **__: Any) -> Any:
        raise LfnetError("stopped where the work would begin.")

    def loaded(settings: Any, session: Any, **_: Any) -> Any:
        from lfnet.jobs.inputs import load_cohort

        load_cohort(settings, session)
        stopped()

    with (
        mock.patch("lfnet.jobs.job.run", stopped),
        mock.patch("lfnet.jobs.inputs.prepare_streams", loaded),
        mock.patch("lfnet.weights.sources.obtain", stopped),
        mock.patch("lfnet.weights.weights_file.obtain", stopped),
        mock.patch("lfnet.jobs.sweep.run_sweep", stopped),
    ):
        yield


def _workspace(at: Path) -> Path:
    """A cohort, scores, a trained run, runs of a table, and a bundle."""
    from lfnet.jobs.job import run
    from lfnet.testing import make_toy_bundle

    root = at / "work"
    root.mkdir()
    cohort_of_features(root / "clips")
    (root / "labels.csv").write_text("person,bdi\nann,3\nbob,7\ncyd,30\n")
    lines = [f"p{n // 2},r{n},{('train', 'dev', 'test')[n % 3]},{n},{n + n % 5},{30 - n}" for n in range(30)]
    (root / "scores.csv").write_text("\n".join(["person,recording,split,label,score_a,score_b", *lines]) + "\n")
    table_runs(root)
    settings, choices = composed(
        *SMALL, "head=mean_mlp", "trainer.max_epochs=1", "cohort.people_shared=0.0", root=at / "trained"
    )
    with contextlib.redirect_stdout(io.StringIO()):
        done = run(settings, choices)
    shutil.copytree(at / "trained" / "runs" / done.run, root / "trained" / "run")
    make_toy_bundle(root / "bundle")
    return root


# Words of each command; what begins with a name of the workspace is a path in it.
_LINES = (
    "audit clips/manifest.csv",
    "audit clips --json --strict",
    "audit cohort=folder cohort.root=clips",
    "cohort init clips --force --labels labels.csv --fps 30",
    "cohort init clips --force --splits 0.4,0.3,0.3 --seed 3 --kind features --fps 30 --scale phq8",
    "cohort split clips --seed 1 --splits 0.4,0.3,0.3",
    "cohort show cohort=folder cohort.root=clips cohort.fold=1",
    "evidence scores.csv",
    "evidence scores.csv --label label --score score_a score_b --person person --against score_b --json",
    "evidence scores.csv --on dev --margin 2 --level 0.9 --csv out.csv",
    "predict clips/bob_1.npz --bundle bundle --no-pulse",
    "predict clips/ann_1.npy clips/cyd_1.safetensors --bundle bundle --fps 30 --json --together --threads 1",
    "table architectures --render paths.runs=runs paths.tables=tables",
    "report architectures paths.runs=runs paths.tables=tables",
    "power architectures paths.runs=runs sizes=[50,100] power=0.9",
    "adapt trained/run --max 2 --json",
    "runs runs --sort test.mae head=ldbm seed=0 --csv",
    "runs trained --compare run run --show-paths",
    "export trained/run --out out --level 0.5",
    "weights list paths.weights=weights --json",
    "weights fetch mobileface paths.weights=weights",
    "list heads",
    "list tables --json",
    "doctor --json",
    "pulse clips --fps 30 --every 5 pulse.method=chrom",
    "demo",
    "extract cohort=folder cohort.root=clips paths.cache=cache",
    "train cohort=folder cohort.root=clips head=ldbm head.patch_size=8 seed=3",
    "train -m head=ldbm,tcn seed=0,1 cohort.dim=16",
    "train encoder=[blendshapes,expression] cohort=folder cohort.root=clips",
    "train fusion=nested cohort=folder cohort.root=clips",
    "table patch_size seed=0,1 trainer=quick",
    "dashboard architectures paths.runs=runs paths.tables=tables --project p",
    "--complete 'lfnet train head='",
    "--shell-completion bash",
)
_FILES = ("clips", "labels.csv", "scores.csv", "bundle", "runs", "trained")
_SLOW = ("export", "demo", "doctor", "dashboard", "report")


@target("commands", _workspace, 6)
def _commands(valid: Path, folder: Path, random: Random) -> str:
    line = random.choice(_LINES)
    while line.split()[0] in _SLOW and random.random() < 0.7:
        line = random.choice(_LINES)
    return _run_damaged(line, valid, folder, random, file=0.45)


@target("commands-files", _workspace, 6)
def _files(valid: Path, folder: Path, random: Random) -> str:
    lines = [line for line in _LINES if any(_uses(line, name) for name in _FILES)]
    line = random.choice(lines)
    while line.split()[0] in _SLOW and random.random() < 0.5:
        line = random.choice(lines)
    return _run_damaged(line, valid, folder, random, file=1)


def _run_damaged(line: str, valid: Path, folder: Path, random: Random, file: float) -> str:
    root = folder / "work"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    used = [name for name in _FILES if _uses(line, name)]
    for name in used:
        (shutil.copytree if (valid / name).is_dir() else shutil.copy)(valid / name, root / name)
    words = (
        line.replace("'", "").split(" ") if not line.startswith("--complete") else ["--complete", "lfnet train head="]
    )
    if used and random.random() < file:
        damage(root / random.choice(used), random)
    else:
        words = _words(words, random)
    return command(words, root)


def _uses(line: str, name: str) -> bool:
    return any(
        part == name or part.startswith(f"{name}/") for word in line.split() for part in (word, word.partition("=")[2])
    )


def _words(words: list[str], random: Random) -> list[str]:
    """Words with one to three changes."""
    words = list(words)
    for _ in range(random.choice((1, 1, 2, 3))):
        place = random.randrange(1, len(words)) if len(words) > 1 and random.random() < 0.95 else 0
        way, word = random.random(), words[place] if words else ""
        key, equals, _ = word.partition("=")
        if way < 0.4 and equals:
            words[place] = f"{key}={random.choice(WORDS)}"
        elif way < 0.5:
            words[place] = random.choice(WORDS)
        elif way < 0.6 and len(words) > 1:
            del words[place]
        elif way < 0.7:
            words.insert(place + 1, random.choice(WORDS))
        elif way < 0.8:
            words.insert(place + 1, random.choice(_OPTIONS))
        elif way < 0.9:
            letters = list(word) or ["x"]
            letters[random.randrange(len(letters))] = random.choice("=,.:[]{}()@~+-'\"\\ \t\n$%*x0")
            words[place] = "".join(letters)
        else:
            other = random.randrange(len(words))
            words[place], words[other] = words[other], words[place]
    return [word.replace("\0", "") for word in words]


_OPTIONS = (
    "-h",
    "--help",
    "--json",
    "-m",
    "--cfg",
    "--cfg=job",
    "--info",
    "--config-dir",
    "--config-dir=x",
    "--version",
)
_OPTIONS += (
    "--force",
    "-1",
    "--seed",
    "--fps",
    "nan",
    "--out",
    "/dev/null",
    "..",
    "--level",
    "--trust",
    "os.system",
    "--",
)
_OPTIONS += tuple(COMMANDS)


def _settings(at: Path) -> list[str]:
    """Names of all settings and groups of `lfnet train`."""
    chosen = ((), ("fusion=nested",), ("cohort=folder",), ("encoder=blendshapes", "pretrain=masked_frames"))
    names = [name for words in chosen for name, _ in leaves(composed(*words)[0])]
    groups = [group for group, _ in composed()[1].items()]
    return sorted({*names, *groups})


@target("settings", _settings, 6)
def _overrides(names: list[str], folder: Path, random: Random) -> str:
    words = ["train"]
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        name = random.choice(names)
        if random.random() < 0.1:
            name = name.rpartition(".")[0] or name
        sign = random.choice(("", "", "", "", "", "", "+", "~", "++"))
        words.append(f"{sign}{name}={random.choice(WORDS)}")
    return command([word.replace("\0", "") for word in words], folder)
