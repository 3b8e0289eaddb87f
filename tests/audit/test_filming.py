"""How people were filmed: what is collected, what is flagged against label and split, and what is said to be absent."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lfnet.audit.audit import audited_by, filming_of, find_leaks, summary
from lfnet.audit.filming import NUMBERS, collect
from lfnet.audit.settings import AuditSettings
from lfnet.cli.main import main
from lfnet.cohorts.cohort import COLUMNS, Band, Cohort, Scale
from lfnet.features.clip_summaries import ClipSummaries
from lfnet.features.filming import KEY
from lfnet.features.store import ClipFeatures, FeatureStore
from tests.audit.simulated import script

SCALE = Scale(name="points", min=0, max=63, bands=(Band(name="all", low=0, high=63),))
experiment = script("filming")
SOUND = ("sound_noise", "sound_length")


def cohort(people: int = 60, seed: int = 0, **about: object) -> Cohort:
    """One recording a person; `about` are columns of the manifest, or a function of label and split."""
    random = np.random.default_rng(seed)
    names = [f"p{i:03d}" for i in range(people)]
    split = np.array(["train", "train", "dev", "test"])[np.arange(people) % 4]
    label = random.integers(0, 45, people).astype(float)
    clips = pd.DataFrame(
        {"clip_id": names, "recording_id": names, "person_id": names, "split": split, "task": "", "label": label}
        | {"path": "", "fps": np.nan, "n_frames": np.nan}
    )
    columns = {name: given(label, split) if callable(given) else given for name, given in about.items()}
    table = pd.DataFrame(columns, index=pd.Index(names)).astype(str) if columns else None
    return Cohort("made", clips[list(COLUMNS)], SCALE, about=table)


def finding(made: Cohort, name: str = "filming", **given: object):  # type: ignore[no-untyped-def]
    return find_leaks(made, **given)[name]


def test_a_frame_rate_that_is_the_label_is_a_leak_of_a_bare_manifest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = cohort(fps=lambda label, _: np.where(label >= 14, 25, 30))
    assert made.about is not None
    manifest = made.clips.assign(fps=made.about["fps"].to_numpy(), n_frames=900, path=made.clips["clip_id"] + ".mp4")
    manifest.to_csv(tmp_path / "manifest.csv", index=False)
    settings = ["cohort=folder", f"cohort.root={tmp_path}", "cohort.manifest_only=true", f"paths.cache={tmp_path}"]
    assert main(["audit", *settings, "--strict"]) == 1
    lines = " ".join(capsys.readouterr().out.split())
    assert "LEAK filming vs label: frame rate goes with the label: rank correlation −0." in lines
    assert "baseline nuisance" in lines and "one frame rate" in lines
    assert (
        "loudness, noise of the sound, length of the sound (they need sound)" in lines
        and "5 % over all numbers of filming" in lines
    )


@pytest.mark.parametrize("leak", [name for name in experiment.PLANTED if "0.5" not in name])
def test_each_planted_confound_is_found(leak: str) -> None:
    name, number, plant = experiment.PLANTED[leak]
    found = experiment.findings(plant(experiment.FIRST + 900))
    assert found[name].flagged and found[name].advice
    assert next(test for test in found[name].tests if test.name == number).adjusted <= 0.05
    others = {other for other in found if other != name}
    assert not any(found[other].status == "leak" for other in others)


def test_clean_small_cohorts_are_seldom_flagged() -> None:
    """Of 12 cohorts of 34 people with 20 numbers, .6 are expected at 5 %; 4 or more would happen once in 450 times."""
    small = experiment.SIZES["34 people"]
    flagged = 0
    for seed in range(12):
        found = experiment.findings(experiment.filmed(seed, "", f"cohort.people_shared={seed % 2}", *small), 499)
        flagged += any(one.flagged for one in found.values())
        assert len([test for one in found.values() for test in one.tests]) >= 36
    assert flagged <= 3


def test_a_weak_association_is_a_warning_and_a_certain_one_a_leak() -> None:
    random = np.random.default_rng(0)
    made = cohort(brightness=lambda label, _: label + 25 * random.normal(size=len(label)))
    found = finding(made)
    assert found.status == "warning" and 0.005 < found.tests[0].adjusted <= 0.05
    assert finding(made, settings=AuditSettings(filming_alpha=0.001)).status == "clear"
    assert finding(made, settings=AuditSettings(alpha=0.04)).status == "leak"


def test_what_is_absent_constant_or_known_for_few_is_named() -> None:
    random = np.random.default_rng(0)
    few = ["3.5" if i < 5 else "" for i in range(60)]
    text = finding(cohort(codec="h264", noise=few, brightness=random.normal(size=60))).text
    assert "the same in all recordings: codec" in text and "no visible association with the label of brightness" in text
    absent = text.partition("not checked: ")[2]
    assert "loudness" in absent and "size of the face" in absent and "noise (" not in text
    few = [str(i) if i < 5 else "" for i in range(60)]
    assert "noise (known for 5 people)" in finding(cohort(noise=few, brightness=random.normal(size=60))).text
    many = [f"cam{i}" for i in range(60)]
    assert "codec (it has more than 20 values)" in finding(cohort(codec=many)).text
    nothing = finding(cohort())
    assert nothing.status == "not checked" and "no number of how people were filmed" in nothing.text


@pytest.mark.parametrize(
    ("name", "what"),
    [("loudness", "loudness"), ("sound_noise", "noise of the sound"), ("sound_length", "length of the")],
)
def test_level_noise_and_length_of_the_sound_are_checked_with_all_other_numbers(name: str, what: str) -> None:
    random = np.random.default_rng(0)
    others = {other: random.normal(size=60) for other in ("brightness", "yaw", "noise")}
    made = cohort(**others, **{name: lambda label, _: -60 + label + 6 * np.random.default_rng(1).normal(size=60)})
    found = finding(made)
    assert found.status == "leak" and found.text.startswith(what) and "leave sound out" in found.advice
    alone = finding(cohort(**{name: lambda label, _: -60 + label + 40 * np.random.default_rng(4).normal(size=60)}))
    together = finding(
        cohort(**others, **{name: lambda label, _: -60 + label + 40 * np.random.default_rng(4).normal(size=60)})
    )
    (one,), (with_others,) = ([test for test in report.tests if test.name == name] for report in (alone, together))
    assert one.p == pytest.approx(with_others.p, abs=0.02) and with_others.adjusted > one.adjusted


def test_a_planted_noise_of_the_sound_is_found_in_a_simulated_cohort_and_nothing_else_moves() -> None:
    from lfnet.config import instantiate
    from tests.composing import composed

    def drawn(filming: str) -> Cohort:
        made: Cohort = instantiate(
            composed(f"cohort.filming={filming}", "cohort.people=one_each")[0]["cohort"], "cohort"
        )
        return made

    plain, planted = drawn("{leak:{},moves:0}"), drawn("{leak:{sound_noise:0.8},moves:0}")
    assert plain.about is not None and planted.about is not None
    assert planted.about.drop(columns="sound_noise").equals(plain.about)
    found = find_leaks(planted)["filming"]
    assert found.status == "leak" and found.text.startswith("noise of the sound goes with the label")


def test_too_few_people_are_not_called_clear() -> None:
    random = np.random.default_rng(0)
    report = find_leaks(cohort(12, brightness=random.normal(size=12), sex=["f", "m"] * 6))
    for name in ("filming", "filming_splits", "demographics"):
        assert report[name].status == "not checked" and "12 people" in report[name].text, report[name].text


def test_a_number_known_for_few_people_is_not_called_clear() -> None:
    random = np.random.default_rng(0)
    few = [str(value) if i < 8 else "" for i, value in enumerate(random.normal(size=60))]
    report = find_leaks(cohort(noise=few, age=few))
    for name in ("filming", "filming_splits", "demographics"):
        assert report[name].status == "not checked" and "(known for 8 people" in report[name].text, report[name].text
    report = find_leaks(cohort(noise=few, brightness=random.normal(size=60)))
    for name in ("filming", "filming_splits"):
        found = report[name]
        assert found.status == "clear" and "noise (known for 8 people" in found.text.partition("not checked: ")[2]
    noise = next(test for test in report["filming"].tests if test.name == "noise")
    assert noise.high - noise.low > 1  # the interval of eight people


def test_what_is_unknown_of_the_splits_is_named_and_length_alone_is_not_clear() -> None:
    random = np.random.default_rng(0)
    found = finding(cohort(brightness=random.normal(size=60)), "filming_splits")
    assert found.status == "clear" and "loudness" in found.text.partition("not checked: ")[2]
    made = cohort()
    clips = made.clips.assign(fps=25.0, n_frames=random.integers(300, 900, len(made.clips)))
    found = finding(Cohort("made", clips, SCALE), "filming_splits")
    assert [test.name for test in found.tests] == ["length"]
    assert found.status == "not checked" and "only their recordings' length is known" in found.text
    assert "loudness" in found.text.partition("not checked: ")[2]
    longer = clips.assign(n_frames=clips["n_frames"] + 2000 * (clips["split"] == "test"))
    assert finding(Cohort("made", longer, SCALE), "filming_splits").status == "warning"


def test_sex_and_age_are_told_and_are_no_leak() -> None:
    report = find_leaks(cohort(gender=lambda label, _: np.where(label > 20, "f", "m"), age=range(60)))
    assert report["demographics"].status == "warning" and not report.leaks
    assert "sex: it explains" in report["demographics"].text and "age: rank correlation" in report["demographics"].text
    assert "no leak" in report["demographics"].advice and report["filming"].status == "not checked"
    assert (
        find_leaks(cohort())["demographics"].text
        == "not checked: sex (it needs a column sex); age (it needs a column age)"
    )


def test_a_group_that_goes_with_split_or_lost_frames_is_told() -> None:
    random = np.random.default_rng(1)
    site = random.permuted(["a", "b"] * 30)
    made = cohort(language=lambda _, split: np.where(split == "test", "fr", "de"), site=site)
    lost = np.where(site == "b", 0.7, 0.95) + random.normal(0, 0.02, 60)
    ids = made.clips["clip_id"].tolist()
    n = len(ids)
    nothing = np.full(n, np.nan)
    pool = ClipSummaries(
        tuple(ids), np.full((n, 1), np.nan), np.ones(n, np.int64), nothing, nothing, lost,
        tuple(np.zeros((1, 1), np.float32) for _ in ids), ("",) * n,
    )  # fmt: skip
    found = find_leaks(made, pool)["demographics"]
    assert found.status == "warning" and "language goes with the split: it explains 100 %" in found.text
    assert "site or camera goes with lost frames: it explains" in found.text
    assert "no visible association with lost frames of language" in found.text
    by_age = find_leaks(cohort(age=(90 - 80 * lost).tolist()), pool)["demographics"]
    assert "age goes with lost frames: rank correlation 1.00" in by_age.text  # the older, the more are lost
    assert "no visible association with the split of age (smallest p = " in by_age.text
    clean = find_leaks(cohort(language=random.permuted(["de", "fr"] * 30).tolist()), pool)["demographics"]
    assert clean.status == "clear" and "language: it explains" in clean.text
    assert "no visible association with the split of language" in clean.text


def test_groups_are_one_family_with_the_numbers_of_filming() -> None:
    """Of 16 clean cohorts with 6 numbers, .8 are expected at 5 %; 5 or more would happen once in 1100 times."""
    flagged = 0
    for seed in range(16):
        random = np.random.default_rng([seed, 7])
        groups = {name: random.choice(["a", "b", "c"], 60) for name in ("sex", "language", "country", "site")}
        made = cohort(seed=seed, **groups, age=random.normal(40, 9, 60), brightness=random.normal(size=60))
        report = find_leaks(made, settings=AuditSettings(resamples=299))
        flagged += any(report[name].flagged for name in ("filming", "filming_splits", "demographics"))
        assert {test.name for test in report["demographics"].tests} == {"sex", "language", "country", "age"}
    assert flagged <= 4


def test_splits_filmed_otherwise_are_a_warning_with_their_means() -> None:
    found = finding(cohort(fps=lambda _, split: np.where(split == "test", 25, 30)), "filming_splits")
    assert found.status == "warning" and "frame rate differs: train 30, dev 30, test 25, p < 0.001" in found.text


def test_folders_of_splits_and_tasks_are_none_and_those_of_people_go_up() -> None:
    made = cohort()
    groups = np.where(made.clips["label"] >= 14, "ill", "well")
    split, names = made.clips["split"], made.clips["clip_id"]

    def folders(paths: "pd.Series[str]") -> pd.DataFrame:
        about = pd.DataFrame({"path": paths.to_numpy()}, index=names)
        return collect(Cohort("made", made.clips, SCALE, about=about)).table

    assert "folder" not in folders(split.str.title() + "/" + names + ".mp4")  # a folder for each split
    assert "folder" not in folders(names + "/film.mp4")  # and for each person
    deep = folders("data/" + split + "/" + groups + "/" + names + "/film.mp4")["folder"]
    assert set(deep) == {"data/ill", "data/well"}
    about = pd.DataFrame({"path": (groups + "/" + names + ".mp4").to_numpy()}, index=names)
    assert finding(Cohort("made", made.clips, SCALE, about=about)).status == "leak"


def test_sessions_and_dates_are_read_from_ids_and_names() -> None:
    clips = cohort(4).clips.assign(
        person_id=["a", "a", "b", "b"],
        recording_id=["a_1", "a_2", "b_1", "b_s2"],
        split=["train", "train", "dev", "dev"],
    )
    made = Cohort("made", clips, SCALE)
    assert collect(made).table["session"].tolist() == [1, 2, 1, 2] and "date" not in collect(made).table
    paths = [f"2014-0{i}-03/film.mp4" for i in range(1, 5)]
    dated = Cohort("made", clips, SCALE, about=pd.DataFrame({"path": paths}, index=clips["clip_id"]))
    assert np.diff(collect(dated).table["date"]).tolist() == [31, 28, 31]
    other = Cohort("made", clips.assign(recording_id=["x", "y", "z", "w"]), SCALE)
    assert "session" in {number.name for number in collect(other).absent}


def test_every_number_is_known_of_a_simulated_cohort_with_all_and_named_absent_without() -> None:
    known = filming_of(experiment.filmed(1), None, {})
    every = {n.name for n in NUMBERS} - {"site", "skin_tone"}
    assert {n.name for n in known.varying} == every - {"tasks", *SOUND}
    assert {n.name for n in known.absent} == set(SOUND)
    bare = filming_of(experiment.clean(1), None, {})
    assert {n.name for n in bare.varying} == {"length", "session"}
    assert {n.name for n in bare.absent} == every - {"length", "session", "fps", "tasks"}


def test_stores_of_earlier_versions_are_read_and_their_numbers_are_absent(tmp_path: Path) -> None:
    made = cohort(24)
    random = np.random.default_rng(0)
    store = FeatureStore(tmp_path, "stream", "recipe")
    old = {"frame_size": "640 x 480", "stride": "1"}
    for name, label in zip(made.clips["clip_id"], made.clips["label"], strict=True):
        features, time = random.normal(size=(9, 4)).astype(np.float32), np.arange(9) / (25 if label >= 14 else 30)
        store.write(name, ClipFeatures(features, np.ones(9, bool), time, old), "source")
    from lfnet.features.clip_summaries import summarise_store

    pool = summarise_store(store, made.clips["clip_id"])
    lines = {line["name"]: line for line in summary(made, store, pool, AuditSettings())}
    assert "frame rate goes with the label" in lines["filming"]["text"]  # from the times of features
    assert "the same in all recordings: resolution" in lines["filming"]["text"]
    assert "size of the face" in lines["filming"]["text"].partition("not checked")[2]
    before = audited_by(made, store, AuditSettings())
    for name in made.clips["clip_id"]:
        clip = store.read(name)
        meta = {**old, KEY: f'{{"face_size": {random.normal():.4f}}}'}
        store.write(name, ClipFeatures(clip.features, clip.valid, clip.time, meta), "source")
    lines = {line["name"]: line for line in summary(made, store, pool, AuditSettings())}
    assert "size of the face" not in lines["filming"]["text"].partition("not checked")[2]
    assert audited_by(made, store, AuditSettings()) != before  # so that finished runs are audited again


def test_ids_stay_out_of_the_texts() -> None:
    made = experiment.fps_is_label(3)
    for found in experiment.findings(made).values():
        assert not any(name in found.text + found.advice for name in (*made.clips["person_id"], *made.clips["clip_id"]))
