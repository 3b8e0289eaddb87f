"""Which files of a folder are clips: videos, folders of frames, ready features."""

import os
from collections.abc import Iterator
from pathlib import Path

from lfnet.errors import LfnetError

__all__ = ["FRAME_SUFFIXES", "KINDS", "READY_SUFFIXES", "VIDEO_SUFFIXES", "find", "kind"]

KINDS = ("videos", "frames", "features")
READY_SUFFIXES = (".npy", ".npz", ".safetensors")
FRAME_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
VIDEO_SUFFIXES = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".flv", ".3gp", ".mts")


def kind(path: Path) -> str:
    """What a clip's path holds: "frames" (a folder), "features" (ready vectors) or "videos"."""
    path = Path(path)
    if path.suffix.lower() in READY_SUFFIXES and not path.is_dir():
        return "features"
    return "frames" if path.is_dir() else "videos"


def find(root: Path) -> Iterator[tuple[str, Path]]:
    """Yield (kind, path) of all clips below `root`, sorted; other files come as ("other", path).

    A folder below `root` that holds two or more pictures and no video is one clip of frames and is not searched
    further. Hidden files and folders, and what macOS leaves in archives, are passed over. Links are followed, but
    never round in a circle. Raises `LfnetError` where a folder cannot be read.
    """
    yield from _find(Path(root), frozenset())


def _find(folder: Path, above: frozenset[str]) -> Iterator[tuple[str, Path]]:
    real = os.path.realpath(folder)
    if real in above:
        return
    is_root = not above
    above = above | {real}
    files, folders, pictures = [], set(), []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.name == "__MACOSX":
                    continue
                if entry.is_dir():
                    folders.add(entry.name)
                elif Path(entry.name).suffix.lower() in FRAME_SUFFIXES:
                    pictures.append(entry.name)
                else:
                    files.append(entry.name)
    except OSError as error:
        raise LfnetError(
            f"{folder} cannot be read ({error.strerror}). Mend its permissions or move it away."
        ) from error
    if len(pictures) > 1 and not is_root and not any(Path(name).suffix.lower() in VIDEO_SUFFIXES for name in files):
        yield "frames", folder
        return
    for name in sorted([*files, *pictures, *folders]):
        path = folder / name
        if name in folders:
            yield from _find(path, above)
        elif path.suffix.lower() in VIDEO_SUFFIXES:
            yield "videos", path
        elif path.suffix.lower() in READY_SUFFIXES:
            yield "features", path
        else:
            yield "other", path
