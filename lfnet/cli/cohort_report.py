"""Output of `lfnet cohort`: splits, guessed people, next commands."""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from omegaconf import OmegaConf

from lfnet.cli.configs import conf_of, names
from lfnet.cohorts.cohort import SPLITS, Cohort
from lfnet.cohorts.feature_stream import read_streams
from lfnet.cohorts.feature_table import check_columns, is_feature_table
from lfnet.cohorts.media import TABLE_SUFFIXES, find, kind, left_out
from lfnet.cohorts.splits import CROSS_VALIDATION, FEW_PEOPLE
from lfnet.errors import LfnetError
from lfnet.text import first_names, plural

__all__ = [
    "counts",
    "described",
    "matching_features",
    "print_columns",
    "print_few",
    "print_left_out",
    "print_next",
    "print_people",
    "print_reading",
    "print_splits",
]


def print_splits(table: pd.DataFrame) -> None:
    """Print the recordings, people and mean score of each split of a manifest's table."""
    for split in SPLITS:
        part = table[table["split"] == split].drop_duplicates("recording_id")
        if part.empty:
            continue
        scores = part["label"].dropna()
        mean = f", mean score {scores.mean():.1f}" if len(scores) else ""
        people = plural(part["person_id"].nunique(), "person")
        print(f"  {split:<10} {plural(len(part), 'recording'):>15} of {people}{mean}")


def print_people(table: pd.DataFrame, rule: str) -> None:
    """Print which people are guessed, and by which rule."""
    guessed = table[table["person_guessed"] == "yes"]
    if guessed.empty:
        return
    print(f"\nPEOPLE ARE GUESSED for {len(guessed)} of {plural(len(table), 'clip')}, from {rule}:")
    for person, clips in list(guessed.groupby("person_id", sort=True))[:3]:
        print(f"  {person}: {first_names(clips['clip_id'].tolist())}")
    print("A wrong guess puts one person into two splits, where a model can recognise people instead.")


def print_left_out(root: Path, table: pd.DataFrame) -> None:
    """Print which files look like clips and are not taken."""
    for what, paths in left_out(root, kind(table.index[0])).items():
        shown = first_names([path.relative_to(root).as_posix() for path in paths])
        count = plural(len(paths), f"{what} file") if what.startswith(".") else f"{len(paths)} {what}"
        print(f"left out: {count}: {shown}")
    if kind(table.index[0]) != "features":
        tables = [
            path.relative_to(root).as_posix() for what, path in find(root) if what == "other" and is_feature_table(path)
        ]
        if tables:
            print(f"left out: {len(tables)} tables of features (--kind features): {first_names(tables)}")


def matching_features(path: Path) -> list[str]:
    """Return the yamls of conf/features whose columns a table has, those with most streams first."""
    found = {}
    for name in names("features"):
        yaml = conf_of("features", name) / "features" / f"{name}.yaml"
        streams = read_streams(OmegaConf.to_container(OmegaConf.load(yaml)))  # type: ignore[arg-type]
        if any(how.columns is None for how in streams.values()):
            continue
        try:
            for how in streams.values():
                check_columns(path, how, fps=1.0)
        except LfnetError:
            continue
        found[name] = len(streams)
    return sorted(found, key=lambda name: -found[name])


def print_columns(table: pd.DataFrame) -> list[str]:
    """Print which columns of feature tables are taken; returns the yamls of conf/features that fit."""
    first = Path(table.index[0])
    if first.suffix.lower() not in TABLE_SUFFIXES:
        return []
    fitting = matching_features(first)
    chosen = f"features@cohort.features={fitting[0]}" if fitting else "all columns of numbers"
    others = f"; {', '.join(fitting[1:])} would fit, too" if fitting[1:] else ""
    print(f"columns of {first.name}: guessed {chosen}{others}")
    return fitting


def print_few(table: pd.DataFrame, people: int) -> None:
    """Print which evaluation is possible with few people with scores, or with few of them in test."""
    from lfnet.evaluation.estimates import EvidenceSettings

    min_people = EvidenceSettings().min_people
    tested = table.loc[(table["split"] == "test") & table["label"].notna(), "person_id"].nunique()
    if 0 < people < 3:
        with_scores = plural(people, "person")
        print(f"\n{with_scores} with scores cannot fill train, dev and test: fill in column split yourself.")
    elif 0 < people < FEW_PEOPLE:
        print(
            f"\n{people} people with scores are few: a small test split describes its own people only. Prefer"
            "\ngrouped cross-validation, in which each person is tested once: column fold holds the folds, and"
            "\ncohort.fold=N makes fold N the test split, the next one dev and the rest train."
        )
    elif 0 < tested < min_people:
        print(
            f"\n{plural(tested, 'person')} with scores in test: tables show intervals and comparisons from "
            f"{min_people} on."
            f"\nAdd {CROSS_VALIDATION} to the table: each person is then tested once."
        )


def print_reading(table: pd.DataFrame, decoded: bool) -> None:
    """Print notes on the times of clips, and whether their frames were decoded."""
    for clip_id, note in table.attrs["notes"].items():
        print(f"note on clip {clip_id}: {note}")
    if not decoded and kind(table.index[0]) != "features":
        print("frames were not decoded: damaged ones are named when features are extracted, or now with --decode")


def print_next(
    table: pd.DataFrame, root: str, scale: str, people: int, reading: Mapping[str, str], features: str | None = None
) -> None:
    """Print the commands that come next for a drafted manifest.

    reading: settings of conf/video. features: a yaml of conf/features.
    """
    settings = ["cohort=folder", _setting("cohort.root", root)]
    settings += [f"video.{name}={value}" for name, value in reading.items()]
    if scale != "bdi_ii":
        settings.append(f"scale@cohort.scale={scale}")
    if features is not None:
        settings.append(f"features@cohort.features={features}")
    what = kind(table.index[0])
    if what != "features":
        settings.append("encoder=blendshapes")
    words = " ".join(settings)
    loss = " loss=bce" * (scale == "binary")
    steps = []
    if (table["person_guessed"] == "yes").any():
        steps.append("check column person_id in manifest.csv, then remove column person_guessed")
    if 0 < people < 3:
        steps.append("fill in column split: train, dev, test or unlabelled")
    if what == "frames":
        steps.append("if the images are face crops already, add cohort.aligned=true to the commands below")
    if what != "features":
        steps.append(f"lfnet extract {words}")
    if "fold" in table.columns:
        folds = ",".join(sorted(set(table["fold"]) - {""}, key=int))
        steps.append(f"lfnet train -m {words}{loss} cohort.fold={folds}")
    elif people:
        steps.append(f"lfnet table architectures {words}{loss}")
    else:
        steps.append("to train, add scores: lfnet cohort init … --labels CSV --force")
    print("\nnext:")
    for number, step in enumerate(steps, 1):
        print(f"  {number}. {step}")


def _setting(name: str, value: str) -> str:
    """`name=value`, quoted for Hydra and a shell."""
    # Hydra reads 2024, 1e3, true and null as other than text.
    if re.fullmatch(r"[A-Za-z0-9_./-]*[A-Za-z_/][A-Za-z0-9_./-]*", value) and not re.fullmatch(
        r"[-+]?[\d_.]+(e[-+]?\d+)?|[-+]?(inf|nan)|true|false|null", value, re.IGNORECASE
    ):
        return f"{name}={value}"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return shlex.quote(f'{name}="{escaped}"')


def counts(clips: int, recordings: int, people: int) -> str:
    """Return the numbers of clips, recordings and people in words."""
    return f"{plural(clips, 'clip')}, {plural(recordings, 'recording')}, {plural(people, 'person')}"


def described(cohort: Cohort) -> list[str]:
    """Return a cohort as lines of text: splits, people, scores by band, warnings."""
    clips, recordings = cohort.clips, cohort.recordings()
    scale = cohort.scale
    people = clips["person_id"].nunique()
    lines = [
        f"{cohort.name}: {counts(len(clips), len(recordings), people)}; "
        f"{scale.name} {scale.min:g} to {scale.max:g}{'; SIMULATED' if cohort.simulated else ''}"
    ]
    for split in SPLITS:
        part = recordings[recordings["split"] == split]
        if part.empty:
            continue
        scores = part["label"].dropna()
        count = f"{plural(len(part), 'recording')} of {plural(part['person_id'].nunique(), 'person')}"
        facts = [count, f"{len(scores)} with a score"]
        if len(scores):
            bands = [scale.band(score).name for score in scores]
            facts.append(f"mean {scores.mean():.1f}, SD {scores.std(ddof=0):.1f}")
            facts.append(", ".join(f"{bands.count(band.name)} {band.name}" for band in scale.bands))
        lines.append(f"  {split:<10} {'; '.join(facts)}")
    if cohort.groups and cohort.about is not None:
        values = [cohort.about[name].replace("", None).nunique() for name in cohort.groups]
        named = [f"{name} ({plural(n, 'value')})" for name, n in zip(cohort.groups, values, strict=True)]
        lines.append(f"  groups: {', '.join(named)}")
    if cohort.own is not None and not cohort.simulated:
        own = [cohort.own, *getattr(cohort.own, "more", ())]
        lines.append(f"  streams of features: {', '.join(stream.stream for stream in own)}")
    lines += [f"  warning: {text}" for text in cohort.warnings]
    return [*lines, f"  fingerprint {cohort.fingerprint()[:16]}"]
