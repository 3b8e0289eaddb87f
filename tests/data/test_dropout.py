"""Modality dropout: whole streams of a window are removed, never all of them."""

import numpy as np
import pytest
import torch

from lfnet.data.batches import StreamDropout

SPANS, FLAGS = (slice(0, 3), slice(3, 5), slice(5, 9)), (9, 10, 11)


def windows(count: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Windows [B, 20, 12] in whose frames each stream is there or not; frames of none do not count."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((count, 20, 12)).astype(np.float32)
    there = rng.random((count, 20, 3)) < 0.8
    there[: count // 4, :, 1] = False  # windows without the second stream
    there[:, 15:] = False
    for s, span in enumerate(SPANS):
        x[..., span] *= there[..., s : s + 1]
        x[..., FLAGS[s]] = there[..., s]
    return torch.from_numpy(x), torch.from_numpy(there.any(-1))


def presence(x: torch.Tensor) -> np.ndarray:
    return np.stack([x[..., span].any(-1).numpy() for span in SPANS], axis=-1)


@pytest.mark.parametrize("any_valid", [True, False])
def test_removed_streams_are_zero_and_masked(any_valid):
    x, mask = windows(400)
    old_x, old_mask, old = x.clone(), mask.clone(), presence(x)
    StreamDropout(SPANS, FLAGS, chance=0.5, any_valid=any_valid, seed=3)(x, mask)
    now = presence(x)
    gone = old.any(1) & ~now.any(1)
    assert 0.3 < gone.mean() < 0.6
    assert (now.any(1).any(1) == old.any(1).any(1)).all(), "of what a window has, something is left"
    for s, span in enumerate(SPANS):
        kept = torch.from_numpy(~gone[:, s])
        assert torch.equal(x[kept][..., span], old_x[kept][..., span])
        np.testing.assert_array_equal(x[..., FLAGS[s]].numpy() > 0, now[..., s])
    wanted = now.any(-1) if any_valid else old_mask.numpy()
    np.testing.assert_array_equal(mask.numpy(), wanted)


def test_windows_without_flags_are_treated_equally():
    (x, mask), (other, other_mask) = windows(50), windows(50)
    StreamDropout(SPANS, FLAGS, chance=0.5, any_valid=True, seed=3)(x, mask)
    StreamDropout(SPANS, (), chance=0.5, any_valid=True, seed=3)(other, other_mask)
    assert torch.equal(x[..., :9], other[..., :9]) and torch.equal(mask, other_mask)


def test_streams_are_removed_with_the_given_probability():
    """Three streams, chance p: k given ones go with p^k (1 - p)^(3 - k), and what would be all leaves one of three."""
    chance, count = 0.4, 40_000
    drop = StreamDropout(SPANS, FLAGS, chance=chance, any_valid=True, seed=0)
    gone = drop.draw(np.ones((count, 3), bool))
    wanted = {0: (1 - chance) ** 3, 1: 3 * chance * (1 - chance) ** 2, 2: 3 * chance**2 * (1 - chance) + chance**3}
    for number, share in wanted.items():
        error = np.sqrt(share * (1 - share) / count)
        assert abs((gone.sum(axis=1) == number).mean() - share) < 4 * error
    each = (chance - chance**3) + chance**3 * 2 / 3
    assert np.abs(gone.mean(axis=0) - each).max() < 4 * np.sqrt(each * (1 - each) / count)


def test_removals_depend_on_the_seed():
    def drawn(seed):
        drop = StreamDropout(SPANS, FLAGS, chance=0.5, any_valid=True, seed=seed)
        return [drop.draw(np.ones((8, 3), bool)).tolist() for _ in range(3)]

    assert drawn(1) == drawn(1) != drawn(2)
    assert drawn(1)[0] != drawn(1)[1]
