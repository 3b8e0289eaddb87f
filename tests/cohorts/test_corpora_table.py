"""The architecture table runs on the miniature of each corpus, by the command that docs/corpora.md gives."""

from pathlib import Path

import pandas as pd
import pytest

from lfnet.cli.main import main
from tests.cohorts.miniatures import MINIATURES

pytestmark = pytest.mark.long
OF_FEATURES = sorted(set(MINIATURES) - {"avec2014", "mcd_rppg"})  # made videos have no face


@pytest.mark.parametrize("name", OF_FEATURES)
def test_the_architecture_table_of_a_miniature(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    MINIATURES[name](tmp_path / name)
    loss = ["loss=bce"] if name in ("d_vlog", "lmvd") else []
    quick = ["head=mean_mlp,tcn", "seed=0", "protocol=masked", "trainer=quick", "debug=fast", "launcher=serial"]
    assert main(["table", "architectures", f"cohort={name}", f"cohort.root={tmp_path / name}", *quick, *loss]) == 0
    assert "Temporal architectures" in capsys.readouterr().out
    (file,) = (tmp_path / "lfnet_runs" / "tables").glob("*.csv")
    rows = pd.read_csv(file)
    assert rows["head"].tolist()[:2] == ["mean_mlp", "tcn"] and rows["test.mae"].iloc[:2].notna().all()
