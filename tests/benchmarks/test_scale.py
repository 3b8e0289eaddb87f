"""The measurement of scale: copied run folders are accepted, and how runs are read changes no byte of the table."""

from pathlib import Path

import pandas as pd
import pytest

from experiments.scale.measure import fit
from experiments.scale.stages import sweep_words
from lfnet.cli.main import main
from lfnet.runs import scores


@pytest.mark.long
@pytest.mark.filterwarnings("error::lfnet.errors.LfnetWarning")
def test_copied_runs_are_finished_jobs_and_give_one_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = sweep_words(20, tmp_path)
    assert main(words) == 0
    assert "20 jobs: 0 finished already, 20 to run" in capsys.readouterr().out
    made = {path.name: path.read_bytes() for path in (tmp_path / "tables").iterdir()}
    monkeypatch.setattr(scores, "_TOGETHER", 1)
    assert main(words) == 0
    assert "20 jobs: 20 finished already, 0 to run" in capsys.readouterr().out
    assert {path.name: path.read_bytes() for path in (tmp_path / "tables").iterdir()} == made
    assert len(made) == 4 and len(list((tmp_path / "runs").glob("*/result.json"))) == 20


def test_a_fit_tells_linear_from_quadratic_growth() -> None:
    costs = pd.DataFrame(
        {"unit": "jobs", "what": what, "size": size, "seconds": cost(size)}
        for what, cost in (("linear", lambda n: 2 + n / 100), ("quadratic", lambda n: n * n / 1e6))
        for size in (100, 1_000, 10_000)
    )
    found = fit(costs).set_index("what")
    assert found.loc["linear", ["start_seconds", "ms_each", "r2"]].tolist() == [2.0, 10.0, 1.0]
    assert found.loc["linear", "last_exponent"] < 1 and found.loc["quadratic", "last_exponent"] == 2
