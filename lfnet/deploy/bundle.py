"""A bundle: a folder with all that scores a video (networks, settings, label scale), read and checked without torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd

from lfnet.config import read
from lfnet.data.protocol import Protocol
from lfnet.data.windows import Packed, cut, frames_of
from lfnet.deploy.replace import BUNDLE, bundle_folder, listed
from lfnet.encoders.onnx_network import open_session
from lfnet.errors import LfnetError
from lfnet.evaluation.conformal import Conformal
from lfnet.features.store import ClipFeatures
from lfnet.files import read_json
from lfnet.fingerprints import file_digest
from lfnet.trust import check_targets

__all__ = ["FORMAT", "FRAMES", "SCORE", "VALID", "Bundle", "HeadSession", "Windows"]

FRAMES, VALID, SCORE = "x_BTD", "mask_BT", "y_B"


FORMAT = 1
_GROUPS = ("encoder", "pulse", "video", "visual", "weights")  # of the settings in bundle.json


class Windows(NamedTuple):
    """A clip's windows as a head takes them. x_BTD: float32. mask_BT: bool."""

    x_BTD: np.ndarray
    mask_BT: np.ndarray


@dataclass(frozen=True)
class Bundle:
    """An opened bundle. facts: bundle.json; `lfnet.deploy.export` says what is in it."""

    folder: Path
    facts: dict[str, Any]

    @classmethod
    def open(cls, folder: Path, *, trust: Sequence[str] = ()) -> Self:
        """Read bundle.json and check the classes that it names and the digest of every file.

        trust: exact dotted names of classes that it may name besides lfnet's own. Raises `LfnetError`.
        """
        found = bundle_folder(Path(folder))
        if found is None:
            raise LfnetError(f"{folder} is no bundle: it holds no {BUNDLE}. `lfnet export RUN` makes one.")
        folder = found
        facts = read_json(folder / BUNDLE)
        files = listed(folder)
        if facts.get("format") != FORMAT:
            raise LfnetError(f"{folder / BUNDLE} has format {facts.get('format')}, and this lfnet reads {FORMAT}.")
        check_targets(facts, folder / BUNDLE, groups=_GROUPS, trust=trust)
        _check_stages(facts, folder / BUNDLE)
        for name, wanted in files.items():
            path = folder / name
            if not path.is_file():
                raise LfnetError(f"{path} is missing: copy the whole bundle, or export the run again.")
            if file_digest(path) != wanted["sha256"]:
                raise LfnetError(f"{path} is not the file that was exported: copy it anew, or export the run again.")
        return cls(folder, facts)

    @property
    def protocol(self) -> Protocol:
        return read(Protocol, self.facts["protocol"], "protocol")

    @property
    def conformal(self) -> Conformal | None:
        """The calibrated interval; None where nobody was left to calibrate it on."""
        return Conformal(**self.facts["conformal"]) if self.facts["conformal"] else None

    def windows(self, clip: ClipFeatures) -> Windows:
        """A clip's windows, cut, padded and masked as the run's protocol says for clips to be scored."""
        protocol = self.protocol
        order = protocol.frames_in("unlabelled")
        x_TD, valid_T = frames_of(clip, "clip", length=protocol.length, fill=protocol.fill, frames=order)
        packed = Packed(x_TD, valid_T, {"clip": 0}, {"clip": len(x_TD)})
        table = cut(packed, pd.DataFrame({"clip_id": ["clip"]}), protocol)
        x_BTD = np.zeros((len(table), protocol.window, x_TD.shape[1]), np.float32)
        mask_BT = np.zeros((len(table), protocol.window), bool)
        for b, (row, frames) in enumerate(zip(table["row"], table["frames"], strict=True)):
            x_BTD[b, :frames] = x_TD[row : row + frames]
            mask_BT[b, :frames] = valid_T[row : row + frames]
        return Windows(x_BTD, mask_BT if protocol.mask else np.ones_like(mask_BT))

    def head(self, threads: int | None = None) -> "HeadSession":
        """The head, ready to run."""
        labels = self.facts["labels"]
        return HeadSession(self.folder / self.facts["head"]["file"], labels["mean"], labels["sd"], threads)


def _check_stages(facts: dict[str, Any], path: Path) -> None:
    """Raise `LfnetError` where a stage would read a file that the bundle does not list, or fetch one."""
    encoder = facts["encoder"] or {}
    networks = {"head": facts["head"]["file"], "encoder": encoder.get("file")}
    if encoder:
        networks["video"] = facts["video"]["file"]
    for stage, name in networks.items():
        if name not in facts["files"] and (stage != "encoder" or name is not None):
            raise LfnetError(f"{path}: {stage}.file={name!r} is not a file of this bundle: export the run again.")
    weights = encoder.get("node", {}).get("weights")
    if weights is not None and (encoder["file"] is None or weights.get("sources") or weights.get("path")):
        raise LfnetError(f"{path}: encoder.node.weights is not the bundle's own file: export the run again.")


class HeadSession:
    """An exported head, or several in one graph: windows → points. One window at a time where it takes no more."""

    def __init__(self, path: Path, mean: float, sd: float, threads: int | None = None) -> None:
        self._session = open_session(path, "cpu", threads)
        self._mean, self._sd = mean, sd
        shape = next(value for value in self._session.get_inputs() if value.name == FRAMES).shape
        # Names stand where an axis is free.
        self.any_windows, self.any_length = isinstance(shape[0], str), isinstance(shape[1], str)

    def __call__(self, windows: Windows) -> np.ndarray:
        """Scores float64 [B] in points of the scale; [B, K] of K heads."""
        step = 64 if self.any_windows else 1
        parts = [
            self._session.run([SCORE], {FRAMES: windows.x_BTD[b : b + step], VALID: windows.mask_BT[b : b + step]})[0]
            for b in range(0, len(windows.x_BTD), step)
        ]
        standard = np.concatenate(parts).astype(np.float64) if parts else np.zeros(0)
        return standard * self._sd + self._mean
