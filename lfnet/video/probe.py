"""Read fps, length and size of a clip."""

from dataclasses import dataclass
from pathlib import Path

from lfnet.video.decode import folder_rate, frames
from lfnet.video.image_folder import frame_files, read_image
from lfnet.video.survey import Survey, survey

__all__ = ["Media", "decode_all", "probe"]

_FIRST_FRAME = 1 << 62  # a stride that takes the first frame alone


@dataclass(frozen=True)
class Media:
    """Facts of a clip.

    Attributes
    ----------
    kind : {"videos", "frames"}
        As `lfnet.cohorts.media.kind` returns it.
    fps : float
        Mean frames a second.
    n_frames : int
    duration : float
        Seconds, n_frames / fps.
    width, height : int
        Pixels of the image as shown, after rotation.
    notes : tuple of str
        Sentences about repaired times and damage, as far as they are known before frames are decoded.
    """

    kind: str
    fps: float
    n_frames: int
    duration: float
    width: int
    height: int
    notes: tuple[str, ...] = ()


def probe(
    path: Path,
    fps: float | None = None,
    times: str = "stamps",
    damaged: str = "refuse",
    surveyed: Survey | None = None,
) -> Media:
    """Read the facts of a video, or of a frame folder with its `fps`; only the first frame is decoded.

    A video's packets are counted, since headers may be wrong (edit lists hide frames) or say nothing (WebM). Times are
    those of `frames` with the same `times` and `damaged`. surveyed: what `survey` found in the video with the same
    settings; by default it is called.
    Raises `Unreadable` if the file is missing, empty, broken, no video, or damaged as far as its container reveals.
    """
    path = Path(path)
    if path.is_dir():
        files = frame_files(path)
        rate = folder_rate(path, fps)
        height, width = read_image(files[0]).shape[:2]
        return Media("frames", rate, len(files), len(files) / rate, width, height)
    found = surveyed or survey(path, times, damaged)
    clock = found.clock
    height, width = next(frames(path, damaged="keep", surveyed=found)).rgb.shape[:2]
    return Media("videos", clock.rate, clock.n_frames, clock.n_frames / clock.rate, width, height, found.notes)


def decode_all(path: Path, fps: float | None = None, times: str = "stamps", damaged: str = "refuse") -> tuple[str, ...]:
    """Decode all frames of a video or frame folder and return the notes on them; parameters as those of `probe`.

    Raises `Unreadable` where `lfnet.video.decode.frames` does.
    """
    notes: list[str] = []
    # A video is decoded whatever the stride, and only every stride-th frame is converted; an image would be skipped.
    stride = 1 if Path(path).is_dir() else _FIRST_FRAME
    for _ in frames(path, fps=fps, stride=stride, times=times, damaged=damaged, notes=notes):
        pass
    return tuple(notes)
