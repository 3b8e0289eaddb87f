"""Videos with sound made by the tests: tones, bursts and made voices on a track of their own."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from tests.video.media import picture

RATE = 16000


def tone(seconds: float, hertz: float = 1000.0, amplitude: float = 0.5, rate: int = RATE) -> np.ndarray:
    """A sine, float32."""
    return (amplitude * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def bursts(seconds: float, at: list[float], rate: int = RATE, noise: float = 1e-4, hertz: float = 700.0) -> np.ndarray:
    """Quiet noise with a tone of .3 s that begins at each of some times, float32."""
    samples = (noise * np.random.default_rng(0).standard_normal(round(seconds * rate))).astype(np.float32)
    for start in at:
        part = tone(0.3, hertz, rate=rate)
        samples[round(start * rate) : round(start * rate) + len(part)] += part
    return samples


def write_clip(
    path: Path,
    samples: np.ndarray | None,
    *,
    rate: int = RATE,
    late: float = 0.0,
    first_frame: float = 0.0,
    seconds: float = 4.0,
    codec: str = "pcm_s16le",
    channels: int = 1,
    gap: tuple[float, float] | None = None,
    frames: Sequence[np.ndarray] | None = None,
) -> Path:
    """A video of 25 frames a second, from `first_frame` on, whose sound begins at `late`.

    gap: seconds of the track, from and to, that are left out of the file. frames: uint8 RGB
    [height, width, 3]; None for made ones.
    """
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        shown = [picture(number % 64) for number in range(round(seconds * 25))] if frames is None else frames
        (stream.height, stream.width), stream.pix_fmt = shown[0].shape[:2], "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        sound = None
        if samples is not None:
            sound = container.add_stream(codec, rate=rate, layout="mono" if channels == 1 else "stereo")
        for number, rgb in enumerate(shown):
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            frame.pts, frame.time_base = round(1000 * first_frame) + 40 * number, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if sound is not None and samples is not None:
            size = sound.codec_context.frame_size or 1000
            for start in range(0, len(samples), size):
                if gap is not None and gap[0] <= start / rate < gap[1]:
                    continue
                part = np.repeat(samples[start : start + size], channels)[None]
                made = av.AudioFrame.from_ndarray(
                    np.rint(32767 * part).astype(np.int16), "s16", "mono" if channels == 1 else "stereo"
                )
                made.sample_rate, made.pts, made.time_base = rate, round(late * rate) + start, Fraction(1, rate)
                container.mux(sound.encode(made))
            container.mux(sound.encode())
    return path
