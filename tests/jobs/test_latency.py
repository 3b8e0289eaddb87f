"""Latency and energy: what can be measured is, what cannot is said to be so."""

import pytest

from lfnet.jobs.latency import energy_counters, measure_speed


def zone(folder, number, name, used, most=1000):
    path = folder / f"intel-rapl:{number}"
    path.mkdir(parents=True)
    (path / "name").write_text(f"{name}\n")
    (path / "energy_uj").write_text(f"{used}\n")
    (path / "max_energy_range_uj").write_text(f"{most}\n")
    return path


def test_without_counters_energy_is_unknown_and_not_zero(tmp_path):
    calls = []
    found = measure_speed(lambda: calls.append(1), seconds=0, min_calls=5, powercap=tmp_path / "none")
    assert found["energy_mj"] is None and found["latency_ms"] >= 0 and len(calls) == 6


def test_energy_is_that_of_all_packages_by_call(tmp_path):
    first, second = zone(tmp_path, 0, "package-0", 100, 10_000), zone(tmp_path, 1, "package-1", 900, 1000)
    zone(tmp_path, "0:0", "core", 5)
    calls = []

    def call():
        calls.append(1)
        if len(calls) == 6:
            first.joinpath("energy_uj").write_text("5100")
            second.joinpath("energy_uj").write_text("400")  # came round: 100 + 400

    found = measure_speed(call, seconds=0, min_calls=5, powercap=tmp_path)
    assert found["energy_mj"] == pytest.approx((5000 + 500) / 5 / 1000)


def test_only_packages_that_can_be_read_count(tmp_path):
    good = zone(tmp_path, 0, "package-0", 1)
    zone(tmp_path, 1, "dram", 1)
    (zone(tmp_path, 2, "package-1", 1) / "energy_uj").write_text("no number")
    assert energy_counters(tmp_path) == [good]
