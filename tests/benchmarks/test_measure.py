"""Measurement of commands: time, memory, failures."""

import sys

import numpy as np
import pytest

from experiments.benchmarks import installed, measure
from experiments.benchmarks.ceiling import facts
from experiments.benchmarks.extraction import parity
from experiments.benchmarks.growth import line
from experiments.benchmarks.measure import ROOT, Failed, Usage, alternate, command, timed
from experiments.benchmarks.precision import inside
from experiments.benchmarks.report import energy_row
from experiments.benchmarks.sweep import Epoch, Sizes, _compare, needed_flops
from lfnet.jobs.latency import EnergyMeter


def test_a_command_is_measured_and_its_output_kept():
    used = command([sys.executable, "-c", "x = bytearray(80_000_000); print('done'); print(sum(range(10**6)))"])
    assert used.out.splitlines()[0] == "done"
    assert used.peak_mb > 80
    assert 0 < used.cpu < 60 and used.seconds > 0 and used.load >= 0


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_memory_without_mapped_files_is_that_of_the_largest_process(tmp_path, monkeypatch):
    monkeypatch.setattr(measure, "_LOOK", 0.05)
    (tmp_path / "file").write_bytes(bytes(150_000_000))
    child = (
        "import mmap, time; f = open('file', 'rb'); m = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ); "
        "x = b'1' * 80_000_000; print(sum(m[::4096])); time.sleep(1)"
    )
    parent = (
        f"import os, subprocess, sys; os.chdir({str(tmp_path)!r}); subprocess.run([sys.executable, '-c', {child!r}])"
    )
    used = command([sys.executable, "-c", parent])
    assert used.out.strip() == "0"
    assert 80 < used.own_mb * 1.048576 < 150 < used.peak_mb * 1.048576


def test_a_failed_command_raises_its_output():
    with pytest.raises(Failed, match="a reason"):
        command([sys.executable, "-c", "raise SystemExit('a reason')"])
    assert command([sys.executable, "-c", "raise SystemExit(3)"], good=(0, 3)).out == ""


def test_settings_for_threads_are_not_inherited(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    used = command([sys.executable, "-c", "import os; print(os.environ.get('OMP_NUM_THREADS'))"])
    assert used.out.strip() == "None"


def test_pairs_are_measured_alternately():
    order = []

    def work(name, seconds):
        order.append(name)
        return seconds

    found = alternate(lambda: work("peer", 2.0), lambda: work("project", 1.0), 3)
    assert found == ([2.0, 2.0, 2.0], [1.0, 1.0, 1.0])
    assert order == ["peer", "project", "project", "peer", "peer", "project"]


def test_a_time_is_of_one_call():
    calls = []
    assert timed(lambda: calls.append(1), min_seconds=0, max_calls=5) >= 0
    assert len(calls) == 1


def test_the_description_of_the_machine_has_no_names():
    import getpass
    import platform

    text = " ".join(value for _, value in facts())
    assert "torch" in text and "cores" in text
    assert platform.node() not in text or len(platform.node()) < 3
    assert "/" not in text.replace("TFLOP/s", "") and getpass.getuser() not in text.split()


def test_windows_of_the_peers_protocol():
    assert Sizes().windows == 600
    assert Sizes(recordings=2).windows == 24


@pytest.mark.parametrize("name", ["mean_mlp", "ldbm"])
def test_flops_of_training_are_those_that_autograd_counts(name):
    """Three times the forward pass, without the gradient of the input, as PyTorch counts them."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from lfnet.heads.cost import measure
    from lfnet.heads.ldbm import LDBM
    from lfnet.heads.mean_mlp import TemporalMeanMLP

    head, settings = {
        "mean_mlp": (TemporalMeanMLP(24), {"hidden": 256}),
        "ldbm": (LDBM(24, patch_size=4), {"width": 128}),
    }[name]
    cost = measure(head, frames=64, n_features=24)
    result = {"cost": {"flops": cost.flops, "frames": 64}, "config": {"head": settings}, "features": {"dim": 24}}
    result["training"] = {}
    with FlopCounterMode(display=False) as counter:
        head(torch.randn(8, 64, 24), torch.ones(8, 64, dtype=torch.bool)).sum().backward()
    # LDBM's attention has few tokens, and the fused kernel recomputes its weights
    assert needed_flops(result, 8) == pytest.approx(counter.get_total_flops(), rel=0.05)


def test_flops_of_a_head_that_reads_the_last_frames_are_those_of_these_frames():
    result = {"cost": {"flops": 1e6, "frames": 512}, "config": {"head": {"width": 8}}, "features": {"dim": 4}}
    whole = needed_flops(result | {"training": {"reach": None}}, 10)
    assert needed_flops(result | {"training": {"reach": 64}}, 10) == whole / 8
    assert needed_flops(result | {"training": {"reach": 640}}, 10) == whole


def epochs(seconds, parameters=7, error=9.0):
    return [Epoch(one, parameters, error, 0.5) for one in seconds]


def test_a_head_is_compared_with_each_peer_of_its_precision_and_with_the_roof():
    found = {("Lightning, medium", "gru"): epochs([4.0, 6.0]), ("fp32", "gru"): epochs([2.0, 2.0], error=8.5)}
    row = _compare("gru", "fp32", "Lightning, medium", found, {"gru": 1e12}, {"fp32 exact": 1e12, "bf16": 2e12})
    assert (row.ratio, row.low, row.high, row.n) == (2.5, 2.0, 3.0, 2)
    assert row.share == 0.5 and row.target is None and "9.00 and 8.50 points" in row.note
    found["plain PyTorch", "gru"] = epochs([8.0, 8.0])
    assert _compare("gru", "fp32", "plain PyTorch", found, {"gru": 1e12}, {"fp32 exact": 1e12}).target is not None


def test_a_peer_with_other_parameters_is_refused():
    found = {("Lightning", "gru"): epochs([4.0], parameters=8), ("fp32", "gru"): epochs([2.0])}
    with pytest.raises(ValueError, match="Lightning has 8 parameters, the project 7"):
        _compare("gru", "fp32", "Lightning", found, {"gru": 1.0}, {"fp32 exact": 1.0})


def test_energy_of_a_command_is_that_of_the_counters(monkeypatch, tmp_path):
    zone = tmp_path / "intel-rapl:0"
    zone.mkdir()
    for name, text in (("name", "package-0"), ("energy_uj", "1000000"), ("max_energy_range_uj", "9000000")):
        (zone / name).write_text(text)
    monkeypatch.setattr(measure, "EnergyMeter", lambda: EnergyMeter(tmp_path))
    used = command([sys.executable, "-c", f"open({str(zone / 'energy_uj')!r}, 'w').write('500000')"])
    assert used.joules == pytest.approx(8.5), "the counter came round"
    row = energy_row("sweep", "energy of a job", used, 2)
    assert (row.project, row.unit) == (pytest.approx(4.25), "J")


def test_without_a_counter_energy_is_named_as_not_measured():
    row = energy_row("sweep", "energy of a job", Usage(1.0, 1.0, 1.0, 0.0, ""), 2)
    assert row.project is None and "no energy counter" in row.note


def test_a_package_that_cannot_be_had_leaves_no_folder(tmp_path, monkeypatch):
    def fail(words):
        (tmp_path / "peer").mkdir()
        raise Failed("no such package")

    monkeypatch.setattr(installed, "command", fail)
    with pytest.raises(Failed):
        installed.install_beside(tmp_path / "peer", ["no-such-package"])
    assert not (tmp_path / "peer").exists()


@pytest.mark.parametrize("script", sorted((ROOT / "experiments" / "benchmarks" / "peers").glob("*.py")), ids=str)
def test_peers_use_nothing_of_the_project(script):
    assert "lfnet" not in script.read_text(encoding="utf-8")


def test_r2_is_one_for_a_straight_line_and_lower_for_a_curve():
    slope, intercept, r2 = line([1.0, 2.0, 4.0, 8.0], [5.0, 7.0, 11.0, 19.0])
    assert (slope, intercept, r2) == (pytest.approx(2), pytest.approx(3), pytest.approx(1))
    assert line([1.0, 2.0, 4.0, 8.0], [1.0, 4.0, 16.0, 64.0])[2] < 0.97


def test_parity_is_of_the_worst_region():
    one = np.ones((4, 10))
    other = one.copy()
    other[2] *= 1.02
    assert parity(one.ravel(), other.ravel()) == pytest.approx(0.02)


def test_a_difference_of_precisions_is_compared_with_the_seeds_interval():
    full = np.array([8.0, 8.2, 7.9, 8.1, 8.3])
    difference, width = inside(full, full + 0.05)
    assert difference == pytest.approx(0.05)
    assert width == pytest.approx(2.776445 * np.std(full, ddof=1) / np.sqrt(5))
