"""Video and pictures made by the tests: each frame carries its number, and its corners tell which way is up."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

WIDTH, HEIGHT = 96, 64
RED, GREEN, BLUE, WHITE = (230, 30, 30), (30, 230, 30), (30, 30, 230), (230, 230, 230)
_BITS, _SIDE = 6, 8


def picture(number: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """uint8 RGB [height, width, 3]: red, green, blue, white corners; the number as a row of dark and bright squares."""
    rgb = np.full((height, width, 3), 110, np.uint8)
    rgb[:12, :12], rgb[:12, -12:], rgb[-12:, :12], rgb[-12:, -12:] = RED, GREEN, BLUE, WHITE
    for bit in range(_BITS):
        left = 20 + bit * _SIDE
        rgb[28 : 28 + _SIDE, left : left + _SIDE] = 240 if number >> bit & 1 else 10
    return rgb


def number_of(rgb: np.ndarray) -> int:
    """The number that `picture` wrote, read from a decoded frame."""
    squares = [rgb[30:34, 22 + bit * _SIDE : 26 + bit * _SIDE].mean() for bit in range(_BITS)]
    return sum((square > 120) << bit for bit, square in enumerate(squares))


def corners(rgb: np.ndarray) -> list[str]:
    """Colours of the corners: upper left, upper right, lower left, lower right."""
    names = {"red": RED, "green": GREEN, "blue": BLUE, "white": WHITE}
    near, far = slice(2, 8), slice(-8, -2)
    found = []
    for rows, columns in ((near, near), (near, far), (far, near), (far, far)):
        mean = rgb[rows, columns].reshape(-1, 3).mean(axis=0)
        found.append(min(names, key=lambda name: float(np.abs(mean - names[name]).sum())))
    return found


def write_video(
    path: Path,
    pictures: Sequence[np.ndarray],
    times_ms: Sequence[int] | None = None,
    *,
    codec: str = "libx264",
    rotation: int | None = None,
    hflip: bool = False,
    vflip: bool = False,
    pixel_ratio: Fraction | None = None,
    options: dict[str, str] | None = None,
    pix_fmt: str = "yuv420p",
    rate: int = 25,
) -> Path:
    """Encode pictures as a video whose frames are shown at `times_ms` (default: 40 ms apart)."""
    import av

    height, width = pictures[0].shape[:2]
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        stream.codec_context.time_base = Fraction(1, 1000)
        if codec == "libx264":
            stream.codec_context.options = {"crf": "12", "preset": "ultrafast", "bf": "2"}
        if pixel_ratio is not None:
            stream.codec_context.sample_aspect_ratio = pixel_ratio
        if rotation is not None or hflip or vflip:
            stream.set_display_rotation(rotation or 0, hflip=hflip, vflip=vflip)
        for number, rgb in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
            frame.pts = times_ms[number] if times_ms is not None else number * 40
            frame.time_base = Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_folder(path: Path, pictures: Sequence[np.ndarray], suffix: str = ".png") -> Path:
    """Pictures as a folder of frames, numbered without leading zeros."""
    from PIL import Image

    path.mkdir(parents=True)
    for number, rgb in enumerate(pictures):
        Image.fromarray(rgb).save(path / f"frame_{number + 1}{suffix}", **({"quality": 95} if suffix == ".jpg" else {}))
    return path


def truncate(path: Path, share: float) -> Path:
    """The same file, cut short."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path
