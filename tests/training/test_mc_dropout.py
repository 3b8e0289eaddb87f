"""MC dropout: scores with dropout left on, and their spread."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from lfnet.errors import LfnetError
from lfnet.evaluation.predictions import Predictions
from lfnet.heads.cpu.dropout import Dropout
from lfnet.heads.ldbm import LDBM
from lfnet.heads.mamba_gru import MambaGRU
from lfnet.heads.mean_mlp import TemporalMeanMLP
from lfnet.heads.transformer import VanillaTransformer
from lfnet.jobs.job import run
from lfnet.training.mc_dropout import passes_with_dropout, require_dropout
from tests.composing import SMALL, composed


def batches(sizes=(3, 2)):
    torch.manual_seed(0)
    return [{"x_BTD": torch.randn(n, 7, 4), "mask_BT": torch.ones(n, 7, dtype=torch.bool)} for n in sizes]


def test_passes_differ_and_follow_from_the_seed():
    head = TemporalMeanMLP(4, hidden=16, dropout=0.5).eval()
    given = batches()
    before = torch.get_rng_state()
    one, same, other = (passes_with_dropout(head, given, "cpu", passes=6, seed=s) for s in (1, 1, 2))
    assert one.shape == (6, 5) and (one.std(axis=0) > 0).all()
    assert np.array_equal(one, same) and not np.array_equal(one, other)
    assert not head.training and torch.equal(torch.get_rng_state(), before)
    many = passes_with_dropout(head, given, "cpu", passes=4000, seed=0)
    linear = nn.Sequential(head.regressor[0], head.regressor[1], head.regressor[3])  # linear in what is dropped
    expected = torch.cat([linear(batch["x_BTD"].mean(1)).squeeze(-1) for batch in given]).detach().numpy()
    np.testing.assert_allclose(many.mean(axis=0), expected, atol=5 * many.std() / 4000**0.5)


@pytest.mark.parametrize(
    "head", [TemporalMeanMLP(4, dropout=0.3), VanillaTransformer(4, width=8), LDBM(4, patch_size=2, width=8)]
)
def test_the_spread_does_not_tell_how_many_windows_a_recording_has(head):
    torch.manual_seed(0)
    window = torch.randn(1, 8, 4)
    spreads = []
    for n in (1, 4, 16, 64):
        batch = {"x_BTD": window.repeat(n, 1, 1), "mask_BT": torch.ones(n, 8, dtype=torch.bool)}
        spreads.append(passes_with_dropout(head, [batch], "cpu", passes=50, seed=0).mean(axis=1).std())
    assert spreads[0] > 0
    np.testing.assert_allclose(spreads, spreads[0], rtol=1e-9)  # fresh masks would give 1, 1/2, 1/4, 1/8


def test_a_pass_is_one_draw_of_weights_for_all_windows_whatever_their_real_frames():
    head = TemporalMeanMLP(4, hidden=16, dropout=0.5)
    x_BTD, mask_BT = torch.randn(6, 7, 4), torch.arange(7) < torch.tensor([1, 2, 3, 5, 6, 7])[:, None]
    found_KB = passes_with_dropout(head, [{"x_BTD": x_BTD, "mask_BT": mask_BT}], "cpu", passes=3, seed=4)
    torch.manual_seed(4)
    kept_KH = Dropout(0.5)(torch.ones(3, 16))
    mean_BD = (x_BTD * mask_BT[..., None]).sum(1) / mask_BT.sum(1, keepdim=True)
    hidden_BH = head.regressor[:2](mean_BD)
    expected = [head.regressor[3](hidden_BH * kept_H).squeeze(-1).detach().numpy() for kept_H in kept_KH]
    np.testing.assert_allclose(found_KB, expected, rtol=1e-5)


def test_batch_norms_keep_to_what_they_learnt():
    class Normed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.drop = nn.BatchNorm1d(4), nn.Dropout(0.5)

        def forward(self, x_BTD, mask_BT):
            return self.drop(self.norm(x_BTD.mean(1))).sum(-1)

    head = Normed()
    passes_with_dropout(head, batches(), "cpu", passes=2, seed=0)
    assert head.norm.num_batches_tracked == 0


@pytest.mark.parametrize(
    ("head", "drops"),
    [
        (TemporalMeanMLP(4), False),
        (TemporalMeanMLP(4, dropout=0.1), True),
        (MambaGRU(4, dropout=0.0), False),
        (VanillaTransformer(4, dropout=0.0), False),
        (VanillaTransformer(4, dropout=0.0, attention_dropout=0.1), True),
        (nn.LSTM(3, 3, 2, dropout=0.2), True),
    ],
    ids=str,
)
def test_a_head_that_drops_nothing_is_refused(head, drops):
    if drops:
        require_dropout(head, 5)
    else:
        with pytest.raises(LfnetError, match=r"trainer.mc_dropout=5 needs a head with dropout"):
            require_dropout(head, 5)


def test_a_job_leaves_the_spread_of_each_recording(shared_jobs):
    config, choices = composed(*SMALL, "head.dropout=0.4", root=shared_jobs)
    plain = shared_jobs / "runs" / run(config, choices).run
    config, choices = composed(*SMALL, "head.dropout=0.4", "trainer.mc_dropout=5", root=shared_jobs)
    folder = shared_jobs / "runs" / run(config, choices).run
    result = json.loads((folder / "result.json").read_text())
    table = pd.read_csv(folder / "spread.csv")
    scored = Predictions.from_csv_text((folder / "predictions.csv").read_text()).at("recording").frame
    assert (folder / "predictions.csv").read_bytes() == (plain / "predictions.csv").read_bytes()
    assert set(table["recording_id"]) == set(scored["recording_id"]) and set(table["members"]) == {5}
    assert (table["sd"] > 0).all()
    # near the scores without dropout, by recording: the rows are those recordings'
    joined = table.merge(scored, on="recording_id", suffixes=("", "_plain"))
    assert (joined["label"] == joined["label_plain"]).all()
    assert ((joined["score"] - joined["score_plain"]).abs() < 6 * joined["sd"]).all()
    assert result["spread"]["method"] == "mc_dropout" and result["spread"]["passes"] == 5
    assert result["spread"]["splits"]["dev"]["sd"] == pytest.approx(
        table[table["split"] == "dev"]["sd"].mean(), abs=1e-5
    )


def test_one_pass_is_no_spread(shared_jobs):
    config, choices = composed(*SMALL, "trainer.mc_dropout=1", root=shared_jobs)
    with pytest.raises(LfnetError, match=r"trainer.mc_dropout=1"):
        run(config, choices)
