"""The DataModule against its cohort: no label leaks, no window is lost, masks mark valid frames."""

import gc
import weakref
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from lfnet.data.datamodule import DataModule, Labels
from lfnet.data.frame_cache import FrameCache
from lfnet.data.protocol import Protocol
from lfnet.errors import LfnetError
from lfnet.features.store import FeatureStore
from tests.composing import SMALL, composed, head_inputs


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    config, _ = composed(*SMALL, "cohort.lost_frames=0.2", root=tmp_path_factory.mktemp("data"))
    return head_inputs(config)


def module(inputs, **settings):
    names = {"batch_size", "eval_batch_size", "windows_per_clip", "select_windows_per_clip", "seed", "cache"}
    protocol = Protocol(
        **{"name": "t", "window": 48, "hop": 24} | {k: v for k, v in settings.items() if k not in names}
    )
    stores = settings.pop("stores", inputs.store)
    data = DataModule(inputs.cohort, stores, protocol, **{k: v for k, v in settings.items() if k in names})
    data.setup()
    return data


def test_labels_are_standardised_by_training_recordings_alone(inputs):
    data = module(inputs)
    recordings = inputs.cohort.recordings()
    train = recordings.loc[recordings["split"] == "train", "label"]
    assert data.labels.mean == pytest.approx(train.mean())
    assert data.labels.sd == pytest.approx(train.std(ddof=0))
    assert data.labels.points(data.labels.standardise(np.array([7.0, 63.0]))) == pytest.approx([7.0, 63.0])


def test_labels_all_the_same_are_refused():
    with pytest.raises(LfnetError, match="same label"):
        Labels.fit(np.full(5, 3.0))


def test_batches_hold_the_frames_that_the_table_names(inputs):
    data = module(inputs, eval_batch_size=5)
    table = data.split("dev")
    seen = 0
    for batch in data.eval_dataloader(table):
        for b, index in enumerate(batch["index_B"].tolist()):
            row = table.iloc[index]
            clip = inputs.store.read(row["clip_id"])
            part = slice(row["window"], row["window"] + 48)
            valid = clip.valid[part]
            frames = len(valid)
            np.testing.assert_array_equal(batch["mask_BT"][b, :frames].numpy(), valid)
            assert not batch["mask_BT"][b, frames:].any()
            np.testing.assert_array_equal(batch["x_BTD"][b, :frames].numpy()[valid], clip.features[part][valid])
            assert torch.isfinite(batch["x_BTD"][b]).all()
            assert batch["y_B"][b] == pytest.approx(data.labels.standardise(row["label"]), rel=1e-6)
            seen += 1
    assert seen == len(table) > 0


def test_batches_in_reused_memory_are_equal(inputs):
    def seen(reuse):
        data = module(inputs, eval_batch_size=5, batch_size=7)
        data.reuse = reuse
        loaders = (data.train_dataloader(), data.eval_dataloader(data.split("dev")))
        # the last batch is a short one, and padding follows real frames
        return [{name: part.clone() for name, part in batch.items()} for loader in loaders for batch in loader]

    fresh, again = seen(False), seen(True)
    assert len(fresh) == len(again) > 4
    assert all(torch.equal(one[name], other[name]) for one, other in zip(fresh, again, strict=True) for name in one)


def test_frames_are_rounded_to_the_asked_type(inputs):
    exact, rounded = module(inputs, batch_size=7), module(inputs, batch_size=7)
    rounded.dtype, rounded.reuse = torch.bfloat16, True
    for one, other in zip(exact.train_dataloader(), rounded.train_dataloader(), strict=True):
        assert torch.equal(one["x_BTD"].bfloat16(), other["x_BTD"]) and torch.equal(one["mask_BT"], other["mask_BT"])


def test_shortened_windows_are_made_once_and_served_in_any_order(inputs):
    made = []

    def first_frames(x_BTD, mask_BT):
        made.append(len(x_BTD))
        return x_BTD[:, :3].clone(), mask_BT[:, :3].clone()

    data = module(inputs, batch_size=7)
    data.reuse = True
    whole = {int(i): (x, m) for b in data.train_dataloader() for i, x, m in _windows(b, clone=True)}
    data.shorten = first_frames
    loader = data.train_dataloader()
    for _ in range(3):
        for batch in loader:
            for index, x_TD, mask_T in _windows(batch):
                assert torch.equal(x_TD, whole[int(index)][0][:3]) and torch.equal(mask_T, whole[int(index)][1][:3])
    assert sum(made) == data.windows_per_epoch


def _windows(batch, clone=False):
    parts = (batch["index_B"], batch["x_BTD"], batch["mask_BT"])
    return zip(*(part.clone() if clone else part for part in parts), strict=True)


def test_the_published_protocol_hides_nothing_from_the_head(inputs):
    data = module(inputs, mask=False, length=200, tail="drop", fill="random")
    for batch in data.eval_dataloader(data.split("test")):
        assert batch["mask_BT"].all()
    # (200 - 48) // 24 + 1 windows of every clip, however short
    assert (data.split("test").groupby("clip_id").size() == 7).all()


def test_an_epoch_takes_every_window_once(inputs):
    data = module(inputs, batch_size=7)
    taken = torch.cat([batch["index_B"] for batch in data.train_dataloader()]).tolist()
    assert sorted(taken) == list(range(len(data.split("train"))))
    assert data.windows_per_epoch == len(taken)


def test_some_windows_of_each_clip(inputs):
    data = module(inputs, windows_per_clip=1)
    table = data.split("train")
    loader = data.train_dataloader()
    epochs = [torch.cat([batch["index_B"] for batch in loader]).tolist() for _ in range(3)]
    for taken in epochs:
        assert sorted(table.iloc[taken]["clip_id"]) == sorted(set(table["clip_id"]))
    assert epochs[0] != epochs[1]
    assert data.windows_per_epoch == len(epochs[0])


@pytest.mark.parametrize("most", [1, 2, 3])
def test_selection_takes_evenly_spread_windows_of_each_clip(inputs, most):
    data = module(inputs, select_windows_per_clip=most)
    everything, chosen = data.split("dev"), data.selection()
    for clip_id, windows in everything.groupby("clip_id"):
        windows = windows[windows["valid"] > 0] if (windows["valid"] > 0).any() else windows
        own = chosen.loc[chosen["clip_id"] == clip_id, "window"]
        assert len(own) == min(most, len(windows))
        if len(windows) > most == 1:
            assert own.item() == sorted(windows["window"])[len(windows) // 2]
    batches = torch.cat([batch["y_B"] for batch in data.val_dataloader()])
    assert len(batches) == len(chosen)
    assert module(inputs).selection().equals(everything)


def test_no_clip_is_judged_only_by_windows_of_padding(inputs):
    data = module(inputs, length=400, tail="drop", mask=False, min_valid=0.0, select_windows_per_clip=1)
    padding = data.split("dev").groupby("clip_id")["valid"].agg(lambda valid: (valid == 0).any() and (valid > 0).any())
    assert padding.any()  # some clips have both kinds of windows
    chosen = data.selection()
    assert len(chosen) == data.split("dev")["clip_id"].nunique()
    assert (chosen["valid"] > 0).all()


def test_the_order_follows_from_the_seed(inputs):
    def epochs(seed):
        loader = module(inputs, seed=seed).train_dataloader()
        return [[batch["index_B"].tolist() for batch in loader] for _ in range(2)]

    assert epochs(1) == epochs(1)
    assert epochs(1) != epochs(2)


def test_arrays_are_means_of_valid_frames(inputs):
    data = module(inputs)
    arrays = data.arrays("train")
    clips = inputs.cohort.in_split("train")
    assert arrays.clip_ids.tolist() == clips["clip_id"].tolist()
    assert arrays.groups.tolist() == clips["person_id"].tolist()
    assert arrays.recording_ids.tolist() == clips["recording_id"].tolist()
    np.testing.assert_array_equal(arrays.y, clips["label"])
    for i, clip_id in enumerate(arrays.clip_ids):
        clip = inputs.store.read(clip_id)
        np.testing.assert_allclose(arrays.X[i], clip.features[clip.valid].mean(axis=0), rtol=1e-4, atol=1e-6)


def test_one_task(inputs):
    data = module(inputs, tasks=("northwind",))
    assert set(inputs.cohort.clips.set_index("clip_id").loc[data.windows["clip_id"], "task"]) == {"northwind"}
    with pytest.raises(LfnetError, match=r"protocol\.tasks names 'sing'"):
        module(inputs, tasks=("sing",))


def test_dead_features_are_refused_or_dropped(inputs, tmp_path):
    from dataclasses import replace

    from lfnet.data.protocol import Health

    store = FeatureStore(tmp_path, inputs.store.stream, inputs.store.recipe)
    clip_ids = inputs.cohort.clips["clip_id"].tolist()
    for clip_id in clip_ids:
        clip = inputs.store.read(clip_id)
        if clip_id == clip_ids[3]:
            clip = replace(clip, features=np.zeros_like(clip.features), valid=np.ones_like(clip.valid))
        store.write(clip_id, clip, "s")
    spoilt = replace(inputs, stores={store.stream: store})
    with pytest.raises(LfnetError, match=clip_ids[3]):
        module(spoilt)
    data = module(spoilt, health=Health(unusable="drop"))
    assert data.dropped == [clip_ids[3]]
    assert clip_ids[3] not in set(data.windows["clip_id"])


def test_one_cohort_is_held_in_memory_between_jobs(inputs):
    cache = FrameCache()
    first, second = module(inputs, cache=cache, seed=1), module(inputs, cache=cache, seed=2)
    assert first.frames is second.frames
    assert module(inputs, cache=cache, length=100, tail="drop").frames is not first.frames


def test_frames_of_the_last_job_are_freed_before_new_ones_are_read(inputs):
    first = module(inputs)
    first.trainer = SimpleNamespace(datamodule=first)  # a reference cycle, as with Lightning's trainer
    frames = weakref.ref(first.frames)
    gc.disable()
    try:
        del first
        assert frames() is not None
        module(inputs)
        assert frames() is None
    finally:
        gc.enable()


def test_test_frames_touch_the_test_split_alone(inputs):
    plain, other = module(inputs), module(inputs, test_frames="reversed")
    for clip_id, split in zip(plain.clips["clip_id"], plain.clips["split"], strict=True):
        one, two = (data.frames.whole(clip_id)[0] for data in (plain, other))
        np.testing.assert_array_equal(two, one[::-1] if split == "test" else one)
    assert plain.marks == [] and other.marks == ["test frames reversed"]
    both = module(inputs, frames="shuffled", test_frames="in_order")
    assert both.marks == ["frames shuffled", "test frames in order"]
    assert module(inputs, frames="shuffled", test_frames="shuffled").marks == ["frames shuffled"]


def test_permuted_labels_are_learnt_and_never_measured(inputs):
    data, other = module(inputs, labels="permuted", seed=1), module(inputs, labels="permuted", seed=2)
    assert data.marks == ["labels of train and dev permuted"]
    windows, clips = data.windows, inputs.cohort.clips.set_index("clip_id")
    np.testing.assert_array_equal(windows["label"], clips.loc[windows["clip_id"], "label"])
    test = windows["split"] == "test"
    np.testing.assert_array_equal(windows.loc[test, "target"], windows.loc[test, "label"])
    assert (windows.loc[windows["split"] == "dev", "target"] != windows.loc[windows["split"] == "dev", "label"]).any()
    learnt = torch.cat([batch["y_B"] for batch in data.eval_dataloader(data.split("train"))]).numpy()
    np.testing.assert_allclose(data.labels.points(learnt), data.split("train")["target"], rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(data.arrays("train").y, data.clips.query("split == 'train'")["target"])
    assert (data.clips["target"] != other.clips["target"]).any()
    again = module(inputs, labels="permuted", seed=1)
    np.testing.assert_array_equal(data.clips["target"], again.clips["target"])
