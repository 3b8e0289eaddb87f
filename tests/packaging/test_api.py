"""The Python API: its names and the time of `import lfnet`."""

import subprocess
import sys
import time

import pytest

import lfnet

HEAVY = ("torch", "pandas", "numpy", "scipy", "sklearn", "hydra", "cv2")


@pytest.mark.parametrize("name", sorted(lfnet._API))
def test_every_name_of_the_api_is_importable_and_documented(name):
    found = getattr(lfnet, name)
    assert name in dir(lfnet)
    assert found.__doc__


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'lfnet' has no attribute 'nonsense'"):
        lfnet.nonsense  # noqa: B018
    with pytest.raises(ImportError):
        from lfnet import nonsense  # noqa: F401


def test_a_name_of_a_subpackage_gives_the_subpackage(monkeypatch):
    monkeypatch.setitem(lfnet._API, "some_package", "lfnet.evaluation")
    monkeypatch.delattr(lfnet, "some_package", raising=False)
    assert lfnet.some_package.__name__ == "lfnet.evaluation"
    monkeypatch.delattr(lfnet, "some_package")


def test_importing_lfnet_is_fast_and_imports_nothing_heavy():
    code = f"import sys, lfnet; print([name for name in {HEAVY} if name in sys.modules])"
    times = []
    for _ in range(3):
        start = time.perf_counter()
        loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        times.append(time.perf_counter() - start)
        assert loaded.strip() == "[]"
    code = "pass"
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    assert min(times) - (time.perf_counter() - start) < 0.3
