"""Costs of a bundle's stages: counts vs PyTorch's and by hand, and rows measured in new processes."""

import contextlib
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from lfnet.cli import bench
from lfnet.cli.main import main
from lfnet.deploy import stage_cost
from lfnet.deploy.bundle import Bundle
from lfnet.deploy.scorer import Scorer
from lfnet.deploy.stage_cost import count_flops, count_parameters, measure_stages
from lfnet.jobs import latency


def test_parameters_and_flops_are_those_counted_by_hand(tmp_path):
    kernel = numpy_helper.from_array(np.ones((8, 3, 3, 3), np.float32), "kernel")
    weights = numpy_helper.from_array(np.ones((8, 5), np.float32), "weights")
    shape = numpy_helper.from_array(np.array([0, 8], np.int64), "shape")
    nodes = [
        helper.make_node("Conv", ["x", "kernel"], ["c"], pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("GlobalAveragePool", ["c"], ["p"]),
        helper.make_node("Reshape", ["p", "shape"], ["f"]),
        helper.make_node("Gemm", ["f", "weights"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["b", 3, 16, 16])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["b", 5])],
        [kernel, weights, shape],
    )
    onnx.save(helper.make_model(graph), str(tmp_path / "m.onnx"))
    assert count_parameters(tmp_path / "m.onnx") == 8 * 3 * 9 + 8 * 5  # a shape is no parameter
    # 8 × 8 places of 8 channels, each 3 × 3 × 3 multiply-adds; then 8 × 5.
    assert count_flops(tmp_path / "m.onnx", {"x": (1, 3, 16, 16)}) == 2 * (8 * 8 * 8 * 27 + 8 * 5)


@pytest.mark.shared
def test_a_real_networks_counts(shared):
    path = shared / "weights" / "mobilenetv3_embed_batch.onnx"
    name = onnx.load(str(path)).graph.input[0].name
    # torch's own count of the same trunk, convolutions alone (trunk_network.cost); batch norm may be folded.
    from lfnet.encoders.trunk_network import cost

    assert count_flops(path, {name: (1, 3, 224, 224)}) == pytest.approx(cost("whole").flops, rel=0.01)
    assert count_parameters(path) == pytest.approx(cost("whole").parameters, rel=0.02)


@pytest.mark.slow
def test_a_bundle_without_video_has_one_stage(trained, exported):
    (row,) = measure_stages(Bundle.open(exported("int8")), threads=1)
    assert row["stage"] == "head" and row["parameters"] == sum(p.numel() for p in trained.head().parameters())
    assert row["flops_per_frame"] == round(trained.result.cost.flops / trained.protocol.hop)
    assert (
        row["ms_per_frame"] > 0
        and row["peak_mib"] > 0
        and row["bytes"] == (exported("int8") / "head.int8.onnx").stat().st_size
    )


@pytest.mark.slow
def test_bench_of_a_run(trained, capsys):
    before = torch.get_num_threads()
    assert main(["bench", str(trained.folder), "--threads", "1"]) == 0
    printed = capsys.readouterr().out
    assert "hybrid (fp32)" in printed and "ms/frame" in printed and "not a diagnosis" in printed
    assert torch.get_num_threads() == before
    assert main(["bench", "nowhere"]) == 2


@pytest.mark.parametrize(("joules", "told"), [(12.0, "video: 24.0 J"), (None, "video: unknown, no RAPL counter")])
def test_bench_tells_the_energy_of_a_minute_of_video(monkeypatch, capsys, joules, told):
    class Fake:
        def score(self, source):
            return {"video": "clip", "refused": None, "duration_s": 30.0, "latency": {"ms_per_frame": None}}

    row = dict.fromkeys(("parameters", "flops_per_frame", "bytes")) | {"stage": "head", "name": "", "load": 0}
    monkeypatch.setattr(stage_cost, "measure_stages", lambda *_, **__: [{**row, "ms_per_frame": 1.0, "peak_mib": 1.0}])
    monkeypatch.setattr(Scorer, "of", lambda *_, **__: contextlib.nullcontext(Fake()))
    monkeypatch.setattr(latency, "EnergyMeter", lambda: SimpleNamespace(joules=lambda: joules))
    bench._show(bench._measure(None, SimpleNamespace(threads=None, trust=(), video="clip")))
    assert told in capsys.readouterr().out
