"""Read how a video was recorded from its file: codec, bit rate, date, and its sound. No image is decoded."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from lfnet.errors import Unreadable
from lfnet.video.container import opened

__all__ = ["file_facts"]

_SILENCE = -120.0  # dB, the lower limit of levels
_RATE = 8000  # samples a second; they hold speech, and are read faster
_BLOCK = 400  # samples, .05 s, of which each has a level
_QUIET = 10  # percentile of these levels that is the noise of room and channel
_MIN_BLOCKS = 20


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
        (the day that the file names as its creation, as YYYY-MM-DD), and of the first sound track loudness (RMS in dB
        of full scale, at least −120), sound_noise (the level that a tenth of its pieces of .05 s stay below, in the
        same unit; of a second or more) and sound_length (seconds). What cannot be read is left out.

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
    return {**found, **_sound(container)}


def _sound(container: Any) -> dict[str, float | str]:
    """Level, noise and length of the first sound track; {} without sound, or where it cannot be decoded."""
    import av

    sound = next(iter(container.streams.audio), None)
    if sound is None:
        return {}
    plain = av.AudioResampler(format="fltp", layout="mono", rate=_RATE)
    squares, count = 0.0, 0
    powers: list[np.ndarray] = []
    rest = np.zeros(0)
    try:
        for frame in container.decode(sound):
            for part in plain.resample(frame):
                samples = part.to_ndarray().astype(np.float64)
                squares += float((samples**2).sum())
                count += samples.size
                rest = np.concatenate([rest, samples.reshape(-1)])
                whole = len(rest) // _BLOCK * _BLOCK
                powers.append((rest[:whole].reshape(-1, _BLOCK) ** 2).mean(axis=1))
                rest = rest[whole:]
    except (av.FFmpegError, ValueError):
        return {}  # a part of the track would not be comparable with whole ones
    if not count:
        return {}
    found: dict[str, float | str] = {"loudness": _decibels(squares / count), "sound_length": round(count / _RATE, 3)}
    each = np.concatenate(powers)
    return found if len(each) < _MIN_BLOCKS else {**found, "sound_noise": _decibels(np.percentile(each, _QUIET))}


def _decibels(power: float) -> float:
    return round(max(_SILENCE, 10 * math.log10(max(float(power), 1e-300))), 3)
