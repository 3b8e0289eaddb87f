"""Dropout masks drawn fast: their rate, independence and seed."""

import math

import pytest
import torch
from torch import Tensor

from lfnet.heads.cpu.dropout import Dropout, keep_mask, keep_scale


@pytest.mark.parametrize("rate", [0.003, 0.1, 0.5, 0.9])
def test_masks_drop_at_their_rate_and_independently(rate: float) -> None:
    torch.manual_seed(0)
    kept = keep_mask(torch.empty(1000, 1001), rate).double().flatten()
    count, sd = len(kept), math.sqrt(rate * (1 - rate))
    assert set(kept.unique().tolist()) == {0.0, 1.0}
    assert abs(float(kept.mean()) - (1 - rate)) < 5 * sd / math.sqrt(count)
    assert keep_scale(rate) * (1 - rate) == pytest.approx(1, abs=1e-4)
    for step in (1, 2, 3, 4, 5, 1001):  # neighbours: four of them come from one random number
        together = (kept[:-step] - kept.mean()) * (kept[step:] - kept.mean())
        assert abs(float(together.mean())) < 5 * sd**2 / math.sqrt(count)


def test_masks_follow_torchs_seed() -> None:
    def drawn(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return keep_mask(torch.empty(50, 7), 0.5)

    assert torch.equal(drawn(3), drawn(3)) and not torch.equal(drawn(3), drawn(4))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_dropout_keeps_the_mean_of_what_it_keeps_and_is_off_in_evaluation(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    x, module = torch.randn(50, 40), Dropout(0.3)
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype != torch.float32):
        assert torch.equal(module.eval()(x), x)
        dropped = module.train()(x.to(dtype))
    kept = dropped != 0
    assert dropped.dtype == dtype and 0.6 < kept.float().mean() < 0.8
    torch.testing.assert_close(
        dropped[kept].float(), x[kept] / 0.7, rtol=0.02 if dtype != torch.float32 else 1e-4, atol=0
    )
