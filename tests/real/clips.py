"""Short clips cut from real video, and the overrides that keep a trial of the whole path to seconds."""

from itertools import takewhile
from pathlib import Path

from lfnet.cli.main import main
from lfnet.video.decode import frames
from tests.video.media import write_video

# Two epochs on windows of about a second.
QUICK = ("protocol.window=32", "protocol.hop=16", "trainer.max_epochs=2", "seed=0")


def lfnet(*words: str) -> int:
    """`lfnet WORDS` within this process; its exit status."""
    return main(list(words))


def cut(source: Path, target: Path, start: float, seconds: float) -> Path:
    """A part of a video as a video of its own, each frame at its own time."""
    kept = [frame for frame in takewhile(lambda f: f.time < start + seconds, frames(source)) if frame.time >= start]
    times = [round(1000 * (frame.time - kept[0].time)) for frame in kept]
    target.parent.mkdir(parents=True, exist_ok=True)
    return write_video(target, [frame.rgb for frame in kept], times)


def landmarker(shared: Path) -> str:
    """The override that names the real face landmarker."""
    return f'video.landmarker.path="{shared}/weights/face_landmarker.task"'
