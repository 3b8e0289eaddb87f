"""Seeds trained together learn what each learns alone, and the script of a GPU says that there is none."""

import subprocess
import sys
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from experiments.benchmarks import gpu as module
from experiments.benchmarks import stacked_fit
from experiments.benchmarks.gpu import _data, _head, _settings, _Sizes, gpu
from experiments.benchmarks.stacked_fit import fit_seeds
from experiments.benchmarks.stacked_heads import StackedGRU, seed_of, stack
from lfnet.heads.cpu import machine
from lfnet.training.fit import fit
from lfnet.training.predict import predict
from tests.data.test_packed import Copies

# Of 14 windows a seed's third batch has 2; clips of 5 recordings.
SIZES = _Sizes(recordings=5, dim=8, window=32, length=80, batch=16, width=8)
HEADS = {"mean": {}, "ldbm": {"patch_size": 4}, "transformer": {}, "gru": {}}
PLAIN = {"dropout": 0.0, "attention_dropout": 0.0}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return _data(tmp_path_factory.mktemp("features"), SIZES)


@pytest.fixture(autouse=True)
def whole_batches(monkeypatch):
    monkeypatch.setattr(machine, "_CHUNK", 1 << 30)


def head_of(name, seed):
    return _head(name, SIZES, seed, **HEADS[name], **(PLAIN if name in ("ldbm", "transformer") else {}))


@pytest.mark.parametrize("name", HEADS)
def test_seeds_that_are_trained_together_are_those_that_are_trained_alone(data, name):
    """With the epoch and the end of each seed by itself. Scores are compared, as Adam moves the bias of keys, whose
    gradient is zero, by its rounding."""
    seeds, settings = range(3), _settings(SIZES, 6, patience=2, lr=0.003)
    data.packed_on = "cpu"
    together = fit_seeds(
        [head_of(name, seed) for seed in seeds], data, seeds, epochs=6, patience=2, lr=0.003, weight_decay=1e-4
    )
    data.packed_on = None
    lengths = []
    for seed in seeds:
        data.seed = seed
        alone = fit(head_of(name, seed), data, settings, None, [])
        lengths.append(alone.epochs)
        assert together.best_epoch[seed] == alone.best_epoch
        assert together.best[seed] == pytest.approx(alone.best, rel=1e-4)
        other = head_of(name, seed)
        other.load_state_dict({key: value[seed] for key, value in together.weights.items()})
        scores = [predict(head, data.val_dataloader(), "cpu") for head in (alone.head, other)]
        np.testing.assert_allclose(*scores, atol=1e-4)
    assert together.epochs == max(lengths) and len(set(together.best_epoch)) > 1


def test_a_seed_that_has_ended_keeps_its_best_epoch_while_others_go_on(data, monkeypatch):
    errors = torch.tensor(
        [[3.0, 5.0, 9.0], [4.0, 4.0, torch.nan], [1.0, 3.0, 1.0]], dtype=torch.float64
    )  # epochs, seeds
    found = []
    monkeypatch.setattr(data, "packed_on", "cpu")
    for epochs in (3, 1):
        rows = iter(errors)
        monkeypatch.setattr(stacked_fit, "_Dev", lambda *_, rows=rows: lambda: next(rows))
        heads = [head_of("mean", seed) for seed in range(3)]
        found.append(fit_seeds(heads, data, range(3), epochs=epochs, patience=1, lr=0.01, weight_decay=0.0))
    together, first = found
    assert together.best_epoch == [1, 3, 1] and together.best == [3.0, 3.0, 9.0] and together.epochs == 3
    for key, value in first.weights.items():
        assert torch.equal(together.weights[key][0], value[0]) and torch.equal(together.weights[key][2], value[2])
        assert not torch.equal(together.weights[key][1], value[1])


def test_the_gru_reads_more_frames_where_a_gradient_arrives_before_them(monkeypatch):
    x_BTD, mask_BT = torch.randn(6, 40, 8), torch.ones(6, 40, dtype=torch.bool)
    stacked = stack([head_of("gru", seed) for seed in range(2)])
    assert isinstance(stacked, StackedGRU)
    stacked(x_BTD, mask_BT).sum().backward()
    assert not stacked.settle(), "all frames were read"
    stacked.reach = 10
    stacked(x_BTD, mask_BT).sum().backward()
    assert float(stacked.arrived) > 1e-9 and stacked.settle() and stacked.reach == 74
    assert float(stacked.arrived) == 0


def test_what_cannot_be_stacked_is_refused():
    with pytest.raises(TypeError, match="Conv1d has weights"):
        stack([nn.Sequential(nn.Conv1d(2, 2, 1)) for _ in range(2)])
    with pytest.raises(TypeError, match="dropout between"):
        stack([_head("gru", SIZES, 0, dropout=0.5)])


def test_weights_of_a_seed_have_the_names_of_its_head():
    heads = [head_of("gru", seed) for seed in range(2)]
    for seed, head in enumerate(heads):
        own = seed_of(stack(heads), seed)
        assert own.keys() == head.state_dict().keys()
        assert all(torch.equal(own[key], value) for key, value in head.state_dict().items())


@pytest.mark.parametrize("name", HEADS)
def test_a_step_of_all_seeds_copies_nothing_from_the_host_and_reads_no_value(data, name, monkeypatch):
    """Such a step can be captured as a CUDA graph. Adam, one fused kernel, has none on the meta device."""
    monkeypatch.setattr(torch, "autocast", lambda *args, **settings: nullcontext())
    idle = SimpleNamespace(step=lambda: None, zero_grad=lambda: None, state={})
    monkeypatch.setattr(torch.optim, "Adam", lambda *args, **settings: idle)
    monkeypatch.setattr(data, "packed_on", "meta")
    heads = [head_of(name, seed) for seed in range(2)]
    monkeypatch.setattr(data, "shorten", getattr(heads[0], "shorten", None))
    step = stacked_fit._Step(stack(heads).to("meta"), data.train_dataloader().dataset, 2, 16, 0.1, 0.0, False)
    rows_SB, weight_SB = torch.zeros(2, 16, dtype=torch.int64, device="meta"), torch.ones(2, 16, device="meta")
    step(rows_SB, weight_SB)  # shortens windows once
    with Copies() as copies:
        step(rows_SB, weight_SB)
    assert not copies.found


def test_without_a_gpu_nothing_is_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    (row,) = gpu(tmp_path)
    assert row.note == "no GPU here: not measured" and row.project is None and row.ratio is None


def test_the_small_form_runs_on_a_cpu(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(module, "_SMALL", _Sizes(2, 8, 32, 80, 8, 8, seeds=2, epochs=1, alone=1))
    first, equal = gpu(tmp_path, quick=True)
    assert first.note.startswith("no GPU here: not measured") and first.project is None
    assert equal.target.reached(equal.project) and equal.project < 1e-4


def test_a_package_that_is_missing_is_named():
    code = (
        "import runpy, sys; sys.modules['numpy'] = None; "
        "runpy.run_module('experiments.benchmarks.gpu', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.startswith("numpy is not installed. This script needs torch, lightning, hydra-core")
