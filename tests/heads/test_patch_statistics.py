"""PatchStatistics against its equations, frame by frame; its statistics in closed form; order and events are learnt."""

import math

import pytest
import torch
from torch import Tensor, nn

from lfnet.heads.cost import measure
from lfnet.heads.layers import masked_mean
from lfnet.heads.patch_statistics import PatchStatistics
from tests.heads.test_heads import check_exported_graph, masks

D, R, SIZE = 12, 5, 4


def make(**settings: object) -> PatchStatistics:
    torch.manual_seed(3)
    head = PatchStatistics(D, 128, patch_size=SIZE, rank=R, width=8, dropout=0.0, **settings)
    nn.init.normal_(head.patch_regressor[-1].weight)  # the first weights are small
    return head


def identity(**settings: object) -> PatchStatistics:
    """A head that describes one feature, as it is."""
    head = PatchStatistics(1, rank=1, patch_size=SIZE, **settings)
    nn.init.ones_(head.projection.weight)
    return head.eval()


def all_real(x_BTD: Tensor) -> Tensor:
    return torch.ones(x_BTD.shape[:2], dtype=torch.bool)


def plain(head: PatchStatistics, x_TD: Tensor, mask_T: Tensor) -> Tensor:
    """The class's equations, one frame and one patch after another."""
    real = [t for t in range(len(x_TD)) if mask_T[t]]
    mean = torch.stack([x_TD[t] for t in real]).mean(0)
    z = {t: head.projection.weight @ (x_TD[t] - mean) for t in real}
    sigma = (sum(z[t] ** 2 for t in real) / len(real) + 1e-8).sqrt()
    units = []
    for first in range(0, len(x_TD), head.patch_size):
        places = [t for t in range(first, first + head.patch_size) if t in z]
        pairs = [(z[t] - z[t - 1]) / sigma for t in places if t - 1 in z]
        if pairs:
            deviation = sum(z[t] / sigma for t in places) / len(places)
            trend, motion = sum(pairs) / len(pairs), sum(pair**2 for pair in pairs) / len(pairs)
            units.append(head.embedding(head.norm(torch.cat([deviation, trend, (motion + 0.01).log()]))))
    patches = sum(units) / len(units) if units else torch.zeros(head.embedding[0].out_features)
    return (head.regressor(mean) + head.patch_regressor(patches)).squeeze()


@pytest.mark.parametrize("frames", [41, 5])
def test_answers_and_gradients_equal_a_plain_implementation(frames: int) -> None:
    head = make()
    x_BTD, mask_BT = torch.randn(11, frames, D), masks(frames)
    expected_B = torch.stack([plain(head, x, mask) for x, mask in zip(x_BTD, mask_BT, strict=True)])
    y_B = head(x_BTD.masked_fill(~mask_BT.unsqueeze(-1), float("nan")), mask_BT)
    torch.testing.assert_close(y_B, expected_B, atol=1e-5, rtol=1e-5)
    weight_B = torch.randn(11)
    wanted = dict(head.named_parameters())
    got = torch.autograd.grad((y_B * weight_B).sum(), wanted.values())
    expected = torch.autograd.grad((expected_B * weight_B).sum(), wanted.values())
    for key, one, other in zip(wanted, got, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4, msg=lambda text, key=key: f"{key}: {text}")


@pytest.mark.parametrize("first", [0.0, 7.0])
@pytest.mark.parametrize("step", [1.0, -0.01])
def test_statistics_of_a_ramp(first: float, step: float) -> None:
    x_BTD = (first + step * torch.arange(12.0))[None, :, None]
    slope = math.copysign(1 / math.sqrt((12**2 - 1) / 12), step)  # in SDs of 12 equidistant numbers
    statistics_N3, real_N = (value[0] for value in identity().statistics(x_BTD, all_real(x_BTD)))
    torch.testing.assert_close(statistics_N3[:, 0], slope * torch.tensor([-4.0, 0.0, 4.0]), atol=2e-3, rtol=0)
    torch.testing.assert_close(statistics_N3[:, 1], torch.full((3,), slope), atol=1e-3, rtol=0)
    torch.testing.assert_close(statistics_N3[:, 2], torch.full((3,), math.log(slope**2 + 0.01)), atol=1e-3, rtol=0)
    assert real_N.all()


def test_motion_is_2_without_relation_4_in_alternation_and_0_in_a_still_window() -> None:
    torch.manual_seed(0)
    noise = torch.randn(1, 40_000, 1)
    alternation = torch.tensor([1.0, -1.0]).repeat(20)[None, :, None]
    for x_BTD, motion in ((noise, 2.0), (alternation, 4.0), (torch.full((1, 40, 1), 0.3), 0.0)):
        found_BN3, _ = identity().statistics(x_BTD, all_real(x_BTD))
        assert found_BN3[..., 2].exp().mean().item() - 0.01 == pytest.approx(motion, abs=0.06)


def test_patches_do_not_see_whose_face_it_is_nor_how_far_it_moves() -> None:
    head, x_BTD = make(), torch.randn(3, 40, D)
    other_BTD = 5 * x_BTD + 20 * torch.randn(3, 1, D)
    one, other = (head.statistics(x, all_real(x))[0] for x in (x_BTD, other_BTD))
    torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-3)
    assert (head(x_BTD, all_real(x_BTD)) - head(other_BTD, all_real(x_BTD))).abs().min() > 1e-3  # the mean frame does


def test_order_within_a_patch_and_the_direction_of_time_change_the_score() -> None:
    head, x_BTD = make().eval(), torch.randn(4, 64, D)
    order = torch.cat([4 * patch + torch.tensor([2, 0, 3, 1]) for patch in range(16)])
    mask_BT = all_real(x_BTD)
    y_B, shuffled_B, reversed_B = (head(x, mask_BT) for x in (x_BTD, x_BTD[:, order], x_BTD.flip(1)))
    assert (y_B - shuffled_B).abs().min() > 1e-5 and (y_B - reversed_B).abs().min() > 1e-5
    nn.init.zeros_(head.patch_regressor[-1].weight)
    torch.testing.assert_close(head(x_BTD, mask_BT), head(x_BTD[:, order], mask_BT), atol=1e-5, rtol=1e-5)


def test_an_event_counts_alike_wherever_it_is() -> None:
    head, windows = make().eval(), []
    for patch in (2, 5, 9):
        x_TD = torch.zeros(48, D)
        x_TD[4 * patch : 4 * patch + 4] = torch.linspace(1, 2, D)
        windows.append(x_TD)
    y_B = head(torch.stack([*windows, torch.zeros(48, D)]), torch.ones(4, 48, dtype=torch.bool))
    torch.testing.assert_close(y_B[:3], y_B[:1].expand(3), atol=1e-5, rtol=1e-5)
    assert (y_B[0] - y_B[3]).abs() > 1e-3


def test_windows_without_patches_are_scored_by_their_mean_frame() -> None:
    head, x_BTD = make().eval(), torch.randn(3, 9, D)
    mask_BT = torch.zeros(3, 9, dtype=torch.bool)
    mask_BT[1, 4] = True
    mask_BT[2, ::2] = True  # no two frames follow each other
    expected_B = head.regressor(masked_mean(x_BTD, mask_BT)) + head.patch_regressor(torch.zeros(3, 8))
    y_B = head(x_BTD.masked_fill(~mask_BT.unsqueeze(-1), float("nan")), mask_BT)
    torch.testing.assert_close(y_B, expected_B.squeeze(-1), atol=1e-6, rtol=1e-6)


def test_patches_start_with_a_tenth_of_the_usual_weights() -> None:
    torch.manual_seed(3)
    last = PatchStatistics(D).patch_regressor[-1]  # usually uniform within ± 1/√64
    for weights in (last.weight, last.bias):
        assert 0 < weights.abs().max() <= 0.1 / 8
    assert last.weight.abs().max() > 0.08 / 8


def size(features: int, rank: int = 32, width: int = 64, hidden: int = 256) -> int:
    mean = features * hidden + hidden + hidden + 1
    return mean + features * rank + 2 * 3 * rank + (3 * rank * width + width) + (width * width + width + width + 1)


def test_size_is_the_sum_of_its_parts_and_as_stated() -> None:
    assert sum(p.numel() for p in PatchStatistics(52).parameters()) == size(52)
    assert size(512) == 158_594
    assert "158,594 parameters at D = 512" in " ".join((PatchStatistics.__doc__ or "").split())


@pytest.mark.parametrize("frames", [160, 100])
def test_cost_is_that_of_the_matrix_products_and_every_weight_is_trained(frames: int) -> None:
    torch.manual_seed(0)
    cost = measure(PatchStatistics(16, activation="gelu"), frames, 16)
    patches = math.ceil(frames / 8)
    by_hand = frames * 16 * 32 + patches * 3 * 32 * 64 + (64 * 64 + 64) + (16 * 256 + 256)
    assert cost.parameters == cost.active_parameters == size(16)
    assert cost.flops == 2 * by_hand


def test_dropout_acts_in_training_only() -> None:
    torch.manual_seed(0)
    head, x_BTD = PatchStatistics(D, dropout=0.5), torch.randn(3, 20, D)
    assert not torch.equal(head.train()(x_BTD, all_real(x_BTD)), head(x_BTD, all_real(x_BTD)))
    assert torch.equal(head.eval()(x_BTD, all_real(x_BTD)), head(x_BTD, all_real(x_BTD)))


def test_a_graph_of_any_length_can_be_exported() -> None:
    check_exported_graph(make().eval(), D)


@pytest.mark.filterwarnings("error")
def test_autocast_changes_answers_little() -> None:
    head, x_BTD, mask_BT = make(), torch.randn(11, 20, D), masks(20)
    expected_B = head(x_BTD, mask_BT)
    with torch.autocast("cpu", torch.bfloat16):
        y_B = head(x_BTD, mask_BT)
    torch.testing.assert_close(y_B.float(), expected_B, atol=0.03, rtol=0.03)
    y_B.float().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in head.parameters())


def signal(name: str, chosen_BN: Tensor) -> Tensor:
    """Windows of gestures of 8 frames, [B, 8 N, D]: the chosen ones in random order, or displaced as a whole."""
    B, N = chosen_BN.shape
    phase_BNS = torch.linspace(0, math.pi, 8).expand(B, N, 8)
    if name == "order":
        key_BNS = torch.where(chosen_BN[..., None], torch.rand(B, N, 8), torch.linspace(0, 1, 8))
        phase_BNS = phase_BNS.gather(-1, key_BNS.argsort(-1))
    x_BTD = 0.2 * torch.randn(B, 8 * N, D) + torch.randn(B, 1, D)
    x_BTD[..., 3] += phase_BNS.cos().flatten(1)
    if name == "events":
        x_BTD[..., 7] += 3 * chosen_BN.repeat_interleave(8, dim=1)
    return x_BTD


@pytest.mark.parametrize(("name", "largest"), [("order", 0.9), ("events", 0.3)])
def test_it_learns_order_and_events_that_the_mean_frame_hides(name: str, largest: float) -> None:
    """The mean frame is the person's own, which hides events; order is not in it at all."""
    torch.manual_seed(0)
    chosen_BN = torch.rand(384, 16) < largest * torch.rand(384, 1)
    x_BTD, y_B = signal(name, chosen_BN), chosen_BN.float().mean(1)
    y_B = (y_B - y_B.mean()) / y_B.std()
    head = PatchStatistics(D, rank=16, width=32, hidden=16)
    optimiser = torch.optim.Adam(head.parameters(), 3e-3)
    for step in range(120):
        batch = torch.arange(64) + 64 * (step % 4)
        optimiser.zero_grad()
        (head(x_BTD[batch], all_real(x_BTD[batch])) - y_B[batch]).square().mean().backward()
        optimiser.step()
    with torch.no_grad():
        error = (head.eval()(x_BTD[256:], all_real(x_BTD[256:])) - y_B[256:]).square().mean()
    assert error < 0.3, "labels have variance 1"
