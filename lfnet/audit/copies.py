"""Check for copies of clips: equal files, and equal or similar frames."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from lfnet.audit.courses import Copy, equal_pairs
from lfnet.audit.finding import Check, Finding, Status
from lfnet.cohorts.media import FRAME_SUFFIXES, kind
from lfnet.fingerprints import digest, file_digest
from lfnet.text import plural

__all__ = ["copies", "file_copies", "source_copies"]


def copies(clips: pd.DataFrame, found: Iterable[Copy], checked: tuple[str, ...], missing: str) -> Check:
    """The check for all pairs found.

    Parameters
    ----------
    clips : DataFrame
        The cohort's clips.
    found : iterable of Copy
        For a pair found in several ways the first counts.
    checked : tuple of str
        What was compared.
    missing : str
        What was not compared, and why; "" if re-encoded copies of all clips would have been found.
    """
    title = "copies of clips"
    pairs: dict[tuple[str, str], Copy] = {}
    for copy in found:
        pairs.setdefault((min(copy.first, copy.second), max(copy.first, copy.second)), copy)
    by = " and ".join(checked)
    beyond = f"; {missing}" if missing else ""
    if not pairs:
        text = f"no copies found by comparing {by}{beyond}" if checked else missing
        return Check.certain(Finding("copies", title, "not checked" if missing else "clear", text))
    rows = clips.set_index("clip_id")
    split, recording, person = rows["split"], rows["recording_id"], rows["person_id"]
    across = [pair for pair in pairs if split[pair[0]] != split[pair[1]] and "unlabelled" not in set(split[[*pair]])]
    count = {how: sum(copy.how == how for copy in pairs.values()) for how in {copy.how for copy in pairs.values()}}
    how = ", ".join(f"{number} by {how}" for how, number in sorted(count.items()))
    text = f"{plural(len(pairs), 'pair')} of clips {'is a copy' if len(pairs) == 1 else 'are copies'} ({how})"
    text += f", {len(across)} of them across splits{beyond}"
    disagree = sum(person[one] != person[two] for one, two in pairs)
    text += f"; {disagree} with two person_ids" if disagree else ""
    ordered = sorted(pairs, key=lambda pair: (pair not in across, pair))
    touched = sorted({str(recording[clip]) for pair in ordered for clip in pair})
    advice = (
        "Compare both clips of each pair. If they are one film, keep one of their two rows in the manifest, or restore "
        "the file that belongs to the other row; if not, keep both."
    )
    numbers = {"pairs": len(pairs), "pairs_across_splits": len(across)}
    status: Status = "leak" if across else "warning"
    evidence = tuple(f"{one} = {other} ({', '.join(filter(None, pairs[one, other][2:]))})" for one, other in ordered)
    return Check.certain(
        Finding(
            "copies",
            title,
            status,
            text,
            advice,
            recordings=tuple(touched),
            clips=tuple(ordered),
            evidence=evidence,
            numbers=numbers,
        )
    )


def source_copies(clip_ids: Iterable[str], sources: Mapping[str, str]) -> list[Copy]:
    """Find clips whose features come from the same bytes. `sources`: clip_id → digest of its file."""
    return equal_pairs({clip: sources.get(clip, "") for clip in clip_ids}, "equal files")


def file_copies(clips: pd.DataFrame) -> tuple[list[Copy], int]:
    """Find clips with equal files, and count the clips whose file exists. Only files of equal size are read."""
    paths = {clip: Path(path) for clip, path in zip(clips["clip_id"], clips["path"], strict=True) if path}
    sizes = {clip: _size(path) for clip, path in paths.items() if path.exists()}
    by_size: dict[tuple[str, int], list[str]] = {}
    for clip, size in sizes.items():
        by_size.setdefault((kind(paths[clip]), size), []).append(clip)
    suspects = [clip for group in by_size.values() if len(group) > 1 for clip in group]
    return equal_pairs({clip: _bytes(paths[clip]) for clip in suspects}, "equal files"), len(sizes)


def _images(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in FRAME_SUFFIXES)


def _size(path: Path) -> int:
    return sum(image.stat().st_size for image in _images(path)) if path.is_dir() else path.stat().st_size


def _bytes(path: Path) -> str:
    return digest([file_digest(image) for image in _images(path)]) if path.is_dir() else file_digest(path)
