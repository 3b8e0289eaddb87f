"""Frame folders: images in a directory, read as a video."""

import re
from pathlib import Path

import numpy as np

from lfnet.cohorts.media import FRAME_SUFFIXES
from lfnet.errors import Unreadable
from lfnet.files import refuse_special

__all__ = ["frame_files", "read_image"]

# Of an image, so that a damaged header does not ask for all memory; a frame of 8K video has 33 million.
_MAX_PIXELS = 100_000_000


def frame_files(folder: Path) -> list[Path]:
    """List the images of a folder in natural order (frame_2 before frame_10), without hidden files.

    Only the order counts: a number that is missing in the names is no gap in time, since a folder with every k-th frame
    under its old number looks like a folder with lost frames. Raises `Unreadable` if there are none.
    """
    folder = Path(folder)
    files = [
        file for file in folder.iterdir() if file.suffix.lower() in FRAME_SUFFIXES and not file.name.startswith(".")
    ]
    if not files:
        raise Unreadable(f"{folder} holds no image ({', '.join(FRAME_SUFFIXES)}).")
    return sorted(files, key=_natural)


def _natural(file: Path) -> tuple[list[tuple[int, str]], str]:
    parts = re.findall(r"\d+|\D+", file.name)
    # Numbers by value, text by letters; numbers sort before text, and the name itself breaks ties (1 and 01).
    return [(int(part), "") if part.isdecimal() else (-1, part.lower()) for part in parts], file.name


def read_image(file: Path) -> np.ndarray:
    """Read an image as uint8 RGB [H, W, 3], oriented by its EXIF data.

    Raises `Unreadable` if the file is broken or has more than 8 bits a channel.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    refuse_special(file)
    try:
        with Image.open(file) as image:
            if image.width * image.height > _MAX_PIXELS:
                raise Unreadable(
                    f"{file} has {image.width} × {image.height} pixels, more than {_MAX_PIXELS:,}. Make it smaller."
                )
            if image.mode.startswith(("I", "F")):
                raise Unreadable(f"{file} has more than 8 bits a channel (mode {image.mode}). Convert it to 8-bit RGB.")
            return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except MemoryError as error:  # a damaged PNG can ask for 4 GB
        raise Unreadable(
            f"{file} cannot be read as an image (it asks for more memory than there is). Copy or export it again."
        ) from error
    except (OSError, SyntaxError, ValueError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise Unreadable(f"{file} cannot be read as an image ({error}). Copy or export it again.") from error
