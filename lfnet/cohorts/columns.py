"""Roles of a label table's columns: which name people or clips, which hold scores, which do neither."""

import math
import re
from pathlib import Path
from typing import Literal

import pandas as pd

from lfnet.cohorts.csvfile import BLANK
from lfnet.errors import LfnetError

__all__ = ["Role", "find_column", "is_group", "is_number", "is_running", "label_column", "role"]

Role = Literal["person", "recording", "clip", "id", "session", "score", "never", "other"]


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Usual names of score columns, as they are.
_SCORES = frozenset(
    [
        *("label", "labels", "score", "severity", "depression", "bdi", "bdi_ii", "bdi-ii", "bdi2"),
        *("phq", "phq_score", "phq8", "phq-8", "phq8_score", "phq9", "phq-9", "phq9_score"),
        *("hamd", "hamd17", "hamd-17"),
    ]
)
# Words in names of columns. A name's role is the first of these that one of its words has.
_NEVER = _set(
    "age ages alter sex gender geschlecht date datum dob birth birthday birthdate time year month hour education "
    "edu school site center centre country language weight height bmi iq income group arm condition fold split "
    "partition duration length seconds fps frames handedness hand rater examiner batch binary class category cutoff "
    "item items comment notes index rownames unnamed"
)
# Words in names of columns that group people.
_GROUPS = _set(
    "sex gender geschlecht age alter site center centre language country ethnicity race nationality education edu "
    "skin handedness"
)
_SESSION = _set("session sessions sessionid ses sess visit wave timepoint sitting day week")
_SCORE_WORDS = _set("label labels score scores severity depression bdi bdi2 bdiii phq phq8 phq9 hamd hamd17 hdrs madrs")
_ROLES: tuple[tuple[Role, frozenset[str]], ...] = (
    ("clip", _set("clip clips clipid file files filename filepath path video videoid videoname media")),
    ("recording", _set("recording recordings recordingid rec")),
    (
        "person",
        _set(
            "participant participants participantid person personid subject subjects subjectid subj sub subid patient "
            "patientid proband pid vp vpn vpcode speaker client user teilnehmer"
        ),
    ),
    ("id", _set("id ids code name names key identifier pseudonym")),
    ("never", _set("nr no number num n row x lfd count")),
)


def role(name: str) -> Role:
    """Return what a column is by its name, in lower case as `read_table` gives it.

    Examples
    --------
    >>> [role(name) for name in ("participant_id", "subject_age", "phq8_score", "phq8_binary", "", "visit", "points")]
    ['person', 'never', 'score', 'never', 'never', 'session', 'other']
    """
    words = [word for word in re.split(r"[\W_]+", name) if word]
    if not words or name in _SCORES:
        return "score" if words else "never"
    if not _NEVER.isdisjoint(words):
        return "never"
    if not _SESSION.isdisjoint(words):
        return "session"
    if not _SCORE_WORDS.isdisjoint(words):
        return "score"
    return next((found for found, known in _ROLES if not known.isdisjoint(words)), "other")


def is_group(name: str) -> bool:
    """Return whether a column groups people, by its name: sex, age, site, language and the like.

    Examples
    --------
    >>> [is_group(name) for name in ("gender", "skin_tone", "age_of_onset", "phq9", "page")]
    [True, True, True, False, False]
    """
    return not _GROUPS.isdisjoint(re.split(r"[\W_]+", name.lower()))


def is_number(text: str) -> bool:
    """Return whether a text is a finite number.

    Examples
    --------
    >>> [is_number(text) for text in ("3.5", "1e1", "nan", "1_0", "")]
    [True, True, False, False, False]
    """
    try:
        return "_" not in text and math.isfinite(float(text))
    except ValueError:
        return False


def is_running(values: "pd.Series[str]") -> bool:
    """Return whether a column counts its rows, from 0 or 1.

    Examples
    --------
    >>> is_running(pd.Series(["0", "1", "2"])), is_running(pd.Series(["3", "1", "2"]))
    (True, False)
    """
    numbers = [float(value) if is_number(value) else -1.0 for value in values]
    return len(numbers) > 1 and numbers in ([*range(len(numbers))], [*range(1, len(numbers) + 1)])


def find_column(table: pd.DataFrame, path: Path, name: str) -> str:
    """Return the column that a person names, whatever its case and spaces.

    Raises
    ------
    LfnetError
        There is none.

    Examples
    --------
    >>> find_column(pd.DataFrame(columns=["bdi-ii_total"]), Path("scores.csv"), "BDI-II total")
    'bdi-ii_total'
    """
    lowered = name.strip().lower().replace(" ", "_")
    if lowered in table.columns:
        return lowered
    known = ", ".join(map(str, table.columns)) or "none"
    raise LfnetError(f"{path} has no column {name!r}. There are: {known}.")


def label_column(table: pd.DataFrame, path: Path, column: str | None, setting: str) -> str:
    """Return the column of scores: `column`, else the one with a usual name, else the only column of numbers.

    Columns of ids, sessions, age, sex, dates and the like, those without name and those that count the rows are no
    scores.

    Raises
    ------
    LfnetError
        There is none or several; the message names the `setting` that chooses one.

    Examples
    --------
    >>> table = pd.DataFrame({"participant_id": ["1", "2"], "age": ["30", "41"], "bdi_total": ["3", "20"]})
    >>> label_column(table, Path("scores.csv"), None, "--label-column NAME")
    'bdi_total'
    """
    if column is not None:
        return find_column(table, path, column)
    numeric = [name for name in table.columns if _numeric(table[name])]
    usual = [name for name in table.columns if name in _SCORES]
    empty = [name for name in table.columns if all(value.lower() in BLANK for value in table[name])]
    scores = [name for name in table.columns if role(str(name)) == "score" and name in (*numeric, *empty)]
    others = [name for name in numeric if role(str(name)) == "other" and not is_running(table[name])]
    # Items of a questionnaire (bdi_1, bdi_2, …) stand next to their sum. Any other second score must be chosen from.
    rivals = [name for name in scores if name not in usual and not (usual and re.search(r"_\d+$", name))]
    for names in ([*usual, *rivals], [] if usual or scores else others):
        if len(names) == 1:
            return str(names[0])
    ids = ("clip", "recording", "person", "id")
    known = ", ".join(name for name in map(str, table.columns) if role(name) not in ids) or "none"
    raise LfnetError(f"{path}: which column holds the scores? There are: {known}. Choose it with {setting}.")


def _numeric(values: "pd.Series[str]") -> bool:
    given = [value for value in values if value.lower() not in BLANK]
    return bool(given) and all(map(is_number, given))
