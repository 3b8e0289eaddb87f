"""Bags of windows in training: whole recordings in a step, pooled scores in loss, selection and predictions."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from lfnet.data.batches import EpochSampler
from lfnet.evaluation.noisy_and import NoisyAnd
from lfnet.evaluation.pooling import Gated, Groups, LogSumExp, Max, Mean, pool
from lfnet.evaluation.predictions import Predictions
from lfnet.heads import AttentionMIL, TemporalMeanMLP
from lfnet.jobs.job import run
from lfnet.training.pooling import Bags, GatedWindows, with_pooling
from lfnet.training.predict import predict
from tests.composing import SMALL, composed

WINDOWS = pd.DataFrame(
    {"clip_id": ["b", "b", "a", "c", "c", "c"], "recording_id": ["r", "r", "r", "s", "s", "s"], "target": 1.0}
)


def joined_odds(scores):
    """Log-odds of the mean probability of the windows of r (b and b, and a) and of s, for the noisy-and."""
    p = scores.sigmoid()
    return torch.stack([((p[1] + p[2]) / 2 + p[4]) / 2, (p[0] + p[3]) / 2]).logit()


def test_a_recording_is_scored_by_the_pool_of_its_windows_in_the_batch():
    scores = torch.tensor([1.0, 5.0, 7.0, 2.0, 9.0], requires_grad=True)
    index = torch.tensor([3, 0, 1, 5, 2])  # c, b, b, c, a
    joined, targets, weights = Bags(WINDOWS, Mean()).join(index, scores, scores.detach() * 2, torch.ones(5))
    torch.testing.assert_close(joined, torch.tensor([7.5, 1.5]))  # r: the mean of b's 6 and a's 9; s
    torch.testing.assert_close(targets, torch.tensor([15.0, 3.0]))
    torch.testing.assert_close(weights, torch.ones(2))
    (grad,) = torch.autograd.grad(joined.sum(), scores)
    torch.testing.assert_close(grad, torch.tensor([0.5, 0.25, 0.25, 0.5, 0.5]))
    pooling = NoisyAnd()
    odds, _, _ = Bags(WINDOWS, pooling).join(index, scores, scores, None)
    torch.testing.assert_close(odds, pooling.of_windows(joined_odds(scores)), rtol=1e-4, atol=1e-4)
    highest, _, none = Bags(WINDOWS, Max()).join(index, scores, scores, None)
    torch.testing.assert_close(highest, torch.tensor([9.0, 2.0]))
    (grad,) = torch.autograd.grad(highest.sum(), scores)
    torch.testing.assert_close(grad, torch.tensor([0.0, 0.0, 0.0, 1.0, 1.0]))
    assert none is None


@pytest.mark.parametrize("windows_per_clip", [None, 2])
@pytest.mark.parametrize("recordings", [1, 2, 5])
def test_a_step_holds_whole_recordings(recordings, windows_per_clip):
    table = pd.concat([WINDOWS, WINDOWS.replace({"a": "d", "b": "e", "c": "f", "r": "t", "s": "u"})], ignore_index=True)
    clips, of = table["clip_id"].to_numpy(), table["recording_id"].to_numpy()
    sampler = EpochSampler(clips, recordings, windows_per_clip, seed=3, recordings_W=of)
    for _ in range(2):
        steps = list(sampler)
        assert len(steps) == len(sampler) == -(-4 // recordings)
        assert sum(map(len, steps)) == sampler.windows == (12 if windows_per_clip is None else 10)
        assert sum(len(set(of[step])) for step in steps) == 4  # no recording in two steps
        assert all(len(set(step)) == len(step) for step in steps)
        limit = 3 if windows_per_clip is None else windows_per_clip
        assert all(pd.Series(clips[step]).value_counts().max() <= limit for step in steps)


def test_the_order_of_recordings_follows_from_the_seed_and_the_epoch():
    clips = np.repeat(np.arange(60), 2)
    one, same, other = (EpochSampler(clips, 4, None, seed, recordings_W=clips // 2) for seed in (1, 1, 2))
    first = list(one)
    assert first == list(same) != list(other)
    assert first != list(one)


@pytest.mark.parametrize("head", [TemporalMeanMLP(4, hidden=8), AttentionMIL(4, patch_size=3, width=8)])
def test_gated_weights_sum_to_one_and_weigh_the_heads_own_scores(head):
    torch.manual_seed(0)
    gated = GatedWindows(head, 4, 8).eval()
    x_BTD, mask_BT = torch.randn(7, 9, 4), torch.rand(7, 9) < 0.7
    with torch.no_grad():
        values = gated(x_BTD, mask_BT)
        score, _ = pool(Gated(), values, [Groups(torch.zeros(7, dtype=torch.int64), 1)])
        weights = values[:, 1].softmax(0)
        torch.testing.assert_close(values[:, 0], head.eval()(x_BTD, mask_BT))
        torch.testing.assert_close(score, (weights * values[:, 0]).sum(0, keepdim=True))
        z_BW = head.embed_windows(x_BTD, mask_BT)
        logits = gated.w(torch.tanh(gated.v(z_BW)) * torch.sigmoid(gated.u(z_BW))).squeeze(-1)  # equation 9
    assert weights.sum().item() == pytest.approx(1, abs=1e-6) and weights.std() > 0
    torch.testing.assert_close(values[:, 1], logits)


def test_a_head_without_embeddings_is_weighed_by_its_scores(caplog):
    class Plain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.out = nn.Linear(4, 1)

        def forward(self, x_BTD, mask_BT):
            return self.out(x_BTD.mean(1)).squeeze(-1)

    head = Plain()
    with caplog.at_level("INFO", logger="lfnet"):
        gated = with_pooling(head, Gated(), 4)
    assert "Plain has no `embed_windows`" in caplog.text
    assert gated.v.in_features == 1 and gated(torch.randn(3, 5, 4), torch.ones(3, 5, dtype=torch.bool)).shape == (3, 2)
    assert with_pooling(head, Max(), 4) is head and with_pooling(head, None, 4) is head


@pytest.mark.parametrize(
    "pooling", [Mean(), Max(), LogSumExp(), Gated(), NoisyAnd()], ids=lambda one: type(one).__name__
)
def test_padding_and_the_batch_change_no_recording(pooling):
    torch.manual_seed(0)
    head = with_pooling(AttentionMIL(4, patch_size=2, width=8), pooling, 4).eval()
    x_BTD, mask_BT = torch.randn(6, 8, 4), torch.ones(6, 8, dtype=torch.bool)
    groups = [Groups(np.array([0, 0, 0, 1, 1, 2]), 3)]

    def scores(x, mask, size):
        batches = [{"x_BTD": x[b : b + size], "mask_BT": mask[b : b + size]} for b in range(0, len(x), size)]
        return pool(pooling, predict(head, batches, "cpu"), groups)[0]

    expected = scores(x_BTD, mask_BT, 6)
    padded = torch.cat([x_BTD, torch.full((6, 4, 4), torch.nan)], dim=1)
    hidden = torch.cat([mask_BT, torch.zeros(6, 4, dtype=torch.bool)], dim=1)
    np.testing.assert_allclose(scores(padded, hidden, 6), expected, rtol=0, atol=1e-6)
    np.testing.assert_allclose(scores(x_BTD, mask_BT, 1), expected, rtol=0, atol=1e-6)


class Linear(nn.Module):
    """A linear score of a window's one frame, which cannot tell an event before windows are joined."""

    def __init__(self) -> None:
        super().__init__()
        self.regressor = nn.Linear(3, 1)

    def forward(self, x_BTD, mask_BT):
        return self.regressor(self.embed_windows(x_BTD, mask_BT)).squeeze(-1)

    def embed_windows(self, x_BTD, mask_BT):
        return x_BTD[:, 0]


def found(pooling):
    """Area under the ROC of 400 new recordings of 20 windows, with an event of 6 SD in one window of half of them."""
    rng = np.random.default_rng(0)

    def draw(n):
        y_R = np.tile([-1.0, 1.0], n // 2)
        x_RKD = rng.normal(size=(n, 20, 3))
        x_RKD[y_R > 0, rng.integers(20, size=n // 2), 0] += 6.0
        windows = {"x_BTD": torch.tensor(x_RKD).float().view(-1, 1, 3), "mask_BT": torch.ones(20 * n, 1).bool()}
        return windows, torch.tensor(y_R).float(), [Groups(torch.arange(n).repeat_interleave(20), n)]

    torch.manual_seed(0)
    head = with_pooling(Linear(), pooling, 3)
    optimiser = torch.optim.Adam(head.parameters(), lr=0.1)
    windows, target_R, groups = draw(80)
    for _ in range(60):
        values = head(**windows)
        if pooling is None:  # each window is to show the recording's label
            miss = values - target_R.repeat_interleave(20)
        else:
            miss = pool(pooling, values, groups)[0] - target_R
        optimiser.zero_grad()
        miss.square().mean().backward()
        optimiser.step()
    windows, target_R, groups = draw(400)
    with torch.no_grad():
        score_R = pool(pooling or Mean(), head(**windows), groups)[0]
    return (score_R[target_R > 0][:, None] > score_R[target_R < 0]).float().mean().item()


def test_an_event_in_one_of_twenty_windows_is_found_by_max_and_attention_and_diluted_by_the_mean():
    # In a mean over 20 windows 6 SD of one window are 6 / sqrt(20) = 1.34 SD: an area of Phi(1.34 / sqrt(2)) = .83.
    assert found(None) < 0.87 and found(Mean()) < 0.87
    assert min(found(one) for one in (Max(), LogSumExp(), Gated())) > 0.99


@pytest.mark.parametrize("name", ["mean", "max", "lse", "gated", "noisy_and"])
def test_a_job_pools_in_selection_and_predictions(shared_jobs, name):
    config, choices = composed(*SMALL, f"pooling={name}", "head.dropout=0.3", "trainer.mc_dropout=3", root=shared_jobs)
    folder = shared_jobs / "runs" / run(config, choices).run
    result = json.loads((folder / "result.json").read_text())
    text = (folder / "predictions.csv").read_text()
    scored = Predictions.from_csv_text(text)
    windows, clips, recordings = (scored.at(level).frame for level in ("window", "clip", "recording"))
    pooled = recordings.set_index("recording_id")["score"]
    if name in ("mean", "max"):
        by_clip = windows.groupby("clip_id")["score"].agg(name)
        assert by_clip.to_numpy() == pytest.approx(clips.set_index("clip_id")["score"][by_clip.index].to_numpy())
        by_recording = clips.groupby("recording_id")["score"].agg(name)
        assert by_recording.to_numpy() == pytest.approx(pooled[by_recording.index].to_numpy(), abs=1e-5)
    spans = windows.groupby("recording_id")["score"].agg(["min", "max"])
    assert pooled[spans.index].between(spans["min"] - 1e-5, spans["max"] + 1e-5).all()
    # The epoch was chosen by the pooled scores, and the spread is that of pooled scores.
    assert result["training"]["best"] == pytest.approx(result["metrics"]["dev"]["recording"]["mae"], abs=1e-4)
    spread = pd.read_csv(folder / "spread.csv").set_index("recording_id")
    assert ((spread["score"] - pooled[spread.index]).abs() < 6 * spread["sd"]).all()
    plain = sum(p.numel() for p in TemporalMeanMLP(16).parameters())
    attention = 2 * (16 * 64 + 64) + 64 if name == "gated" else 0
    assert result["cost"]["parameters"] == result["cost"]["active_parameters"] == plain + attention
