"""Synthetic face video with a known pulse: a photograph whose skin follows a pulse, encoded in several ways."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from experiments.media.skin import PULSE_RGB, wave
from lfnet.video.backends import import_cv2

__all__ = ["CODECS", "Scene", "rendered", "scene", "write_h264", "write_video"]

# Name → ending, encoder, pixel format and options.
CODECS: dict[str, tuple[str, str, str, dict[str, str]]] = {
    **{
        f"H.264 crf {crf}": (".mp4", "libx264", "yuv420p", {"crf": str(crf), "preset": "medium", "threads": "1"})
        for crf in (18, 23, 28)
    },
    "MJPEG": (".mov", "mjpeg", "yuvj420p", {"qmin": "4", "qmax": "4"}),
}

# The mesh's outline of the face, and the parts in it that are no skin: eyes with brows, and the mouth.
_OVAL = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149),
    *(150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
_LEFT_EYE = (70, 63, 105, 66, 107, 55, 133, 155, 153, 145, 163, 33)
_RIGHT_EYE = (300, 293, 334, 296, 336, 285, 362, 382, 380, 374, 390, 263)
_MOUTH = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146)


@dataclass(frozen=True)
class Scene:
    """Layers of a photograph. face_HWC, background_HWC: float32 [H, W, 3], 0–255. skin_HW, head_HW: float32, 0 to 1,
    the part that follows the pulse and the part that moves. width: of the face, pixels."""

    face_HWC: np.ndarray
    background_HWC: np.ndarray
    skin_HW: np.ndarray
    head_HW: np.ndarray
    width: float


def scene(rgb_HWC: np.ndarray, landmarks_LC: np.ndarray, *, width: float = 240.0, grow: float = 0.35) -> Scene:
    """Crop a photograph around its face and scale it, so that the face is `width` pixels wide.

    landmarks_LC: the face's mesh. grow: margin, as a share of the face's size. Skin is what lies within the mesh's
    outline, without eyes, brows and mouth, and has the colour of the cheeks (so no hair).
    """
    cv2 = import_cv2()
    points = landmarks_LC[:, :2].astype(np.float64)
    low, high = points.min(axis=0), points.max(axis=0)
    size = high - low
    left, top = np.maximum(low - grow * size, 0).astype(int)
    right, bottom = np.minimum(high + grow * size, rgb_HWC.shape[1::-1]).astype(int)
    factor = width / size[0]
    # H.264 in 4:2:0 wants even sides.
    across, down = (2 * int(factor * side / 2) for side in (right - left, bottom - top))
    face = cv2.resize(rgb_HWC[top:bottom, left:right], (across, down), interpolation=cv2.INTER_CUBIC)
    points = (points - (left, top)) * ((across, down) / np.array([right - left, bottom - top], float))

    def filled(names: Sequence[int]) -> np.ndarray:
        mask = np.zeros((down, across), np.uint8)
        cv2.fillPoly(mask, [np.round(points[list(names)]).astype(np.int32)], 255)
        return mask

    skin = filled(_OVAL)
    for names in (_LEFT_EYE, _RIGHT_EYE, _MOUTH):
        skin[filled(names) > 0] = 0
    hue = cv2.cvtColor(face, cv2.COLOR_RGB2YCrCb).astype(np.float32)
    cheeks = np.median(hue[filled((117, 118, 119, 100, 36, 205, 187, 123)) > 0], axis=0)
    skin[(np.abs(hue[..., 1:] - cheeks[1:]) > 14).any(axis=2) | (hue[..., 0] < 0.55 * cheeks[0])] = 0
    skin = cv2.GaussianBlur(cv2.medianBlur(skin, 5), (0, 0), 1.5)
    # Head and shoulders: the enlarged outline, with a soft edge.
    middle = points[list(_OVAL)].mean(axis=0)
    head = np.zeros((down, across), np.uint8)
    cv2.fillPoly(head, [np.round(middle + 1.45 * (points[list(_OVAL)] - middle)).astype(np.int32)], 255)
    head = cv2.GaussianBlur(head, (0, 0), width / 20)
    background = cv2.GaussianBlur(face, (0, 0), width / 4)
    face, background, skin, head = (x.astype(np.float32) for x in (face, background, skin / 255, head / 255))
    return Scene(face, background, skin, head, width)


def rendered(
    base: Scene,
    seconds_T: np.ndarray,
    beats: np.ndarray | Callable[[np.ndarray], np.ndarray],
    rng: np.random.Generator,
    *,
    amplitude: float = 0.005,
    motion: float = 0.1,
    flicker: tuple[float, float] = (2.1, 0.004),
    noise: float = 2.0,
) -> Iterator[np.ndarray]:
    """Render frames uint8 [H, W, 3] at given seconds, whose skin follows the beats as `PULSE_RGB` says.

    beats: their seconds, or the blood volume as a function of seconds. amplitude: of the pulse in green, as a share of
    the skin's colour; 0 is no pulse. motion: range of the head's slow horizontal sway in widths of the face; vertically
    half of it. flicker: Hz and share of a lamp that lights the whole scene. noise: SD of the camera's noise in grey
    levels.
    """
    cv2 = import_cv2()
    height, width = base.skin_HW.shape
    share = (amplitude * PULSE_RGB / PULSE_RGB[1]).astype(np.float32)
    volume = beats(seconds_T) if callable(beats) else wave(seconds_T, beats)
    pulse = volume if amplitude else np.zeros(len(seconds_T))
    phase = 2 * np.pi * rng.random()
    sway_T2 = motion * base.width * _sway(seconds_T, rng) * (1.0, 0.5)
    # Camera noise is drawn once and shifted at random, which encoders and means cannot tell from new noise.
    bank = (noise * rng.standard_normal((height + 64, width + 64, 3))).astype(np.float32)
    for time, beat, (x, y) in zip(seconds_T, pulse, sway_T2, strict=True):
        lit = 1 + flicker[1] * np.sin(2 * np.pi * flicker[0] * time + phase)
        face = base.face_HWC * (1 - np.float32(beat) * base.skin_HW[..., None] * share)
        shift = np.array([[1, 0, x], [0, 1, y]], np.float32)
        moved = cv2.warpAffine(face, shift, (width, height), borderMode=cv2.BORDER_REPLICATE)
        head = cv2.warpAffine(base.head_HW, shift, (width, height))[..., None]
        frame = np.float32(lit) * (head * moved + (1 - head) * base.background_HWC)
        down, across = rng.integers(0, 64, 2)
        frame += bank[down : down + height, across : across + width]
        yield np.clip(np.round(frame), 0, 255).astype(np.uint8)


def _sway(seconds_T: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return two paths [T, 2] of five slow sines each (.05 to .4 Hz), from -1/2 to 1/2."""
    hertz, phases = rng.uniform(0.05, 0.4, (5, 2)), 2 * np.pi * rng.random((5, 2))
    path = np.sin(2 * np.pi * hertz * seconds_T[:, None, None] + phases).sum(axis=1)
    low, high = path.min(axis=0), path.max(axis=0)
    return (path - low) / np.maximum(high - low, 1e-9) - 0.5


def write_h264(
    path: Path, frames: Iterator[np.ndarray], seconds_T: np.ndarray, *, crf: int = 23, preset: str = "medium"
) -> Path:
    """Encode frames with given times as H.264 in 4:2:0."""
    options = {"crf": str(crf), "preset": preset, "threads": "1"}
    return _encode(path, frames, seconds_T, "libx264", "yuv420p", options)


def write_video(path: Path, frames: Iterator[np.ndarray], seconds_T: np.ndarray, codec: str) -> Path:
    """Encode frames with given times as one of `CODECS`; return the path with the codec's ending."""
    ending, encoder, pixels, options = CODECS[codec]
    return _encode(path.with_suffix(ending), frames, seconds_T, encoder, pixels, options)


def _encode(
    path: Path,
    frames: Iterator[np.ndarray],
    seconds_T: np.ndarray,
    encoder: str,
    pixels: str,
    options: dict[str, str],
) -> Path:
    import av

    base = Fraction(1, 90_000)
    stream = None
    with av.open(str(path), "w") as container:
        for rgb, time in zip(frames, seconds_T, strict=True):
            if stream is None:
                stream = container.add_stream(encoder, rate=30)
                stream.height, stream.width, stream.pix_fmt = *rgb.shape[:2], pixels
                stream.codec_context.time_base = base
                stream.codec_context.options = options
            image = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            image.pts, image.time_base = round(time / base), base
            container.mux(stream.encode(image))
        if stream is not None:
            container.mux(stream.encode())
    return path
