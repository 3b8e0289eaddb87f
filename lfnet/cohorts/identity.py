"""Ids: names that every file system takes, and the normal form that all spellings of one id share.

Drafting, matching of labels, splits, validation and audit compare ids by `normal_id` only.
"""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from hashlib import sha256
from pathlib import Path, PurePath

from lfnet.cohorts.media import is_clip_suffix

__all__ = [
    "MAX_ID",
    "clip_name",
    "forbidden",
    "normal_id",
    "normal_session",
    "one_spelling",
    "safe_name",
    "spellings",
    "without_suffix",
]

# A clip's id becomes a file name; most file systems allow 255 bytes.
MAX_ID = 200
# White space and ASCII punctuation separate the words of an id. Letters of any script, with their marks, are kept.
_SEPARATORS = re.compile(r"[\s!-/:-@\[-`{-~]+")
_PERSON = "subject|subj|sub|participant|patient|proband|person|pat|vp|pid|id|p"
_SESSION = "session|sess|ses|visit|timepoint|time|wave|week|day|t|v|s"
_ASCII = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")


@lru_cache(maxsize=1 << 16)
def normal_id(text: str) -> str:
    """Return the normal form of an id of a person, recording or clip.

    Two ids are one where only these differ: case, Unicode form, separators, leading zeros, a word for "person" before
    the number (`sub-`, `subject`, `participant`, `P`, …), a word for "session" before a later number (`ses-`, `s`),
    the suffix `_P`, and a decimal `.0` that pandas writes.

    Examples
    --------
    >>> {normal_id(text) for text in ("sub-01", "Subject 1", "P001", "p01", "1", "1.0", "participant_1", "01_P")}
    {'1'}
    >>> normal_id("sub-01/ses-02/rest"), normal_id("P1_s2_rest"), normal_id("Müller")
    ('1_2_rest', '1_2_rest', 'müller')
    """
    words = _words(text)
    while len(words) > 1 and (words[0] == "sub" or (re.fullmatch(_PERSON, words[0]) and words[1][0].isdigit())):
        words = words[1:]
    if words:
        words[0] = re.sub(rf"^(?:{_PERSON})(?=\d)", "", words[0])
    if len(words) == 2 and words[0].isdigit() and words[1] == "p":
        words = words[:1]
    return "_".join(_unpadded([*words[:1], *_without_session_words(words[1:])])) or text.strip().casefold()


def normal_session(text: str) -> str:
    """Return the normal form of a session, without a word for it before the number.

    Examples
    --------
    >>> [normal_session(text) for text in ("ses-01", "Session 1", "1.0", "S1", "baseline")]
    ['1', '1', '1', '1', 'baseline']
    """
    return "_".join(_unpadded(_without_session_words(_words(text)))) or text.strip().casefold()


def _words(text: str) -> list[str]:
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).strip()
    text = re.sub(r"^(\d+)\.0+$", r"\1", text)
    return [word for word in _SEPARATORS.split(text) if word]


def _without_session_words(words: list[str]) -> list[str]:
    kept = []
    for word, after in zip(words, [*words[1:], ""], strict=False):
        if not (re.fullmatch(_SESSION, word) and after[:1].isdigit()):
            kept.append(re.sub(rf"^(?:{_SESSION})(?=\d+$)", "", word))
    return kept


def _unpadded(words: list[str]) -> list[str]:
    return [re.sub(r"(?<!\d)0+(?=\d)", "", word) for word in words]


def one_spelling(ids: Iterable[str]) -> dict[str, str]:
    """Map each id to the first spelling, in alphabetical order, of those with its normal form.

    Ids that have one spelling each are mapped to themselves.

    Examples
    --------
    >>> one_spelling(["p01", "P01", "P02"])
    {'P01': 'P01', 'P02': 'P02', 'p01': 'P01'}
    """
    first: dict[str, str] = {}
    return {text: first.setdefault(normal_id(text), text) for text in sorted(set(ids))}


def spellings(ids: Iterable[str]) -> list[tuple[str, ...]]:
    """Return the ids that have several spellings, each as a tuple of its spellings.

    Examples
    --------
    >>> spellings(["p01", "P01", "P02"])
    [('P01', 'p01')]
    """
    groups: dict[str, list[str]] = {}
    for text, first in one_spelling(ids).items():
        groups.setdefault(first, []).append(text)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def forbidden(text: str) -> str:
    """Return the characters of a text that a clip's id may not hold: white space, controls and ASCII punctuation.

    Examples
    --------
    >>> forbidden("Zoë: 1_a.b-c")
    ' :'
    """
    return "".join(sorted({letter for letter in text if not _allowed(letter)}))


def _allowed(letter: str) -> bool:
    return letter in _ASCII or (not letter.isascii() and letter.isprintable())


def safe_name(text: str) -> str:
    """Return the text with "-" for each run of characters that an id may not hold.

    Examples
    --------
    >>> safe_name("P01: 张三")
    'P01-张三'
    """
    text = unicodedata.normalize("NFC", text)
    return re.sub("\0+", "-", "".join(letter if _allowed(letter) else "\0" for letter in text)) or "cohort"


def clip_name(relative: Path) -> str:
    """Return a clip's id from its path below the root: folders and name joined by "_", without suffix.

    A name above `MAX_ID` bytes is cut and ends with a digest of the whole.

    Examples
    --------
    >>> clip_name(Path("sub-01/ses-1/rest.mp4"))
    'sub-01_ses-1_rest'
    """
    plain = without_suffix(relative)
    name = safe_name("_".join(part for part in plain.parts if part not in (".", "..", "/")))
    raw = name.encode()
    if len(raw) <= MAX_ID:
        return name
    return f"{raw[: MAX_ID - 9].decode(errors='ignore')}-{sha256(raw).hexdigest()[:8]}"


def without_suffix(path: PurePath) -> PurePath:
    """Return a path without the suffix of a clip; a suffix of another kind is part of the name."""
    return path.with_suffix("") if is_clip_suffix(path.suffix) else path
