"""Vectors of a clip's sound: which windows are valid, and at which times they lie.

Changing this file changes the recipe of all streams made from sound: their features are extracted again.
"""

from pathlib import Path

import numpy as np

from lfnet.audio.track import Sound, read_sound
from lfnet.audio.voice import STEP, share_in, voice
from lfnet.encoders.sound_encoder import SoundEncoder
from lfnet.features.store import ClipFeatures
from lfnet.video.survey import Survey

__all__ = ["NO_SOUND", "SoundTracks", "sound_features"]

NO_SOUND = "no sound track"
_PRESENT = 1 - 1e-9  # share of a window that the track must have


class SoundTracks:
    """The sound of one clip at the rates that encoders ask for, each read once.

    Parameters
    ----------
    path : Path
        A video, or a folder of images, which has no sound.
    surveyed : Survey or None
        Of the video; None for a folder.
    damaged : {"refuse", "keep"}
        As for `lfnet.audio.track.read_sound`.
    """

    def __init__(self, path: Path, surveyed: Survey | None, damaged: str) -> None:
        self._path, self._surveyed, self._damaged = path, surveyed, damaged
        self._read: dict[int, Sound | None] = {}

    def at(self, rate: int) -> Sound | None:
        """Return the sound at a rate; None where there is none. Raises `Unreadable` where it is damaged."""
        if self._surveyed is None:
            return None
        if rate not in self._read:
            self._read[rate] = read_sound(self._path, rate, self._surveyed, self._damaged)
        return self._read[rate]


def sound_features(encoder: SoundEncoder, sound: Sound | None, meta: dict[str, str]) -> ClipFeatures:
    """Encode the sound of a clip.

    A row's time is the middle of its window, in seconds from the clip's first frame. It is valid where the track has
    the whole window, and a voice in a share of `encoder.min_voice` of it; other rows are NaN, so that ignoring the mask
    fails.

    Parameters
    ----------
    encoder : SoundEncoder
    sound : Sound or None
        At the encoder's rate; None gives one invalid row.
    meta : dict of str
        Facts for the header.

    Returns
    -------
    ClipFeatures
    """
    facts = {"sound": "true", "sound_rate": str(encoder.rate)}
    if sound is None:
        nothing = np.full((1, encoder.dim), np.nan, np.float32)
        noted = {"notes": NO_SOUND, "sound_notes": NO_SOUND, "coverage": "0.0000"}
        return ClipFeatures(nothing, np.zeros(1, bool), np.zeros(1), {**meta, **facts, **noted})
    vectors = encoder.encode_sound(sound.samples_N)
    if vectors.ndim != 2 or vectors.shape[1] != encoder.dim or vectors.dtype != np.float32:
        raise ValueError(f"{encoder.name} must give float32 [T, {encoder.dim}], gave {vectors.dtype} {vectors.shape}")
    notes = list(sound.notes)
    if not len(vectors):
        vectors = np.full((1, encoder.dim), np.nan, np.float32)
        notes.append(f"the clip is shorter than a window of {encoder.window:g} s")
    window, hop = encoder.samples
    start = np.arange(len(vectors)) * hop / encoder.rate
    step = max(1, round(STEP * encoder.rate))
    whole = len(sound.there_N) // step * step
    there_T = sound.there_N[:whole].reshape(-1, step).min(axis=1)
    valid = (share_in(there_T, start, encoder.window) >= _PRESENT) & np.isfinite(vectors).all(axis=1)
    if encoder.min_voice > 0:
        spoken = share_in(voice(sound), start, encoder.window) >= encoder.min_voice
        if valid.any() and not (valid & spoken).any():
            notes.append("no voice in its sound")
        valid &= spoken
    vectors = vectors.copy()
    vectors[~valid] = np.nan
    noted = {"notes": "; ".join(notes), "sound_notes": "; ".join(notes), "coverage": f"{float(valid.mean()):.4f}"}
    middle = start + window / 2 / encoder.rate
    return ClipFeatures(vectors, valid, middle, {**meta, **facts, **noted})
