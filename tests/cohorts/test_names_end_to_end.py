"""People with names of all scripts, from a table of scores in a Chinese encoding to a removal."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lfnet.cli.main import main

NAMES = ("Müller", "Möller", "张三", "李四", "Žižek", "Ольга")
SETTINGS = ("cohort=folder", "cohort.root=Köln 2024/Aufnahmen")


def test_from_labels_to_a_removal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    root = Path("Köln 2024", "Aufnahmen")
    root.mkdir(parents=True)
    for number, name in enumerate(NAMES):
        np.save(root / f"{name}_1.npy", np.random.default_rng(number).normal(size=(40, 4)).astype(np.float32))
    text = "name,bdi\n" + "".join(f"{name},{5 * number}\n" for number, name in enumerate(NAMES))
    Path("scores.csv").write_bytes(text.encode("gb18030"))
    init = ["cohort", "init", str(root), "--fps", "30", "--labels", "scores.csv"]
    assert main(init) == 2
    assert "scores.csv: line 2 is not UTF-8 text." in capsys.readouterr().err
    assert main([*init, "--encoding", "gb18030"]) == 0
    table = pd.read_csv(root / "manifest.csv").set_index("person_id")
    assert table["label"].to_dict() == {name: 5 * number for number, name in enumerate(NAMES)}
    assert table["clip_id"].to_dict() == {name: f"{name}_1" for name in NAMES}

    assert main(["extract", *SETTINGS]) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("ready "))
    assert line.split()[:2] == ["ready", "6"]
    assert main(["train", *SETTINGS, "trainer.max_epochs=1", "protocol.window=16", "protocol.hop=8"]) == 0
    (predictions,) = Path("lfnet_runs").glob("*/predictions.csv")
    gone, kept = (str(table.index[table["split"] == split][0]) for split in ("test", "dev"))
    assert all(name in predictions.read_text(encoding="utf-8") for name in (gone, kept))
    assert main(["audit", *SETTINGS]) == 0
    assert "clear        people in several splits" in capsys.readouterr().out

    assert main(["forget", gone, *SETTINGS, "--yes"]) == 0
    assert list(Path("lfnet_cache").rglob(f"*{gone}*")) == [] and list(Path("lfnet_cache").rglob(f"*{kept}*"))
    text = predictions.read_text(encoding="utf-8")
    assert gone not in text and kept in text
