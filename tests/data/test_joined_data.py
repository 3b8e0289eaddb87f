"""Windows of joined streams: only training windows lose streams, as the seed says."""

import numpy as np
import pytest
import torch

from lfnet.data.datamodule import DataModule
from lfnet.data.protocol import Protocol
from lfnet.errors import LfnetError
from lfnet.jobs.session import Session
from lfnet.jobs.settings import read_settings
from tests.composing import SMALL, composed, head_inputs

COLUMNS = "streams.columns=[6,10]"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("joined_data")


@pytest.fixture(scope="module")
def alone(root):
    return head_inputs(composed(*SMALL, "cohort.lost_frames=0.2", root=root)[0])


@pytest.fixture(scope="module")
def both(root, alone):
    return head_inputs(composed(*SMALL, "cohort.lost_frames=0.2", COLUMNS, root=root)[0])


def module(inputs, *, chance=0.0, seed=0, **protocol):
    settings = Protocol(**{"name": "t", "window": 48, "hop": 24} | protocol)
    data = DataModule(inputs.cohort, inputs.store, settings, batch_size=7, stream_dropout=chance, seed=seed)
    data.setup()
    return data


def test_one_stream_is_what_it_was(alone, root):
    assert alone.store.stream == "simulated"
    other = head_inputs(composed(*SMALL, "cohort.lost_frames=0.2", "streams.valid=all", root=root)[0])
    assert type(other.store) is type(alone.store)
    ids = alone.cohort.clips["clip_id"]
    assert other.store.fingerprint(ids) == alone.store.fingerprint(ids)


def test_windows_hold_the_same_frames_of_all_streams(alone, both):
    one, several = module(alone), module(both)
    assert several.n_features == one.n_features + 2 and both.store.stream == "simulated[0:6] + simulated[6:16]"
    assert one.split("dev").equals(several.split("dev"))
    batches = (data.eval_dataloader(data.split("test")) for data in (one, several))
    for plain, joined in zip(*batches, strict=True):
        assert torch.equal(plain["mask_BT"], joined["mask_BT"])
        x, z, mask = plain["x_BTD"], joined["x_BTD"], plain["mask_BT"]
        assert not z[~mask].any() and (z[mask][:, 16:] == 1).all()
        # Column by column an affine map, the same everywhere: nothing is lost.
        for d in range(16):
            assert np.corrcoef(x[mask][:, d], z[mask][:, d])[0, 1] == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("frames", ["shuffled", "reversed"])
def test_streams_stay_together_whatever_the_order(both, frames):
    in_order, turned = module(both), module(both, frames=frames)
    for clip_id in in_order.clips["clip_id"][:4]:
        first, second = (data.frames.whole(clip_id)[0] for data in (in_order, turned))
        assert not np.array_equal(first, second)
        assert sorted(map(tuple, first.tolist())) == sorted(map(tuple, second.tolist()))


def test_only_training_windows_lose_streams(both):
    data, whole = module(both, chance=0.5, min_valid=0.1), module(both, min_valid=0.1)

    def presence(loader):
        return torch.cat([batch["x_BTD"][..., 16:].amax(1) for batch in loader])

    train = presence(data.train_dataloader())
    assert (train.sum(1) >= 1).all() and 0.2 < (train == 0).float().mean() < 0.5
    assert (presence(whole.train_dataloader()) == 1).all()
    for name in ("dev", "test"):
        assert (presence(data.eval_dataloader(data.split(name))) == 1).all()


def test_removed_streams_depend_on_the_seed_and_the_epoch(both):
    def epochs(seed):
        loader = module(both, chance=0.5, seed=seed).train_dataloader()
        return [torch.cat([batch["x_BTD"].sum((1, 2)) for batch in loader]) for _ in range(2)]

    (a, b), (c, d) = epochs(1), epochs(1)
    assert torch.equal(a, c) and torch.equal(b, d)
    assert not torch.equal(a.sort().values, b.sort().values)


def test_shortened_windows_lose_streams_too(both):
    """The mean head's windows are shortened once; with dropout, each time and from the remaining streams."""

    def mean(x_BTD, mask_BT):
        weight = mask_BT.unsqueeze(-1).float()
        return ((x_BTD * weight).sum(1) / weight.sum(1)).unsqueeze(1), mask_BT.any(1, keepdim=True)

    whole, short = module(both, chance=0.5), module(both, chance=0.5)
    short.shorten, short.reuse = mean, True
    for one, other in zip(whole.train_dataloader(), short.train_dataloader(), strict=True):
        torch.testing.assert_close(mean(one["x_BTD"], one["mask_BT"])[0], other["x_BTD"])
    assert other["x_BTD"].shape[1] == 1


def test_dropout_of_one_stream_is_refused(root):
    with pytest.raises(LfnetError, match=r"streams\.dropout=0\.3 takes whole streams away, and there is one"):
        read_settings(composed(*SMALL, "streams.dropout=0.3", root=root)[0], Session())
