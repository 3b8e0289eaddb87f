"""A network's file: an explicit path, else the cache, else its sources; always checked by sha256.

lfnet ships no weights: each file keeps its own licence, and the user's machine fetches it.
"""

import re
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lfnet.errors import LfnetError
from lfnet.files import atomic_path
from lfnet.fingerprints import DigestCache, file_digest
from lfnet.weights.sources import SourceError, check, describe, obtain

__all__ = ["WeightsFile", "WeightsMissing", "WeightsWrong", "load", "names"]

_DAY = 86_400.0


class WeightsMissing(LfnetError):
    """The file is not where it should be; it may be fetched."""


class WeightsWrong(LfnetError):
    """The file is there, with another sha256."""


@dataclass(frozen=True)
class WeightsFile:
    """One network's file, as `conf/weights/<name>.yaml` describes it.

    name: the yaml's name. file: its name in the cache. licence, about: for the reader.
    sha256: 64 hex digits; None takes whatever file stands at `path` or in the cache (its digest still goes into the
    features' recipe) and forbids downloads, for nothing is downloaded unchecked.
    size: bytes, for the reader. sources: tried in this order, see `lfnet.weights.sources.check`.
    notice: terms of use, printed before a download. path: the user's own copy; wins over cache and sources.
    """

    name: str
    file: str
    sha256: str | None
    licence: str
    about: str
    size: int | None = None
    sources: Sequence[Mapping[str, Any]] = ()
    notice: str | None = None
    path: str | Path | None = None

    def __post_init__(self) -> None:
        if self.sha256 is not None and not re.fullmatch("[0-9a-f]{64}", self.sha256):
            raise LfnetError(f"weights {self.name}: sha256 is null or 64 lower-case hex digits, not {self.sha256}.")
        if Path(self.file).name != self.file:
            raise LfnetError(f"weights {self.name}: file must be a bare file name, not {self.file!r}.")
        # Hydra hands over its own list and dict types; plain ones from here on.
        object.__setattr__(self, "sources", tuple(check(source, self.name) for source in self.sources))

    def place(self, cache: Path) -> Path:
        """Where the file should be: the explicit path, else its name in the folder `cache`."""
        return Path(self.path).expanduser() if self.path is not None else Path(cache) / self.file

    def find(self, cache: Path) -> Path:
        """The checked file. Downloads nothing, deletes nothing.

        Raises `WeightsMissing` (what to put where) or `WeightsWrong` (both digests), both `LfnetError`.
        """
        place = self.place(cache)
        if not place.is_file():
            raise WeightsMissing(f"weights {self.name}: {place} does not exist. {self._mend(cache)}")
        actual = _digest(place, cache)
        if self.sha256 is not None and actual != self.sha256:
            mend = (
                f"Name the right file, or, if this one is meant, set sha256={actual} beside `path`."
                if self.path is not None
                else f"Delete it; `lfnet weights fetch {self.name}` gets it anew."
            )
            raise WeightsWrong(f"weights {self.name}: {place} has sha256 {actual}, expected {self.sha256}. {mend}")
        return place

    def fetch(self, cache: Path) -> Path:
        """The checked file, downloaded into the folder `cache` where it is not at hand.

        Prints the terms of use first, where there are any. A download that breaks or has another sha256 is not kept.
        Raises `LfnetError` where no source gives the file: what to put where, and why each source failed.
        """
        try:
            return self.find(cache)
        except (WeightsMissing, WeightsWrong):
            if self.path is not None or self.sha256 is None or not self.sources:
                raise
        target = self.place(cache)
        _sweep(Path(cache))
        if self.notice:
            print(f"{self.name}: {self.notice}", file=sys.stderr)
        reasons = []
        for source in self.sources:
            print(f"fetching {self._what()} from {describe(source)}", file=sys.stderr)
            try:
                with atomic_path(target) as temporary:
                    obtain(source, temporary)
                    if (actual := file_digest(temporary)) != self.sha256:
                        raise SourceError(f"the file has sha256 {actual}, expected {self.sha256}; it was not kept")
            except SourceError as error:
                reasons.append(f"  {describe(source)}: {error}")
            else:
                return self.find(cache)
        raise LfnetError(f"weights {self.name} could not be had:\n" + "\n".join(reasons) + f"\n{self._mend(cache)}")

    def digest(self, cache: Path) -> str:
        """SHA-256 of the file in use; needs the file only where the yaml states no sha256."""
        return self.sha256 if self.sha256 is not None else _digest(self.find(cache), cache)

    def _what(self) -> str:
        size = f", {self.size:,} bytes" if self.size is not None else ""
        return f"{self.file} ({self.about}{size}; licence: {self.licence})"

    def _mend(self, cache: Path) -> str:
        if self.path is not None:
            return f"Name {self._what()} with the weights' `path`, or leave `path` out to have it found or fetched."
        digest = f", sha256 {self.sha256}," if self.sha256 is not None else ""
        fetch = f" run `lfnet weights fetch {self.name}` on a machine with a network, or" if self.sources else ""
        target = Path(cache).absolute() / self.file
        return f"Put {self._what()}{digest} at {target}, or{fetch} name your copy with the weights' `path`."


def _sweep(cache: Path) -> None:
    """Remove what fetches killed more than a day ago left behind; younger ones may be running."""
    for leftover in [*cache.glob(".fetch-*"), *cache.glob(".*.part")]:
        try:
            if time.time() - leftover.stat().st_mtime > _DAY:
                shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
        except OSError:
            continue


def _digest(file: Path, cache: Path) -> str:
    return DigestCache(Path(cache) / "digests").file(file)


def names(conf: Path) -> list[str]:
    """The names of all `conf/weights/*.yaml`, sorted. conf: the configuration's folder."""
    return sorted(file.stem for file in (Path(conf) / "weights").glob("*.yaml"))


def load(conf: Path, name: str) -> WeightsFile:
    """The weights called `name`, as their yaml describes them. Raises `LfnetError` for an unknown name, listing all."""
    from omegaconf import DictConfig, OmegaConf

    from lfnet.config import instantiate

    file = Path(conf) / "weights" / f"{name}.yaml"
    if name not in names(conf):
        raise LfnetError(f"there are no weights called {name!r} in {file.parent}. There are: {', '.join(names(conf))}.")
    described = OmegaConf.load(file)
    assert isinstance(described, DictConfig), f"{file} holds no settings"
    weights: WeightsFile = instantiate(described)
    return weights
