"""A network's file: at an explicit path, else in the cache, else from its sources; always checked by sha256.

lfnet ships no weights. Each file keeps its own licence, and the user's machine fetches it.
"""

import sys
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from lfnet.config import instantiate, read_yaml, settings
from lfnet.errors import LfnetError
from lfnet.files import atomic_path, user_path
from lfnet.fingerprints import DigestCache, file_digest
from lfnet.locks import remove_abandoned
from lfnet.weights.sources import Sha256, Source, SourceError, obtain

__all__ = ["WeightsFile", "WeightsMissing", "WeightsWrong", "load", "names"]


class WeightsMissing(LfnetError):
    """The file does not exist; it can perhaps be fetched."""


class WeightsWrong(LfnetError):
    """The file exists with another sha256."""


def _file_name(text: str) -> str:
    if Path(text).name != text:
        raise ValueError("give a file name without folders.")
    return text


@settings
class WeightsFile:
    """A network's file, as `conf/weights/NAME.yaml` describes it.

    Parameters
    ----------
    name : str
        Name of the yaml.
    file : str
        File name in the cache.
    sha256 : str or None
        64 hex digits. None accepts any file at `path` or in the cache (its digest is part of the features' recipe all
        the same) and forbids downloads, since they could not be checked.
    licence, about : str
        Licence and description, for messages.
    size : int, optional
        Size in bytes, for messages.
    sources : sequence of Source
        Sources, tried in order.
    notice : str, optional
        Terms of use, printed before a download.
    path : str or Path, optional
        The user's own copy; used instead of cache and sources.

    Examples
    --------
    >>> weights = WeightsFile(name="net", file="net.onnx", sha256=None, licence="MIT", about="a network")
    >>> weights.place(Path("cache")).as_posix()
    'cache/net.onnx'
    """

    name: str
    file: Annotated[str, AfterValidator(_file_name)]
    sha256: Sha256 | None
    licence: str
    about: str
    size: int | None = None
    sources: tuple[Source, ...] = ()
    notice: str | None = None
    path: str | Path | None = None

    def place(self, cache: Path) -> Path:
        """Return where the file should be: the explicit path, else its name in the folder `cache`."""
        return user_path(self.path) if self.path is not None else Path(cache) / self.file

    def find(self, cache: Path) -> Path:
        """Return the checked file. Nothing is downloaded or deleted.

        Raises
        ------
        WeightsMissing
            The file does not exist.
        WeightsWrong
            The file has another sha256.
        """
        place = self.place(cache)
        if not place.is_file():
            raise WeightsMissing(f"weights {self.name}: {place} does not exist. {self._remedy(cache)}")
        actual = _digest(place, cache)
        if self.sha256 is not None and actual != self.sha256:
            remedy = (
                f"Give the right file, or, if this one is meant, set sha256={actual} as well as `path`."
                if self.path is not None
                else f"Delete it and run `lfnet weights fetch {self.name}`."
            )
            raise WeightsWrong(f"weights {self.name}: {place} has sha256 {actual}, expected {self.sha256}. {remedy}")
        return place

    def fetch(self, cache: Path) -> Path:
        """Return the checked file; download it into the folder `cache` if it is not there.

        The terms of use, if any, are printed first. A broken download, or one with another sha256, is not kept.

        Raises
        ------
        LfnetError
            No source has the file; with the reason for each source.
        """
        try:
            return self.find(cache)
        except (WeightsMissing, WeightsWrong):
            if self.path is not None or self.sha256 is None or not self.sources:
                raise
        target = self.place(cache)
        remove_abandoned(Path(cache))
        if self.notice:
            print(f"{self.name}: {self.notice}", file=sys.stderr)
        reasons = []
        for source in self.sources:
            print(f"fetching {self._what()} from {source}", file=sys.stderr)
            try:
                with atomic_path(target, personal=False) as temporary:
                    obtain(source, temporary)
                    if (actual := file_digest(temporary)) != self.sha256:
                        raise SourceError(f"the file has sha256 {actual}, expected {self.sha256}; it was not kept")
            except SourceError as error:
                reasons.append(f"  {source}: {error}")
            else:
                return self.find(cache)
        raise LfnetError(f"weights {self.name} cannot be fetched:\n" + "\n".join(reasons) + f"\n{self._remedy(cache)}")

    def digest(self, cache: Path) -> str:
        """Return the SHA-256 of the file in use; the file itself is needed only where `sha256` is None."""
        return self.sha256 if self.sha256 is not None else _digest(self.find(cache), cache)

    def _what(self) -> str:
        size = f", {self.size:,} bytes" if self.size is not None else ""
        return f"{self.file} ({self.about}{size}; licence: {self.licence})"

    def _remedy(self, cache: Path) -> str:
        if self.path is not None:
            return f"Set the weights' `path` to {self._what()}, or set it to null to use the cache."
        digest = f", sha256 {self.sha256}," if self.sha256 is not None else ""
        fetch = f" run `lfnet weights fetch {self.name}` on a machine with a network, or" if self.sources else ""
        target = Path(cache).absolute() / self.file
        return f"Put {self._what()}{digest} at {target}, or{fetch} set the weights' `path` to your copy."


def _digest(file: Path, cache: Path) -> str:
    return DigestCache(Path(cache) / "digests").file(file)


def names(conf: Path) -> list[str]:
    """Return the names of all `weights/*.yaml` in the folder of settings `conf`, sorted."""
    return sorted(file.stem for file in (Path(conf) / "weights").glob("*.yaml"))


def load(conf: Path, name: str) -> WeightsFile:
    """Return the weights called `name`. An unknown name is an `LfnetError` that lists all names."""
    file = Path(conf) / "weights" / f"{name}.yaml"
    if name not in names(conf):
        raise LfnetError(f"unknown weights {name!r}. {file.parent} has {', '.join(names(conf))}.")
    weights: WeightsFile = instantiate(read_yaml(file), f"weights.{name}")
    return weights
