"""Each corpus is one yaml, which loads a miniature in the corpus's own layout and says what it matched."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from lfnet.cli.cohort_report import described
from lfnet.cohorts import corpus
from lfnet.cohorts.cohort import Cohort
from lfnet.config import instantiate, plain
from lfnet.errors import LfnetError
from tests.cohorts.miniatures import MINIATURES

CONF = Path(__file__).resolve().parents[2] / "conf"
CORPORA = sorted(
    path.stem
    for path in (CONF / "cohort").glob("*.yaml")
    if OmegaConf.load(path).get("_target_") == f"{corpus.load.__module__}.load"
)


@cache
def settings(name: str, *overrides: str) -> dict[str, Any]:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return plain(compose(overrides=["+paths=default", f"+cohort={name}", *overrides]))["cohort"]


def load(name: str, root: Path, *overrides: str) -> Cohort:
    node = settings(name, *overrides)
    cohort = instantiate({**node, "root": str(root), **({"cache": None} if "cache" in node else {})}, "cohort")
    assert isinstance(cohort, Cohort)
    return cohort


@pytest.fixture(autouse=True)
def unreported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "_reported", set())


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, dict[str, int]]]:
    made = {}
    for name, make in MINIATURES.items():
        root = tmp_path_factory.mktemp(name)
        made[name] = root, make(root)
    return made


def test_each_corpus_has_a_miniature_and_each_miniature_a_corpus() -> None:
    assert sorted(MINIATURES) == CORPORA


@pytest.mark.parametrize("name", CORPORA)
def test_a_miniature_loads(name: str, copies: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    root, wanted = copies[name]
    cohort = load(name, root)
    assert cohort.recordings()["split"].value_counts().to_dict() == wanted
    assert cohort.clips.loc[cohort.clips["split"] != "unlabelled", "label"].notna().all()
    said = capsys.readouterr().err
    node = OmegaConf.load(CONF / "cohort" / f"{name}.yaml")
    assert f"from {node.source}" in said and f"licence: {node.licence}" in said
    assert f"{name}: {len(cohort.clips)} clips of {sum(wanted.values())} recordings" in said
    if node.get("expected"):
        assert f"not the official {node.title} partitions: " in cohort.warnings[0]


@pytest.mark.parametrize("name", CORPORA)
def test_each_corpus_has_a_page_with_what_show_prints_of_its_miniature(
    name: str, copies: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    docs = CONF.parent / "docs"
    assert f"[{name}](corpora/{name}.md)" in (docs / "corpora.md").read_text()
    page = (docs / "corpora" / f"{name}.md").read_text()
    node = OmegaConf.load(CONF / "cohort" / f"{name}.yaml")
    heads = ["Command", "Source and licence", "Layout", "Splits", "Labels", "Groups", "What `show` matched"]
    assert re.findall(r"^## (.*)$", page, re.MULTILINE) == heads and page.startswith(f"# {node.title}\n")
    assert f"{node.source}. Licence: {node.licence}." in page
    assert f"lfnet cohort show cohort={name} cohort.root=DIR\nlfnet table architectures cohort={name} " in page
    root, _ = copies[name]
    lines = described(load(name, root))
    printed = [*capsys.readouterr().err.replace(str(root), name).splitlines(), *lines]
    left = ("  from ", "  licence:", "  fingerprint")
    shown = page.split("```")[-2].strip("\n").splitlines()
    assert shown == [line for line in printed if not line.startswith(left)]


@pytest.mark.parametrize("name", [name for name in CORPORA if name not in ("avec2013", "avec2014", "mcd_rppg")])
def test_each_stream_of_a_miniature_can_be_read(name: str, copies: dict[str, Any]) -> None:
    cohort = load(name, copies[name][0])
    assert cohort.own is not None
    streams = [cohort.own, *cohort.own.more]  # type: ignore[attr-defined]
    assert [own.stream for own in streams] == list(OmegaConf.load(CONF / "cohort" / f"{name}.yaml").features)
    for own in streams:
        for clip_id in cohort.clips["clip_id"][::3]:
            _, valid, time = own.clip(clip_id)
            assert (not len(time) or valid.mean() > 0.9) and (np.diff(time) > 0).all()


def test_daic_woz(copies: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    root, _ = copies["daic_woz"]
    cohort = load("daic_woz", root, "cohort.features.voice.fps=50")
    assert "1 clips that no table of splits names: " in capsys.readouterr().err  # session 342 is in none
    assert cohort.groups == ("gender",) and cohort.about is not None and set(cohort.about["gender"]) == {"0", "1"}
    clips = cohort.clips.set_index("clip_id")
    assert clips.loc["303", ["person_id", "split", "label"]].tolist() == ["303", "dev", 4]
    assert [own.clip("300")[0].shape[1] for own in (cohort.own, *cohort.own.more)] == [2, 3, 6, 74]  # type: ignore[union-attr]
    assert load("daic_woz", root, "cohort.features.voice=null").own.more[-1].stream == "gaze"  # type: ignore[union-attr]


def test_labels_of_test_may_be_absent(tmp_path: Path) -> None:
    MINIATURES["daic_woz"](tmp_path)
    (tmp_path / "full_test_split.csv").unlink()
    cohort = load("daic_woz", tmp_path)
    assert cohort.in_split("test")["label"].isna().all() and len(cohort.in_split("test")) == 3


def test_a_session_without_a_stream_is_named_and_has_no_rows(copies: dict[str, Any], capsys: Any) -> None:
    cohort = load("e_daic", copies["e_daic"][0], "cohort.name=other")
    assert "1 of 15 clips have no file of stream voice." in cohort.warnings
    assert "1 clips without a file of stream voice: 603" in capsys.readouterr().err
    voice = cohort.own.more[-1]  # type: ignore[union-attr]
    assert voice.stream == "voice" and voice.clip("603")[0].shape == (0, 2)


def test_d_vlog_faces_have_neither_place_nor_size(copies: dict[str, Any]) -> None:
    cohort = load("d_vlog", copies["d_vlog"][0])
    points = cohort.own.clip("4")[0].reshape(-1, 68, 2)  # type: ignore[union-attr]
    np.testing.assert_allclose(points.mean(axis=1), 0, atol=1e-6)
    np.testing.assert_allclose((points**2).sum(axis=2).mean(axis=1), 1, atol=1e-5)
    assert set(cohort.clips["label"]) == {0, 1} and cohort.scale.name == "positive"


def test_crema_d_deals_by_actor_and_keeps_groups(copies: dict[str, Any]) -> None:
    cohort = load("crema_d", copies["crema_d"][0])
    assert cohort.recordings().groupby("person_id")["split"].agg(lambda own: len(set(own) - {"unlabelled"})).max() == 1
    assert cohort.groups == ("sex", "age", "race", "ethnicity")
    tied = cohort.clips.set_index("clip_id").loc["1001_IEO_SAD_HI"]
    assert tied["split"] == "unlabelled" and np.isnan(tied["label"])
    other = load("crema_d", copies["crema_d"][0], "cohort.deal.seed=1")
    assert other.clips["split"].tolist() != cohort.clips["split"].tolist()


def test_crema_d_with_its_real_tables(shared: Path, tmp_path: Path) -> None:
    for name in ("summaryTable.csv", "VideoDemographics.csv"):
        (tmp_path / name).write_bytes((shared / "corpora" / "crema_d" / name).read_bytes())
    folder = tmp_path / "VideoFlash"
    folder.mkdir()
    for line in (tmp_path / "summaryTable.csv").read_text().splitlines()[1::80]:
        (folder / f"{line.split(',')[1].strip(chr(34))}.flv").touch()
    cohort = load("crema_d", tmp_path)
    assert cohort.clips["person_id"].nunique() > 60 and len(cohort.clips) == 94
    assert cohort.about is not None and set(cohort.about["sex"]) == {"Female", "Male"}
    clips = cohort.clips.set_index("clip_id")
    assert clips.loc["1001_IEO_NEU_XX", "label"] == 92.22
    assert clips["label"].isna().sum() == (clips["split"] == "unlabelled").sum() > 1


def test_mcd_rppg_takes_one_camera_or_several(copies: dict[str, Any]) -> None:
    root, _ = copies["mcd_rppg"]
    cohort = load("mcd_rppg", root)
    assert set(cohort.clips["task"]) == {"FullHD"} and cohort.groups == ("sex", "age")
    assert cohort.about is not None and cohort.about.loc["1020_before_FullHD", "bmi"] == "22.5"
    both = load("mcd_rppg", root, "cohort.tasks.USB=USBVideo")
    assert len(both.clips) == 60 and len(both.recordings()) == 30


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (
            lambda root: (root / "labels.csv").write_text("index,label,fold\n0,sad,train\n"),
            "row 2: score 'sad' of 0 is",
        ),
        (lambda root: (root / "labels.csv").write_text("index,label,fold\n0,normal,a\n"), "split 'a' is none of"),
        (
            lambda root: (root / "labels.csv").write_text("video,label,fold\n0,normal,train\n"),
            "no column 'index' of names",
        ),
        (lambda root: (root / "labels.csv").write_text("index,label,fold\n77,normal,train\n"), "name none of 15 clips"),
        (lambda root: (root / "labels.csv").unlink(), r"no table gives recordings of split train: labels\\.csv\. Put"),
        (lambda root: (root / "copy_of_0_visual.npy").write_bytes(b""), None),
        (lambda root: np.save(root / "0_visual.npy", np.ones((9, 136))), "is stream visual of the same clip"),
    ],
)
def test_what_is_wrong_with_a_copy_is_named(tmp_path: Path, damage: Any, said: str | None) -> None:
    MINIATURES["d_vlog"](tmp_path)
    damage(tmp_path)
    if said is None:
        assert len(load("d_vlog", tmp_path).clips) == 15
        return
    with pytest.raises(LfnetError, match=said):
        load("d_vlog", tmp_path)


def test_two_tables_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    MINIATURES["daic_woz"](tmp_path)
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "dev_split_Depression_AVEC2017.csv").write_text("Participant_ID,PHQ8_Score,Gender\n303,9,0\n")
    with pytest.raises(LfnetError, match=r"recording 303 has (label|gender) .* in .*, but .* in .*row 2"):
        load("daic_woz", tmp_path)


def test_a_stream_needs_a_pattern_of_files(tmp_path: Path) -> None:
    MINIATURES["d_vlog"](tmp_path)
    with pytest.raises(LfnetError, match=r"cohort.features.visual.file: give a regular expression with a group"):
        load("d_vlog", tmp_path, "cohort.features.visual.file=null")


def test_a_missing_table_of_a_split_is_named(tmp_path: Path) -> None:
    MINIATURES["daic_woz"](tmp_path)
    next(tmp_path.rglob("dev_split*")).unlink()
    with pytest.raises(LfnetError, match=r"no table gives recordings of split dev: dev_split_Depression_AVEC2017"):
        load("daic_woz", tmp_path)
