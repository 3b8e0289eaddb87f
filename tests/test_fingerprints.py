"""Digests of values, files and source code."""

import sys
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfnet import fingerprints

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), json_values, max_size=5))
def test_the_order_of_keys_does_not_matter(value):
    assert fingerprints.digest(value) == fingerprints.digest(dict(reversed(value.items())))


@given(json_values, json_values)
def test_equal_digests_mean_equal_values(a, b):
    import json

    same = json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True)
    assert (fingerprints.digest(a) == fingerprints.digest(b)) == same


def test_values_that_json_cannot_represent_are_refused():
    with pytest.raises(TypeError):
        fingerprints.digest({"path": object()})


def test_a_file_digest_is_sha256(tmp_path):
    (tmp_path / "f").write_bytes(b"abc")
    # FIPS 180-2, appendix B.1
    assert (
        fingerprints.file_digest(tmp_path / "f") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Functions to write modules of a package `toy`, and to return the code digest of one of them without caches."""
    folder = tmp_path / "toy"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)

    def write(**modules):
        for name, source in modules.items():
            (folder / f"{name}.py").write_text(textwrap.dedent(source))

    def read(name, within=("toy",)):
        for cached in (fingerprints._code_digest, fingerprints._imports, fingerprints._files):
            cached.cache_clear()
        return fingerprints.code_digest([name], within)

    yield write, read
    for name in [name for name in sys.modules if name.partition(".")[0] == "toy"]:
        del sys.modules[name]


def test_comments_and_docstrings_change_nothing(package):
    write, read = package
    write(head="x = 1\n")
    before = read("toy.head")
    write(head='"""A head."""\n\n# why\nx = 1\n')
    assert read("toy.head") == before
    write(head="x = 2\n")
    assert read("toy.head") != before


def test_what_a_module_imports_counts_and_what_it_does_not_import_does_not(package):
    write, read = package
    write(head="from toy import layers\n", layers="import toy.deep\n", deep="a = 1\n", other="b = 1\n")
    before = read("toy.head")
    write(other="b = 2\n")
    assert read("toy.head") == before
    write(deep="a = 2\n")
    assert read("toy.head") != before


@pytest.mark.parametrize("line", ["from .layers import a\n", "from . import layers\n", "from toy.layers import a\n"])
def test_a_users_own_modules_always_count(package, line):
    write, read = package
    write(head=line, layers="import numpy\na = 1\n")
    before = read("toy.head", within=("elsewhere",))
    write(layers="import numpy\na = 2\n")
    assert read("toy.head", within=("elsewhere",)) != before


def test_installed_packages_do_not_count():
    assert not any(fingerprints._of_the_user(name) for name in ("numpy", "torch.nn", "json", "lfnet.files"))
    assert fingerprints._of_the_user("tests.jobs.broken")
