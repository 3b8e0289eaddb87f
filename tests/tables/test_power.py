"""The power table: read from a sweep's run folders, and from the command line."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf

from lfnet import RESEARCH_ONLY
from lfnet.cli.configs import conf_dir
from lfnet.cli.main import main
from lfnet.config import read
from lfnet.errors import LfnetError
from lfnet.tables.power import Power, PowerSettings, measure_power, write_power
from tests.sealing import reseal
from tests.tables.factory import leave, result, sweep

SETTINGS = {"key": "head", "split": "test", "sizes": [30, 50, 1000], "alpha": 0.05, "power": 0.8, "margin": 1.0}
CLAIMS = [
    {"text": "one follows the label better", "metric": "pcc", "values": [0.3, 0.1]},
    {"text": "one errs less", "metric": "mae", "values": [10.0, 10.4]},
    {"text": "one errs as much", "metric": "mae", "values": [10.0, 10.0]},
    {"text": "they do not differ", "metric": "equivalence", "values": [10.0, 10.0]},
]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    results = [result(head, seed, skill=0.4, noise=5) for head in ("mean_mlp", "ldbm", "mamba_gru") for seed in (0, 1)]
    sweep(folder, results)
    return folder


def measured(runs: Path, **changes: Any) -> Power:
    return measure_power(
        runs / "sweeps" / "architectures.json",
        runs,
        read(PowerSettings, {**SETTINGS, "claims": CLAIMS, **changes}, ""),
    )


def test_models_of_different_heads_are_paired(runs: Path) -> None:
    power = measured(runs)
    assert len(power.errors.pairs) == 3 * 2 * 2
    assert power.same is not None and len(power.same.pairs) == 3
    assert power.recordings == 50 and power.errors.people_share == power.people / 50
    assert {pair.names for pair in power.errors.pairs} == {
        ("mean_mlp", "ldbm"), ("mean_mlp", "mamba_gru"), ("ldbm", "mamba_gru"),
    }  # fmt: skip


def test_controls_are_no_pair(tmp_path: Path) -> None:
    results = [result(head, 0, skill=0.4, noise=5) for head in ("mean_mlp", "ldbm")]
    for head in ("mean_mlp", "ldbm"):
        control = result(head, 0, skill=0.0, noise=5)
        control["choices"]["protocol"] = "permuted"
        control["_control"] = True
        results.append(control)
    sweep(tmp_path, results, controls=["protocol=permuted"])
    assert len(measured(tmp_path).errors.pairs) == 1


def test_more_recordings_show_smaller_differences(runs: Path) -> None:
    small, middle, large = measured(runs).sizes
    for metric in ("mae", "pcc"):
        assert small[metric] > middle[metric] > 4 * large[metric]
        for size in (small, middle, large):
            assert size[f"{metric}_low"] <= size[metric] <= size[f"{metric}_high"]
    # By hand: 1.96 + 0.84 standard errors.
    unit = np.median([pair.unit_mae for pair in measured(runs).errors.pairs])
    assert large["mae"] == pytest.approx(2.8016 * np.sqrt(unit / 1000), rel=0.003)


def test_claims_report_how_many_recordings_they_need(runs: Path) -> None:
    correlation, error, nothing, equal = measured(runs).claims
    assert 10 < correlation["recordings"] < correlation["recordings_uncorrelated"]
    assert error["recordings"] > 100
    assert nothing["recordings"] is None
    assert equal["recordings"] > 6
    text = measured(runs).text()
    assert "no number is enough" in text and "PCC 0.300 vs 0.100" in text and "margin 1" in text


def test_files_contain_the_table_and_its_limits(runs: Path, tmp_path: Path) -> None:
    power = measured(runs)
    page, data = write_power(power, tmp_path / "out")
    text = page.read_text(encoding="utf-8")
    assert (
        text == power.text()
        and RESEARCH_ONLY in text
        and "Simulated" in text
        and "| 1,000 |" in text.replace("  ", " ")
    )
    content = json.loads(data.read_text(encoding="utf-8"))
    assert content["format"] == 1 and len(content["pairs"]) == 12 and content["sizes"][0]["recordings"] == 30


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"key": "seed"}, r"key=seed: choose one of the table's rows \(head, protocol\)"),
        ({"key": "protocol"}, "no two finished rows differ in protocol alone"),
        ({"alpha": 5}, "^alpha=5: give a number above 0 and below 1.$"),
        ({"power": 0, "margin": 0}, "^power=0: give a number above 0 and below 1.\nmargin=0: give a number above 0.$"),
        ({"sizes": [3]}, r"^sizes\.0=3: give a whole number of 6 or more\."),
        ({"sizes": []}, r"^sizes=\[\]: give a list of 1 or more"),
        (
            {"claims": [{"text": "x", "metric": "rmse", "values": [1, 2]}]},
            r"^claims\.0\.metric=rmse: give one of mae, pcc, equivalence\.$",
        ),
        ({"claims": [{"text": "x", "metric": "mae", "values": [1]}]}, r"^claims\.0\.values"),
        ({"split": "unlabelled"}, "^split=unlabelled: give one of dev, test.$"),
    ],
)
def test_mistakes_are_named(runs: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(LfnetError, match=message):
        measured(runs, **changes)


def test_a_split_without_scores_is_an_error(runs: Path) -> None:
    for path in runs.glob("*/predictions.csv"):
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(line for line in lines if ",dev," not in line))
        reseal(path.parent)
    with pytest.raises(LfnetError, match="no scores of recordings in the dev split"):
        measured(runs, split="dev")


def test_a_run_without_predictions_is_named(runs: Path) -> None:
    lost = leave(runs, result("ldbm", 1, skill=0.4, noise=5))
    (runs / lost / "predictions.csv").unlink()
    with pytest.raises(LfnetError, match=r"predictions\.csv cannot be used"):
        measured(runs)


def test_the_command_reads_the_runs_of_a_table(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = [f"paths.runs={runs}", f"paths.tables={tmp_path / 'tables'}"]
    assert main(["power", "sizes=[50,100]", *where]) == 0
    shown = capsys.readouterr().out
    assert "\n50  " in shown and RESEARCH_ONLY in shown
    assert (tmp_path / "tables" / "power_architectures.md").is_file()
    assert shown.startswith("What could n recordings show?") and "\n|" not in shown and "**" not in shown
    assert main(["power", "architectures", "trainer=full", *where]) == 2
    assert "Run `lfnet table architectures trainer=full" in capsys.readouterr().err
    assert main(["power", "architectures", "full", *where]) == 2
    assert "'full' is not a setting" in capsys.readouterr().err
    assert main(["power", "--help"]) == 0


def test_default_claims_are_those_of_the_temporal_ablation() -> None:
    settings = OmegaConf.to_container(OmegaConf.load(conf_dir() / "power.yaml"))
    assert isinstance(settings, dict)
    values = {claim["metric"]: claim["values"] for claim in reversed(settings["claims"])}
    assert values["pcc"] == [0.267, 0.101] and values["mae"] == [10.426, 10.907]
    assert settings["sizes"][0] == 30 and settings["sizes"][-1] == 1000 and settings["power"] == 0.8
