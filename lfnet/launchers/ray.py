"""Jobs on Ray: of this machine, or a given cluster."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from pydantic import model_validator

from lfnet.config import settings
from lfnet.errors import LfnetError
from lfnet.extras import require
from lfnet.launchers.launcher import Call, Need, killed
from lfnet.launchers.machine import count_workers
from lfnet.launchers.pool import Pool, PoolLauncher, run_call
from lfnet.runs.run import Outcome

__all__ = ["Ray"]

# No file in the home folder, and no report to anybody. The user's own values win.
_QUIET = {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}


@settings
class Ray(PoolLauncher):
    """Jobs as tasks of Ray. One whose process is lost has failed.

    Parameters
    ----------
    address : str or None
        Of a running cluster (HOST:6379, or auto); None: Ray is started on this machine, and ended.
    jobs : int or "auto"
        How many run at once. auto: as many as free memory allows, and cores or GPUs; in a cluster as it has room for.
    memory : float or "auto"
        GB of memory that one job needs; Ray does not place more of them on a node of a cluster than it has memory for.
    jobs_per_gpu : int
        How many jobs share a GPU.
    options : mapping
        Further arguments of `ray.init`.
    max_wait : float
        Seconds without any node that has room for a job, after which the command ends.

    References
    ----------
    Moritz et al. (2018), Ray: a distributed framework for emerging AI applications. https://docs.ray.io

    Examples
    --------
    >>> from lfnet.config import check_target
    >>> check_target({"_target_": "lfnet.launchers.ray.Ray", "jobs": 0}, "launcher")
    Traceback (most recent call last):
    lfnet.errors.LfnetError: launcher.jobs=0: give a whole number of 1 or more, or auto.
    """

    address: str | None = None

    @model_validator(mode="after")
    def _check(self) -> "Ray":
        require("ray", use="launcher=ray", otherwise="give launcher=joblib")
        return self

    @property
    def lack(self) -> str:
        """See `PoolLauncher.lack`."""
        return "No node has room for a job: compare trainer.threads and launcher.memory with `ray status`."

    @contextmanager
    def pool(self, needs: Sequence[Need]) -> Iterator[Pool]:
        """See `PoolLauncher.pool`."""
        for name, value in _QUIET.items():
            os.environ.setdefault(name, value)
        import ray

        need = Need.of_any(needs)
        with ExitStack() as stack:
            given: dict[str, Any] = {"include_dashboard": False, "log_to_driver": False, "logging_level": "CRITICAL"}
            if self.address is None:
                workers = count_workers(needs, self.jobs, self.jobs_per_gpu)
                folder = tempfile.mkdtemp(prefix="lfnet_ray_")
                stack.callback(shutil.rmtree, folder, ignore_errors=True)
                given |= {"address": "local", "_temp_dir": folder}
                given["num_cpus"] = workers * need.threads
                limit: int | None = workers
            else:
                given["address"] = self.address
                limit = None if self.jobs == "auto" else self.jobs
            stack.callback(ray.shutdown)
            try:
                ray.init(**{**given, **self.options})
            except (ConnectionError, OSError, RuntimeError, TypeError, ValueError) as error:
                raise LfnetError(
                    f"launcher.address={self.address}: Ray cannot start: {' '.join(str(error).split())}."
                ) from error
            yield _RayPool(need, limit, self.jobs_per_gpu, local=self.address is None)


class _RayPool(Pool):
    """Tasks of the Ray that this process is connected with."""

    def __init__(self, need: Need, limit: int | None, jobs_per_gpu: int, local: bool) -> None:
        self._limit, self._folder = limit, str(Path.cwd())
        self._asked: dict[str, float] = {
            "num_cpus": need.threads,
            "num_gpus": 1 / jobs_per_gpu if need.device == "cuda" else 0,
        }
        if not local:  # where the number of workers is the limit
            self._asked["memory"] = int(need.memory * 1e9)

    def size(self) -> int:
        import ray

        names = {"num_cpus": "CPU", "num_gpus": "GPU"}
        asked = {names.get(name, name): value for name, value in self._asked.items() if value}
        alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        rooms = sum(min(int(node.get(name, 0) / value) for name, value in asked.items()) for node in alive)
        return rooms if self._limit is None else min(rooms, self._limit)

    def submit(self, call: Call) -> Any:
        import ray

        # A function of a module is found by its name; Ray would try a killed task again without end.
        task = ray.remote(run_call).options(max_retries=0, **self._asked)
        return task.remote(call, self._folder)

    def wait(self, handles: Sequence[Any], seconds: float) -> Sequence[Any]:
        import ray

        ended: list[Any] = ray.wait(list(handles), num_returns=1, timeout=seconds)[0]
        return ended

    def outcome(self, handle: Any, call: Call) -> Outcome:
        import ray
        from ray.exceptions import NodeDiedError, OutOfMemoryError, RayError, WorkerCrashedError

        try:
            outcome: Outcome = ray.get(handle)
        except (OutOfMemoryError, WorkerCrashedError, NodeDiedError):
            return killed(call.need)
        except RayError as error:
            return Outcome("failed", error=" ".join(str(error).split()))
        return outcome
