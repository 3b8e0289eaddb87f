"""Losses of distributions against scikit-learn, integrals and made truth; quantiles and probabilities are in order."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.integrate import quad
from scipy.stats import logistic, norm
from sklearn.metrics import mean_pinball_loss

from lfnet.config import read
from lfnet.data.labels import Labels
from lfnet.errors import LfnetError
from lfnet.evaluation.quantiles import LEVELS
from lfnet.training.distributions import CRPS, DistributionLoss, Ordinal, Quantile
from lfnet.training.losses import Loss
from lfnet.training.settings import TrainerSettings
from tests.composing import composed

LABELS = Labels(mean=20.0, sd=10.0)
ALL = {"quantile": Quantile, "crps": CRPS, "ordinal": Ordinal}


def layer_of(name, labels=LABELS, low=0, high=63):
    return ALL[name]().layer(labels, low, high)


@pytest.mark.parametrize("name", ALL)
def test_every_yaml_builds_its_loss(name):
    config, choices = composed(f"loss={name}")
    loss = read(TrainerSettings, config["trainer"], "trainer").loss
    assert choices["loss"] == name and type(loss) is ALL[name]
    assert isinstance(loss, Loss) and isinstance(loss, DistributionLoss)


def test_the_loss_of_quantiles_is_twice_scikit_learns_mean_pinball_loss():
    layer, outputs, target = layer_of("quantile"), torch.randn(40, 19), torch.randn(40)
    quantiles = layer(outputs)
    found = layer.losses(quantiles, target).mean().item()
    each = [
        mean_pinball_loss(target.numpy(), quantiles[:, i].detach().numpy(), alpha=level)
        for i, level in enumerate(LEVELS)
    ]
    assert found == pytest.approx(2 * np.mean(each), rel=1e-5)
    assert torch.equal(layer.score(quantiles), quantiles[:, LEVELS.index(0.5)])


@pytest.mark.parametrize(("mu", "raw", "y"), [(0.0, 0.0, 0.0), (1.0, -1.0, 0.2), (-2.0, 2.0, 3.0), (0.5, -4.0, 0.4)])
def test_the_crps_is_the_integral_of_the_squared_difference_of_distributions(mu, raw, y):
    layer = layer_of("crps")
    parameters = layer(torch.tensor([[mu, raw]]))
    sigma = parameters[0, 1].item()
    below = quad(lambda x: norm.cdf(x, mu, sigma) ** 2, -np.inf, y)[0]
    above = quad(lambda x: (1 - norm.cdf(x, mu, sigma)) ** 2, y, np.inf)[0]
    assert layer.losses(parameters, torch.tensor([y])).item() == pytest.approx(below + above, rel=1e-4)
    quantiles = layer.quantiles(parameters)[0].numpy()
    np.testing.assert_allclose(quantiles, norm.ppf(LEVELS, mu, sigma), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ALL)
@given(outputs=arrays(np.float32, (4, 19), elements=st.floats(-30, 30, width=32)))
def test_quantiles_never_cross(name, outputs):
    layer = layer_of(name)
    parameters = layer(torch.from_numpy(outputs[:, : ALL[name].n_outputs]))
    quantiles = layer.quantiles(parameters)
    assert quantiles.shape == (4, 19) and bool(quantiles.isfinite().all())
    assert bool((quantiles.diff(dim=1) >= 0).all())
    assert bool(layer.losses(parameters, torch.zeros(4)).isfinite().all())


@given(
    outputs=arrays(np.float32, (3, 2), elements=st.floats(-5, 5, width=32)),
    moved=arrays(np.float32, 63, elements=st.floats(-3, 3, width=32)),
)
def test_ordinal_probabilities_are_a_distribution_over_the_points_of_the_scale(outputs, moved):
    layer = layer_of("ordinal")
    with torch.no_grad():  # thresholds as training may leave them
        layer.first += float(moved[0])
        layer.increments += torch.from_numpy(moved[1:])
        logits = layer(torch.from_numpy(outputs))
    above = logits.double().sigmoid().numpy()
    assert above.shape == (3, 63) and (np.diff(above, axis=1) <= 0).all()  # P(y > k) falls with k
    chance = -np.diff(np.hstack([np.ones((3, 1)), above, np.zeros((3, 1))]), axis=1)  # P(y = 0), …, P(y = 63)
    assert (chance >= 0).all()
    np.testing.assert_allclose(chance.sum(axis=1), 1)
    score = LABELS.points(layer.score(logits).numpy())
    np.testing.assert_allclose(score, chance @ np.arange(64), atol=1e-3)
    quantiles = LABELS.points(layer.quantiles(logits).double().numpy())
    for own, found in zip(chance.cumsum(axis=1), quantiles, strict=True):
        sure = np.abs(own[:, None] - np.array(LEVELS)).min(axis=0) > 1e-4  # rounding decides the others
        np.testing.assert_allclose(found[sure], np.searchsorted(own, LEVELS)[sure], atol=1e-4)


def test_an_ordinal_head_begins_as_the_logistic_distribution_of_the_training_labels():
    layer = layer_of("ordinal")
    above = layer(torch.zeros(1, 2)).sigmoid()[0].detach().numpy()
    scale = 10 * np.sqrt(3) / np.pi
    np.testing.assert_allclose(above, logistic.sf(np.arange(63) + 0.5, 20, scale), atol=1e-5)
    doubled = layer(torch.tensor([[0.0, np.log(2.0)]], dtype=torch.float32)).sigmoid()[0].detach().numpy()
    np.testing.assert_allclose(doubled, logistic.sf(np.arange(63) + 0.5, 20, 2 * scale), atol=1e-5)


def test_the_ordinal_loss_is_the_binary_cross_entropy_of_being_above_each_point():
    layer, outputs = layer_of("ordinal", Labels(2.0, 1.0), 0, 4), torch.tensor([[0.3, -0.2], [-1.0, 0.4]])
    logits = layer(outputs)
    above = logits.sigmoid().detach().numpy()
    truth = np.array([[1, 1, 1, 0], [0, 0, 0, 0]])  # labels 3 and 0
    expected = -np.where(truth, np.log(above), np.log(1 - above)).mean(axis=1)
    found = layer.losses(logits, torch.tensor([1.0, -2.0]))
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize(("low", "high"), [(1, 7), (-3, 3)])
def test_ordinal_scales_may_begin_anywhere(low, high):
    layer = layer_of("ordinal", Labels((low + high) / 2, 1.5), low, high)
    logits = layer(torch.zeros(1, 2))
    assert logits.shape == (1, 6)
    assert layer.score(logits).item() == pytest.approx(0, abs=1e-6)  # symmetric about the middle
    ends = Labels((low + high) / 2, 1.5).points(layer.quantiles(layer(torch.tensor([[-99.0, 0], [99.0, 0]]))).numpy())
    np.testing.assert_allclose(ends[:, 0], [low, high])


def test_an_ordinal_scale_has_whole_points():
    with pytest.raises(LfnetError, match=r"0 to 2\.5 are no whole points"):
        layer_of("ordinal", high=2.5)


@pytest.mark.parametrize("name", ALL)
def test_the_loss_is_least_at_the_distribution_of_the_labels(name):
    # A head without inputs: its outputs are learned for labels of mean 26 and SD 6, far from where they begin.
    labels = np.round(norm.ppf((np.arange(200) + 0.5) / 200, 26, 6))
    target = torch.from_numpy(LABELS.standardise(labels).astype(np.float32))
    layer, outputs = layer_of(name), torch.zeros(1, ALL[name].n_outputs, requires_grad=True)
    optimiser = torch.optim.Adam([outputs], lr=0.1)
    for _ in range(150):
        optimiser.zero_grad()
        layer.losses(layer(outputs).expand(len(target), -1), target).mean().backward()
        optimiser.step()
    with torch.no_grad():
        parameters = layer(outputs)
        quantiles, score = LABELS.points(layer.quantiles(parameters)[0].numpy()), layer.score(parameters).item()
    assert LABELS.points(score) == pytest.approx(labels.mean(), abs=0.5)
    np.testing.assert_allclose(quantiles, np.quantile(labels, LEVELS), atol=1.1)  # a point, as ordinal ones are
