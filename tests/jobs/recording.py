"""A logger of Lightning that records what it is given, and the names of machine and user that it would find."""

import getpass
import socket
from typing import Any, ClassVar

from lightning.pytorch.loggers import Logger

__all__ = ["Recorder"]


class Recorder(Logger):
    """Records all calls in `Recorder.made`."""

    made: ClassVar[list["Recorder"]] = []

    def __init__(self, title: str, place: str = "", options: dict[str, Any] | None = None) -> None:
        self.given = (title, place, options)
        self.machine = {(socket.gethostname(), getpass.getuser())}
        self.settings: list[Any] = []
        self.rows: list[dict[str, float]] = []
        self.ended: list[str] = []
        Recorder.made.append(self)

    @property
    def name(self) -> str:
        return "recorder"

    @property
    def version(self) -> str:
        return "0"

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        self.settings.append(params)

    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        if any(name.startswith("final/") for name in metrics):
            self.machine.add((socket.gethostname(), getpass.getuser()))
        self.rows.append(dict(metrics))

    def finalize(self, status: str) -> None:
        self.ended.append(status)
