"""Notes on clips whose times were repaired, or that lost frames, from the headers of their features."""

from collections.abc import Iterable

from lfnet.features.store import Readable

__all__ = ["count_noted", "time_notes"]


def time_notes(stores: Iterable[Readable], clip_ids: Iterable[str]) -> dict[str, str]:
    """Return what was repaired, left out or cut off when clips were decoded, by clip id, in order."""
    stores = list(stores)
    found = {}
    for clip_id in clip_ids:
        texts = [(store.header(clip_id) or {}).get("time_notes", "") for store in stores]
        if notes := dict.fromkeys(note for text in texts if text for note in text.split("; ")):
            found[clip_id] = "; ".join(notes)
    return found


def count_noted(notes: dict[str, str], clips: int) -> list[str]:
    """Return one sentence without ids, or none if there are no notes.

    Examples
    --------
    >>> from lfnet.features.time_notes import count_noted
    >>> count_noted({"a": "the clock jumps"}, 20)
    ['1 of 20 clips has repaired times or lost frames; `lfnet extract` and `lfnet audit` name each']
    """
    if not notes:
        return []
    number = f"{len(notes)} of {clips} clips {'have' if len(notes) > 1 else 'has'}"
    return [f"{number} repaired times or lost frames; `lfnet extract` and `lfnet audit` name each"]
