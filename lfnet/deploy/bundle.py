"""Open a bundle: a folder with the networks, settings and label scale that score a video, read without PyTorch."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import pandas as pd

from lfnet.data.protocol import Protocol
from lfnet.data.windows import Layout, cut, frames_of, order_of
from lfnet.deploy.bundle_json import Facts, read_facts
from lfnet.deploy.replace import BUNDLE, bundle_folder
from lfnet.encoders.onnx_network import open_session
from lfnet.errors import LfnetError
from lfnet.evaluation.pooling import Pooling, read_pooling, to_points
from lfnet.features.store import ClipFeatures
from lfnet.fingerprints import file_digest

__all__ = ["CLIP", "FRAMES", "SCORE", "VALID", "Bundle", "HeadSession", "Windows", "clip_windows", "window_rows"]

FRAMES, VALID, SCORE = "x_BTD", "mask_BT", "y_B"
CLIP = "clip"
"""The name of each clip that is scored: seed of the random numbers of protocols that have them."""


class Windows(NamedTuple):
    """Windows of a clip, the input of a head: x_BTD float32, mask_BT bool."""

    x_BTD: np.ndarray
    mask_BT: np.ndarray


@dataclass(frozen=True)
class Bundle:
    """An opened bundle.

    Parameters
    ----------
    folder : Path
        The folder with its files.
    facts : Facts
        The contents of its bundle.json.

    Examples
    --------
    >>> Bundle.open("no_such_folder")
    Traceback (most recent call last):
    lfnet.errors.LfnetError: no_such_folder is no bundle: it contains no bundle.json. `lfnet export RUN` writes one.
    """

    folder: Path
    facts: Facts

    @classmethod
    def open(cls, folder: Path | str, *, trust: Sequence[str] = ()) -> Self:
        """Read bundle.json, check the classes that it names, and compare every file with its digest.

        Parameters
        ----------
        folder : path
            What `lfnet export` wrote.
        trust : sequence of str
            Exact dotted names of classes that it may name besides lfnet's own.

        Raises
        ------
        LfnetError
            The folder contains no bundle, or a damaged one.
        """
        found = bundle_folder(Path(folder))
        if found is None:
            raise LfnetError(f"{folder} is no bundle: it contains no {BUNDLE}. `lfnet export RUN` writes one.")
        facts = read_facts(found, trust=trust)
        for name, file in facts.files.items():
            path = found / name
            if not path.is_file():
                raise LfnetError(f"{path} is missing: copy the whole bundle, or export the run again.")
            if file_digest(path) != file.sha256:
                raise LfnetError(f"{path} is not the file that was exported: copy it again, or export the run again.")
        return cls(found, facts)

    def windows(self, clip: ClipFeatures) -> Windows:
        """Cut, pad and mask a clip's windows as the run's protocol does for clips to be scored."""
        return clip_windows(clip, self.facts.protocol)

    @cached_property
    def pooling(self) -> Pooling | None:
        """The pooling of standardised window scores; None where the protocol says how they are averaged."""
        return read_pooling(self.facts.pooling, "pooling")

    def feature_means(self) -> np.ndarray | None:
        """Return the mean of each feature over the training clips, [D]; None in bundles of older versions.

        Raises
        ------
        LfnetError
            The file does not hold one number for each feature.
        """
        if self.facts.features.means is None:
            return None
        path = self.folder / self.facts.features.means
        try:
            mean_D = np.load(path, allow_pickle=False)
        except Exception as error:  # NumPy raises many kinds for what is no such file
            raise LfnetError(f"{path} holds no means of features ({error}): export the run again.") from error
        right = isinstance(mean_D, np.ndarray) and mean_D.shape == (self.facts.features.dim,)
        if not right or mean_D.dtype.kind != "f" or not np.isfinite(mean_D).all():
            raise LfnetError(f"{path} does not hold {self.facts.features.dim} numbers: export the run again.")
        return mean_D.astype(np.float32)

    def head(self, threads: int | None = None) -> "HeadSession":
        """Load the head; `threads` None lets onnxruntime decide."""
        labels = self.facts.labels
        return HeadSession(self.folder / self.facts.head.file, labels.mean, labels.sd, threads, self.pooling)


def clip_windows(clip: ClipFeatures, protocol: Protocol) -> Windows:
    """Cut, pad and mask the windows of one clip to be scored."""
    order = protocol.frames_in("unlabelled")
    x_TD, valid_T = frames_of(clip, CLIP, length=protocol.length, fill=protocol.fill, frames=order)
    table = _cut(valid_T, protocol)
    x_BTD = np.zeros((len(table), protocol.window, x_TD.shape[1]), np.float32)
    mask_BT = np.zeros((len(table), protocol.window), bool)
    for b, (row, frames) in enumerate(zip(table["row"], table["frames"], strict=True)):
        x_BTD[b, :frames] = x_TD[row : row + frames]
        mask_BT[b, :frames] = valid_T[row : row + frames]
    return Windows(x_BTD, mask_BT if protocol.mask else np.ones_like(mask_BT))


def window_rows(clip: ClipFeatures, protocol: Protocol) -> np.ndarray:
    """Return the row of the clip that each frame of its windows (`clip_windows`) is, int [B, T]; −1 is padding."""
    valid_T = clip.valid[: protocol.length]
    order_T = order_of(CLIP, len(valid_T), protocol.frames_in("unlabelled"))
    row_T = np.arange(len(valid_T)) if order_T is None else order_T
    table = _cut(valid_T[row_T], protocol)
    row_BT = np.full((len(table), protocol.window), -1)
    for b, (row, frames) in enumerate(zip(table["row"], table["frames"], strict=True)):
        row_BT[b, :frames] = row_T[row : row + frames]
    return row_BT


def _cut(valid_T: np.ndarray, protocol: Protocol) -> pd.DataFrame:
    return cut(Layout.of({CLIP: valid_T}), pd.DataFrame({"clip_id": [CLIP]}), protocol)


class HeadSession:
    """An exported head, or several in one graph: windows → scores in points of the scale.

    Parameters
    ----------
    path : Path
        The ONNX file.
    mean, sd : float
        Of the training labels, in points.
    threads : int or None
        Of onnxruntime; None lets it decide.
    pooling : Pooling, optional
        Where it attends, the graph also returns the logarithms of the windows' weights.
    """

    def __init__(
        self, path: Path, mean: float, sd: float, threads: int | None = None, pooling: Pooling | None = None
    ) -> None:
        self._session = open_session(path, "cpu", threads)
        self._mean, self._sd, self._pooling = mean, sd, pooling
        shape = next(value for value in self._session.get_inputs() if value.name == FRAMES).shape
        # A free axis has a name in place of a size.
        self.any_windows, self.any_length = isinstance(shape[0], str), isinstance(shape[1], str)

    def __call__(self, windows: Windows) -> np.ndarray:
        """Return scores float64 [B], or [B, K] of K heads; where the pooling attends, with log weights [..., 2].

        Windows are scored one at a time where the graph fixes their number.
        """
        step = 64 if self.any_windows else 1
        parts = [
            self._session.run([SCORE], {FRAMES: windows.x_BTD[b : b + step], VALID: windows.mask_BT[b : b + step]})[0]
            for b in range(0, len(windows.x_BTD), step)
        ]
        standard = np.concatenate(parts).astype(np.float64) if parts else np.zeros(0)
        return to_points(standard, self._mean, self._sd, self._pooling)
