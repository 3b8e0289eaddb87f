"""Lightning logger that writes a learning curve as one csv file, whole or not at all."""

import csv
import io
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from lfnet.files import write_text

__all__ = ["LearningCurve"]


class LearningCurve(Logger):
    """Collects what Lightning logs, and writes it when training ends: one row an epoch, columns in alphabetical order.

    The format is that of Lightning's `CSVLogger`, which appends to the file and so mixes the rows of two processes.

    Parameters
    ----------
    path : Path
        The csv file. An older one is replaced.

    Attributes
    ----------
    rows : list of dict
        What was logged so far.

    Examples
    --------
    >>> import tempfile
    >>> curve = LearningCurve(Path(tempfile.mkdtemp()) / "metrics.csv")
    >>> curve.log_metrics({"dev/mae": 8.5, "epoch": 0}, step=3)
    >>> curve.log_metrics({"train/loss": 0.5, "epoch": 0}, step=3)
    >>> curve.finalize("success")
    >>> print(curve.path.read_text())
    dev/mae,epoch,step,train/loss
    8.5,0,3,0.5
    <BLANKLINE>
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = Path(path)
        self.rows: list[dict[str, Any]] = []

    @property
    def name(self) -> str | None:
        return None

    @property
    def version(self) -> int | str | None:
        return None

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Settings are in config.yaml."""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Keep a row."""
        self.rows.append({**metrics, "step": len(self.rows) if step is None else step})

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Write the file, if there are rows: Lightning logs validation and training of an epoch apart."""
        if not self.rows:
            return
        rows: dict[Any, dict[str, Any]] = {}
        for place, row in enumerate(self.rows):
            rows.setdefault(row.get("epoch", ("none", place)), {}).update(row)
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, fieldnames=sorted(set().union(*self.rows)))
        writer.writeheader()
        writer.writerows(rows.values())
        write_text(self.path, text.getvalue())
