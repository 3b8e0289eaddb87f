"""The default strength is the calibrated one, and the calibration script still runs."""

import importlib.util
from dataclasses import asdict
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "experiments" / "calibration"


@pytest.fixture(scope="module")
def calibrate():
    spec = importlib.util.spec_from_file_location("calibrate", FOLDER / "calibrate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_recorded_result_is_of_the_default_signal(simulated):
    signal = simulated().own.settings.signal
    record = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert f"Signal: {signal.name}, strength {signal.strength:g}, shares {asdict(signal.shares)}" in record
    assert f"amplitudes {asdict(signal.amplitudes)}, blocks of {signal.block} frames" in record
    assert "200 draws" in record and "The target is reached." in record


def test_the_script_prints_results_and_writes_files_only_with_write(calibrate, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(calibrate, "HERE", tmp_path)
    small = ["cohort.dim=32", "cohort.duration={min:2,max:8,median:4}", "cohort.signal.strength=3"]
    monkeypatch.setattr("sys.argv", ["calibrate.py", "--draws", "2", "--first", "7", *small])
    calibrate.main()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["7", "8"] and "ridge_pcc 0." in lines[-1]
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr("sys.argv", ["calibrate.py", "--draws", "2", "--write", *small])
    calibrate.main()
    assert {file.name for file in tmp_path.iterdir()} == {"README.md", "draws.csv"}
    assert "strength 3," in (tmp_path / "README.md").read_text(encoding="utf-8")
