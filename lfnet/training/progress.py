"""The state of a training at the start of an epoch, in memory and in a file, for a training that is interrupted.

The state is copied at the start of each epoch. It is written when `every` seconds have passed since the last time, and
when a signal ends the job (`lfnet.signals`). A training that goes on from it gives the bytes of one without a pause.
"""

import hashlib
import io
import logging
import platform
import random
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch

from lfnet.errors import Interrupted, LfnetError, LfnetWarning
from lfnet.files import atomic_path, exists, read_bytes

__all__ = ["Progress", "copied", "describe_machine", "random_state", "set_random_state"]

_log = logging.getLogger(__name__)
_FORMAT = "1"
_DIGEST = hashlib.sha256().digest_size


class Progress:
    """The state of one training, as a context in which it runs.

    Where a signal ends the block, the state is written, and `Interrupted` says after which epoch. Where the block ends
    without an error, the file is removed. Of a file that is damaged, or with which the bytes would differ here, nothing
    is used, with an `LfnetWarning`.

    Parameters
    ----------
    path : Path
        The file.
    of : mapping of str
        What must be the same for the same bytes, by name: job, settings, versions, processor.
    every : float
        Seconds between two saves without a signal.
    what : str
        Of a job with several trainings, which one it is (" in trial 3"), for messages.

    Attributes
    ----------
    pretraining : dict or None
        What pre-training returned, where it is finished.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "state"
    >>> try:
    ...     with Progress(file, {"job": "a"}, every=300) as progress:
    ...         progress.keep(1, 9, {"weights": torch.ones(2)})
    ...         raise KeyboardInterrupt
    ... except Interrupted as stop:
    ...     print(stop)
    interrupted after epoch 1 of 9: the same command goes on from there
    >>> with Progress(file, {"job": "a"}, every=300) as progress:
    ...     progress.take()
    {'weights': tensor([1., 1.])}
    >>> file.exists()
    False
    """

    def __init__(self, path: Path, of: Mapping[str, str], every: float, what: str = "") -> None:
        self._path, self._of, self._every, self._what = Path(path), {"format": _FORMAT, **of}, every, what
        self._found = self._read()
        self._kept = self._found
        self._lines: list[tuple[int, str]] = []
        self._saved = time.monotonic()
        self.pretraining: dict[str, Any] | None = None if self._found is None else self._found["pretraining"]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            with suppress(OSError):  # the job is finished; the next look at it tries again
                self._path.unlink(missing_ok=True)
        elif not isinstance(error, Exception):
            saved, where = self._save()
            if isinstance(error, KeyboardInterrupt):
                number = error.number if isinstance(error, Interrupted) else Interrupted().number
                raise Interrupted(number, f"interrupted{self._what} {where}", saved=saved) from None

    def take(self) -> dict[str, Any] | None:
        """Return the state that was found, once, and log again what that training had logged; None without one."""
        found, self._found = self._found, None
        if found is None:
            return None
        print(f"{self._path.parent}: goes on{self._what} {_after(found)}", file=sys.stderr, flush=True)
        self._lines.extend(found["lines"])
        for level, text in found["lines"]:
            _log.log(level, "%s", text)
        state: dict[str, Any] = found["state"]
        return state

    def keep(self, epoch: int, epochs: int, state: dict[str, Any]) -> None:
        """Keep the state after `epoch` of at most `epochs` epochs, which nothing else changes any more."""
        self._kept = {
            "of": self._of,
            "epoch": epoch,
            "epochs": epochs,
            "pretraining": self.pretraining,
            "lines": list(self._lines),
            "state": state,
        }
        if self._worth_a_file and time.monotonic() - self._saved >= self._every:
            self._saved = time.monotonic()
            with suppress(LfnetError):  # a full disk ends the job where it cannot do without a file
                self._write()

    @contextmanager
    def noting_log(self) -> Iterator[None]:
        """Note what is logged in the block, for a training that goes on."""
        handler = _Notes(self._lines)
        logger = logging.getLogger("lfnet")
        logger.addHandler(handler)
        try:
            yield
        finally:
            logger.removeHandler(handler)

    @property
    def _worth_a_file(self) -> bool:
        """Whether something was done that would not be done again at once."""
        return self._kept is not None and bool(self._kept["epoch"] or self.pretraining)

    def _save(self) -> tuple[bool, str]:
        """Write what is kept; returns whether the training can go on, and where."""
        if self._kept is None or not self._worth_a_file:
            return False, "before its first epoch had ended: the same command starts it again"
        try:
            self._write()
        except LfnetError as error:
            return False, f"and cannot go on from there: {error}"
        return True, f"{_after(self._kept)}: the same command goes on from there"

    def _write(self) -> None:
        content = io.BytesIO()
        torch.save(self._kept, content)
        payload = content.getvalue()
        with atomic_path(self._path) as temporary:
            temporary.write_bytes(hashlib.sha256(payload).digest() + payload)

    def _read(self) -> dict[str, Any] | None:
        if not exists(self._path):
            return None
        try:
            content = read_bytes(self._path)
            payload = content[_DIGEST:]
            if hashlib.sha256(payload).digest() != content[:_DIGEST]:
                raise LfnetError("is damaged")
            found: dict[str, Any] = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
            for name in sorted({*self._of, *found["of"]}):
                before, now = found["of"].get(name), self._of.get(name)
                if before != now:
                    raise LfnetError(f"was saved with {name} {before}, and this is {now}")
        except Exception as error:  # torch.load raises many kinds; whatever they are, the file is not as it was written
            reason = str(error) if isinstance(error, LfnetError) else "is damaged"
            warnings.warn(f"{self._path} {reason}: the training starts over.", LfnetWarning, stacklevel=3)
            return None
        return found


class _Notes(logging.Handler):
    def __init__(self, lines: list[tuple[int, str]]) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append((record.levelno, record.getMessage()))


def _after(content: Mapping[str, Any]) -> str:
    return f"after epoch {content['epoch']} of {content['epochs']}" if content["epoch"] else "after pre-training"


def copied(value: Any) -> Any:
    """Return nested dicts and sequences with copies of their tensors on the CPU."""
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, Mapping):
        return {name: copied(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(copied(one) for one in value)
    return value


def random_state(device: str) -> dict[str, Any]:
    """Return the state of Python's, NumPy's and torch's random numbers, on the CPU and the device.

    Examples
    --------
    >>> state = random_state("cpu")
    >>> first = random.random(), torch.rand(1).item()
    >>> set_random_state(state)
    >>> first == (random.random(), torch.rand(1).item())
    True
    """
    numpy: Any = np.random.get_state()  # noqa: NPY002  libraries that a user's head calls may draw from it
    name, keys, *rest = numpy
    state = {"python": random.getstate(), "numpy": (name, keys.tolist(), *rest), "torch": torch.get_rng_state()}
    if device == "cuda":
        state["cuda"] = torch.cuda.get_rng_state()
    if device == "mps":
        state["mps"] = torch.mps.get_rng_state()
    return state


def set_random_state(state: Mapping[str, Any]) -> None:
    """Restore what `random_state` returned."""
    random.setstate(state["python"])
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, np.array(keys, np.uint32), *rest))  # noqa: NPY002
    torch.set_rng_state(state["torch"])
    if "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"])
    if "mps" in state:
        torch.mps.set_rng_state(state["mps"])


def describe_machine(device: str) -> str:
    """Describe the processor as far as libraries choose their kernels by it, and so the last bits of a number.

    Examples
    --------
    >>> describe_machine("cpu").split(",")[0] == platform.machine()
    True
    """
    parts = [platform.machine(), torch.backends.cpu.get_cpu_capability()]
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").partition("\n\n")[0].splitlines()
        values = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        parts += [values[name] for name in ("vendor_id", "cpu family", "model") if name in values]
    if device == "cuda" and torch.cuda.is_available():  # else `fit` says so
        parts.append(torch.cuda.get_device_name())
    return ", ".join(parts)
