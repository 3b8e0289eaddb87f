"""Cohort from a folder of videos, frame folders or feature files, listed in a manifest.csv."""

import os
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath
from typing import Annotated

import pandas as pd
from pydantic import Field

from lfnet.cohorts.cohort import COLUMNS, Cohort, Scale, validate
from lfnet.cohorts.csvfile import blanked, read_table
from lfnet.cohorts.feature_stream import FeatureStream, read_streams
from lfnet.cohorts.feature_table import check_columns
from lfnet.cohorts.identity import clip_name, safe_name
from lfnet.cohorts.items import item_columns, read_items
from lfnet.cohorts.media import TABLE_SUFFIXES, kind, why_no_clip
from lfnet.cohorts.ready import has_times, ready_features
from lfnet.cohorts.scale import doubt_scale
from lfnet.cohorts.validation import nearest
from lfnet.errors import LfnetError
from lfnet.files import exists, user_path
from lfnet.text import plural

__all__ = ["load"]

# Required columns of a manifest; the others have defaults.
_REQUIRED = ("path", "person_id", "split", "label")
# Columns that `lfnet cohort init` adds.
_EXTRA = ("fold", "person_guessed")
# Other usual names of columns.
_NAMES = {
    "person": "person_id",
    "participant_id": "person_id",
    "subject": "person_id",
    "file": "path",
    "filename": "path",
    "video": "path",
    "score": "label",
    "clip": "clip_id",
    "recording": "recording_id",
    "frames": "n_frames",
    "frame_rate": "fps",
    "set": "split",
    "partition": "split",
}


def load(
    root: Path | str,
    scale: Scale,
    *,
    manifest: Path | str = "manifest.csv",
    name: str | None = None,
    aligned: bool = False,
    sparse: bool = False,
    allow_outside: bool = False,
    manifest_only: bool = False,
    fold: Annotated[int, Field(ge=0)] | None = None,
    features: dict[str, FeatureStream | None] | None = None,
    cache: Path | str | None = None,
) -> Cohort:
    """Load the cohort that a folder's manifest describes.

    The manifest is a csv file with the columns path, person_id, split and label. Optional columns are clip_id (default:
    the path without its suffix), recording_id (default: clip_id), task, fps, n_frames, fold and person_guessed. Others
    become `Cohort.about`. Videos are not opened here, so that their fps and n_frames may be unknown. Frame folders need
    fps; feature files need it unless they hold times.

    Parameters
    ----------
    root : str or Path
        The folder; paths in the manifest are relative to it.
    scale : Scale
        Scale of the labels.
    manifest : str or Path
        The manifest, relative to `root`.
    name : str, optional
        Name of the cohort; by default that of the folder.
    aligned : bool
        Whether frames are face crops already.
    sparse : bool
        Whether zero and constant vectors in feature files are values, as counts and one-hot vectors are.
    allow_outside : bool
        Whether paths may lie outside `root`.
    manifest_only : bool
        Whether to ignore absent files, for an audit of the manifest; no path is needed where there is a clip_id.
    fold : int, optional
        Value of column fold that is the test split; the next one is dev, the others are train.
    features : mapping, optional
        Streams of feature files by name, and how they are read; a stream that is None is left out. By default, all
        columns are one stream.
    cache : str or Path, optional
        Folder for digests of feature files.

    Raises
    ------
    LfnetError
        All problems of the manifest, each with its row and how to fix it.
    """
    root = user_path(root)
    if not root.is_dir():
        raise LfnetError(f"cohort.root: {root} is not a folder. Give cohort.root=DIR.")
    root = root.absolute()
    origin = root / user_path(manifest)
    if origin.is_dir():
        raise LfnetError(f"{origin} is a folder. Give the csv file that lists its clips with cohort.manifest=FILE.")
    if not origin.is_file():
        raise LfnetError(f"{origin} does not exist. `lfnet cohort init {root}` drafts one.")
    table = blanked(read_table(origin))
    if manifest_only and "path" not in table.columns and "clip_id" in table.columns:
        table["path"] = ""
    _check_names(table, origin)
    problems = []
    if fold is not None:
        problems += _use_fold(table, fold, origin)
    written = table["path"].copy()
    table["path"] = [_resolve(root, value) for value in table["path"]]
    if not allow_outside:
        problems += _paths_outside(table, root)
    for column, default in (("clip_id", _clip_ids(table, root)), ("task", ""), ("fps", ""), ("n_frames", "")):
        table[column] = _filled(table, column, default)
    table["recording_id"] = _filled(table, "recording_id", table["clip_id"])
    if manifest_only:
        table["path"] = [path if path and exists(path) else "" for path in table["path"]]
    kinds = {row: kind(Path(path)) for row, path in _items(table["path"]) if path}
    problems += [
        f"row {row}: path is missing. Name the clip's file."
        for row, path in _items(table["path"])
        if not path and not manifest_only
    ]
    items, wrong = read_items(table, scale, origin)
    problems += wrong
    streams = read_streams(features)
    problems += _kind_problems(table, kinds, list(streams.values()))
    clips = validate(table[list(COLUMNS)], scale, origin, problems)
    own = None
    if set(kinds.values()) == {"features"} and len(kinds) == len(clips):
        media = zip(map(Path, clips["path"]), clips["fps"].tolist(), strict=True)
        files = dict(zip(clips["clip_id"].tolist(), media, strict=True))
        folder = None if cache is None else user_path(cache)
        own = ready_features(dict.fromkeys(streams, files), streams, folder, sparse=sparse)
    labels = clips.drop_duplicates("recording_id")["label"].dropna().tolist()
    further = [column for column in table.columns if column not in (*COLUMNS, *_EXTRA, *item_columns(scale))]
    about = table[further].assign(path=written).set_axis(table["clip_id"], axis=0)
    return Cohort(
        name=safe_name(name or root.resolve().name),
        clips=clips,
        scale=scale,
        aligned=aligned,
        warnings=(*_warnings(table), *doubt_scale(labels, scale)),
        own=own,
        about=about,
        items=items,
    )


def _check_names(table: pd.DataFrame, origin: Path) -> None:
    missing = [column for column in _REQUIRED if column not in table.columns]
    if missing:
        known = (*COLUMNS, *_EXTRA)
        hints = [
            f" Rename {found!r} to {_NAMES[found]!r}."
            for found in table.columns
            if _NAMES.get(found) in missing and found not in known
        ] or [nearest(missing[0], tuple(set(table.columns) - set(known))).replace("Did you mean", "Is it")]
        raise LfnetError(
            f"{origin}: missing column {', '.join(missing)}. Found: {', '.join(table.columns)}.{''.join(hints)} "
            "An empty label column is fine for clips of split unlabelled."
        )
    if table.empty:
        raise LfnetError(f"{origin}: no clips. Add one row for each clip, or draft it again with `lfnet cohort init`.")


def _filled(table: pd.DataFrame, column: str, default: pd.Series | str) -> pd.Series:
    if column not in table.columns:
        return pd.Series(default, index=table.index, dtype=object)
    return table[column].where(table[column] != "", default)


def _items(column: pd.Series) -> Iterator[tuple[int, str]]:
    """Pairs of line in the file and value, of a text column."""
    return zip(column.index.tolist(), column.tolist(), strict=True)


def _resolve(root: Path, value: str) -> str:
    if not value:
        return ""
    path = user_path(value)
    if "\\" in value and not exists(root / path) and not PureWindowsPath(value).drive:
        # the manifest was written on Windows
        path = Path(*PureWindowsPath(value).parts)
    return str(root / path)


def _clip_ids(table: pd.DataFrame, root: Path) -> pd.Series:
    paths = [Path(path) for path in table["path"]]
    names = [clip_name(path.relative_to(root)) if path.is_relative_to(root) else clip_name(path) for path in paths]
    return pd.Series([name if path else "" for name, path in zip(names, table["path"], strict=True)], table.index)


def _paths_outside(table: pd.DataFrame, root: Path) -> list[str]:
    # Symbolic links may lead out of the folder, so the path is compared as text and not resolved.
    inside = os.path.normpath(root)
    return [
        f"row {row}: {path} lies outside {root}. Move it, or allow it with cohort.allow_outside=true."
        for row, path in _items(table["path"])
        if path and not Path(os.path.normpath(path)).is_relative_to(inside)
    ]


def _kind_problems(table: pd.DataFrame, kinds: dict[int, str], streams: list[FeatureStream]) -> list[str]:
    problems = []
    for row, found in kinds.items():
        path = Path(str(table.at[row, "path"]))
        if found == "videos" and (reason := why_no_clip(path)):
            problems.append(f"row {row}: {reason}")
        if found == "features" and path.suffix.lower() in TABLE_SUFFIXES and exists(path):
            problems += _table_problems(row, path, str(table.at[row, "fps"]), streams)
            continue
        if found == "videos" or table.at[row, "fps"] or not exists(path):
            continue
        if found == "frames":
            problems.append(f"row {row}: fps is missing. A folder of frames has no frame rate of its own: fill it in.")
        elif streams[0].fps is None and not has_times(path):
            problems.append(f"row {row}: fps is missing. {path.name} holds no `time`: fill it in.")
    ready = [row for row, found in kinds.items() if found == "features"]
    others = [row for row, found in kinds.items() if found != "features"]
    if ready and others:
        problems.append(
            f"rows {ready[0]} and {others[0]}: feature files and {kinds[others[0]]} in one cohort. Write two manifests "
            "and choose with cohort.manifest=FILE."
        )
    return problems


def _table_problems(row: int, path: Path, fps: str, streams: list[FeatureStream]) -> list[str]:
    for how in streams:
        try:
            check_columns(path, how, 1.0 if fps else float("nan"))
        except LfnetError as error:
            return [f"row {row}: {error}"]
    return []


def _use_fold(table: pd.DataFrame, fold: int, origin: Path) -> list[str]:
    """Set the splits from column `fold` and return problems. Rows without a fold must be unlabelled."""
    if "fold" not in table.columns:
        raise LfnetError(f"{origin}: no column fold, which cohort.fold={fold} needs. Add one, or set cohort.fold=null.")
    problems = [
        f"row {row}: fold {value!r} is not a whole number. Number the folds 1, 2, 3, …"
        for row, value in _items(table["fold"])
        if value and not value.isdecimal()
    ]
    used = sorted({int(value) for value in table["fold"] if value.isdecimal()})
    if len(used) < 3 or fold not in used:
        known = ", ".join(map(str, used)) or "none"
        raise LfnetError(
            f"{origin}: cohort.fold={fold}, but the folds are {known}. Give one of them; 3 or more are needed."
        )
    dev = used[(used.index(fold) + 1) % len(used)]
    for row, value in _items(table["fold"]):
        if value.isdecimal():
            table.at[row, "split"] = {fold: "test", dev: "dev"}.get(int(value), "train")
        elif not value and table.at[row, "split"] != "unlabelled":
            problems.append(f"row {row}: fold is missing. Give one, or set split to unlabelled.")
    return problems


def _warnings(table: pd.DataFrame) -> list[str]:
    if "person_guessed" not in table.columns:
        return []
    guessed = table["person_guessed"].str.lower().isin(("yes", "true", "1"))
    if not guessed.any():
        return []
    return [
        f"people are guessed from file names for {int(guessed.sum())} of {plural(len(table), 'clip')}: check person_id "
        "in the manifest, then remove its column person_guessed. A wrong guess puts one person into two splits."
    ]
