"""From run folders to rows: means over seeds, cells that can be traced, rows that must not be averaged."""

import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

import lfnet
from lfnet.cli.configs import conf_dir
from lfnet.cli.main import main
from lfnet.config import read
from lfnet.errors import LfnetError
from lfnet.evaluation.predictions import Predictions
from lfnet.files import read_json
from lfnet.reports.terminal import terminal
from lfnet.seals import write_sealed_json
from lfnet.tables.build import build
from lfnet.tables.settings import TableEvidence, TableSettings
from lfnet.tables.table import Row, Table
from tests.composing import CONF
from tests.tables.factory import result, sweep


def make(folder: Path, results: list[dict[str, Any]], **more: Any) -> Table:
    return build(sweep(folder, results, **more), folder)


def models(table: Table) -> dict[str, Row]:
    return {", ".join(row.identity.values()): row for row in table.rows if row.kind == "model"}


def texts(row: Row, *columns: str) -> list[str]:
    return [row.cells[column].text for column in columns]


def patched(patch: int, seed: int) -> dict[str, Any]:
    done = result("ldbm", seed)
    done["config"]["head"]["patch_size"] = patch
    return done


measurements = st.tuples(
    st.sampled_from(["mean_mlp", "ldbm", "transformer"]),
    st.integers(0, 4),
    st.one_of(st.none(), st.floats(-1, 1).map(lambda value: round(value, 6))),
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.lists(measurements, min_size=1, max_size=10, unique_by=lambda item: item[:2]))
def test_means_and_sd_are_those_of_a_groupby(tmp_path_factory: pytest.TempPathFactory, data: list) -> None:
    results = []
    for head, seed, value in data:
        done = result(head, seed, each=20)
        done["metrics"]["test"]["recording"]["pcc"] = value
        results.append(done)
    table = make(tmp_path_factory.mktemp("runs"), results, columns=["test.pcc", "test.mae"])
    frame = pd.DataFrame(
        [
            {"head": done["model"], **{name: done["metrics"]["test"]["recording"][name] for name in ("pcc", "mae")}}
            for done in results
        ]
    ).astype({"pcc": float})
    expected = frame.groupby("head").agg(["mean", "std", "count"])
    for name, row in models(table).items():
        for metric in ("pcc", "mae"):
            summary = row.cells[f"test.{metric}"].summary
            mean, sd, n = expected.loc[name.partition(",")[0], metric]
            assert summary.n == n
            assert (np.nan if summary.mean is None else summary.mean) == pytest.approx(mean, nan_ok=True, abs=1e-12)
            assert (np.nan if summary.sd is None else summary.sd) == pytest.approx(sd, nan_ok=True, abs=1e-12)


def test_every_cell_can_be_traced_to_run_folders_and_recomputed(tmp_path: Path) -> None:
    table = make(tmp_path, [result(head, seed) for head in ("ldbm", "mean_mlp") for seed in (0, 1, 2)])
    for row in table.rows:
        for name, cell in row.cells.items():
            assert set(cell.run_names) <= set(row.run_names) and all(
                (tmp_path / run / "result.json").is_file() for run in cell.run_names
            )
            assert cell.text != "—" or not cell.run_names
            if row.kind == "model" and name.startswith("test."):
                metric = name.removeprefix("test.")
                again = [
                    Predictions.from_csv_text((tmp_path / run / "predictions.csv").read_text()).metrics()
                    for run in cell.run_names
                ]
                assert cell.summary.mean == pytest.approx(
                    np.mean([m["test"]["recording"][metric] for m in again]), abs=1e-6
                )
    assert len(models(table)["ldbm, masked"].cells["test.mae"].run_names) == 3
    assert len(next(row for row in table.rows if row.label == "train mean").cells["test.mae"].run_names) == 6


def test_the_gap_is_test_minus_dev_seed_by_seed(tmp_path: Path) -> None:
    results = [result("ldbm", seed) for seed in (0, 1)]
    row = models(make(tmp_path, results, columns=["gap.mae", "gap.pcc"]))["ldbm, masked"]
    for metric in ("mae", "pcc"):
        gaps = [
            done["metrics"]["test"]["recording"][metric] - done["metrics"]["dev"]["recording"][metric]
            for done in results
        ]
        assert row.cells[f"gap.{metric}"].summary.mean == pytest.approx(np.mean(gaps))
        assert row.cells[f"gap.{metric}"].summary.sd == pytest.approx(np.std(gaps, ddof=1))


def test_epochs_report_runs_that_had_not_converged(tmp_path: Path) -> None:
    results = [result("ldbm", seed) for seed in (0, 1, 2)] + [result("mean_mlp", 0), result("transformer", 0)]
    results[0]["training"].update(epochs=9)
    results[2]["training"].update(converged=False)
    results[3]["training"].update(converged=False)
    table = make(tmp_path, results, columns=["test.mae", "converged"])
    assert [column.name for column in table.columns] == ["test.mae", "converged", "epochs"]
    assert [texts(row, "epochs", "converged") for row in models(table).values()] == [
        ["9–12, not converged (1 of 3)", "2 of 3"],
        ["12, not converged", "no"],
        ["12", "yes"],
    ]
    assert "not converged: dev MAE had not stopped improving when training ended." in table.foot


def test_costs_and_features(tmp_path: Path) -> None:
    columns = ["parameters", "active_parameters", "flops", "seconds", "dim", "coverage", "best_epoch"]
    row = models(make(tmp_path, [result("transformer", seed) for seed in (0, 1)], columns=columns))[
        "transformer, masked"
    ]
    assert texts(row, *columns) == ["462,465", "272,001", "416 M", "12.2", "512", "97 %", "7"]


def test_an_undefined_correlation_is_reported_with_its_sigma_ratio(tmp_path: Path) -> None:
    results = [result("ldbm", 0), result("ldbm", 1, noise=0), *(result("mean_mlp", seed, noise=0) for seed in (0, 1))]
    columns = ["test.pcc", "test.ccc", "test.sigma_ratio"]
    table = make(tmp_path / "beside", results, columns=columns)
    assert texts(models(table)["mean_mlp, masked"], *columns) == ["undefined", "0.00 ± 0.00", "0.00 ± 0.00"]
    assert models(table)["ldbm, masked"].cells["test.pcc"].text.endswith(" (undefined in 1 of 2)")
    assert all(not row.notes for row in models(table).values())
    without = models(make(tmp_path / "noted", results, columns=columns[:2]))
    assert without["mean_mlp, masked"].notes == ("test sigma_ratio 0.00 ± 0.00",)


def test_metrics_of_another_level_and_of_missing_labels(tmp_path: Path) -> None:
    done = result("ldbm")
    done["metrics"]["test"]["window"] = {"mae": 9.5}
    del done["metrics"]["dev"]
    table = make(tmp_path, [done], columns=["test.window.mae", "test.clip.mae", "dev.mae", "gap.mae"])
    row = models(table)["ldbm, masked"]
    assert texts(row, "test.window.mae", "test.clip.mae", "dev.mae", "gap.mae") == ["9.50", "—", "—", "—"]
    assert [column.heading for column in table.columns][:2] == ["Test MAE (windows) ↓", "Test MAE (clips) ↓"]


def test_a_row_averages_seeds_and_nothing_else(tmp_path: Path) -> None:
    results = [patched(4, 0), patched(8, 1)]
    with pytest.raises(
        LfnetError, match=r"row head=ldbm, protocol=masked would average runs that differ in head\.patch_size"
    ):
        make(tmp_path / "hidden", results)
    table = make(tmp_path / "shown", results, rows=["head", "head.patch_size"])
    assert list(models(table)) == ["ldbm, 4", "ldbm, 8"]


def test_a_setting_that_only_some_heads_have_is_a_dash(tmp_path: Path) -> None:
    table = make(tmp_path, [result("mean_mlp"), patched(4, 0)], rows=["head", "head.patch_size"])
    assert list(models(table)) == ["mean_mlp, —", "ldbm, 4"]


def test_a_seed_twice_in_a_row_is_an_error(tmp_path: Path) -> None:
    changed = result("ldbm", 0)
    changed["choices"]["logger"] = "csv"
    with pytest.raises(LfnetError, match="two runs with the same settings and seed"):
        make(tmp_path, [result("ldbm", 0), changed])


def test_other_seeds_than_the_first_may_differ(tmp_path: Path) -> None:
    table = make(tmp_path, [result("ldbm", 0, cohort_seed=seed) for seed in (0, 1)])
    assert models(table)["ldbm, masked"].seeds == (0, 0)


def test_a_cohort_that_changed_during_the_sweep_is_an_error(tmp_path: Path) -> None:
    changed = result("mean_mlp")
    changed["cohort"]["fingerprint"] = "0" * 64
    with pytest.raises(LfnetError, match="the cohort simulated changed between"):
        make(tmp_path, [result("ldbm"), changed])


@pytest.mark.parametrize(
    "node, message",
    [
        ({"rows": ["head", "head.pach_size"]}, r"names 'head\.pach_size', which is neither a choice nor a setting"),
        ({"columns": ["test.map"]}, r"no column 'test\.map'. There are SPLIT\.METRIC"),
        ({"columns": []}, r"table\.columns=\[\]: give a list of names"),
        ({"rows": None}, r"table\.rows=\[\]: give a list of names"),
        ({"level": "person"}, "table.level=person: give one of window, clip, recording"),
        ({"closing": "seed"}, "table.closing=seed: give true, false or one of table.rows"),
        ({"colums": ["test.mae"]}, r"table\.colums: there is no such setting; known: name, "),
        ({"sections": ["protocol"]}, r"table\.sections=\[protocol\]: protocol is in table\.rows"),
    ],
)
def test_a_table_node_that_makes_no_sense_is_refused(tmp_path: Path, node: dict[str, Any], message: str) -> None:
    with pytest.raises(LfnetError, match=message):
        make(tmp_path, [result("ldbm")], **node)


def test_marks_are_in_their_row(tmp_path: Path) -> None:
    results = [result("ldbm", 0), result("ldbm", 1), result("mean_mlp", 0)]
    for done in results[1:]:
        done["marks"] = ["selected on test"]
    notes = [row.notes for row in models(make(tmp_path, results)).values()]
    assert notes == [("selected on test (1 of 2 seeds)",), ("selected on test",)]


def test_failed_jobs_are_named_and_the_rest_is_shown(tmp_path: Path) -> None:
    failed = {
        "head=ldbm seed=1": "out of memory",
        "head=mamba_gru seed=0": "no face",
        "head=mamba_gru seed=1": "no face",
    }
    table = make(tmp_path, [result("ldbm", 0), result("mean_mlp", 0)], failed=failed)
    assert models(table)["ldbm, masked"].notes == ("1 of 2 jobs failed: out of memory",)
    lost = [row for row in table.rows if row.kind == "failed"]
    assert [(row.identity, row.notes) for row in lost] == [
        ({"head": "mamba_gru", "protocol": "masked"}, ("failed: no face",))
    ]
    assert [failure.reason for failure in table.failures] == ["out of memory", "no face", "no face"]
    shown = terminal(table)
    assert "failed: no face" in shown and "No result: head=mamba_gru seed=1: no face" in shown


def test_a_failed_job_that_fits_several_rows_is_given_to_none(tmp_path: Path) -> None:
    results = [patched(4, 0), patched(8, 0)]
    table = make(tmp_path, results, rows=["head", "head.patch_size"], failed={"head=ldbm seed=1": "boom"})
    assert [tuple(row.identity.values()) for row in table.rows if row.kind == "failed"] == [("ldbm", "?")]
    assert all(not row.notes for row in models(table).values())


def test_rows_measured_on_different_recordings_are_warned_of(tmp_path: Path) -> None:
    fewer = result("mean_mlp")
    fewer["metrics"]["test"]["recording"]["n"] = 48
    warning = "rows were measured on different numbers of test recordings (48, 50): they are not comparable."
    assert make(tmp_path / "uneven", [result("ldbm"), fewer]).warnings[-1] == warning
    assert len(make(tmp_path / "even", [result("ldbm"), result("mean_mlp")]).warnings) == 1


def test_a_failed_job_has_the_place_of_its_row(tmp_path: Path) -> None:
    manifest = sweep(tmp_path, [result("mean_mlp"), result("mamba_gru")], failed={"head=ldbm seed=0": "boom"})
    content = read_json(manifest)
    content["jobs"].insert(1, content["jobs"].pop())
    write_sealed_json(manifest, content)
    assert [row.identity["head"] for row in build(manifest, tmp_path).rows[:3]] == ["mean_mlp", "ldbm", "mamba_gru"]


def test_a_sweep_of_which_nothing_finished_is_still_a_table(tmp_path: Path) -> None:
    table = make(tmp_path, [], failed={"head=ldbm seed=0": "boom", "head=mean_mlp seed=0": "bang"})
    assert [(row.kind, row.identity["head"], row.identity["protocol"]) for row in table.rows] == [
        ("failed", "ldbm", "?"),
        ("failed", "mean_mlp", "?"),
    ]
    assert not table.simulated and "failed: bang" in terminal(table)


def test_closing_line_is_over_architectures(tmp_path: Path) -> None:
    """The temporal ablation: mean 10.5725 and .18375, sd with ddof 1 .228 and .068; gaps 1.857 and −.292."""
    printed = {
        "mean_mlp": (8.645, 0.426, 10.426, 0.101),
        "ldbm": (9.061, 0.485, 10.529, 0.267),
        "transformer": (8.272, 0.484, 10.428, 0.186),
        "mamba_gru": (8.885, 0.508, 10.907, 0.181),
    }
    results = []
    for head, (dev_mae, dev_pcc, test_mae, test_pcc) in printed.items():
        done = result(head)
        done["metrics"]["dev"]["recording"].update(mae=dev_mae, pcc=dev_pcc)
        done["metrics"]["test"]["recording"].update(mae=test_mae, pcc=test_pcc)
        results.append(done)
    expected = (
        "Test over 4 architectures: MAE mean 10.57, sd 0.23, range [10.43, 10.91], gap +1.86; "
        "PCC mean 0.18, sd 0.07, range [0.10, 0.27], gap −0.29."
    )
    table = make(tmp_path / "on", results)
    assert table.sections[0].closing == (expected,)
    assert "Test over rows: sd (ddof 1) and range of the rows' means." in table.foot
    assert make(tmp_path / "off", results, closing=False).sections[0].closing == ()


def test_published_is_said_only_of_published_training(tmp_path: Path) -> None:
    full = yaml.safe_load((CONF / "trainer/default.yaml").read_text())
    full["loss"] = yaml.safe_load((CONF / "loss/l1.yaml").read_text())
    quick = {**full, "lr": 1e-3, "windows_per_clip": 1, "select_windows_per_clip": 1}
    others = [
        {"lr": 1e-3},
        {"weight_decay": 0.0},
        {"loss": {**full["loss"], "lds_sigma": 2.0}},
        {"loss": yaml.safe_load((CONF / "loss/quantile.yaml").read_text())},
        {"pooling": yaml.safe_load((CONF / "pooling/gated.yaml").read_text())},
        {"recalibrate": "linear"},
    ]
    results = []
    for number, (choice, trainer) in enumerate(
        [("quick", quick), ("full", full), ("default", full), ("quick_bf16", quick), ("full", {**full, "lr": 1e-3})]
    ):
        done = result("ldbm", seed=number)
        done["choices"] |= {"protocol": "published", "trainer": choice}
        done["config"]["trainer"] = trainer
        results.append(done)
    done = result("ldbm", seed=9)
    done["config"]["trainer"] = quick
    rows = [row for row in make(tmp_path, [*results, done]).rows if row.kind == "model"]
    assert [(row.identity["protocol"], row.seeds) for row in rows] == [
        ("published, quick", (0,)), ("published", (1, 2)), ("published, quick_bf16", (3,)),
        ("published, other training", (4,)), ("masked", (9,)),
    ]  # fmt: skip
    for number, other in enumerate(others):
        for choice, trainer in (("full", full), ("quick", quick)):
            done = result("ldbm")
            done["choices"] |= {"protocol": "published", "trainer": choice}
            done["config"]["trainer"] = {**trainer, **other}
            table = make(tmp_path / f"{choice}{number}", [done], rows=["protocol"])
            said = "published, quick" if choice == "quick" and "lr" in other else "published, other training"
            assert table.rows[0].identity["protocol"] == said, other


def test_a_mark_of_some_draws_counts_runs_where_they_share_a_seed(tmp_path: Path) -> None:
    for name, seeds, said in (
        ("draws", [(0, 0), (0, 1), (0, 2)], "collapsed (1 of 3 runs)"),
        ("seeds", [(0, 0), (1, 0), (2, 0)], "collapsed (1 of 3 seeds)"),
    ):
        results = [result("ldbm", seed, cohort_seed=draw) for seed, draw in seeds]
        results[0]["marks"] = ["collapsed"]
        (row,) = [row for row in make(tmp_path / name, results).rows if row.kind == "model"]
        assert row.notes == (said,)


def test_closing_lines_keep_protocols_apart(tmp_path: Path) -> None:
    results = [result(head) for head in ("ldbm", "mean_mlp")]
    for head in ("ldbm", "mean_mlp"):
        done = result(head)
        done["choices"]["protocol"] = "published"
        done["config"]["protocol"]["window"] = 2000
        results.append(done)
    lines = make(tmp_path / "heads", results).sections[0].closing
    assert [line.partition(":")[0] for line in lines] == [
        "Test over 2 architectures (masked)",
        "Test over 2 architectures (published)",
    ]
    lines = make(tmp_path / "protocols", results, closing="protocol").sections[0].closing
    assert [line.partition(":")[0] for line in lines] == ["Test over 2 rows (ldbm)", "Test over 2 rows (mean_mlp)"]


def test_building_a_table_imports_no_torch() -> None:
    code = "import lfnet.tables.build, lfnet.reports.write, lfnet.reports.terminal, sys; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_runs_in_bfloat16_report_the_precision_of_scores(tmp_path: Path) -> None:
    table = make(tmp_path, [{**result("ldbm", seed), "precision": "bf16-mixed"} for seed in (0, 1)])
    assert any("cpu, bf16-mixed (scores in 32-true)." in line for line in table.foot)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["table.evidence.margin=-1"], "table.evidence.margin=-1: give a number above 0."),
        (
            ["table.evidence.margin=2", "table.sections=[protocol]"],
            "table.sections=[protocol]: protocol is in table.rows",
        ),
        (
            ["table.sections=[cohort.root]", "table.level=person"],
            "table.level=person: give one of window, clip, recording.",
        ),
        (["table.columns=[test.mea]"], "table.columns has no column 'test.mea'"),
    ],
)
def test_every_setting_of_a_table_can_be_given_and_a_fault_stops_it_first(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["table", "architectures", *words]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith(f"error: {message}")
    assert list(tmp_path.iterdir()) == []


def test_the_defaults_in_conf_are_those_of_the_settings() -> None:
    node = OmegaConf.to_container(OmegaConf.load(conf_dir() / "table_defaults.yaml"))
    assert read(TableSettings, node, "table") == TableSettings()
    assert set(node) == {item.name for item in fields(TableSettings)}
    assert set(node["evidence"]) == {item.name for item in fields(TableEvidence)}


def test_a_table_is_a_tidy_frame(tmp_path: Path) -> None:
    table = make(tmp_path, [result(head, seed) for head in ("ldbm", "mean_mlp") for seed in (0, 1)])
    frame = table.to_frame()
    assert len(frame) == len(table.rows) and frame.columns.is_unique
    own = frame[(frame["kind"] == "model") & (frame["head"] == "ldbm")].iloc[0]
    cell = models(table)["ldbm, masked"].cells["test.mae"]
    assert (own["test.mae"], own["test.mae.sd"], own["n_runs"]) == (cell.summary.mean, cell.summary.sd, 2)
    constant = frame[frame["label"] == "train mean"].iloc[0]
    assert np.isnan(constant["test.pcc"]) and np.isnan(constant["parameters"])
    assert repr(table).startswith(
        "Table architectures on simulated data: 2 model rows, 4 reference rows; columns dev.mae"
    )


def test_the_python_api_builds_what_was_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    record = sweep(tmp_path / "lfnet_runs", [result("ldbm", seed) for seed in (0, 1)])
    assert (
        lfnet.make_table("architectures", render=True)
        .to_frame()
        .equals(build(record, tmp_path / "lfnet_runs").to_frame())
    )
    with pytest.raises(LfnetError, match="does not exist"):
        lfnet.make_table("patch_size", render=True)
