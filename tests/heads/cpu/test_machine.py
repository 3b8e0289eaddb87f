"""CPU settings of a job are restored and change no result beyond rounding; chunks are joined in order."""

import pytest
import torch
from torch import Tensor

from lfnet.heads.cpu import machine
from lfnet.heads.cpu.machine import fast_cpu, map_chunks, products_are_exact
from lfnet.heads.layers import masked_mean

products = torch.backends.mkldnn.matmul


def test_products_stay_exact_and_the_setting_is_restored():
    before = products.fp32_precision
    with fast_cpu():
        assert products_are_exact()
    assert products.fp32_precision == before


def test_new_tensors_are_not_filled_and_the_setting_is_restored():
    assert torch.utils.deterministic.fill_uninitialized_memory
    with fast_cpu():
        assert not torch.utils.deterministic.fill_uninitialized_memory
    assert torch.utils.deterministic.fill_uninitialized_memory


def test_rounded_products_are_detected():
    with torch.autocast("cpu", torch.bfloat16):
        assert not products_are_exact()


def test_nothing_is_set_where_products_would_be_rounded(monkeypatch: pytest.MonkeyPatch):
    before = products.fp32_precision
    monkeypatch.setattr(machine, "products_are_exact", lambda: False)
    with fast_cpu():
        assert products.fp32_precision == before


def test_a_setting_of_the_user_is_kept():
    before = products.fp32_precision
    products.fp32_precision = "ieee"
    try:
        with fast_cpu():
            assert products.fp32_precision == "ieee"
        assert products.fp32_precision == "ieee"
    finally:
        products.fp32_precision = before


def test_the_setting_is_restored_after_a_failure():
    before = products.fp32_precision
    with pytest.raises(RuntimeError), fast_cpu():
        raise RuntimeError
    assert products.fp32_precision == before


def test_memory_settings_need_glibc(monkeypatch: pytest.MonkeyPatch):
    def none(_: object) -> object:
        raise OSError

    monkeypatch.setattr(machine.ctypes, "CDLL", none)
    with fast_cpu():
        pass


def test_chunks_are_joined_in_order() -> None:
    x_BTD, mask_BT = torch.randn(21, 5, 3), torch.rand(21, 5) > 0.3
    sizes = []

    def function(x: Tensor, mask: Tensor) -> Tensor:
        sizes.append(len(x))
        return masked_mean(x, mask)

    assert torch.equal(map_chunks(function, x_BTD, mask_BT), masked_mean(x_BTD, mask_BT))
    assert sum(sizes) == 21 and max(sizes) == 8
