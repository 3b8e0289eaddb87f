"""Jobs on the workers of Dask: of this machine, of a batch system through dask-jobqueue, or of a given scheduler."""

import logging
import shlex
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from uuid import uuid4

from pydantic import model_validator

from lfnet.config import settings
from lfnet.errors import LfnetError
from lfnet.extras import require
from lfnet.launchers.launcher import Call, Need, killed
from lfnet.launchers.machine import count_workers, free_memory
from lfnet.launchers.pool import Pool, PoolLauncher, run_call
from lfnet.runs.run import Outcome

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["Dask"]

_QUEUES = {
    "slurm": "SLURMCluster",
    "pbs": "PBSCluster",
    "sge": "SGECluster",
    "lsf": "LSFCluster",
    "htcondor": "HTCondorCluster",
    "oar": "OARCluster",
}
_MAX_QUEUED = 64  # workers in a queue, where `jobs` is auto
_LOST = 1  # workers that may be lost under a call before it has failed: a node may go down
# Nothing is stored in a worker, so nothing can be spilled, and to pause it would stop the sweep. Mapped files count as
# memory of the process here; at the limit itself it is ended.
_MEMORY: dict[str, Any] = {f"distributed.worker.memory.{name}": False for name in ("target", "spill", "pause")}


@settings
class Dask(PoolLauncher):
    """Jobs on the workers of Dask, one a worker process. One whose worker is lost twice has failed.

    Parameters
    ----------
    scheduler : str or None
        Address of a running scheduler (tcp://HOST:8786), whose workers do the work; None: a cluster of its own.
    cluster : str
        Where that cluster's workers run: local, or in a queue.
    jobs : int or "auto"
        Workers at once. auto: local as many as free memory allows, and cores or GPUs; in a queue one a job, at most 64;
        all those of a given scheduler.
    memory : float or "auto"
        GB of memory that one job needs. A worker in a queue gets it; a local one that, or its share of the free memory
        where this is more.
    jobs_per_gpu : int
        How many jobs share a GPU where `jobs` is auto and workers are local. Each worker uses one GPU.
    options : mapping
        Arguments of the class of the cluster: LocalCluster of distributed, or SLURMCluster and others of dask-jobqueue
        (queue, account, walltime, job_extra_directives, …).
    max_wait : float
        Seconds without any worker after which the command ends.

    References
    ----------
    Rocklin (2015), Dask: parallel computation with blocked algorithms and task scheduling. https://docs.dask.org,
    https://jobqueue.dask.org

    Examples
    --------
    >>> Dask(cluster="pbs", options={"queue": "long", "walltime": "12:00:00"}).cluster
    'pbs'
    """

    scheduler: str | None = None
    cluster: Literal["local", "slurm", "pbs", "sge", "lsf", "htcondor", "oar"] = "local"

    @model_validator(mode="after")
    def _check(self) -> "Dask":
        needed = ["distributed"] if self.cluster == "local" else ["distributed", "dask_jobqueue"]
        require("dask", *needed, use="launcher=dask", otherwise="give launcher=joblib")
        if self.scheduler is not None and (self.options or self.cluster != "local"):
            raise ValueError(
                f".scheduler={self.scheduler}: it has its own workers; give no launcher.cluster or options."
            )
        return self

    @property
    def lack(self) -> str:
        """See `PoolLauncher.lack`."""
        if self.scheduler is not None:
            return f"Start workers of {self.scheduler}, with `dask worker {self.scheduler} --nthreads 1`."
        if self.cluster == "local":
            return "Look at launcher.options, or give launcher=joblib, which does without Dask."
        return (
            f"The jobs of {_QUEUES[self.cluster]} wait or do not start: look at the queue and at launcher.options, or "
            "give a larger launcher.max_wait. Jobs that have finished are kept."
        )

    @contextmanager
    def pool(self, needs: Sequence[Need]) -> Iterator[Pool]:
        """See `PoolLauncher.pool`."""
        import dask
        from distributed import Client

        for name in ("distributed", "tornado.application", "asyncio"):
            logging.getLogger(name).setLevel(logging.CRITICAL)  # what happens is said in outcomes
        with ExitStack() as stack:
            stack.enter_context(dask.config.set({**_MEMORY, "distributed.scheduler.allowed-failures": _LOST}))
            if self.scheduler is not None:
                limit = None if self.jobs == "auto" else self.jobs
                client, made = stack.enter_context(self._connected(self.scheduler)), None
            else:
                made = stack.enter_context(self._local(needs) if self.cluster == "local" else self._queued(needs))
                client, limit = stack.enter_context(Client(made.cluster)), made.workers
            from lfnet.launchers.dask_worker import SavingCalls

            client.register_plugin(SavingCalls())
            if self.scheduler is not None:  # which outlives the command
                stack.callback(_unregister, client, SavingCalls.name)
            yield _DaskPool(client, limit, made)

    def _connected(self, address: str) -> "Client":
        from distributed import Client

        try:
            return Client(address, timeout=min(30.0, self.max_wait))
        except (OSError, ValueError) as error:
            raise LfnetError(f"no Dask scheduler answers at launcher.scheduler={address}: {_line(error)}.") from error

    @contextmanager
    def _local(self, needs: Sequence[Need]) -> Iterator["_Own"]:
        import dask
        from distributed import LocalCluster

        workers = count_workers(needs, self.jobs, self.jobs_per_gpu)
        need = Need.of_any(needs)
        limit = max(need.memory, free_memory() / workers)
        given = {"memory_limit": int(limit * 1e9), "dashboard_address": None, **self.options}
        with dask.config.set({"distributed.nanny.pre-spawn-environ": _thread_counts(need.threads)}):
            try:
                made = LocalCluster(n_workers=workers, threads_per_worker=1, silence_logs=logging.CRITICAL, **given)
            except (OSError, RuntimeError, TypeError, ValueError) as error:
                raise LfnetError(f"launcher=dask: the workers do not start: {_line(error)}. {self.lack}") from error
            with made as cluster:
                yield _Own(cluster, workers, _gigabytes(given["memory_limit"]))

    @contextmanager
    def _queued(self, needs: Sequence[Need]) -> Iterator["_Own"]:
        import dask_jobqueue

        workers = min(_MAX_QUEUED if self.jobs == "auto" else self.jobs, len(needs))
        kind = getattr(dask_jobqueue, _QUEUES[self.cluster])
        need = Need.of_any(needs)
        variables = {**_thread_counts(need.threads), **{_variable(name): value for name, value in _MEMORY.items()}}
        given = {
            "cores": need.threads,
            "memory": f"{need.memory:.2f}GB",
            "processes": 1,
            "job_name": "lfnet",
            "log_directory": "lfnet_logs",
            "scheduler_options": {"dashboard": False},
            **self.options,
            "worker_extra_args": ["--nthreads", "1", *self.options.get("worker_extra_args", ())],
            "job_script_prologue": [
                f"cd {shlex.quote(str(Path.cwd()))}",
                *(f"export {name}={value}" for name, value in variables.items()),
                *self.options.get("job_script_prologue", ()),
            ],
        }
        refused: list[str] = []
        try:
            cluster = kind(silence_logs=logging.CRITICAL, job_cls=_reporting(kind.job_cls, refused), **given)
        except (OSError, TypeError, ValueError) as error:
            raise LfnetError(
                f"launcher.options: {kind.__name__} of dask-jobqueue refuses them: {_line(error)}."
            ) from error
        try:
            cluster.scale(jobs=workers)
            yield _Own(cluster, workers, _gigabytes(given["memory"]), refused)
        finally:
            with suppress(AssertionError):  # it takes for granted that all jobs were accepted
                cluster.close()


def _unregister(client: "Client", plugin: str) -> None:
    with suppress(OSError):  # a worker that is just ending does not answer, and forgets it anyway
        client.unregister_worker_plugin(plugin)


def _reporting(job: Any, refused: list[str]) -> Any:
    """A class of jobs of dask-jobqueue that adds what the queue says against one to a list; Dask would only log it."""

    async def start(self: Any) -> None:
        try:
            await job.start(self)
        except Exception as error:
            refused.append(" ".join(str(error).rpartition("stderr:")[2].split()))
            raise

    return type(job.__name__, (job,), {"start": start})


class _Own(NamedTuple):
    """A cluster that this command has started.

    memory: the GB at which a worker is ended. refused: why a queue does not take its jobs.
    """

    cluster: Any
    workers: int
    memory: float | None
    refused: Sequence[str] = ()


class _DaskPool(Pool):
    """The workers of a scheduler, `limit` of them at most. own: where this command has started them."""

    def __init__(self, client: "Client", limit: int | None, own: _Own | None = None) -> None:
        self._client, self._limit, self._own = client, limit, own
        self._folder = str(Path.cwd())

    def size(self) -> int:
        try:
            found = len(self._client.nthreads())
        except OSError as error:
            raise _gone(error) from error
        if self._own is not None and not found and self._own.refused:
            raise LfnetError(f"launcher.cluster: the queue refuses the workers: {self._own.refused[-1]}.")
        if self._own is not None and found < self._own.workers:
            self._own.cluster.scale(self._own.workers)  # jobs of a queue end at their time limit
        return found if self._limit is None else min(found, self._limit)

    def submit(self, call: Call) -> Any:
        return self._client.submit(run_call, call, self._folder, key=f"{call.name} {uuid4().hex}", pure=False)

    def wait(self, handles: Sequence[Any], seconds: float) -> Sequence[Any]:
        from distributed import TimeoutError, wait
        from distributed.client import FuturesCancelledError

        try:
            return list(wait(handles, timeout=seconds, return_when="FIRST_COMPLETED").done)
        except TimeoutError:
            return []
        except FuturesCancelledError as error:
            raise _gone(error) from error

    def outcome(self, handle: Any, call: Call) -> Outcome:
        from distributed import KilledWorker
        from distributed.client import FutureCancelledError

        try:
            outcome: Outcome = handle.result()
        except KilledWorker:
            memory = None if self._own is None else self._own.memory
            return killed(call.need if memory is None else replace(call.need, memory=memory))
        except FutureCancelledError as error:
            raise _gone(error) from error
        except Exception as error:  # the worker has another Python, or lacks a module
            return Outcome("failed", error=f"{type(error).__name__}: {_line(error)}")
        return outcome


def _gone(error: Exception) -> LfnetError:
    return LfnetError(f"the Dask scheduler is gone ({_line(error)}). Jobs that have finished are kept.")


def _thread_counts(threads: int) -> dict[str, int]:
    """Variables for libraries that read their number of threads when they are loaded."""
    return {name: threads for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}


def _gigabytes(limit: Any) -> float | None:
    """A limit of memory as Dask takes it; None where it is no number of bytes."""
    from dask.utils import parse_bytes

    try:
        return float(parse_bytes(limit)) / 1e9 or None
    except (TypeError, ValueError):
        return None


def _variable(name: str) -> str:
    """The environment variable of a setting of Dask."""
    return "DASK_" + name.upper().replace(".", "__").replace("-", "_")


def _line(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).split()).rstrip(".")
