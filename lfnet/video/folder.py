"""Frame folders: pictures in a directory, read as if they were a video."""

import re
from pathlib import Path

import numpy as np

from lfnet.cohorts.media import FRAME_SUFFIXES
from lfnet.errors import Unreadable

__all__ = ["frame_files", "read_picture"]


def frame_files(folder: Path) -> list[Path]:
    """The pictures of a folder in natural order (frame_2 before frame_10); hidden files are passed over.

    The order is all that counts: a number missing from the names is no gap in time, for folders that hold every k-th
    frame under its old number cannot be told from folders with losses. Raises `Unreadable` where there are none.
    """
    folder = Path(folder)
    files = [
        file for file in folder.iterdir() if file.suffix.lower() in FRAME_SUFFIXES and not file.name.startswith(".")
    ]
    if not files:
        raise Unreadable(f"{folder} holds no picture ({', '.join(FRAME_SUFFIXES)}).")
    return sorted(files, key=_natural)


def _natural(file: Path) -> tuple[list[tuple[int, str]], str]:
    parts = re.findall(r"\d+|\D+", file.name)
    # Numbers by value, text by letters; numbers sort before text, and the name itself breaks ties (1 and 01).
    return [(int(part), "") if part.isdecimal() else (-1, part.lower()) for part in parts], file.name


def read_picture(file: Path) -> np.ndarray:
    """One picture as uint8 RGB [H, W, 3], turned the way its EXIF says.

    Raises `Unreadable` naming the file where it is broken or deeper than 8 bits, which no camera of faces needs.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(file) as image:
            if image.mode.startswith(("I", "F")):
                raise Unreadable(f"{file} has more than 8 bits a channel (mode {image.mode}). Convert it to 8-bit RGB.")
            return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except (OSError, SyntaxError, ValueError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise Unreadable(f"{file} cannot be read as a picture ({error}). Copy or export it anew.") from error
