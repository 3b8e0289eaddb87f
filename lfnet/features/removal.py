"""Find the files of single clips in the cache."""

import glob
import json
from collections.abc import Iterable
from pathlib import Path

__all__ = ["clip_files"]


def clip_files(
    cache: Path, cohort: str, clip_ids: Iterable[str], sources: Iterable[Path], *, absent: bool = False
) -> list[Path]:
    """List the files that the cache holds of clips.

    Parameters
    ----------
    cache : Path
        `paths.cache`.
    cohort : str
        The cohort's name.
    clip_ids : iterable of str
        Features of these clips count, of every stream and recipe, with what killed extractions left.
    sources : iterable of Path
        The clips' own files, whose cached digests count, also under the path of a folder before it was moved. The
        files themselves do not count.
    absent : bool
        Whether digests of all files that do not exist any more count, where the clips' own files are not known.
    """
    folder = Path(cache) / "features" / cohort
    found: set[Path] = set()
    for clip_id in clip_ids:
        name = f"{clip_id}.safetensors"
        found.update(folder.glob(f"*/{glob.escape(name)}"))
        found.update(folder.glob(f"*/.{glob.escape(name[:40])}-*.part"))
    known = {Path(source).resolve().parts[-2:] for source in sources}
    for entry in (Path(cache) / "digests").glob("*.json"):
        source = _source(entry)
        if source.parts[-2:] in known or (absent and not source.exists()):
            found.add(entry)
    return sorted(found)


def _source(entry: Path) -> Path:
    """The file of a cached digest."""
    try:
        return Path(str(json.loads(entry.read_text(encoding="utf-8"))["stamp"][0]))
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return Path()
