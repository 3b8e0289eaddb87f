"""Notes on clips, from the headers of their features: repaired times, people, and sound."""

from collections.abc import Iterable

from lfnet.features.store import Readable

__all__ = ["KINDS", "clip_notes", "count_noted"]

# Keys of headers, and what clips with such notes have.
KINDS = {
    "time_notes": "repaired times or lost frames",
    "people_notes": "a second person or a turned face",
    "sound_notes": "no sound, gaps in it, or no voice",
}


def clip_notes(stores: Iterable[Readable], clip_ids: Iterable[str], kind: str) -> dict[str, str]:
    """Return what was noted when clips were extracted, by clip id, in order.

    Parameters
    ----------
    stores : iterable of Readable
        Equal notes of several streams are returned once.
    clip_ids : iterable of str
    kind : {"time_notes", "people_notes", "sound_notes"}
        What was repaired, left out or cut off; whether the clip shows one person; what its sound lacks.
    """
    stores = list(stores)
    found = {}
    for clip_id in clip_ids:
        texts = [(store.header(clip_id) or {}).get(kind, "") for store in stores]
        if notes := dict.fromkeys(note for text in texts if text for note in text.split("; ")):
            found[clip_id] = "; ".join(notes)
    return found


def count_noted(stores: Iterable[Readable], clip_ids: Iterable[str]) -> list[str]:
    """Return one sentence without ids for each kind of note that there is."""
    stores, clip_ids = list(stores), list(clip_ids)
    lines = []
    for kind, what in KINDS.items():
        if noted := len(clip_notes(stores, clip_ids, kind)):
            number = f"{noted} of {len(clip_ids)} clips {'have' if noted > 1 else 'has'}"
            lines.append(f"{number} {what}; `lfnet extract` and `lfnet audit` name each")
    return lines
