"""Pre-training without labels: hidden frames, the loss, and data that must not reach the weights."""

import json
import math

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lfnet.config import instantiate, read
from lfnet.data.datamodule import DataModule
from lfnet.data.protocol import Protocol
from lfnet.errors import LfnetError
from lfnet.heads.hybrid import Hybrid
from lfnet.heads.layers import masked_mean
from lfnet.heads.mamba import Mamba
from lfnet.heads.mamba_gru import MambaGRU
from lfnet.heads.tcn import TCN
from lfnet.heads.transformer import VanillaTransformer
from lfnet.jobs.job import plan, run
from lfnet.training.pretrain import MaskedFrames, hide
from tests.composing import SMALL, composed

HEADS = (Hybrid, TCN, VanillaTransformer, MambaGRU, Mamba)


def masked_frames(**settings):
    node = {"epochs": 2, "splits": ["train", "unlabelled"], "windows_per_clip": None, "share": 0.3, "span": 4}
    return read(MaskedFrames, {**node, "lr": 3e-3, "weight_decay": 0.0, **settings}, "trainer.pretrain")


@given(
    masks=st.lists(st.lists(st.booleans(), min_size=23, max_size=23), min_size=1, max_size=4),
    share=st.floats(0.01, 0.99),
    span=st.integers(1, 30),
    seed=st.integers(0, 99),
)
def test_a_share_of_the_real_frames_is_hidden(masks, share, span, seed):
    mask_BT = np.array(masks)
    hidden_BT = hide(mask_BT, share, span, np.random.default_rng(seed))
    assert not (hidden_BT & ~mask_BT).any()
    for hidden, mask in zip(hidden_BT, mask_BT, strict=True):
        real = int(mask.sum())
        assert hidden.sum() == max(0, min(round(share * real), real - 1))


def test_frames_are_hidden_in_spans():
    hidden_BT = hide(np.ones((200, 100), bool), 0.32, 16, np.random.default_rng(0))
    starts = hidden_BT[:, 0].sum() + (hidden_BT[:, 1:] & ~hidden_BT[:, :-1]).sum()
    assert starts / 200 <= 3.5  # two to four pieces a window; 32 single frames would begin some 22
    assert (hidden_BT.mean(0) > 0.2).all() and (hidden_BT.mean(0) < 0.45).all()  # any place is as likely


@pytest.mark.parametrize("make_head", HEADS)
def test_frames_are_the_vectors_that_the_head_pools(make_head):
    torch.manual_seed(0)
    head = make_head(6, 40).eval()
    x_BTD, mask_BT = torch.randn(3, 21, 6), torch.rand(3, 21) < 0.7
    mask_BT[:, 0] = True
    z_BTW = head.frames(x_BTD.masked_fill(~mask_BT.unsqueeze(-1), math.nan), mask_BT)
    assert z_BTW.shape[:2] == (3, 21) and z_BTW[mask_BT].isfinite().all()
    y_B = head(x_BTD, mask_BT)
    if make_head is MambaGRU:
        last_B = [int(mask.nonzero().max()) for mask in mask_BT]
        pooled_BW = z_BTW[torch.arange(3), last_B]
    elif make_head is Hybrid:
        return  # its gate joins them with the mean: see tests/heads
    else:
        pooled_BW = masked_mean(z_BTW, mask_BT)
    torch.testing.assert_close(head.regressor(pooled_BW).squeeze(-1), y_B, atol=1e-5, rtol=1e-5)


class Waves:
    """Fake DataModule: windows of waves with random phases, or of noise."""

    n_features = 4

    def __init__(self, noise: bool) -> None:
        rng = np.random.default_rng(0)
        phase_W11, t_1T1 = rng.uniform(0, 2 * np.pi, (48, 1, 1)), np.arange(40)[None, :, None]
        wave_WTD = np.sin(0.5 * t_1T1 + phase_W11 + np.arange(4) * 0.7)
        x_WTD = rng.normal(size=(48, 40, 4)) if noise else wave_WTD
        self.x_WTD = torch.from_numpy(x_WTD + 5.0).float()  # far from 0: an identity that any frame gives away
        self.windows = pd.DataFrame({"split": "train", "clip_id": [f"c{i}" for i in range(48)], "at": range(48)})

    def eval_dataloader(self, table):
        for at in torch.tensor(table["at"].to_numpy()).split(16):
            yield {"x_BTD": self.x_WTD[at], "mask_BT": torch.ones(len(at), 40, dtype=torch.bool)}


def losses(noise):
    torch.manual_seed(0)
    head = TCN(4, width=16, layers=3, dropout=0.0)
    return masked_frames(epochs=36, share=0.2).fit(head, Waves(noise), device="cpu", seed=0)["losses"]


def test_context_explains_waves_and_not_noise():
    assert losses(noise=False)[-1] < 0.5
    assert losses(noise=True)[-1] > 0.9


def data_of(config):
    inputs = plan(config, progress=False).inputs
    data = DataModule(inputs.cohort, inputs.store, read(Protocol, config["protocol"], "protocol"))
    data.setup()
    return data


def weights(config, data, seed=0):
    torch.manual_seed(7)
    head = instantiate(config["head"], n_features=data.n_features)
    masked_frames().fit(head, data, device="cpu", seed=seed)
    return head.state_dict()


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


def test_neither_labels_nor_dev_nor_test_reach_the_weights(shared_jobs):
    config, _ = composed(*SMALL, "head=tcn", "head.width=8", "head.layers=2", root=shared_jobs)
    data = data_of(config)
    expected = weights(config, data)
    assert same(expected, weights(config, data))
    assert not same(expected, weights(config, data, seed=1))
    data.windows = data.windows.assign(label=0.0, target=0.0)
    assert same(expected, weights(config, data))
    others = set(data.windows.loc[data.windows["split"].isin(["dev", "test"]), "clip_id"])
    read = data.frames.read
    data.frames.read = lambda clip_id, start, out: out.fill(9.0) if clip_id in others else read(clip_id, start, out)
    assert same(expected, weights(config, data))
    moved = data.windows["clip_id"] == data.windows.loc[data.windows["split"] == "dev", "clip_id"].iloc[0]
    data.windows.loc[moved, "split"] = "unlabelled"  # a clip without a label counts
    assert not same(expected, weights(config, data))


def test_a_job_starts_from_the_pre_trained_weights(shared_jobs):
    small = (*SMALL, "head=tcn", "head.width=8", "head.layers=2", "trainer.max_epochs=1")
    results = []
    for overrides in (
        (),
        ("pretrain=masked_frames", "trainer.pretrain.epochs=2", "trainer.pretrain.windows_per_clip=1"),
    ):
        config, choices = composed(*small, *overrides, root=shared_jobs)
        results.append(json.loads((shared_jobs / "runs" / run(config, choices).run / "result.json").read_text()))
    plain, pretrained = results
    assert "pretraining" not in plain and plain["metrics"] != pretrained["metrics"]
    entry = pretrained["pretraining"]
    assert entry["method"] == "masked_frames" and entry["clips"] == 24 and entry["unlabelled_clips"] == 0
    assert len(entry["losses"]) == 2 and entry["losses"][1] < entry["losses"][0]


def test_a_head_without_frames_is_named(shared_jobs):
    config, choices = composed(*SMALL, "head=mean_mlp", "pretrain=masked_frames", root=shared_jobs)
    with pytest.raises(LfnetError, match="head TemporalMeanMLP has no `frames"):
        run(config, choices)


@pytest.mark.parametrize(
    "settings", [{"epochs": 0}, {"span": 0}, {"share": 1.0}, {"splits": ["dev"]}, {"splits": []}, {"lr": "fast"}]
)
def test_a_wrong_setting_is_named(settings):
    (name,) = settings
    with pytest.raises(LfnetError, match=f"trainer.pretrain.{name}="):
        masked_frames(**settings)
