"""Read how a video was recorded from its file: codec, bit rate, date, loudness of its sound. No image is decoded."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from lfnet.errors import Unreadable
from lfnet.video.container import opened

__all__ = ["file_facts"]

_SILENCE = -120.0  # dB, the lower limit of loudness


def file_facts(path: Path) -> dict[str, float | str]:
    """Read the facts of a video file that are known without its images.

    Parameters
    ----------
    path : Path
        A video, or a folder of images.

    Returns
    -------
    dict
        Those that the file has, of: codec (of a folder the images' suffix), bitrate (kbit/s of the whole file), date
        (the day that the file names as its creation, as YYYY-MM-DD) and loudness (RMS of the first sound track in dB
        of full scale, at least −120). What cannot be read is left out.

    Examples
    --------
    >>> file_facts(Path("no-such-video.mp4"))
    {}
    """
    path = Path(path)
    if path.is_dir():
        suffixes = sorted({file.suffix.lower().lstrip(".") for file in path.iterdir() if file.suffix})
        return {"codec": "+".join(suffixes)} if suffixes else {}
    try:
        with opened(path) as (container, stream):
            return _facts(path, container, stream)
    except Unreadable:
        return {}


def _facts(path: Path, container: Any, stream: Any) -> dict[str, float | str]:
    found: dict[str, float | str] = {"codec": str(stream.codec_context.name)}
    seconds = (container.duration or 0) / 1e6
    if seconds > 0:
        found["bitrate"] = round(path.stat().st_size * 8 / seconds / 1000, 3)
    created = str(container.metadata.get("creation_time", ""))[:10]
    if created > "1971":  # FFmpeg writes 1904 or 1970 where a camera has no clock
        found["date"] = created
    loudness = _loudness(container)
    return found if loudness is None else {**found, "loudness": loudness}


def _loudness(container: Any) -> float | None:
    """RMS of the first sound track in dB of full scale; None without sound, or where it cannot be decoded."""
    import av

    sound = next(iter(container.streams.audio), None)
    if sound is None:
        return None
    plain = av.AudioResampler(format="fltp", layout="mono", rate=8000)  # 8 kHz hold speech, and are read faster
    squares, count = 0.0, 0
    try:
        for frame in container.decode(sound):
            for part in plain.resample(frame):
                samples = part.to_ndarray().astype(np.float64)
                squares += float((samples**2).sum())
                count += samples.size
    except (av.FFmpegError, ValueError):
        return None  # a part of the track would not be comparable with whole ones
    if not count:
        return None
    return round(max(_SILENCE, 10 * math.log10(max(squares / count, 1e-300))), 3)
