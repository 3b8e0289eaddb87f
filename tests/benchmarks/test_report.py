"""Ratios, verdicts, CSV and Markdown of benchmarks."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.benchmarks.figure import plot
from experiments.benchmarks.report import (
    Row,
    Target,
    csv_text,
    markdown,
    median,
    merged,
    of_pairs,
    read_rows,
    verdict,
)

times = st.floats(0.001, 1000)


@given(st.lists(st.tuples(times, times), min_size=1, max_size=9))
def test_ratios_are_of_pairs_and_their_range_holds_the_median(pairs):
    found = of_pairs([one for one, _ in pairs], [other for _, other in pairs])
    ratios = sorted(one / other for one, other in pairs)
    assert (found["low"], found["high"], found["n"]) == (ratios[0], ratios[-1], len(pairs))
    assert found["low"] <= found["ratio"] <= found["high"]
    back = of_pairs([other for _, other in pairs], [one for one, _ in pairs])
    assert back["low"] == pytest.approx(1 / found["high"])


def test_medians():
    assert median([3.0, 1.0, 2.0]) == 2.0
    assert median([4.0, 1.0]) == 2.5


def test_unequal_numbers_of_times_are_refused():
    with pytest.raises(ValueError, match="no pairs"):
        of_pairs([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="no pairs"):
        of_pairs([], [])


def row(**more):
    return Row(**({"stage": "stage", "what": "what", "project": 2.0, "unit": "s"} | more))


def test_a_target_is_compared_with_the_ratio():
    target = Target("min", 8.0)
    assert verdict(row(peer=20.0, ratio=10.0, target=target)) == "reached"
    assert verdict(row(peer=8.0, ratio=4.0, target=target)) == "missed: 50 % of the way"


def test_a_target_is_compared_with_the_number_without_a_ratio():
    assert verdict(row(target=Target("max", 2.0))) == "reached"
    assert verdict(row(target=Target("max", 1.0))) == "missed: 50 % of the way"
    assert verdict(row(target=Target("min", 3.0))) == "missed: 67 % of the way"
    assert verdict(row()) == ""


def test_an_undefined_number_does_not_reach_its_target():
    assert verdict(row(project=float("nan"), target=Target("max", 1.0))).startswith("missed")


def test_the_csv_has_every_row_and_its_verdict():
    rows = [row(peer=4.0, ratio=2.0, low=1.5, high=2.5, n=3, target=Target("min", 3.0), note='a, "b"'), row()]
    read = list(csv.DictReader(io.StringIO(csv_text(rows))))
    assert [line["verdict"] for line in read] == ["missed: 67 % of the way", ""]
    assert (read[0]["ratio"], read[0]["target_kind"], read[0]["target"], read[0]["note"]) == (
        "2",
        "min",
        "3",
        'a, "b"',
    )
    assert read[1]["peer"] == read[1]["ratio"] == ""


def test_the_page_shows_missed_targets_and_every_row():
    rows = [
        row(peer=4.0, ratio=2.0, low=1.5, high=2.5, n=3, share=0.25, load=0.5, target=Target("min", 3.0)),
        row(project=1234.0, unit="frames/s"),
    ]
    rows.insert(0, Row("machine", "processor", note="P"))
    page = markdown("Title", rows, ["A note."])
    assert "| stage | what | 2.00 (1.50–2.50, 3) times | at least 3 times | missed: 67 % of the way |" in page
    assert "| what |  | 1,234 | frames/s |" in page
    assert "| 25 % | 0.5 |" in page
    assert "A note." in page and "| processor | P |" in page


def test_rows_survive_a_round_trip_through_csv():
    rows = [
        row(peer=4.0, ratio=2.0, low=1.5, high=2.5, n=3, share=0.25, target=Target("min", 3.0), note='a, "b"'),
        row(device="a GPU", on="2026-01-02 03:04"),
        Row("machine", "processor", note="P"),
    ]
    assert read_rows(csv_text(rows)) == rows


def test_a_stage_measured_again_replaces_its_old_rows_only():
    def of(stage, project, device="cpu"):
        return Row(stage, "what", project, "s", device=device)

    old = [of("machine", 1.0), of("sweep", 2.0), of("tools", 3.0), of("sweep", 4.0, "gpu")]
    found = merged(old, [of("sweep", 5.0), of("evidence", 6.0), of("machine", 7.0)], ["evidence", "tools", "sweep"])
    assert [(row.stage, row.project) for row in found] == [
        ("machine", 7.0),
        ("evidence", 6.0),
        ("tools", 3.0),
        ("sweep", 4.0),
        ("sweep", 5.0),
    ]
    assert found[3].device == "gpu"


def test_the_page_names_the_device_of_each_stage():
    page = markdown("Title", [row(device="A, 2 cores", on="2026-01-02 03:04"), row(device="a GPU")])
    assert "On A, 2 cores, 2026-01-02 03:04." in page and "On a GPU." in page


def test_stages_are_written_one_by_one_into_one_result(tmp_path):
    from experiments.benchmarks.bench import write

    write(tmp_path, "x", [Row("machine", "processor", note="P")])
    write(tmp_path, "x", [row(stage="tools", note="first")])
    write(tmp_path, "x", [row(stage="evidence")])
    write(tmp_path, "x", [row(stage="tools", note="second")])
    read = read_rows((tmp_path / "x.csv").read_text())
    assert [(one.stage, one.note) for one in read] == [("machine", "P"), ("evidence", ""), ("tools", "second")]
    assert all(one.device and one.on for one in read)
    assert "second" in (tmp_path / "x.md").read_text()


def test_stages_that_have_a_result_are_not_measured_again(tmp_path, monkeypatch, capsys):
    from experiments.benchmarks import bench

    ran = []

    def run(stage, *rest):
        ran.append(stage)
        if stage == "memory" and ran.count(stage) == 1:
            raise RuntimeError("killed")
        return [row(stage=stage, peer=4.0, ratio=2.0, low=1.5, high=2.5, n=3)]

    monkeypatch.setattr(bench, "_run", run)
    monkeypatch.setattr(bench, "ceilings", lambda quick: dict.fromkeys(("fp32", "fp32 exact", "bf16"), 1e12))
    monkeypatch.setattr(bench, "plot", lambda rows, out: any(row.ratio for row in rows))
    (tmp_path / "weights").mkdir()
    words = ["--out", str(tmp_path), "--shared", str(tmp_path), "--work", str(tmp_path / "work")]
    assert bench.main(words) == 1
    assert ran == list(bench.STAGES)
    assert bench.main(words) == 0
    assert ran == [*bench.STAGES, "memory"] and "measured already: evidence, tools" in capsys.readouterr().out
    assert bench.main([*words, "--only", "tools"]) == 0
    assert ran[-1] == "tools" and len(ran) == len(bench.STAGES) + 2
    (page,) = tmp_path.glob("*.md")
    assert all(f"\n## {stage}\n" in page.read_text() for stage in bench.STAGES)
    assert f"({page.stem}-ratios.png)" in page.read_text()


def test_the_figure_needs_a_ratio(tmp_path):
    assert not plot([row()], tmp_path / "none.png") and not (tmp_path / "none.png").exists()
    assert plot([row(ratio=3.0), row(ratio=0.4, low=0.3, high=0.5, target=Target("min", 1.0))], tmp_path / "one.png")
    assert (tmp_path / "one.png").stat().st_size > 1000
