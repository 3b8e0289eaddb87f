"""The cache of file digests: a file is hashed once, and again after a change."""

import hashlib
import os
import time

import pytest

from lfnet import fingerprints
from lfnet.errors import LfnetError
from lfnet.fingerprints import DigestCache


@pytest.fixture
def hashed(monkeypatch):
    """Names of the files that were hashed."""
    seen, real = [], fingerprints.file_digest
    monkeypatch.setattr(fingerprints, "file_digest", lambda path: seen.append(path.name) or real(path))
    return seen


def made(path, content, seconds_ago=60.0):
    path.write_bytes(content)
    then = time.time() - seconds_ago
    os.utime(path, (then, then))
    return path


def test_a_file_is_hashed_again_only_when_it_changed(tmp_path, hashed):
    file = made(tmp_path / "f", b"abc")
    for _ in range(3):
        assert DigestCache(tmp_path / "digests").file(file) == hashlib.sha256(b"abc").hexdigest()
    assert hashed == ["f"]
    made(file, b"abd", seconds_ago=50)
    assert DigestCache(tmp_path / "digests").file(file) == hashlib.sha256(b"abd").hexdigest()
    assert hashed == ["f", "f"]


def test_a_file_that_changed_just_now_is_not_cached_yet(tmp_path, hashed):
    file = made(tmp_path / "f", b"abc", seconds_ago=0)
    for _ in range(2):
        DigestCache(tmp_path / "digests").file(file)
    assert hashed == ["f", "f"]


def test_a_clock_that_is_ahead_makes_no_change_look_old(tmp_path, hashed, monkeypatch):
    now, now_ns = time.time, time.time_ns
    file = made(tmp_path / "f", b"abc", seconds_ago=0)
    monkeypatch.setattr(time, "time", lambda: now() + 3600)
    monkeypatch.setattr(time, "time_ns", lambda: now_ns() + 3600 * 10**9)
    DigestCache(tmp_path / "digests").file(file)
    stat = file.stat()
    file.write_bytes(b"abd")
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # within one tick of a coarse clock
    assert DigestCache(tmp_path / "digests").file(file) == hashlib.sha256(b"abd").hexdigest()
    assert hashed == ["f", "f"]


def test_two_files_have_two_entries(tmp_path):
    cache = DigestCache(tmp_path / "digests")
    (tmp_path / "b").mkdir()
    one, two = made(tmp_path / "f", b"1"), made(tmp_path / "b" / "f", b"2")
    assert [cache.file(one), cache.file(two), cache.file(one)] == [
        hashlib.sha256(content).hexdigest() for content in (b"1", b"2", b"1")
    ]


@pytest.mark.parametrize("rubbish", ["{", "[]", "null", '{"stamp": 3}', '{"digest": 3}'])
def test_a_broken_entry_is_computed_and_written_again(tmp_path, rubbish):
    file = made(tmp_path / "f", b"abc")
    right = DigestCache(tmp_path / "digests").file(file)
    (entry,) = (tmp_path / "digests").iterdir()
    entry.write_text(rubbish)
    assert DigestCache(tmp_path / "digests").file(file) == right
    assert entry.read_text() != rubbish


def test_without_write_access_digests_are_still_computed(tmp_path, monkeypatch):
    def refuse(*_):
        raise LfnetError("read only")

    monkeypatch.setattr(fingerprints, "write_sealed_json", refuse)
    file = made(tmp_path / "f", b"abc")
    assert DigestCache(tmp_path / "digests").file(file) == hashlib.sha256(b"abc").hexdigest()


def test_nothing_is_cached_without_a_folder(tmp_path, hashed):
    file = made(tmp_path / "f", b"abc")
    for _ in range(2):
        DigestCache(None).file(file)
    assert hashed == ["f", "f"]
