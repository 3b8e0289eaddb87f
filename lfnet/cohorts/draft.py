"""Draft a manifest: find clips, guess people from file names, make splits by person."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from lfnet.cohorts.cohort import COLUMNS
from lfnet.cohorts.csvfile import read_table
from lfnet.cohorts.folder import clip_name, safe_name
from lfnet.cohorts.label_files import is_number
from lfnet.cohorts.media import KINDS, READY_SUFFIXES, VIDEO_SUFFIXES, find
from lfnet.cohorts.splits import FEW_PEOPLE, fold_people, split_people
from lfnet.cohorts.validation import refuse
from lfnet.errors import LfnetError
from lfnet.files import write_text

__all__ = ["Guess", "add_splits", "draft", "guess_people", "manifest_text", "resplit_manifest"]

_FOLDS = 5
_TOKEN = re.compile(r"[_\-. ]+")
_SESSION = re.compile(
    r"(?P<person>[A-Za-z]*\d+)[_-](?:s|ses-|session)?(?P<session>\d{1,2})(?:[_-](?P<task>[A-Za-z][A-Za-z0-9]*))?(?:[_-].*)?",
    re.IGNORECASE,
)
# Last words of names that describe the file, not the task.
_NO_TASK = frozenset({"video", "vid", "aligned", "cropped", "face", "faces", "frames", "visual", "features", "clip"})
_PLURAL = {"videos": "videos", "frames": "frame folders", "features": "feature files"}


def draft(root: Path, kind: str | None = None) -> tuple[pd.DataFrame, str]:
    """Find the clips below `root` and guess their people.

    Parameters
    ----------
    root : Path
        The folder.
    kind : str, optional
        videos, frames or features; by default, the only kind that the folder holds.

    Returns
    -------
    table : DataFrame
        A manifest's columns and person_guessed; the index "file" holds the paths. label is NaN, split is
        unlabelled, fps and n_frames are "".
    rule : str
        How people were guessed, in words.

    Raises
    ------
    LfnetError
        There is no clip, there are several kinds, or two clips would have one id.
    """
    root = Path(root)
    if not root.is_dir():
        raise LfnetError(f"{root} is not a folder. Give the folder that holds the clips.")
    found: dict[str, list[Path]] = {name: [] for name in KINDS}
    for what, path in find(root):
        if what in found:
            found[what].append(path)
    present = [name for name, files in found.items() if files]
    if kind is None and len(present) > 1:
        counts = " and ".join(f"{len(found[name])} {_PLURAL[name]}" for name in present)
        raise LfnetError(f"{root} holds {counts}. Choose one with --kind {' or --kind '.join(present)}.")
    chosen = kind or (present[0] if present else None)
    if chosen is None or not found[chosen]:
        wanted = f"no {_PLURAL[chosen]}" if chosen else "no clip"
        raise LfnetError(
            f"{root} holds {wanted}. Clips are videos ({' '.join(VIDEO_SUFFIXES)}), folders of two or more images, "
            f"or feature files ({' '.join(READY_SUFFIXES)})."
        )
    files = found[chosen]
    plain = [path.relative_to(root) if chosen == "frames" else path.relative_to(root).with_suffix("") for path in files]
    guesses, rule = guess_people(plain)
    table = pd.DataFrame(
        {
            "clip_id": [clip_name(path.relative_to(root)) for path in files],
            "recording_id": "",
            "person_id": [one.person for one in guesses],
            "split": "unlabelled",
            "task": [one.task for one in guesses],
            "label": float("nan"),
            "path": [path.relative_to(root).as_posix() for path in files],
            "fps": "",
            "n_frames": "",
            "person_guessed": "yes",
        },
        index=pd.Index(files, name="file"),
    )
    refuse(
        [
            f"{', '.join(clips['path'])} would all be clip {name!r}. Rename or remove all but one."
            for name, clips in table.groupby("clip_id")
            if len(clips) > 1
        ],
        root,
    )
    # Tasks of one session are one recording; any other clip is a recording by itself.
    sessions = [f"{one.person}_{one.session}" if one.session else "" for one in guesses]
    twice = pd.Series(list(zip(sessions, table["task"], strict=True))).duplicated(keep=False).to_numpy()
    table["recording_id"] = [
        session if session and not repeated else clip
        for session, repeated, clip in zip(sessions, twice, table["clip_id"], strict=True)
    ]
    return table, rule


@dataclass(frozen=True)
class Guess:
    """Person, session and task that a clip's name holds; session and task are "" where it holds none."""

    person: str
    session: str = ""
    task: str = ""


def guess_people(clips: Sequence[Path]) -> tuple[list[Guess], str]:
    """Guess the person, session and task of each clip.

    The first rule that fits every clip is used: names of the form PERSON_SESSION_TASK; a folder with a number for each
    person; the text before the first "_", "-", "." or space, after words that all names begin with; else each clip is
    one person.

    Parameters
    ----------
    clips : sequence of Path
        Paths below the root, without suffix.

    Returns
    -------
    guesses : list of Guess
        One for each clip.
    rule : str
        The rule, in words.

    Examples
    --------
    >>> guesses, rule = guess_people([Path("203_1_talk"), Path("203_2_talk")])
    >>> guesses[1], rule
    (Guess(person='203', session='2', task='talk'), 'names of the form PERSON_SESSION')
    """
    names = [clip.name for clip in clips]
    for stems in (names, _without_common_start(names)):
        matches = [match for stem in stems if (match := _SESSION.fullmatch(stem))]
        if len(matches) == len(clips):
            return [_from_name(match) for match in matches], "names of the form PERSON_SESSION"
    folders = [clip.parent.name for clip in clips]
    if len(set(folders)) > 1 and all(re.search(r"\d", folder) for folder in folders):
        return [Guess(safe_name(folder)) for folder in folders], "one folder a person"
    starts = [_TOKEN.split(stem)[0] for stem in _without_common_start(names)]
    if len(set(starts)) > 1 and all(starts):
        return [Guess(safe_name(start)) for start in starts], "the first word of each name"
    return [Guess(safe_name("_".join(clip.parts))) for clip in clips], "each clip a person of its own"


def _from_name(match: re.Match[str]) -> Guess:
    task = match.group("task") or ""
    return Guess(match.group("person"), match.group("session"), "" if task.lower() in _NO_TASK else task)


def _without_common_start(names: Sequence[str]) -> list[str]:
    """The names without the words that all of them begin with, while every name keeps one."""
    rest = list(names)
    while len(set(rest)) > 1:
        cut = [_TOKEN.split(name, maxsplit=1) for name in rest]
        if len({parts[0] for parts in cut}) > 1 or any(len(parts) < 2 or not parts[1] for parts in cut):
            break
        rest = [parts[1] for parts in cut]
    return rest


def add_splits(table: pd.DataFrame, shares: tuple[float, ...], seed: int) -> int:
    """Make splits by person in place, and folds (column `fold`) where there are fewer than `FEW_PEOPLE` people.

    A recording without a label is unlabelled. With fewer than three people, column split stays empty.

    Returns
    -------
    int
        Number of people with a label.
    """
    recordings = table.drop_duplicates("recording_id")[["recording_id", "person_id", "label"]]
    people = int(recordings.loc[recordings["label"].notna(), "person_id"].nunique())
    if people >= 3:
        table["split"] = table["recording_id"].map(split_people(recordings, shares, seed)).to_numpy()
    elif people:
        table["split"] = ["" if known else "unlabelled" for known in table["label"].notna()]
    if 3 <= people < FEW_PEOPLE:
        folds = table["recording_id"].map(fold_people(recordings, min(_FOLDS, people), seed))
        table["fold"] = [str(fold) if fold else "" for fold in folds]
    return people


def resplit_manifest(manifest: Path, shares: tuple[float, ...], seed: int) -> tuple[pd.DataFrame, int]:
    """Replace the splits of a manifest file; its other columns stay as they are.

    Returns
    -------
    table : DataFrame
        The manifest's table with numbers in column label.
    people : int
        Number of people with a label.

    Raises
    ------
    LfnetError
        A column or value is missing, or the clips of a recording differ in label or person.
    """
    table = read_table(manifest)
    missing = [column for column in ("person_id", "label") if column not in table.columns]
    if missing:
        raise LfnetError(f"{manifest}: missing column {', '.join(missing)}. Add it.")
    if "recording_id" not in table.columns:
        key = "clip_id" if "clip_id" in table.columns else "path"
        if key not in table.columns:
            raise LfnetError(f"{manifest}: missing column clip_id. Add it.")
        recordings = table[key]
    else:
        recordings = table["recording_id"]
    work = pd.DataFrame({"recording_id": recordings, "person_id": table["person_id"]}, index=table.index)
    problems = [
        f"row {row}: {column} is missing. Fill it in."
        for column in work.columns
        for row, value in zip(work.index, work[column], strict=True)
        if not value
    ]
    problems += [
        f"row {row}: label {value!r} is not a number. Give the score, or leave it empty."
        for row, value in zip(table.index, table["label"], strict=True)
        if value and not is_number(value)
    ]
    for name, clips in table.assign(recording_id=recordings).groupby("recording_id"):
        if clips["label"].nunique() > 1 or clips["person_id"].nunique() > 1:
            problems.append(f"row {clips.index[-1]}: recording {name!r} has several labels or people. Make them equal.")
    refuse(problems, manifest)
    work["label"] = [float(value) if value else float("nan") for value in table["label"]]
    work["split"] = "unlabelled"
    people = add_splits(work, shares, seed)
    table["split"] = work["split"]
    table = table.drop(columns="fold", errors="ignore")
    if "fold" in work.columns:
        table["fold"] = work["fold"]
    write_text(manifest, table.to_csv(index=False, lineterminator="\n"))
    return table.assign(recording_id=recordings, label=work["label"]), people


def manifest_text(table: pd.DataFrame) -> str:
    """Return a draft as csv text, sorted by clip_id; with column person_guessed where a person is guessed."""
    extra = ["fold"] if "fold" in table.columns else []
    if (table["person_guessed"] == "yes").any():
        extra.append("person_guessed")
    sorted_table = table.sort_values("clip_id")[[*COLUMNS, *extra]].astype(object)
    sorted_table["label"] = ["" if pd.isna(label) else f"{label:g}" for label in sorted_table["label"]]
    return sorted_table.to_csv(index=False, lineterminator="\n")
