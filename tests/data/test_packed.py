"""Frames packed on a device: the same batches as from the files, and training steps that never wait for the device."""

import logging
from collections import Counter
from itertools import islice

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from lfnet.data import packed as module
from lfnet.data.batches import StreamDropout, WindowDataset
from lfnet.data.datamodule import DataModule
from lfnet.data.frame_cache import FrameCache
from lfnet.data.packed import PackedWindows, pack
from lfnet.data.protocol import Protocol
from lfnet.heads import LDBM, MambaGRU, TemporalMeanMLP, VanillaTransformer
from lfnet.training.module import SeverityModule
from tests.composing import SMALL, composed, head_inputs

PUBLISHED = {"mask": False, "length": 200, "tail": "drop", "fill": "random"}
HEADS = {
    "mean": lambda: TemporalMeanMLP(16),
    "ldbm": lambda: LDBM(16, 64, patch_size=4, width=16, ff=16),
    "transformer": lambda: VanillaTransformer(16, 64, width=16, ff=16, attention_dropout=0.1),
    "gru": lambda: MambaGRU(16, 64, width=16),
}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    config, _ = composed(*SMALL, "cohort.lost_frames=0.2", root=tmp_path_factory.mktemp("packed"))
    return head_inputs(config)


def data_of(inputs, packed_on, *, cache=None, protocol=(), **settings):
    protocol = Protocol(**{"name": "t", "window": 48, "hop": 24} | dict(protocol))
    data = DataModule(
        inputs.cohort,
        inputs.store,
        protocol,
        batch_size=7,
        eval_batch_size=5,
        cache=cache,
        packed_on=packed_on,
        **settings,
    )
    data.setup()
    return data


def assert_same(ones, others):
    ones, others = list(ones), list(others)
    assert len(ones) == len(others) > 3
    for one, other in zip(ones, others, strict=True):
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) and one[name].dtype == other[name].dtype for name in one)


@pytest.mark.parametrize("protocol", [{}, {"fill": "random", "frames": "shuffled"}, PUBLISHED, {"window": 200}])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_batches_are_those_that_are_read_from_the_files(inputs, protocol, dtype):
    host, device = (data_of(inputs, on, protocol=protocol, windows_per_clip=2, seed=4) for on in (None, "cpu"))
    host.dtype = device.dtype = dtype
    loaders = [data.train_dataloader() for data in (host, device)]
    for _ in range(2):  # epochs
        assert_same(*loaders)
    assert isinstance(loaders[1].dataset, PackedWindows)
    assert_same(host.eval_dataloader(host.split("test")), device.eval_dataloader(device.split("test")))


def test_shortened_windows_are_the_same_and_made_once(inputs):
    calls = Counter()

    def shorten(x_BTD, mask_BT):
        calls["windows"] += len(x_BTD)
        return TemporalMeanMLP.shorten(x_BTD, mask_BT)

    host, device = (data_of(inputs, on) for on in (None, "cpu"))
    host.shorten, device.shorten = TemporalMeanMLP.shorten, shorten
    loaders = [data.train_dataloader() for data in (host, device)]
    for _ in range(2):
        assert_same(*loaders)
    assert calls["windows"] == len(device.split("train"))


def test_frames_are_packed_once_for_the_jobs_of_a_process(inputs, monkeypatch):
    made = []
    monkeypatch.setattr(module, "PackedFrames", lambda *args: made.append(args) or "packed")
    cache = FrameCache()
    one, other = (data_of(inputs, None, cache=cache, seed=seed) for seed in (0, 1))
    assert pack(one.frames, "cpu") == pack(other.frames, "cpu") == "packed" and len(made) == 1


def test_frames_that_a_gpu_has_no_memory_for_stay_in_the_files(inputs, monkeypatch, caplog):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (100, 100))
    data = data_of(inputs, "cuda")
    with caplog.at_level(logging.WARNING):
        assert isinstance(data.train_dataloader().dataset, WindowDataset)
        data.train_dataloader()
    assert [record.getMessage() for record in caplog.records] == [
        "the frames take 0.0 GB and the GPU has 0.0 GB free: each batch is copied to it, which is slower"
    ]


def test_dropout_of_streams_stays_with_batches_of_the_files(inputs, monkeypatch):
    data = data_of(inputs, "cpu")
    dropout = StreamDropout((slice(0, 8), slice(8, 16)), (), chance=0.5, any_valid=True, seed=0)
    monkeypatch.setattr(data, "_dropout", lambda: dropout)
    loader = data.train_dataloader()
    assert isinstance(loader.dataset, WindowDataset) and loader.dataset.dropout is dropout
    assert isinstance(next(iter(loader.sampler)), list)


class Copies(TorchDispatchMode):
    """Counts tensors that go from the host to the device or use both; the meta device raises where a value is read."""

    def __init__(self):
        super().__init__()
        self.found = Counter()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        # A number of the host is an argument of a kernel, but for a copy.
        copies = "copy" in str(function)
        devices = {
            value.device.type
            for value in torch.utils._pytree.tree_leaves((args, kwargs, result))
            if isinstance(value, torch.Tensor) and (value.dim() or copies)
        }
        if len(devices) > 1:
            self.found[str(function)] += 1
        return result


@pytest.mark.parametrize("name", HEADS)
def test_no_step_copies_from_the_host_or_reads_a_value(inputs, name):
    """But for the optimiser's, which has no meta kernel: it is one fused kernel."""
    data = data_of(inputs, "meta")
    head = HEADS[name]()
    data.shorten = getattr(head, "shorten", None)
    train, dev = data.split("train"), data.selection()
    step = SeverityModule(head, data.labels, data.protocol, train, dev).to("meta")
    loaders = [iter(data.train_dataloader()), iter(data.val_dataloader())]
    batches = [next(loader) for loader in loaders]  # packing, and the order of the epoch
    with Copies() as copies:
        for number, batch in enumerate(islice(loaders[0], 2)):
            step.training_step(batch, number).backward()
        for number, batch in enumerate(islice(loaders[1], 2)):
            with torch.no_grad():
                step.validation_step(batch, number)
    assert number == 1 and batches[0]["x_BTD"].device.type == "meta"
    assert not copies.found


def test_a_copy_from_the_host_is_counted(inputs):
    data = data_of(inputs, None)
    with Copies() as copies:
        next(iter(data.train_dataloader()))["x_BTD"].to("meta")
    assert sum(copies.found.values()) == 1


@pytest.mark.parametrize("name", ["mean", "transformer"])
def test_a_training_gives_the_same_weights(inputs, name, tmp_path):
    from lfnet.config import read
    from lfnet.training.fit import fit, seed_all
    from lfnet.training.settings import TrainerSettings

    config, _ = composed(*SMALL)
    settings = read(TrainerSettings, config["trainer"] | {"max_epochs": 2}, "trainer")
    found = []
    for on in (None, "cpu"):
        seed_all(3)
        fitted = fit(HEADS[name](), data_of(inputs, on, seed=3), settings, None, [])
        found.append({key: value.numpy() for key, value in fitted.head.state_dict().items()})
    for key, value in found[0].items():
        np.testing.assert_array_equal(value, found[1][key])
