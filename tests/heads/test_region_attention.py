"""RegionAttention against its equations, frame by frame; and that it learns which region counts."""

from functools import partial

import pytest
import torch

from lfnet.heads.region_attention import RegionAttention
from lfnet.testing import check_head


@pytest.mark.parametrize(("parts", "keep"), [(1, 100), (5, 100), (5, 7), (2, 2)])
def test_contract(parts: int, keep: int) -> None:
    check_head(partial(RegionAttention, parts=parts, keep=keep), n_features=40, frames=(1, 2, 7, 17, 33))


def test_the_answer_is_that_of_the_equations() -> None:
    torch.manual_seed(0)
    head = RegionAttention(15, parts=3, keep=4, attention_width=6, hidden=None).eval()
    with torch.no_grad():
        head.regions.copy_(torch.tensor([0.3, -0.6]))
    x = torch.randn(1, 9, 15)
    mask = torch.ones(1, 9, dtype=torch.bool)
    mask[0, [2, 5]] = False
    W, b = head.frame[0].weight, head.frame[0].bias
    w, c = head.frame[2].weight[0], head.frame[2].bias
    U, v = head.time[0].weight, head.time[2].weight[0]
    rows = []
    for t in range(9):
        if not mask[0, t]:
            continue
        f, g1, g2 = x[0, t, :5], x[0, t, 5:10], x[0, t, 10:]
        alpha = torch.sigmoid(w @ torch.tanh(W @ f + b) + c)
        rows.append((alpha.item(), (v @ torch.tanh(U @ f)).item(), g1, g2))
    rows = sorted(rows, key=lambda row: -row[0])[:4]
    beta = torch.tensor([row[1] for row in rows]).softmax(0)
    z1 = sum(0.3 * b * row[0] * row[2] for b, row in zip(beta, rows, strict=True))
    z2 = sum(-0.6 * b * row[0] * row[3] for b, row in zip(beta, rows, strict=True))
    expected = head.regressor(torch.cat([z1, z2])[None]).squeeze(-1)
    torch.testing.assert_close(head(x, mask), expected)
    assert (head.weights(x, mask) > 0).sum() == 4


def test_it_learns_which_region_and_which_frames_count() -> None:
    """The label is the mean of the second region over frames that the face marks; all else is noise."""
    torch.manual_seed(0)
    marks = torch.rand(256, 20) < 0.3
    marks[:, 0] = True
    x = torch.randn(256, 20, 12)
    x[..., 0] = 3.0 * marks
    y = (x[..., 8] * marks).sum(1) / marks.sum(1)
    y = y / y.std()
    mask = torch.ones(256, 20, dtype=torch.bool)
    head = RegionAttention(12, parts=3, attention_width=8, hidden=None, dropout=0.0)
    optimiser = torch.optim.Adam(head.parameters(), 0.02)
    for _ in range(300):
        optimiser.zero_grad()
        loss = (head(x[:192], mask[:192]) - y[:192]).pow(2).mean()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        error = (head(x[192:], mask[192:]) - y[192:]).pow(2).mean()
        weights = head.weights(x, mask)
    assert error < 0.2, "labels have variance 1"
    assert weights[marks].mean() > 5 * weights[~marks].mean()
