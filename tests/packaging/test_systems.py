"""Whole systems in experiments/efficiency are sums of encoder and model; published rows are compared with like."""

import pytest
from omegaconf import OmegaConf

from experiments.efficiency.systems import HOP, OUT, PUBLISHED, SEGMENT, WINDOW, line
from lfnet.encoders.trunk_network import cost
from lfnet.heads import TemporalMeanMLP
from lfnet.heads.cost import measure
from tests.composing import CONF


def cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip().strip("|").split("|")]


def test_a_system_is_the_sum_of_its_encoder_and_its_model():
    encoder = {"parameters": 3_000_000, "flops": 2e9, "ms": 5.0, "mj": 1.5}
    model = {"parameters": 1_000_000, "flops": 5e8, "ms": 0.25, "mj": 0.5}
    assert cells(line("x", encoder, model)) == ["x", "4.000", "25.0", "2.5000", "20.00", "1250.0", "5.25", "2"]
    assert cells(line("x", encoder, {**model, "mj": None}))[-1] == "—", "energy of a part is not that of the whole"


def test_the_page_counts_encoder_and_head_a_frame():
    rows = {cells(row)[0]: cells(row) for row in OUT.read_text(encoding="utf-8").splitlines() if row.startswith("|")}
    trunk, head = cost("whole", 224), measure(TemporalMeanMLP(n_features=576), WINDOW, 576)
    found = rows["mobilenet + mean_mlp"]
    assert float(found[1]) == pytest.approx((trunk.parameters + head.parameters) / 1e6, abs=6e-4)
    a_frame = (trunk.flops + head.flops / HOP) / 1e9
    assert float(found[3]) == pytest.approx(a_frame, abs=6e-5)
    assert float(found[5]) == pytest.approx(SEGMENT * a_frame, abs=0.06)
    for name, parameters, flops in PUBLISHED:
        assert rows[f"*{name} (published)*"][1:4] == [f"{parameters / 1e6:.2f}", "", f"{flops / 1e9:.3f} per ?"]


def test_rows_without_encoder_are_compared_with_errors_of_published_systems_only():
    table = OmegaConf.load(CONF / "table" / "efficiency.yaml").table
    assert {key for row in table.published for key in row["values"]} == {"test.mae", "test.rmse"}
