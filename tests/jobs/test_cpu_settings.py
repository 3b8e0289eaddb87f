"""What a job asks of the machine changes no result beyond rounding, and is taken back."""

import pytest
import torch

from lfnet.jobs import cpu_settings as room
from lfnet.jobs.cpu_settings import exact, machine

products = torch.backends.mkldnn.matmul


def test_products_stay_exact_and_the_setting_is_taken_back():
    before = products.fp32_precision
    with machine():
        assert exact()
    assert products.fp32_precision == before


def test_rounded_products_are_noticed():
    with torch.autocast("cpu", torch.bfloat16):
        assert not exact()


def test_where_products_would_be_rounded_nothing_is_set(monkeypatch: pytest.MonkeyPatch):
    before = products.fp32_precision
    monkeypatch.setattr(room, "exact", lambda: False)
    with machine():
        assert products.fp32_precision == before


def test_a_setting_of_the_users_own_stands():
    before = products.fp32_precision
    products.fp32_precision = "ieee"
    try:
        with machine():
            assert products.fp32_precision == "ieee"
        assert products.fp32_precision == "ieee"
    finally:
        products.fp32_precision = before


def test_a_failing_job_takes_it_back_too():
    before = products.fp32_precision
    with pytest.raises(RuntimeError), machine():
        raise RuntimeError
    assert products.fp32_precision == before


def test_without_glibc_memory_is_left_alone(monkeypatch: pytest.MonkeyPatch):
    def none(_: object) -> object:
        raise OSError

    monkeypatch.setattr(room.ctypes, "CDLL", none)
    with machine():
        pass
