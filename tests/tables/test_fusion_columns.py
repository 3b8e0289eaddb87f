"""What fusions bring to tables: optimism across rows, quoted rows, costs, and the scatter_plot."""

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from lfnet.errors import LfnetError
from lfnet.reports import scatter_plot
from lfnet.reports.terminal import terminal
from lfnet.reports.write import raw_csv, write
from lfnet.tables.build import build
from tests.tables.factory import result, sweep

ROWS = ["fusion.model", "fusion"]


def fused(fusion, seed=0, model="fused", energy=None, **more):
    done = result("mean_mlp", seed, **more)
    done["kind"] = "fusion"
    done["choices"] = {"fusion": fusion, "protocol": "masked"}
    done["config"]["fusion"] = {"name": fusion, "model": model}
    done["config"].pop("head")
    done["cost"] = {
        "parameters": 29_000,
        "flops": 26_000,
        "bytes": 700_000,
        "support_vectors": 350,
        "latency_ms": 2.5,
        "energy_mj": energy,
        "parts": {"fusion": {"parameters": 307, "flops": 1014, "support_vectors": 100, "bytes": 20_000}},
    }
    done["training"] = {"seconds": 12.0}
    done["marks"] = ["selected on test"] * (fusion == "published")
    return done


def make(folder, results, **more):
    return build(
        sweep(folder, results, overrides=[[] for _ in results], **{"closing": False, "rows": ROWS, **more}), folder
    )


def rows_of(table):
    return {tuple(row.identity.values()): row for row in table.rows if row.kind == "model"}


SHORTCUT = {"rows": ["fusion.model", "shortcut"], "columns": ["test.mae", "test.pcc", "optimism.mae", "optimism.pcc"]}


def draws(folder, shortcuts, seeds=(0, 1, 2), model="fused"):
    """A table over draws of the cohort; the row with a shortcut is better."""
    results, overrides = [], []
    for shortcut, skill in shortcuts.items():
        for seed in seeds:
            done = fused("nested", model=model, skill=skill, cohort_seed=seed)
            done["config"]["fusion"]["choose"] = shortcut
            results.append(done)
            overrides.append([f"+shortcut={shortcut}", f"cohort.seed={seed}"])
    return results, build(sweep(folder, results, overrides=overrides, **{"closing": False, **SHORTCUT}), folder)


def test_optimism_pairs_draws_and_has_students_interval_over_them(tmp_path):
    results, table = draws(tmp_path, {"choice_on_test": 0.7, "none": 0.2})
    flattered, honest = rows_of(table)["fused", "choice_on_test"], rows_of(table)["fused", "none"]
    for metric, sign in (("mae", 1), ("pcc", -1)):
        values = [done["metrics"]["test"]["recording"][metric] for done in results]
        expected = [sign * (values[3 + draw] - values[draw]) for draw in range(3)]
        cell = flattered.cells[f"optimism.{metric}"]
        assert cell.summary.mean == pytest.approx(np.mean(expected)) and cell.summary.mean > 0
        low, high = ttest_1samp(expected, 0).confidence_interval(0.95)
        assert cell.text == f"{np.mean(expected):+.2f} [{low:+.2f}, {high:+.2f}]".replace("-", "−")
        assert set(cell.run_names) == set(flattered.run_names)
        assert honest.cells[f"optimism.{metric}"].text == "—"
    assert any(line.startswith("Optimism:") and "above 0, test scores are too good" in line for line in table.foot)


def test_a_shortcut_that_changes_no_score_does_not_apply(tmp_path):
    _, table = draws(tmp_path, {"in_sample": 0.2, "none": 0.2})
    for metric in ("mae", "pcc"):
        assert rows_of(table)["fused", "in_sample"].cells[f"optimism.{metric}"].text == "—"


def test_optimism_is_empty_without_a_twin_and_has_no_interval_over_two_draws(tmp_path):
    _, table = draws(tmp_path / "alone", {"choice_on_test": 0.7})
    assert rows_of(table)["fused", "choice_on_test"].cells["optimism.mae"].text == "—"
    _, table = draws(tmp_path / "two", {"choice_on_test": 0.7, "none": 0.2}, seeds=(0, 1))
    assert "[" not in rows_of(table)["fused", "choice_on_test"].cells["optimism.mae"].text


def test_sigma_ratio_has_no_optimism(tmp_path):
    with pytest.raises(LfnetError, match=r"optimism.sigma_ratio"):
        make(tmp_path, [fused("published")], columns=["optimism.sigma_ratio"])


def test_costs_of_a_fusion_are_shown_and_epochs_are_not(tmp_path):
    columns = ["test.mae", "parameters", "bytes", "fusion_parameters", "fusion_bytes", "latency", "energy", "seconds"]
    table = make(tmp_path, [fused("published"), fused("nested", energy=3.21)], columns=columns)
    assert "epochs" not in {column.name for column in table.columns}
    published, nested = rows_of(table)["fused", "published"], rows_of(table)["fused", "nested"]
    texts = [published.cells[name].text for name in columns[1:]]
    assert texts == ["29,000", "700 k", "307", "20.0 k", "2.5", "not measurable here", "12.0"]
    assert "Seconds: the training of one run; what fusions share counts in each." in table.foot
    assert nested.cells["energy"].text == "3.21"
    assert published.notes == ("selected on test",) and nested.notes == ()


def test_heads_and_fusions_share_a_table(tmp_path):
    rows = ["head", "fusion", "fusion.model"]
    head = result("ldbm")
    table = make(tmp_path, [head, fused("nested")], rows=rows, columns=["test.mae", "parameters", "epochs"])
    assert set(rows_of(table)) == {("ldbm", "—", "—"), ("—", "nested", "fused")}
    assert rows_of(table)["—", "nested", "fused"].cells["epochs"].text == "—"


QUOTED = [{"name": "MSN", "note": "AVEC2014", "values": {"test.mae": 5.82, "parameters": 77.7e6, "flops": 1e9}}]


def test_published_rows_are_labelled(tmp_path):
    table = make(tmp_path, [fused("nested")], columns=["test.mae", "parameters"], published=QUOTED)
    (row,) = (row for row in table.rows if "published" in row.label)
    assert (row.kind, row.label, row.notes) == ("reference", "MSN (published)", ("AVEC2014",))
    assert row.cells["test.mae"].summary.mean == 5.82 and row.cells["parameters"].text == "77,700,000"
    assert "MSN (published)" in terminal(table) and "MSN (published)" in raw_csv(table)
    for wrong in ([{"name": "MSN"}], [{"name": "MSN", "values": {"test.mae": "low"}}], ["MSN"]):
        with pytest.raises(LfnetError, match=r"table.published"):
            make(tmp_path, [fused("nested")], columns=["test.mae"], published=wrong)


def test_the_figure_shows_rows_and_publications_apart(tmp_path):
    node = {"x": "parameters", "y": "test.mae", "log": True}
    table = make(tmp_path, [fused("nested")], columns=["test.mae", "parameters"], published=QUOTED, figure=node)
    shown = scatter_plot.points(table, "parameters", "test.mae")
    mae = rows_of(table)["fused", "nested"].cells["test.mae"].summary.mean
    assert [(x, y, published) for _, x, y, published in shown if published or x == 29_000] == [
        (29_000, mae, False),
        (77.7e6, 5.82, True),
    ]
    paths = {path.suffix: path for path in write(table, tmp_path / "out")}
    assert paths[".png"].read_bytes().startswith(b"\x89PNG")
    text = paths[".svg"].read_text()
    assert "MSN" in text and "published, on AVEC2014" in text and "Simulated" in text
    with pytest.raises(LfnetError, match=r"table.figure.x=latency: choose one of table.columns"):
        make(tmp_path / "wrong", [fused("nested")], columns=["test.mae"], figure={"x": "latency", "y": "test.mae"})


def test_names_in_a_figure_cover_neither_each_other_nor_a_point():
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from lfnet.reports.scatter_plot import write_names

    figure = Figure(figsize=(8, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    rng = np.random.default_rng(0)
    x, y = 10 ** rng.uniform(4.9, 5.4, 9), rng.uniform(6.3, 6.6, 9)  # a crowd, and one at each end
    x, y = np.append(x, [1e4, 1e8]), np.append(y, [9.7, 5.6])
    axes.scatter(x, y, s=40)
    axes.set_xscale("log")
    write_names(axes, [(f"a_long_name_{k}", *point) for k, point in enumerate(zip(x, y, strict=True))])
    figure.draw_without_rendering()
    frame, spots = axes.get_window_extent(), axes.transData.transform(np.column_stack([x, y]))
    boxes = [type(note).__mro__[1].get_window_extent(note) for note in axes.texts]  # the letters without the line
    assert len(boxes) == 11
    for k, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:k])
        assert not any(box.contains(*spot) for spot in spots)
        assert frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1


def test_sections_by_a_setting_of_the_simulated_cohort_are_left_out_on_others(tmp_path):
    results = [fused("published"), fused("nested")]
    columns, sections = ["test.mae"], ["cohort.people_shared"]
    with pytest.raises(LfnetError, match=r"names 'cohort.people_shared', which is neither a choice nor a setting"):
        make(tmp_path / "simulated", results, columns=columns, sections=sections)
    for done in results:
        done["cohort"]["simulated"] = False
    table = make(tmp_path / "folder", results, columns=columns, sections=sections)
    (section,) = table.sections
    assert section.label == "" and len(rows_of(table)) == 2
    with pytest.raises(LfnetError, match=r"names 'fusion.modle', which is neither"):
        make(tmp_path / "typo", results, columns=columns, sections=["fusion.modle"])


def test_a_varied_choice_that_no_run_has_does_not_apply(tmp_path):
    """A sweep over heads and fusions, cut to its fusions."""
    results, rows = [fused("published"), fused("nested")], ["head", "fusion"]
    asked = {"rows": rows, "columns": ["test.mae"], "closing": False}
    varied = [["head=ldbm", "fusion=published"], ["head=ldbm", "fusion=nested"]]
    table = build(sweep(tmp_path / "varied", results, overrides=varied, **asked), tmp_path / "varied")
    assert set(rows_of(table)) == {("—", "published"), ("—", "nested")}
    assert "head" not in dict(table.facts)["Settings"] and "head" in table.constants
    with pytest.raises(LfnetError, match=r"names 'head', which is neither"):
        build(sweep(tmp_path / "not", results, overrides=[[], []], **asked), tmp_path / "not")
