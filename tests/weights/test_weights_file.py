"""Weights are found, checked and fetched from each kind of source; partial or wrong files are not kept."""

import hashlib
import os
import subprocess
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from lfnet.config import read
from lfnet.errors import LfnetError
from lfnet.files import atomic_path, temporary_folder
from lfnet.weights import sources, weights_file
from lfnet.weights.sources import Source
from lfnet.weights.weights_file import WeightsFile, WeightsMissing, WeightsWrong

CONTENT = bytes(range(256)) * 500
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def weights(**settings: Any) -> WeightsFile:
    return WeightsFile(
        **{
            "name": "tiny",
            "file": "tiny.onnx",
            "sha256": SHA256,
            "licence": "MIT",
            "about": "a test's network",
            **settings,
        }
    )


class Replies(BaseHTTPRequestHandler):
    """Serves the bytes in `pages`; a path starting with /short promises more than it sends."""

    pages: dict[str, bytes]

    def __init__(self, pages: dict[str, bytes], *rest: Any) -> None:
        self.pages = pages
        super().__init__(*rest)

    def do_GET(self) -> None:
        page = self.pages.get(self.path)
        if page is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page[:1000] if self.path.startswith("/short") else page)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def serve() -> Iterator[Callable[[dict[str, bytes]], str]]:
    """A function that starts a server for the given pages and returns its address."""
    servers = []

    def start(pages: dict[str, bytes]) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Replies, pages))
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def archive(tmp_path: Path, member: str, content: bytes = CONTENT) -> bytes:
    path = tmp_path / "made.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("read me.txt", "hello")
        file.writestr(member, content)
    return path.read_bytes()


def files_in(cache: Path) -> set[str]:
    return {path.name for path in cache.iterdir()} - {"digests"}


def test_a_file_in_the_cache_is_found(tmp_path: Path) -> None:
    (tmp_path / "tiny.onnx").write_bytes(CONTENT)
    assert weights().find(tmp_path) == tmp_path / "tiny.onnx"


def test_an_explicit_path_wins_over_the_cache(tmp_path: Path) -> None:
    cache, own = tmp_path / "cache", tmp_path / "own.onnx"
    cache.mkdir()
    (cache / "tiny.onnx").write_bytes(CONTENT)
    own.write_bytes(CONTENT)
    assert weights(path=str(own)).find(cache) == own
    own.unlink()
    with pytest.raises(WeightsMissing, match=r"own\.onnx does not exist"):
        weights(path=str(own)).fetch(cache)


def test_the_message_of_a_missing_file_has_place_digest_and_licence(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing) as caught:
        weights().find(tmp_path)
    for part in (str(tmp_path / "tiny.onnx"), SHA256, "MIT", "path"):
        assert part in str(caught.value)


def test_a_wrong_file_is_named_with_both_digests_and_left_alone(tmp_path: Path) -> None:
    own = tmp_path / "own.onnx"
    own.write_bytes(b"other")
    wrong = hashlib.sha256(b"other").hexdigest()
    for found in (weights(path=own), weights(file="own.onnx")):
        with pytest.raises(WeightsWrong) as caught:
            found.find(tmp_path)
        assert SHA256 in str(caught.value) and wrong in str(caught.value) and "own.onnx" in str(caught.value)
    assert own.read_bytes() == b"other"


def test_a_file_that_changes_after_its_check_is_noticed(tmp_path: Path) -> None:
    place = tmp_path / "tiny.onnx"
    place.write_bytes(CONTENT)
    assert weights().find(tmp_path) == place
    place.write_bytes(b"x" + CONTENT[1:])
    os.utime(place, ns=(0, 1))
    with pytest.raises(WeightsWrong):
        weights().find(tmp_path)


def test_without_a_stated_digest_any_file_is_taken_and_none_is_downloaded(
    tmp_path: Path, serve: Callable[[dict[str, bytes]], str]
) -> None:
    free = weights(sha256=None, sources=[{"url": serve({"/a": CONTENT}) + "/a"}])
    with pytest.raises(WeightsMissing):
        free.fetch(tmp_path)
    (tmp_path / "tiny.onnx").write_bytes(b"my own")
    assert free.fetch(tmp_path).read_bytes() == b"my own"
    assert free.digest(tmp_path) == hashlib.sha256(b"my own").hexdigest()


def test_a_stated_digest_needs_no_file(tmp_path: Path) -> None:
    assert weights().digest(tmp_path) == SHA256


def test_an_url_is_fetched_once(tmp_path: Path, serve: Callable[[dict[str, bytes]], str]) -> None:
    pages = {"/tiny": CONTENT}
    found = weights(sources=[{"url": serve(pages) + "/tiny"}])
    assert found.fetch(tmp_path / "new").read_bytes() == CONTENT
    pages.clear()
    assert found.fetch(tmp_path / "new") == tmp_path / "new" / "tiny.onnx"
    assert files_in(tmp_path / "new") == {"tiny.onnx"}


def test_a_wrong_download_is_reported_with_both_digests_and_not_kept(
    tmp_path: Path, serve: Callable[[dict[str, bytes]], str]
) -> None:
    found = weights(sources=[{"url": serve({"/tiny": b"other"}) + "/tiny"}])
    with pytest.raises(LfnetError) as caught:
        found.fetch(tmp_path)
    assert SHA256 in str(caught.value) and hashlib.sha256(b"other").hexdigest() in str(caught.value)
    assert files_in(tmp_path) == set()


def test_a_broken_download_leaves_nothing(tmp_path: Path, serve: Callable[[dict[str, bytes]], str]) -> None:
    found = weights(sources=[{"url": serve({"/short": CONTENT}) + "/short"}])
    with pytest.raises(LfnetError, match=r"1,000 of 128,000 bytes"):
        found.fetch(tmp_path)
    assert files_in(tmp_path) == set()


def test_an_interrupted_download_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(source: Any, to: Path) -> None:
        to.write_bytes(CONTENT[:100])
        raise KeyboardInterrupt

    monkeypatch.setattr(weights_file, "obtain", interrupted)
    with pytest.raises(KeyboardInterrupt):
        weights(sources=[{"url": "http://127.0.0.1/tiny"}]).fetch(tmp_path)
    assert files_in(tmp_path) == set()


def test_sources_are_tried_in_turn_and_each_reason_is_reported(
    tmp_path: Path, serve: Callable[[dict[str, bytes]], str]
) -> None:
    address = serve({"/wrong": b"other", "/right": CONTENT})
    bad = [{"url": f"{address}/absent"}, {"url": f"{address}/wrong"}, {"url": "http://127.0.0.1:1/closed"}]
    assert weights(sources=[*bad, {"url": f"{address}/right"}]).fetch(tmp_path / "a").read_bytes() == CONTENT
    with pytest.raises(LfnetError) as caught:
        weights(sources=bad).fetch(tmp_path / "b")
    for part in (
        "absent: no answer",
        "404",
        "wrong: the file has sha256",
        "closed: no answer",
        SHA256,
        "Put tiny.onnx",
    ):
        assert part in str(caught.value)


def test_a_wrong_file_in_the_cache_is_replaced_by_a_fetch(
    tmp_path: Path, serve: Callable[[dict[str, bytes]], str]
) -> None:
    (tmp_path / "tiny.onnx").write_bytes(b"half of it")
    assert weights(sources=[{"url": serve({"/t": CONTENT}) + "/t"}]).fetch(tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("inside", ["pack/tiny.onnx", "elsewhere/tiny.onnx"])
def test_one_member_of_an_archive_is_kept(
    tmp_path: Path, serve: Callable[[dict[str, bytes]], str], inside: str
) -> None:
    packed = archive(tmp_path, inside)
    source = {
        "url": serve({"/pack.zip": packed}) + "/pack.zip",
        "member": "pack/tiny.onnx",
        "sha256": hashlib.sha256(packed).hexdigest(),
    }
    cache = tmp_path / "cache"
    assert weights(sources=[source]).fetch(cache).read_bytes() == CONTENT
    assert files_in(cache) == {"tiny.onnx"}


def test_a_wrong_archive_is_refused(tmp_path: Path, serve: Callable[[dict[str, bytes]], str]) -> None:
    packed = archive(tmp_path, "tiny.onnx")
    address = serve({"/pack.zip": packed, "/not.zip": b"hello", "/other.zip": archive(tmp_path, "other")})
    cache = tmp_path / "cache"
    for page, sha256, reason in (
        ("pack.zip", "0" * 64, "the archive has sha256 " + hashlib.sha256(packed).hexdigest()),
        ("not.zip", None, "archive is broken"),
        ("other.zip", None, r"holds no tiny\.onnx"),
    ):
        source = {"url": f"{address}/{page}", "member": "tiny.onnx", "sha256": sha256}
        with pytest.raises(LfnetError, match=reason):
            weights(sources=[source]).fetch(cache)
        assert files_in(cache) == set()


def test_terms_of_use_are_printed_before_a_download_only(
    tmp_path: Path, serve: Callable[[dict[str, bytes]], str], capsys: pytest.CaptureFixture[str]
) -> None:
    found = weights(sources=[{"url": serve({"/t": CONTENT}) + "/t"}], notice="for research only")
    found.fetch(tmp_path)
    assert "for research only" in capsys.readouterr().err
    found.fetch(tmp_path)
    assert capsys.readouterr().err == ""


def test_leftovers_of_a_killed_fetch_are_removed_and_files_of_a_running_one_are_not(
    tmp_path: Path, serve: Callable[[dict[str, bytes]], str]
) -> None:
    (tmp_path / ".tiny.onnx-abc.part").write_bytes(b"half")
    (tmp_path / ".fetch-old.part").mkdir()
    (tmp_path / ".fetch-old.part" / "archive.zip").write_bytes(b"half")
    with atomic_path(tmp_path / "other.onnx") as running, temporary_folder(tmp_path, ".fetch-") as folder:
        (folder / "archive.zip").write_bytes(b"part")
        weights(sources=[{"url": serve({"/t": CONTENT}) + "/t"}]).fetch(tmp_path)
        assert files_in(tmp_path) == {"tiny.onnx", running.name, folder.name}


def test_a_wheel_is_fetched_with_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pip itself runs, on a folder of wheels instead of an index."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    facts = "Metadata-Version: 2.1\nName: tinypack\nVersion: 1.0\nRequires-Python: <3\n"
    with zipfile.ZipFile(wheels / "tinypack-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tinypack/models/tiny.onnx", CONTENT)
        wheel.writestr("tinypack-1.0.dist-info/METADATA", facts)
        wheel.writestr("tinypack-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("tinypack-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    cache = tmp_path / "cache"
    found = weights(sources=[{"pypi": "tinypack==1.0", "member": "tinypack/models/tiny.onnx"}])
    assert found.fetch(cache).read_bytes() == CONTENT
    assert files_in(cache) == {"tiny.onnx"}

    other = weights(sources=[{"pypi": "tinypack==2.0", "member": "tinypack/models/tiny.onnx"}])
    with pytest.raises(LfnetError, match=r"wheel tinypack==2.0: pip failed .*tinypack==2.0"):
        other.fetch(tmp_path / "other")


def test_an_npm_package_is_fetched_with_npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """npm is replaced by a function that writes a package, since the machine may have no npm."""

    def npm(command: list[str], **settings: Any) -> subprocess.CompletedProcess[str]:
        assert command[1:3] == ["pack", "tiny@1.0.0"]
        (folder,) = [part.removeprefix("--pack-destination=") for part in command if "--pack-destination=" in part]
        inside = tmp_path / "tiny.onnx"
        inside.write_bytes(CONTENT)
        with tarfile.open(Path(folder) / "tiny-1.0.0.tgz", "w:gz") as package:
            package.add(inside, "package/model/tiny.onnx")
        return subprocess.CompletedProcess(command, 0, "", "")

    found = weights(sources=[{"npm": "tiny@1.0.0", "member": "model/tiny.onnx"}])
    monkeypatch.setattr(sources.shutil, "which", lambda name: None)
    with pytest.raises(LfnetError, match="npm is not installed"):
        found.fetch(tmp_path / "cache")
    monkeypatch.setattr(sources.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(sources.subprocess, "run", npm)
    assert found.fetch(tmp_path / "cache").read_bytes() == CONTENT
    assert files_in(tmp_path / "cache") == {"tiny.onnx"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sha256": "ABC"}, r"^weights\.sha256=ABC: give 64 lower-case hex digits, or null\.$"),
        ({"file": "a/b.onnx"}, r"^weights\.file=a/b\.onnx: give a file name without folders\.$"),
        ({"sources": [{"pypi": "tinypack==1.0"}]}, r"^weights\.sources\.0={pypi: tinypack==1\.0}: give {url}, "),
        ({"sources": [{"url": "http://a/b", "sha256": SHA256}]}, r"^weights\.sources\.0={url: .*: give {url}, "),
        ({"sources": [{"url": "http://a/b", "npm": "x@1"}]}, r"^weights\.sources\.0={url: .*: give {url}, "),
        ({"sources": [{"ftp": "x"}]}, r"^weights\.sources\.0\.ftp: there is no such setting; known: url, pypi, npm"),
        ({"size": "big"}, r"^weights\.size=big: give a whole number, or null\.$"),
    ],
)
def test_a_wrong_description_is_refused(settings: dict[str, Any], message: str) -> None:
    node = {"name": "tiny", "file": "tiny.onnx", "sha256": SHA256, "licence": "MIT", "about": "a network", **settings}
    with pytest.raises(LfnetError, match=message):
        read(WeightsFile, node, "weights")


@pytest.mark.parametrize(
    "source",
    [
        {"pypi": "tinypack"},
        {"pypi": "--index-url=http://a/simple"},
        {"pypi": "-e."},
        {"pypi": "./tinypack"},
        {"pypi": "tinypack @ git+https://a/b"},
        {"pypi": "tinypack==1.0 --no-binary=:all:"},
        {"npm": "tiny"},
        {"npm": "--registry=http://a"},
        {"npm": "./tiny"},
        {"npm": "git+https://a/b@1.0"},
        {"npm": "a/b@1.0"},
        {"npm": "tiny@file:b"},
        {"url": "file:///etc/passwd"},
        {"url": "ftp://a/b"},
    ],
)
def test_a_client_gets_a_package_with_its_version_and_nothing_else(source: dict[str, str]) -> None:
    ((kind, value),) = source.items()
    member = {} if kind == "url" else {"member": "tiny.onnx"}
    form = {"url": "https://...", "pypi": "NAME==VERSION", "npm": "NAME@VERSION"}[kind]
    with pytest.raises(LfnetError) as caught:
        read(Source, {**source, **member}, "weights.sources.0")
    assert str(caught.value) == f"weights.sources.0.{kind}={value}: give {form}, or null."
