"""Heads with an output layer as ONNX: the score alone, as PyTorch computes it."""

import numpy as np
import pytest
import torch

from lfnet.data.labels import Labels
from lfnet.deploy.bundle import HeadSession, Windows
from lfnet.deploy.head_onnx import head_to_onnx
from lfnet.heads import TemporalMeanMLP
from lfnet.training.binary import BCE
from lfnet.training.distribution_head import DistributionHead
from lfnet.training.distributions import CRPS, Ordinal, Quantile

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("loss", [Quantile(), CRPS(), Ordinal(), BCE()], ids=lambda loss: type(loss).__name__)
def test_the_exported_head_gives_the_score(loss, tmp_path):
    torch.manual_seed(0)
    binary = isinstance(loss, BCE)
    labels = Labels(mean=0.3, sd=0.46) if binary else Labels(mean=15.0, sd=10.0)
    inner = TemporalMeanMLP(n_features=6, hidden=8, n_outputs=loss.n_outputs)
    head = DistributionHead(inner, loss.layer(labels, 0, 1 if binary else 63)).eval()
    head_to_onnx(head, tmp_path / "head.onnx", frames=20, n_features=6)
    x_BTD, mask_BT = torch.randn(5, 20, 6), torch.rand(5, 20) < 0.7
    session = HeadSession(tmp_path / "head.onnx", labels.mean, labels.sd, threads=1)
    found = session(Windows(x_BTD.numpy(), mask_BT.numpy()))
    with torch.no_grad():
        expected = labels.points(head(x_BTD, mask_BT).double().numpy())
    assert found.shape == (5,) and np.ptp(expected) > (0.01 if binary else 0.1)
    np.testing.assert_allclose(found, expected, atol=1e-3)
