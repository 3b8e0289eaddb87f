"""hybrid, attention_mil, tcn and mamba against plain implementations with the same weights; their sizes."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lfnet.heads.attention_mil import AttentionMIL
from lfnet.heads.cost import measure
from lfnet.heads.hybrid import Hybrid
from lfnet.heads.mamba import Mamba
from lfnet.heads.tcn import TCN
from tests.heads.cpu.test_scan import plain as plain_scan
from tests.heads.test_heads import check_exported_graph, masks

D = 12
HEADS = {"hybrid": Hybrid, "attention_mil": AttentionMIL, "tcn": TCN, "mamba": Mamba}


def make(name: str) -> nn.Module:
    torch.manual_seed(3)
    head = {
        "hybrid": lambda: Hybrid(D, 128, width=8, attention_heads=2, kernel=5, gate=0.4, dropout=0.0),
        "attention_mil": lambda: AttentionMIL(D, 128, patch_size=4, width=8, attention_width=6, dropout=0.0),
        "tcn": lambda: TCN(D, 128, width=8, layers=4, dropout=0.0),
        "mamba": lambda: Mamba(D, 128, width=8, state=4),
    }[name]()
    if name == "mamba":  # large steps, so that the recurrence does something within a few frames
        for block in head.blocks:
            nn.init.constant_(block.step.bias, 0.5)
    return head


def zeroed(x_TD: Tensor, mask_T: Tensor) -> Tensor:
    return torch.stack([x if real else torch.zeros_like(x) for x, real in zip(x_TD, mask_T, strict=True)])


def convolved(conv: nn.Conv1d, x_TC: Tensor, first: int) -> Tensor:
    """The convolution, one frame and one tap after another; `first`: where its first tap lies from the frame."""
    out = []
    for t in range(len(x_TC)):
        total = conv.bias
        for k in range(conv.kernel_size[0]):
            place = t + first + k * conv.dilation[0]
            if 0 <= place < len(x_TC):
                tap = conv.weight[:, :, k]
                total = total + (tap[:, 0] * x_TC[place] if conv.groups > 1 else tap @ x_TC[place])
        out.append(total)
    return torch.stack(out)


def hybrid(head: Hybrid, x_TD: Tensor, mask_T: Tensor) -> Tensor:
    z = zeroed(head.projection(zeroed(x_TD, mask_T)), mask_T)
    mean = z[mask_T].mean(0)
    local = (z + head.act(convolved(head.context, z, -(head.context.kernel_size[0] // 2))))[mask_T]
    parts = [
        head.scores(local)[:, i].softmax(0) @ value
        for i, value in enumerate(local.chunk(head.scores.out_features, dim=1))
    ]
    attended = torch.cat(parts)
    gate = head.gate(torch.cat([mean, attended])).sigmoid()
    return head.regressor((1 - gate) * mean + gate * attended).squeeze()


def attention_mil(head: AttentionMIL, x_TD: Tensor, mask_T: Tensor) -> Tensor:
    bags = [
        x_TD[i : i + head.patch_size][mask_T[i : i + head.patch_size]] for i in range(0, len(x_TD), head.patch_size)
    ]
    h = head.embedding(torch.stack([bag.mean(0) for bag in bags if len(bag)]))
    weights = torch.stack([head.w(head.v(one).tanh() * head.u(one).sigmoid()).squeeze() for one in h]).softmax(0)
    return head.regressor(weights @ h).squeeze()


def tcn(head: TCN, x_TD: Tensor, mask_T: Tensor) -> Tensor:
    z = head.projection(zeroed(x_TD, mask_T))
    for i, layer in enumerate(head.layers):
        wide = convolved(layer.wide, zeroed(layer.norm(z), mask_T), -(layer.wide.kernel_size[0] // 2) * 2**i)
        z = z + layer.point(layer.act(wide))
    return head.regressor(head.norm(z)[mask_T].mean(0)).squeeze()


def mamba(head: Mamba, x_TD: Tensor, mask_T: Tensor) -> Tensor:
    z = head.projection(zeroed(x_TD, mask_T))
    for block in head.blocks:
        normed = z / (z.square().mean(1, keepdim=True) + 1e-5).sqrt() * block.norm.weight
        u, gate = block.inner(zeroed(normed, mask_T)).chunk(2, 1)
        u = F.silu(convolved(block.conv, u, -(block.conv.kernel_size[0] - 1)))
        low, B, C = block.select(u).split([block.rank, block.state, block.state], 1)
        delta = F.softplus(block.step(low))
        real = [x[mask_T].unsqueeze(1) for x in (u, delta, B, C)]  # only real frames, one after another
        y = torch.zeros_like(u)
        y[mask_T] = plain_scan(real[0], real[1], -block.log_A.exp(), *real[2:]).squeeze(1)
        z = z + block.out((y + block.skip * u) * F.silu(gate))

    return head.regressor(head.norm(z)[mask_T].mean(0)).squeeze()


PLAIN = {"hybrid": hybrid, "attention_mil": attention_mil, "tcn": tcn, "mamba": mamba}


@pytest.mark.parametrize("frames", [41, 5])
@pytest.mark.parametrize("name", PLAIN)
def test_answers_and_gradients_equal_a_plain_implementation(name: str, frames: int) -> None:
    head = make(name)
    x_BTD, mask_BT = torch.randn(11, frames, D), masks(frames)
    expected_B = torch.stack([PLAIN[name](head, x, mask) for x, mask in zip(x_BTD, mask_BT, strict=True)])
    y_B = head(x_BTD.masked_fill(~mask_BT.unsqueeze(-1), float("nan")), mask_BT)
    torch.testing.assert_close(y_B, expected_B, atol=1e-5, rtol=1e-5)
    weight_B = torch.randn(11)
    wanted = dict(head.named_parameters())
    got = torch.autograd.grad((y_B * weight_B).sum(), wanted.values())
    expected = torch.autograd.grad((expected_B * weight_B).sum(), wanted.values())
    for key, one, other in zip(wanted, got, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4, msg=lambda text, key=key: f"{key}: {text}")


def regressor(width: int, hidden: int) -> int:
    return width * hidden + hidden + hidden + 1


def size(name: str, D: int) -> int:
    """Parameters, part by part, with the settings of the yaml."""
    if name == "hybrid":
        W, kernel, heads = 128, 9, 4
        return (D * W + W) + (W * kernel + W) + W * heads + (2 * W * W + W) + regressor(W, 64)
    if name == "attention_mil":
        W, A = 128, 64
        return (D * W + W) + 2 * (W * A + A) + A + regressor(W, 64)
    if name == "tcn":
        W, kernel, layers = 64, 3, 7
        return (D * W + W) + layers * (2 * W + (kernel * W * W + W) + (W * W + W)) + 2 * W + regressor(W, 64)
    W, E, N, kernel, layers = 64, 128, 8, 4, 2
    rank = math.ceil(W / 16)
    block = W + W * 2 * E + (E * kernel + E) + E * (rank + 2 * N) + (rank * E + E) + E * N + E + E * W
    return (D * W + W) + layers * block + W + regressor(W, 64)


@pytest.mark.parametrize("D", [512, 52])
@pytest.mark.parametrize("name", HEADS)
def test_sizes_are_the_sums_of_their_parts(name: str, D: int) -> None:
    assert sum(p.numel() for p in HEADS[name](D).parameters()) == size(name, D)


@pytest.mark.parametrize(
    ("name", "stated"), [("hybrid", 108_673), ("attention_mil", 90_561), ("tcn", 153_665), ("mamba", 96_385)]
)
def test_stated_sizes(name: str, stated: int) -> None:
    assert size(name, 512) == stated
    assert f"{stated:,} parameters at D = 512" in " ".join(HEADS[name].__doc__.split())


@pytest.mark.parametrize("name", HEADS)
def test_every_weight_can_be_trained_in_a_short_window(name: str) -> None:
    torch.manual_seed(0)
    # gelu: a rectifier that is rarely on may not be met in the few passes that measuring takes
    cost = measure(HEADS[name](16, activation="gelu"), 160, 16)
    assert cost.parameters == cost.active_parameters == size(name, 16)


@pytest.mark.parametrize("name", HEADS)
def test_a_window_without_frames_is_scored_as_zeros(name: str) -> None:
    head = make(name).eval()
    zeros = torch.zeros(1, head.regressor[0].in_features)
    y_B = head(torch.full((2, 9, D), float("nan")), torch.zeros(2, 9, dtype=torch.bool))
    torch.testing.assert_close(y_B, head.regressor(zeros).squeeze(-1).expand(2), atol=1e-7, rtol=0)


def sees_order(head: nn.Module) -> bool:
    x_BTD, mask_BT = torch.randn(4, 64, D), torch.ones(4, 64, dtype=torch.bool)
    order = torch.randperm(64)
    return bool((head(x_BTD, mask_BT) - head(x_BTD[:, order], mask_BT)).abs().max() > 1e-6)


def test_which_heads_see_order() -> None:
    assert all(sees_order(make(name).eval()) for name in HEADS)
    assert not sees_order(AttentionMIL(D, patch_size=1).eval())
    narrow = Hybrid(D, kernel=1).eval()  # a frame without its neighbours
    assert not sees_order(narrow)


def test_attention_weights_of_instances() -> None:
    head = make("attention_mil").eval()
    mask_BT = torch.ones(3, 18, dtype=torch.bool)
    mask_BT[1, 4:8] = False
    mask_BT[2] = False
    weights_BN = head.weights(torch.randn(3, 18, D), mask_BT)
    assert weights_BN.shape == (3, 5)
    torch.testing.assert_close(weights_BN.sum(1), torch.tensor([1.0, 1.0, 0.0]))
    assert weights_BN[1, 1] == 0 and (weights_BN[0] > 0).all()


def test_ungated_attention_is_equation_8() -> None:
    head = AttentionMIL(D, patch_size=1, gated=False).eval()
    assert head.u is None
    x_BTD, mask_BT = torch.randn(2, 7, D), torch.ones(2, 7, dtype=torch.bool)
    expected = head.w(head.v(head.embedding(x_BTD)).tanh()).softmax(1).squeeze(-1)
    torch.testing.assert_close(head.weights(x_BTD, mask_BT), expected)


def test_the_gate_of_hybrid_starts_near_the_mean() -> None:
    head = Hybrid(D, gate=0.1)
    torch.testing.assert_close(head.gate.bias.sigmoid(), torch.full((128,), 0.1))
    nn.init.zeros_(head.gate.weight)
    nn.init.constant_(head.gate.bias, -50.0)
    x_BTD, mask_BT = torch.randn(2, 30, D), torch.ones(2, 30, dtype=torch.bool)
    mean_BW = head.projection(x_BTD).mean(1)
    torch.testing.assert_close(head.eval()(x_BTD, mask_BT), head.regressor(mean_BW).squeeze(-1), atol=1e-5, rtol=1e-5)


def test_the_receptive_field_of_tcn() -> None:
    head = TCN(D, width=4, layers=4, dropout=0.0).double()
    nn.init.zeros_(head.projection.bias)
    z = torch.zeros(1, 101, 4, dtype=torch.float64, requires_grad=True)
    out = z
    for layer in head.layers:
        layer.norm = nn.Identity()  # type: ignore[assignment]
        layer.act = nn.Identity()
        out = layer(out, torch.ones(1, 101, dtype=torch.bool))
    (grad,) = torch.autograd.grad(out[0, 50].sum(), z)
    reached = grad[0].abs().sum(1).nonzero().flatten()
    assert (reached.min(), reached.max()) == (50 - 15, 50 + 15)  # 1 + (3 − 1)(2⁴ − 1) = 31 frames


def test_mamba_is_causal_and_remembers() -> None:
    head = make("mamba")
    block, mask_BT = head.blocks[0], torch.ones(1, 40, dtype=torch.bool)
    z = torch.randn(1, 40, 8, requires_grad=True)
    (grad,) = torch.autograd.grad(block(z, mask_BT)[0, 20].sum(), z)
    reached = grad[0].abs().sum(1) > 0
    assert not reached[21:].any()  # nothing of what comes later
    assert reached[:17].any()  # and more of what came before than the convolution's four frames


def test_the_initial_values_of_mamba() -> None:
    head = Mamba(D)
    for block in head.blocks:
        steps_E = F.softplus(block.step.bias)
        assert steps_E.min() >= 1e-3 * 0.999 and steps_E.max() <= 0.1 * 1.001
        torch.testing.assert_close(-block.log_A.exp(), -torch.arange(1.0, 9).repeat(128, 1))


@pytest.mark.parametrize("name", HEADS)
def test_dropout_acts_in_training_only(name: str) -> None:
    torch.manual_seed(0)
    head = HEADS[name](D, 64, dropout=0.5)
    x_BTD, mask_BT = torch.randn(3, 20, D), torch.ones(3, 20, dtype=torch.bool)
    assert not torch.equal(head.train()(x_BTD, mask_BT), head(x_BTD, mask_BT))
    assert torch.equal(head.eval()(x_BTD, mask_BT), head(x_BTD, mask_BT))


@pytest.mark.parametrize("name", HEADS)
def test_a_graph_of_any_length_can_be_exported(name: str) -> None:
    check_exported_graph(make(name).eval(), D)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", HEADS)
def test_autocast_changes_answers_and_gradients_little(name: str) -> None:
    head = make(name)
    x_BTD, mask_BT = torch.randn(11, 20, D), masks(20)
    expected_B = head(x_BTD, mask_BT)
    with torch.autocast("cpu", torch.bfloat16):
        y_B = head(x_BTD, mask_BT)
    torch.testing.assert_close(y_B.float(), expected_B, atol=0.02, rtol=0.02)
    y_B.float().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in head.parameters())
