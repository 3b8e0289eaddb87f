"""Values in the cache: computed once, believed only if whole, and done without where they cannot be written."""

import json
import subprocess
import sys

import pytest

from lfnet.errors import LfnetWarning
from lfnet.jobs.shared_values import SharedValues
from lfnet.locks import lock

KEY = "a" * 64


def kept(cache, value, key=KEY):
    return SharedValues(cache, "mine").keep("numbers", key, lambda: value)


def test_a_value_is_computed_once_for_each_key(tmp_path):
    assert kept(tmp_path, [1.5, None, "ä"]) == [1.5, None, "ä"] == kept(tmp_path, "other")
    assert kept(tmp_path, "other", key="b" * 64) == "other"


@pytest.mark.filterwarnings("error")
def test_a_value_is_removed_with_its_file_and_leaves_no_lock(tmp_path):
    kept(tmp_path, 1)
    (file,) = (tmp_path / "references" / "mine").iterdir()
    with lock(file.with_name(f".{file.stem}.lock")):
        pass
    file.with_name(f".{file.stem}.lock").touch()  # of a process that was killed
    assert kept(tmp_path, 2) == 1
    assert list(file.parent.iterdir()) == [file]
    file.unlink()
    assert kept(tmp_path, 2) == 2


def test_a_damaged_value_is_computed_again(tmp_path):
    kept(tmp_path, "one")
    (file,) = (tmp_path / "references" / "mine").iterdir()
    file.write_text(file.read_text().replace("one", "two"))
    with pytest.warns(LfnetWarning, match=r"numbers-a+\.json is damaged: what it has is computed again"):
        assert kept(tmp_path, "one") == "one"
    assert json.loads(file.read_text())["value"] == "one"


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path):
    (tmp_path / "references").write_text("a file in the place of the folder")
    with pytest.warns(LfnetWarning, match="baselines and audit are not kept for other processes: .*references"):
        assert kept(tmp_path, 7) == 7


def test_a_second_process_waits_for_the_value_of_the_first(tmp_path):
    work = """
import sys, time
from pathlib import Path
from lfnet.jobs.shared_values import SharedValues
def make():
    time.sleep(1)
    return sys.argv[2]
print(SharedValues(Path(sys.argv[1]), "mine").keep("numbers", "a" * 64, make))
"""
    both = [
        subprocess.Popen([sys.executable, "-c", work, str(tmp_path), name], stdout=subprocess.PIPE, text=True)
        for name in "ab"
    ]
    first, second = (process.communicate()[0] for process in both)
    assert first == second


def test_only_own_files_are_listed(tmp_path):
    values = SharedValues(tmp_path, "mine")
    values.keep("audit", "0f" * 32, lambda: [1])
    left = values.folder / ".audit-f89ea1fabeb4f884eac37f8d2a977c9d.j-s03zltff.part"
    left.write_text("{")
    (values.folder / "my notes.json").write_text("mine")
    (values.folder / "my folder").mkdir()
    assert values.files() == [left, values.folder / f"audit-{'0f' * 16}.json"]
