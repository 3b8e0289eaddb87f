"""Find clips in a folder: videos, folders of frames, feature files."""

import os
from collections.abc import Iterator
from pathlib import Path

from lfnet.errors import LfnetError

__all__ = [
    "FRAME_SUFFIXES",
    "KINDS",
    "READY_SUFFIXES",
    "TABLE_SUFFIXES",
    "VIDEO_SUFFIXES",
    "find",
    "is_clip_suffix",
    "kind",
    "left_out",
    "why_no_clip",
]

KINDS = ("videos", "frames", "features")
READY_SUFFIXES = (".npy", ".npz", ".safetensors")
# Tables of features; `find` yields them as "other", since most tables in a folder hold something else.
TABLE_SUFFIXES = (".csv", ".tsv", ".txt")
FRAME_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
VIDEO_SUFFIXES = (
    *(".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".flv", ".3gp", ".mts"),
    *(".m2ts", ".m2t", ".ts", ".asf", ".ogv", ".vob"),
)
# Files that look like clips but are not read; `lfnet cohort init` names them.
_OTHER_SUFFIXES = frozenset(
    [
        *(".tif", ".tiff", ".webp", ".gif", ".heic", ".dng", ".ppm", ".pgm", ".jp2"),
        *(".mxf", ".rm", ".rmvb", ".ogm", ".f4v", ".3g2", ".dv", ".divx", ".mod", ".tod", ".mjpeg", ".mjpg", ".y4m"),
        *(".h264", ".264", ".h265", ".265", ".hevc", ".ivf", ".insv", ".braw", ".r3d"),
        *(".pt", ".pth", ".pkl", ".pickle", ".mat", ".h5", ".hdf5", ".parquet", ".feather"),
    ]
)
_PICKLES = (".pkl", ".pickle", ".joblib", ".pt", ".pth")
_NO_CLIPS = (
    ".mat",
    ".h5",
    ".hdf5",
    ".feather",
    ".parquet",
    ".json",
    ".xlsx",
    ".xls",
    ".wav",
    ".mp3",
    ".flac",
    ".pdf",
    ".zip",
)


def kind(path: Path) -> str:
    """Return what a clip's path holds: "frames" (a folder), "features" (a feature file) or "videos"."""
    if os.path.isdir(path):  # noqa: PTH112  Path.is_dir raises OSError for a name that no file can have
        return "frames"
    return "features" if Path(path).suffix.lower() in (*READY_SUFFIXES, *TABLE_SUFFIXES) else "videos"


def why_no_clip(path: Path) -> str:
    """Return why a file cannot be a clip, by its suffix, and what to do; "" for one that can.

    Examples
    --------
    >>> why_no_clip(Path("300.mp4")), why_no_clip(Path("300.mat"))[:22]
    ('', '300.mat is no video, f')
    >>> print(why_no_clip(Path("300.pkl")))
    300.pkl is a pickle, which can run any code when it is opened. If you trust it, write its array [frames, columns]:
        import pickle, numpy as np
        x = pickle.load(open("300.pkl", "rb"))
        np.savez("300.npz", features=x)
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix in _PICKLES:
        load = f'torch.load("{path.name}")' if suffix in (".pt", ".pth") else f'pickle.load(open("{path.name}", "rb"))'
        library = "torch" if suffix in (".pt", ".pth") else "pickle"
        return (
            f"{path.name} is a pickle, which can run any code when it is opened. If you trust it, write its array "
            f"[frames, columns]:\n    import {library}, numpy as np\n    x = {load}\n"
            f'    np.savez("{path.stem}.npz", features=x)'
        )
    if suffix in _NO_CLIPS or suffix in FRAME_SUFFIXES:
        known = " ".join((*READY_SUFFIXES, *TABLE_SUFFIXES))
        return f"{path.name} is no video, folder of images or feature file ({known}). Convert it."
    return ""


def is_clip_suffix(suffix: str) -> bool:
    """Return whether a file name's suffix is that of a video, a feature file or a table."""
    return suffix.lower() in (*VIDEO_SUFFIXES, *READY_SUFFIXES, *TABLE_SUFFIXES)


def left_out(root: Path, chosen: str) -> dict[str, list[Path]]:
    """Return what looks like a clip below `root` and is not taken as one of `chosen` kind, by suffix or kind."""
    found: dict[str, list[Path]] = {}
    for what, path in find(root):
        suffix = path.suffix.lower()
        if what in KINDS and what != chosen:
            found.setdefault(f"{what} (--kind {what})", []).append(path)
        elif what == "other" and (suffix in _OTHER_SUFFIXES or suffix in FRAME_SUFFIXES):
            found.setdefault(suffix, []).append(path)
    return found


def find(root: Path) -> Iterator[tuple[str, Path]]:
    """Yield (kind, path) of all clips below `root`, sorted; other files come as ("other", path).

    A folder below `root` with two or more images and no video is one clip of frames and is not searched further.
    Hidden files and folders, and the resource forks of macOS archives, are skipped. Links are followed, but not in a
    circle.

    Raises
    ------
    LfnetError
        A folder cannot be read.
    """
    yield from _find(Path(root), frozenset())


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that points at itself: read as a clip, it is named
        return False


def _find(folder: Path, above: frozenset[str]) -> Iterator[tuple[str, Path]]:
    real = os.path.realpath(folder)
    if real in above:
        return
    is_root = not above
    above = above | {real}
    files, folders, images = [], set(), []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.name == "__MACOSX":
                    continue
                if _is_folder(entry):
                    folders.add(entry.name)
                elif Path(entry.name).suffix.lower() in FRAME_SUFFIXES:
                    images.append(entry.name)
                else:
                    files.append(entry.name)
    except OSError as error:
        raise LfnetError(
            f"{folder} cannot be read ({error.strerror}). Correct its permissions or move it elsewhere."
        ) from error
    if len(images) > 1 and not is_root and not any(Path(name).suffix.lower() in VIDEO_SUFFIXES for name in files):
        yield "frames", folder
        return
    for name in sorted([*files, *images, *folders]):
        path = folder / name
        if name in folders:
            yield from _find(path, above)
        elif path.suffix.lower() in VIDEO_SUFFIXES:
            yield "videos", path
        elif path.suffix.lower() in READY_SUFFIXES:
            yield "features", path
        else:
            yield "other", path
