"""`lfnet list`: read from the yamls, so that a new one is listed by itself."""

import json

import pytest

from lfnet.cli import listing
from lfnet.cli.configs import conf_dir, names
from lfnet.cli.main import main


@pytest.fixture(scope="module")
def found():
    """What there is of each kind; heads are built, which takes seconds, so once."""
    return {kind: listing.rows(kind) for kind in listing.KINDS}


@pytest.mark.parametrize("kind", listing.KINDS)
def test_every_yaml_is_listed_with_its_first_line(kind, found, monkeypatch, capsys):
    monkeypatch.setattr(listing, "rows", found.get)
    assert main(["list", kind]) == 0
    printed = capsys.readouterr().out
    for row in found[kind]:
        assert row["name"] in printed
        assert row["about"], f"conf/{listing.KINDS[kind]}/{row['name']}.yaml starts with no comment"
    wanted = set(names(listing.KINDS[kind])) - ({"none"} if kind == "tables" else set())
    assert {row["name"] for row in found[kind]} == wanted


@pytest.mark.parametrize("kind", listing.KINDS)
def test_json_says_the_same(kind, found, monkeypatch, capsys):
    monkeypatch.setattr(listing, "rows", found.get)
    assert main(["list", kind, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == found[kind]


def test_heads_carry_the_published_counts(found):
    counts = {row["name"]: row["parameters"] for row in found["heads"]}
    assert counts["mean_mlp"] == 131_585
    assert counts["transformer"] == 462_465
    assert counts["mamba_gru"] == 528_129
    assert counts["ldbm"] in (568_449, 830_593, 1_354_881)


def test_positions_beyond_the_window_are_not_active(found):
    rows = {row["name"]: row for row in found["heads"]}
    for name in ("transformer", "mamba_gru"):
        assert rows[name]["parameters"] - rows[name]["active_parameters"] == (2000 - 512) * 128


def test_a_head_that_cannot_be_built_is_listed_with_its_reason(tmp_path, monkeypatch, capsys):
    (tmp_path / "head").mkdir()
    (tmp_path / "train.yaml").write_text("# here\n")
    (tmp_path / "head" / "mine.yaml").write_text("# A head of mine.\n_target_: no.such.Head\n")
    monkeypatch.setattr("lfnet.cli.configs.conf_dir", lambda: tmp_path)
    assert main(["list", "heads"]) == 0
    assert "no.such.Head" in capsys.readouterr().out


def test_any_group_is_listed_and_without_a_kind_all_are(capsys):
    assert main(["list", "loss"]) == 0
    assert "quantile  Quantile regression" in capsys.readouterr().out
    assert main(["list", "launchers"]) == 0
    assert "slurm" in capsys.readouterr().out
    assert main(["list"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert "mean_mlp" in lines["heads"] and "full" in lines["fusion/component"] and "head" not in lines
    assert "none" not in lines["tables"]


def test_a_terminal_gets_lines_that_fit(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert main(["list", "loss"]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 60


def test_encoders_carry_what_was_measured(found):
    rows = {row["name"]: row for row in found["encoders"]}
    assert [rows[name]["parameters"] for name in ("mobilenet", "visual", "blendshapes")] == [927_008, 927_008, None]
    assert rows["visual"]["flops"] == 900 * rows["mobilenet"]["flops"] and rows["visual"]["vector"] == "segment"
    assert (rows["visual"]["dim"], rows["visual_frames"]["dim"], rows["skin"]["dim"]) == (2304, 2880, 12)
    assert "error" not in {key for row in rows.values() for key in row}


def test_tables_carry_their_question(found):
    rows = {row["name"]: row for row in found["tables"]}
    assert rows["architectures"]["question"].endswith("?")
    assert "none" not in rows


def test_an_unknown_kind_names_the_kinds(capsys):
    assert main(["list", "hed"]) == 2
    assert "there is no kind hed. Did you mean `head" in capsys.readouterr().err


def test_the_settings_come_from_this_repository_when_nothing_is_installed():
    assert (conf_dir() / "train.yaml").is_file()
