"""Collect how each recording was filmed, and the groups of its person, as numbers and categories; name the unknown."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from lfnet.cohorts.cohort import Cohort
from lfnet.cohorts.columns import is_number
from lfnet.cohorts.validation import SPLIT_ALIASES, SPLITS
from lfnet.features.skin_tone import SKIN_TONE

__all__ = ["NUMBERS", "Filming", "Number", "collect"]

_FACE = "faces found in video"
_IMAGE = "frames of video"
_FILE = "files of video"


class Number(NamedTuple):
    """One number of how a recording was filmed, or of the person (`of_person`).

    needs: what it is measured from. columns: names of manifest columns that hold it, next to its own. category: whether
    its values are names. logarithm: whether a regression takes its logarithm.
    """

    name: str
    what: str
    needs: str
    columns: tuple[str, ...] = ()
    category: bool = False
    logarithm: bool = False
    of_person: bool = False


NUMBERS = (
    Number("face_x", "horizontal place of the face", _FACE),
    Number("face_y", "vertical place of the face", _FACE),
    Number("face_size", "size of the face", _FACE, logarithm=True),
    Number("yaw", "yaw of the head", _FACE),
    Number("pitch", "pitch of the head", _FACE),
    Number("roll", "roll of the head", _FACE),
    Number("fps", "frame rate", "a column fps, or video"),
    Number("resolution", "resolution", _IMAGE, logarithm=True),
    Number("codec", "codec", _FILE, category=True),
    Number("bitrate", "bit rate", _FILE, logarithm=True),
    Number("brightness", "brightness", _IMAGE),
    Number("sharpness", "sharpness", _IMAGE, logarithm=True),
    Number("noise", "noise", _IMAGE, logarithm=True),
    Number("length", "length", "columns n_frames and fps, or features", logarithm=True),
    Number("loudness", "loudness", "sound"),
    Number("sound_noise", "noise of the sound", "sound"),
    Number("sound_length", "length of the sound", "sound", logarithm=True),
    Number(
        "session",
        "session number",
        "a column session, or recording ids that are a person's id and a number",
        ("session_number", "session_id", "visit", "wave", "timepoint", "sitting"),
    ),
    Number("tasks", "tasks present", "a column task", category=True),
    Number("folder", "folder", "paths in several folders of several people", category=True),
    Number("date", "date", "a column date, or dates in file names or files", ("datum", "recorded", "recording_date")),
    Number("site", "site or camera", "a column site", ("centre", "center", "camera", "device", "room"), category=True),
    Number("sex", "sex", "a column sex", ("gender", "geschlecht"), category=True, of_person=True),
    Number("age", "age", "a column age", ("alter",), of_person=True),
    Number(SKIN_TONE, "skin tone", _FACE, of_person=True),
)
_NOT_MISSED = ("site", SKIN_TONE)  # numbers whose absence is not worth a word
_MAX_NAMES = 6  # a group of numbers with more values is a number
_DAY = re.compile(r"(?<!\d)((?:19|20)\d\d)[-_.]?(0[1-9]|1[0-2])[-_.]?(0[1-9]|[12]\d|3[01])(?!\d)")
_SPLIT_NAMES = {*SPLITS, *SPLIT_ALIASES}


@dataclass(frozen=True)
class Filming:
    """What is known of how recordings were filmed.

    Attributes
    ----------
    table : DataFrame
        One row a recording, indexed by recording_id: a column for each known number (float64, NaN where unknown) or
        category (text, "" where unknown).
    constant : tuple of Number
        Known numbers that are the same in all recordings; they are columns, too.
    absent : tuple of Number
    numbers : tuple of Number
        All that are looked for: `NUMBERS`, and the cohort's groups of people of other names.
    """

    table: pd.DataFrame
    constant: tuple[Number, ...]
    absent: tuple[Number, ...]
    numbers: tuple[Number, ...] = NUMBERS

    @property
    def varying(self) -> tuple[Number, ...]:
        """The numbers that say something about a recording."""
        return tuple(n for n in self.numbers if n.name in self.table.columns and n not in self.constant)


def collect(
    cohort: Cohort,
    measured: Mapping[str, Mapping[str, float | str]] | None = None,
    *,
    seconds: np.ndarray | None = None,
    rate: np.ndarray | None = None,
    clip_ids: Sequence[str] | None = None,
) -> Filming:
    """Collect what the manifest, paths, ids and measured clips tell about filming.

    A manifest's column of a number's name takes precedence over what was measured; one that is empty says unknown.

    Parameters
    ----------
    cohort : Cohort
    measured : mapping, optional
        clip_id → numbers, as `lfnet.features.filming.read_filming` returns them.
    seconds, rate : ndarray of float64, shape [clips], optional
        Length of each clip of the cohort, and its frames a second where neither the manifest nor a measurement has it.
    clip_ids : sequence of str, optional
        The clips that count; None for all.

    Returns
    -------
    Filming
        Means over the clips of each recording; the names of several categories are joined.
    """
    clips, measured = cohort.clips, measured or {}
    about = cohort.about.reindex(clips["clip_id"]) if cohort.about is not None else pd.DataFrame(index=clips["clip_id"])
    values = pd.DataFrame(index=clips.index)
    numbers = (*NUMBERS, *_other_groups(cohort))
    for number in numbers:
        column = next((name for name in (number.name, *number.columns) if name in about.columns), None)
        if column is not None:
            found = _from_column(number, about[column])
        else:
            found = _other(number, cohort, about, measured, seconds, rate)
        if found is not None:
            values[number.name] = found
    kept = np.ones(len(clips), bool) if clip_ids is None else clips["clip_id"].isin(list(clip_ids)).to_numpy()
    return _by_recording(values[kept], clips.loc[kept, "recording_id"], numbers)


def _other_groups(cohort: Cohort) -> tuple[Number, ...]:
    """The cohort's groups of people that `NUMBERS` does not name: language, education and the like."""
    named = {name for number in NUMBERS for name in (number.name, *number.columns)}
    found = []
    for name in cohort.groups:
        if name not in named and cohort.about is not None:
            texts = {text for text in cohort.about[name].fillna("").astype(str).str.strip() if text}
            category = len(texts) <= _MAX_NAMES or not all(map(is_number, texts))
            found.append(Number(name, name.replace("_", " "), f"a column {name}", category=category, of_person=True))
    return tuple(found)


def _by_recording(values: pd.DataFrame, owner: "pd.Series[str]", numbers: Sequence[Number]) -> Filming:
    columns: dict[str, pd.Series[Any]] = {}
    constant = []
    for number in numbers:
        if number.name not in values.columns:
            continue
        if number.category:
            columns[number.name] = _joined(values[number.name].astype(str), owner)
        else:
            columns[number.name] = values[number.name].groupby(owner).mean().astype(float)
        whole = columns[number.name]
        known = whole[whole.notna() & (whole != "")]
        if not len(known):
            del columns[number.name]
        elif known.nunique() < 2:
            constant.append(number)
    absent = tuple(n for n in numbers if n.name not in columns and n.name not in _NOT_MISSED)
    return Filming(pd.DataFrame(columns, index=sorted(set(owner))), tuple(constant), absent, tuple(numbers))


def _joined(names: "pd.Series[str]", owner: "pd.Series[str]") -> "pd.Series[Any]":
    """The different names of each recording's clips, joined; "" where it has none."""
    pairs = pd.DataFrame({"owner": owner, "name": names})[names != ""].drop_duplicates().sort_values("name")
    one = pairs.drop_duplicates("owner", keep=False).set_index("owner")["name"]
    several = pairs[pairs["owner"].duplicated(keep=False)].groupby("owner")["name"].agg("+".join)
    return pd.concat([one, several]).reindex(sorted(set(owner)), fill_value="")


def _from_column(number: Number, column: "pd.Series[str]") -> np.ndarray | None:
    """The number as a column of the manifest; None where all of it is empty."""
    text = column.fillna("").astype(str).str.strip()
    if number.category:
        return text.to_numpy(object) if (text != "").any() else None
    if number.name == "date":
        return _days(text)
    found = pd.to_numeric(text, errors="coerce").to_numpy(float)
    if not np.isfinite(found).any() and (text != "").any():  # names in their order, as of sessions
        found = np.where(text == "", np.nan, np.unique(text, return_inverse=True)[1].astype(float))
    return found if np.isfinite(found).any() else None


def _days(text: "pd.Series[str]") -> np.ndarray | None:
    """Dates as days; None where fewer than nine of ten texts hold one."""
    days = pd.to_datetime(text.map(_day), errors="coerce")
    if days.notna().mean() < 0.9:
        return None
    return ((days - pd.Timestamp(1970, 1, 1)) / pd.Timedelta(days=1)).to_numpy(float)


def _day(text: str) -> str | None:
    match = _DAY.search(text)
    return "-".join(match.groups()) if match else None


def _other(
    number: Number,
    cohort: Cohort,
    about: pd.DataFrame,
    measured: Mapping[str, Mapping[str, float | str]],
    seconds: np.ndarray | None,
    rate: np.ndarray | None,
) -> np.ndarray | None:
    """The number from elsewhere than a column of its own; None where it is unknown."""
    clips = cohort.clips
    given = _measured(number, clips["clip_id"], measured)
    match number.name:
        case "fps":
            stated = clips["fps"].to_numpy(float)
            # One source for all clips, never a mixture: that with most of them.
            sources = [own for own in (stated, given, rate) if own is not None and np.isfinite(own).any()]
            return max(sources, key=lambda own: int(np.isfinite(own).sum()), default=None)
        case "length":
            return seconds
        case "session":
            return _session(clips)
        case "tasks":
            return clips["task"].to_numpy(object) if (clips["task"] != "").any() else None
        case "folder":
            return _folders(cohort, about)
        case "date":
            paths = about["path"] if "path" in about.columns else pd.Series(clips["path"].to_numpy())
            for texts in (paths.fillna("").astype(str), clips["recording_id"], clips["clip_id"]):
                if (days := _days(texts)) is not None:
                    return days
            return given
    return given


def _measured(
    number: Number, clip_ids: "pd.Series[str]", measured: Mapping[str, Mapping[str, float | str]]
) -> np.ndarray | None:
    own = [measured.get(clip_id, {}) for clip_id in clip_ids]
    if number.name == "resolution":
        sides = [(clip.get("width"), clip.get("height")) for clip in own]
        found = np.array([float(w) * float(h) if w and h else np.nan for w, h in sides])
    elif number.category:
        names = np.array([str(clip.get(number.name, "")) for clip in own], object)
        return names if (names != "").any() else None
    elif number.name == "date":
        return _days(pd.Series([str(clip.get("date", "")) for clip in own], dtype=str))
    else:
        found = np.array([float(clip.get(number.name, np.nan)) for clip in own])
    return found if np.isfinite(found).any() else None


def _session(clips: pd.DataFrame) -> np.ndarray | None:
    """The number after the person's id in each recording's id (p01_2); None unless all have one."""
    pairs = zip(clips["person_id"], clips["recording_id"], strict=True)
    rest = [recording.removeprefix(person) if recording != person else "" for person, recording in pairs]
    matches = [re.fullmatch(r"\D{0,12}?(\d{1,3})", text) for text in rest]
    starts = clips["recording_id"].combine(clips["person_id"], lambda recording, person: recording.startswith(person))
    if not starts.all() or not all(matches):
        return None
    return np.array([float(match[1]) for match in matches if match])


def _folders(cohort: Cohort, about: pd.DataFrame) -> np.ndarray | None:
    """The folder of each clip, without parts that name a split or a task, as deep as two people or more share one."""
    clips = cohort.clips
    paths = about["path"].fillna("").astype(str) if "path" in about.columns else clips["path"]
    if not len(clips) or (paths == "").any():
        return None
    named = _SPLIT_NAMES | {task.lower() for task in clips["task"]}
    parts = [PurePath(path.replace("\\", "/")).parent.parts for path in paths]
    parts = [tuple(part for part in one if part.lower() not in named) for one in parts]
    people = clips["person_id"].nunique()
    for depth in range(max(map(len, parts)), 0, -1):
        found = np.array(["/".join(one[:depth]) or "." for one in parts], object)
        if 1 < len(set(found)) <= people / 2:
            return found
    return None
