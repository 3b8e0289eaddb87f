"""Read all packets of a video once: the times of its frames, and the first damage that its container reveals."""

from pathlib import Path
from typing import NamedTuple

from lfnet.errors import LfnetError, Unreadable
from lfnet.files import refuse_special
from lfnet.video.clocks import Clock
from lfnet.video.container import opened
from lfnet.video.damage import Damage, find_damage
from lfnet.video.packets import read_packets
from lfnet.video.times import choose_clock

__all__ = ["DAMAGED", "Survey", "damage_message", "kept_note", "survey"]

DAMAGED = ("refuse", "keep")


class Survey(NamedTuple):
    """A video's clock, and where its damage begins; only with `damaged="keep"`, since others are refused."""

    clock: Clock
    damage: Damage | None

    @property
    def duration(self) -> float:
        """Seconds from the first frame to the last."""
        return max(0, self.clock.n_frames - 1) / self.clock.rate

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about repaired times and damage that are known before a frame is decoded."""
        kept = () if self.damage is None else (kept_note(self.duration, self.damage.reason),)
        return (*self.clock.notes, *kept)


def survey(path: Path, times: str = "stamps", damaged: str = "refuse") -> Survey:
    """Read the packets of a video, decide on the times of its frames, and look for damage.

    Frames are decoded only if stamps may be those of decoding, as in AVI files with B-frames.

    Parameters
    ----------
    path : Path
        A video.
    times : {"stamps", "rebuild"}
        Times of frames: the file's timestamps, repaired where they cannot be right, or a count at the stated rate.
    damaged : {"refuse", "keep"}
        Refuse a damaged video, or describe what precedes the damage.

    Returns
    -------
    Survey

    Raises
    ------
    Unreadable
        The video is missing, empty, no video, damaged, or there is no right time for its frames.
    """
    if damaged not in DAMAGED:
        raise LfnetError(f"video.damaged must be one of {', '.join(DAMAGED)}, not {damaged!r}.")
    _check(path)
    with opened(path) as (container, stream):
        packets = read_packets(container, stream)
        damage = find_damage(path, container, stream, packets)
        if damage is not None:
            packets = packets.before(damage.packet)
        if not packets.each:
            reason = "" if damage is None else f" ({damage.reason})"
            raise Unreadable(f"{path} holds no readable frame{reason}. Check the file, or copy it again.")
        found = Survey(choose_clock(path, stream, packets, times, damaged), damage)
    if damage is not None and damaged == "refuse":
        raise Unreadable(damage_message(path, found.duration, damage.reason))
    return found


def damage_message(path: Path, seconds: float, reason: str) -> str:
    """Say after which time a video is damaged, why, and what can be done."""
    return (
        f"{path} is damaged after {seconds:.2f} s ({reason}). "
        "Copy the file again, or use what precedes the damage with video.damaged=keep."
    )


def kept_note(seconds: float, reason: str) -> str:
    """Say which part of a damaged video was kept."""
    return f"only the frames up to {seconds:.2f} s were kept: {reason}"


def _check(path: Path) -> None:
    refuse_special(path)
    if not path.is_file():
        raise Unreadable(f"{path} does not exist.")
    if path.stat().st_size == 0:
        raise Unreadable(f"{path} is empty (0 bytes). Copy the file again.")
