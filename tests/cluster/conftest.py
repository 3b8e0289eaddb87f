"""A table of 24 jobs, one of which fails, and a real Slurm with two nodes: that of SLURM_CONF, or one started here."""

import csv
import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.composing import SMALL
from tests.conftest import ROOT

STARTER = ROOT.parent / "shared" / "cluster" / "slurm"
HEADS = {f"waiting_{number}": f"Waiting\nnumber: {number}" for number in range(4)} | {"failing": "FailsOnce"}
OWN = ("--config-dir", "../conf", *SMALL, "trainer.max_epochs=1")
TABLE = ("table", "architectures", *OWN, f"head={','.join(HEADS)},ldbm", "seed=0,1,2,3", "table.controls=[]")


@dataclass(frozen=True)
class Slurm:
    """The folder with the process ids of the nodes, and the environment of Slurm's commands."""

    folder: Path
    environment: dict[str, str]

    def __call__(self, *command: str) -> str:
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"{shlex.join(command)}: {done.stderr}"
        return done.stdout

    def kill_node(self, number: int) -> list[str]:
        """End the daemon of a node, whose jobs live on, and return the command that starts it again."""
        pid = int((self.folder / f"slurmd-{number}.pid").read_text())
        command = Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]
        os.kill(pid, 15)
        wait_for(lambda: not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text().split()[2])
        return command

    def start_node(self, number: int, command: list[str]) -> None:
        with (self.folder / f"slurmd-{number}.out").open("a") as out:
            process = subprocess.Popen(command, env=self.environment, stdout=out, stderr=out, start_new_session=True)
        (self.folder / f"slurmd-{number}.pid").write_text(f"{process.pid}\n")
        up = {"idle", "mixed", "allocated"}  # the states of a lost node end with a `*`
        wait_for(lambda: up & {*self("sinfo", "-h", "-N", "-n", f"n{number}", "-o", "%T").split()})


def write_heads(folder: Path) -> None:
    """Write yamls of heads that wait or fail, for commands with `--config-dir ../conf` in folders next to it."""
    (folder / "conf" / "head").mkdir(parents=True, exist_ok=True)
    for name, kind in HEADS.items():
        (folder / "conf" / "head" / f"{name}.yaml").write_text(f"_target_: tests.cluster.heads.{kind}\n")


def predictions(folder: Path) -> dict[str, bytes]:
    """The scores of each run in a folder, byte for byte."""
    return {path.parent.name: path.read_bytes() for path in folder.glob("lfnet_runs/*/predictions.csv")}


def rows(folder: Path) -> list[dict[str, str]]:
    """The text of the one table in a folder, as written, without times and memory, which differ."""
    (path,) = folder.glob("lfnet_runs/tables/*.csv")
    return [
        {key: value for key, value in row.items() if not re.search("seconds|latency|memory", key)}
        for row in csv.DictReader(path.read_text().splitlines())
    ]


def wait_for(condition: Callable[[], object], seconds: float = 600) -> None:
    """Wait until a condition holds, however slow the machine is; a test that waits in vain fails."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the test waited in vain"
        time.sleep(0.5)


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    """The commands and nodes of a Slurm; the test is skipped where Debian's packages of it cannot be had."""
    if "SLURM_CONF" in os.environ:
        folder = Path(os.environ["SLURM_CONF"]).parent
        yield Slurm(folder, _environment(os.environ))
        return
    if not STARTER.is_file():
        pytest.skip(f"needs a Slurm: set SLURM_CONF, or provide {STARTER}")
    folder = tmp_path_factory.mktemp("slurm")
    started = subprocess.run([STARTER, "start", folder, "2"], capture_output=True, text=True)
    try:
        if started.returncode:
            reason = (started.stderr.strip().splitlines() or ["no reason given"])[-1]
            pytest.skip(f"needs a Slurm, and none could be started from Debian's packages: {reason}")
        printed = subprocess.run([STARTER, "env", folder], capture_output=True, text=True, check=True).stdout
        shell = subprocess.run(["bash", "-c", f"{printed}\nenv -0"], capture_output=True, text=True, check=True).stdout
        yield Slurm(folder, _environment(dict(line.split("=", 1) for line in shell.split("\0") if "=" in line)))
    finally:
        subprocess.run([STARTER, "stop", folder], capture_output=True)


def _environment(base: "os._Environ[str] | dict[str, str]") -> dict[str, str]:
    return {**base, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Folder:
    """A folder in which commands of lfnet run as a user types them."""

    path: Path
    slurm: Slurm

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "lfnet", *words]
        return subprocess.run(command, cwd=self.path, env=self.slurm.environment, capture_output=True, text=True)

    def entries(self) -> dict[str, tuple[str, str, int]]:
        """State, node and number of restarts of each of the folder's jobs, by the job's number."""
        names = ",".join(f"lfnet-{path.name}" for path in self.path.glob("lfnet_runs/submissions/*"))
        fields = "ArrayJobID:16,ArrayTaskID:12,State:16,NodeList:16,RestartCnt:8"
        lines = self.slurm("squeue", "-h", "-r", "-t", "all", f"--name={names}", "-O", fields).splitlines()
        return {
            f"{line[:16].strip()}_{line[16:28].strip()}": (line[28:44].strip(), line[44:60].strip(), int(line[60:]))
            for line in lines
        }

    def log(self, job: str) -> str:
        """What the processes of a job have printed."""
        (path,) = self.path.glob(f"lfnet_runs/submissions/*/{job}_0_log.out")
        return path.read_text()

    def begun(self, number: int) -> list[int]:
        """The processes in which a waiting head began to train with seed 0."""
        return [int(path.name.rpartition("-")[2]) for path in self.path.glob(f"begun-{number}-*")]

    def waiting(self) -> dict[str, int]:
        """The number of the waiting head of each job with seed 0, by the job's number in Slurm."""
        found = {}
        for entry in self.entries():
            (record,) = self.path.glob("lfnet_runs/submissions/*/submission.json")
            name = json.loads(record.read_text())["tasks"][int(entry.partition("_")[2])]["name"]
            if number := re.search(r"head=waiting_(\d) seed=0", name):
                found[entry] = int(number[1])
        return found


@pytest.fixture
def make_folder(tmp_path: Path, slurm: Slurm) -> Callable[[str], Folder]:
    """Make folders that share yamls of heads that wait or fail (`--config-dir ../conf`)."""
    write_heads(tmp_path)

    def make(name: str) -> Folder:
        (tmp_path / name).mkdir()
        return Folder(tmp_path / name, slurm)

    return make
