"""Experiments: scripts import names that exist; pages quote figures of their results, and can be repeated."""

import ast
import importlib
import importlib.util
import json
import re
import sys
from pathlib import Path

import pytest

from experiments import regenerate
from experiments.regenerate import Page, digest, main, read_page, result_files
from tests.conftest import ROOT
from tests.packaging.figures import quoted_figures, quoted_intervals, unrecorded, unrecorded_intervals

FOLDERS = sorted(path.parent for path in (ROOT / "experiments").glob("*/README.md"))
WITH_RESULTS = [folder for folder in FOLDERS if result_files(folder) and folder.name != "benchmarks"]
SCRIPTED = {"calibration": "calibrate", "validation": "record"}  # pages that a script writes from its csv files
# docs/scale.md has its own measurements: experiments/scale/measure.py repeats them, and none of its csv files is kept.
DOCS = sorted(path for path in (ROOT / "docs").rglob("*.md") if path.name != "scale.md")
# Figures of docs/ that no experiment holds: settings, versions, and what was measured once without a result file.
UNRECORDED = {
    "audio.md": {"0.05", "0.06", "0.2", "1.5"},  # seconds of the rule of voices and of windows
    "cluster.md": {"2.3", "0.6", "0.5"},  # GB of features, share and milliseconds of a checkpoint
    "cohorts.md": {"6.7", "6.0", "0.2", "0.3", "0.7"},  # SDs of Choi et al. (2014), settings of draws of cohorts
    "corpora.md": {"2.1", "1.0", "4.0"},  # versions of OpenFace and licences
    "corpora/crema_d.md": {"1.0"},  # a licence
    "corpora/lmvd.md": {"0.96"},  # seconds
    "corpora/mcd_rppg.md": {"4.0"},  # a licence
    "features.md": {"0.5"},  # a shift in time of streams
    "glossary.md": {"0.1"},  # the bar of a collapsed model
    # What the command of its example prints, and the rate of false alarms that its test measures.
    "groups.md": {"0.00", "1.45", "1.46", "1.000", "5.21", "7.67", "2.75", ".002", "3.5", "6.4", ".05"},
    "labels.md": {".5", "0.42"},  # the AUROC of a constant, a probability as an example
    "people.md": {"0.7", "0.8", "0.99"},  # thresholds of faces
    "tutorials/your_videos.md": {"3.8"},  # MB of the face landmarker
    "videos.md": {"0.7", "0.6", "0.02", "0.3"},  # time of LiteRT as a share of MediaPipe's, differences of landmarks
}
SCRIPTS = sorted((ROOT / "experiments").rglob("*.py"))


def imported(text: str) -> list[tuple[str, str]]:
    """(module, name) of each import from lfnet or experiments, those inside functions too; name "" for a module."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom):
            found += [(node.module or "", alias.name) for alias in node.names]
        elif isinstance(node, ast.Import):
            found += [(alias.name, "") for alias in node.names]
    return [(module, name) for module, name in found if module.split(".")[0] in ("lfnet", "experiments")]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_exist(script):
    for module, name in imported(script.read_text(encoding="utf-8")):
        found = importlib.import_module(module)
        if name and not hasattr(found, name):
            importlib.import_module(f"{module}.{name}")


def test_imports_are_found():
    assert imported("import lfnet.a\ndef f():\n    from lfnet.b import c, d\nimport os\n") == [
        ("lfnet.a", ""),
        ("lfnet.b", "c"),
        ("lfnet.b", "d"),
    ]


@pytest.mark.parametrize("folder", WITH_RESULTS, ids=lambda path: path.name)
def test_a_page_states_its_commands_and_the_digest_of_its_results(folder):
    page = read_page(folder)
    assert page is not None, "a page ends with ## Repeat: see experiments/regenerate.py"
    assert page.commands and page.hours > 0
    assert page.digest == digest(folder), "compare the page with its results, then make experiments ARGS='--stamp NAME'"
    for line in page.commands:
        words = line.split()
        assert words[0] in ("lfnet", "make", "python", "cp")
        if words[0] == "python":
            assert (ROOT / words[1]).is_file()
        if words[0] == "cp":
            assert (ROOT / words[2]).is_file()


@pytest.mark.parametrize(
    "folder", [folder for folder in WITH_RESULTS if folder.name not in SCRIPTED], ids=lambda path: path.name
)
def test_figures_of_a_page_are_those_of_its_results(folder):
    page = (folder / "README.md").read_text(encoding="utf-8")
    assert unrecorded(quoted_figures(page), result_files(folder)) == []
    assert unrecorded_intervals(quoted_intervals(page), result_files(folder)) == []


def test_figures_of_the_benchmarks_page_are_those_of_the_one_result_that_it_names():
    folder = ROOT / "experiments" / "benchmarks"
    page = (folder / "README.md").read_text(encoding="utf-8")
    (result,) = folder.glob("????-??-??-*.csv")
    assert re.findall(r"\]\((\d{4}-[\w-]+)\.md\)", page) == [result.stem]
    assert len(quoted_figures(page)) >= 15
    assert unrecorded(quoted_figures(page), [result]) == []
    assert unrecorded_intervals(quoted_intervals(page), [result]) == []


@pytest.mark.parametrize("page", DOCS, ids=lambda path: path.relative_to(ROOT / "docs").as_posix())
def test_figures_of_the_docs_are_those_of_the_experiments_that_they_link(page):
    text = page.read_text(encoding="utf-8")
    linked = dict.fromkeys(re.findall(r"\]\((?:\.\./)+experiments/(\w+)/", text))
    files = [path for name in linked for path in result_files(ROOT / "experiments" / name)]
    known = UNRECORDED.get(page.relative_to(ROOT / "docs").as_posix(), set())
    assert set(unrecorded(quoted_figures(text, everywhere=True), files)) == known
    intervals = unrecorded_intervals(quoted_intervals(text), files)
    assert [quoted for quoted in intervals if not {number.lstrip("+−") for number in quoted} <= known] == []


def test_intervals_of_the_readme_are_those_of_a_result():
    quoted = quoted_intervals((ROOT / "README.md").read_text(encoding="utf-8"))
    assert len(quoted) >= 8
    for folder in WITH_RESULTS:
        quoted = unrecorded_intervals(quoted, result_files(folder))
    assert quoted == []


@pytest.mark.parametrize("name", SCRIPTED)
def test_pages_that_a_script_writes_are_as_it_writes_them(name, monkeypatch):
    folder = ROOT / "experiments" / name
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    spec = importlib.util.spec_from_file_location(f"page_of_{name}", folder / f"{SCRIPTED[name]}.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)

    def undated(text: str) -> str:
        return re.sub(r"measured \d{4}-\d\d-\d\d|result files: `[\w-]*`", "", text)

    assert undated(script.readme(folder)) == undated((folder / "README.md").read_text(encoding="utf-8"))


def test_a_figure_that_no_result_holds_is_found(tmp_path):
    (tmp_path / "result.md").write_text("| mean | 6.38 ± 0.03 | −1,234.5 |\n", encoding="utf-8")
    (tmp_path / "draws.csv").write_text(
        "case,seed,mae,found\na,0,1.0,True\na,1,2.0,False\nb,0,7.77,True\n", encoding="utf-8"
    )
    page = """**Hypothesis:** 9.9

| row | 6.4 |

**Result:** 6.38, .03, 1,234.5; a mean of 1.0, a gain of 777.0 %; 6.47 and 8.8. `lr=3.3`, version 1.2.3

**Limits:** 5.5
"""
    figures = quoted_figures(page)
    assert figures == ["6.4", "6.38", ".03", "1,234.5", "1.0", "777.0", "6.47", "8.8"]
    assert unrecorded(figures, result_files(tmp_path)) == ["6.47", "8.8"]


def test_an_interval_is_that_of_its_value_and_has_its_sign(tmp_path):
    (tmp_path / "result.md").write_text("| −0.62 [−1.05, 0.10] | 1.1 [0.4, 1.8] |\n", encoding="utf-8")
    (tmp_path / "draws.csv").write_text("head,gain,low,high\na,0.931,0.882,0.975\nb,0.5,0.25,0.75\n", encoding="utf-8")
    recorded = "−.62 [−1.05, .10], 0.62 points [−0.10, 1.05], 93 % [88, 97.5], .5 [.25, .75]"
    wrong = "0.62 [−1.05, 0.10], 1.1 [−1.05, .10], .5 [.882, .975]"
    assert len(quoted_intervals(recorded)) == 4
    assert unrecorded_intervals(quoted_intervals(f"{recorded}, {wrong}"), result_files(tmp_path)) == quoted_intervals(
        wrong
    )


def write_page(folder: Path, commands: str, stated: str = "-") -> None:
    folder.mkdir(parents=True)
    time = f"About 30 minutes of one core. Digest of the result files: `{stated}`."
    text = f"# Q\n\n## Repeat\n\n```sh\n{commands}\n```\n\n{time}\n"
    (folder / "README.md").write_text(text, encoding="utf-8")


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setattr(regenerate, "ROOT", tmp_path)
    monkeypatch.chdir(tmp_path)
    write_page(tmp_path / "experiments" / "one", "echo ran >> log && cp log experiments/one/result.md\ntest -f ready")
    write_page(tmp_path / "experiments" / "two", "echo two >> log")
    return tmp_path


def test_finished_commands_are_not_run_again_until_the_code_changes(project, capsys):
    assert main([]) == 1  # the second command fails
    assert "one: FAILED with exit status 1: test -f ready" in capsys.readouterr().out
    assert (project / "log").read_text() == "ran\ntwo\n"
    (project / "ready").touch()
    assert main([]) == 0
    assert (project / "log").read_text() == "ran\ntwo\n"
    (project / "experiments" / "one" / "script.py").touch()
    assert main(["one"]) == 0 and main(["one"]) == 0
    assert (project / "log").read_text() == "ran\ntwo\nran\n"
    assert main(["one", "--again"]) == 0
    assert (project / "log").read_text() == "ran\ntwo\nran\nran\n"


def test_pages_are_listed_stamped_and_left_out_without_their_media(project, capsys):
    write_page(project / "experiments" / "video", "python x.py --media ../shared/nowhere")
    assert main(["--list"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"one +0\.5 hours  to run", out) and re.search(r"all +1\.5 hours", out)
    assert main(["video"]) == 0
    assert "video: left out, ../shared/nowhere is not there." in capsys.readouterr().out
    (project / "ready").touch()
    assert main(["one"]) == 0
    assert "one: results changed. Read experiments/one/README.md" in capsys.readouterr().out
    one = project / "experiments" / "one"
    assert read_page(one).digest == "-"
    assert main(["--stamp", "one"]) == 0
    assert read_page(one) == Page(one, read_page(one).commands, "About 30 minutes of one core.", 0.5, digest(one))
    assert json.loads((project / "lfnet_runs" / "experiments.json").read_text()).keys() == {
        f"one: {line}" for line in read_page(one).commands
    }
    with pytest.raises(SystemExit):
        main(["three"])
