"""Draw how simulated people were filmed: numbers that can be planted as confounds of severity."""

import numpy as np
import pandas as pd

from lfnet.simulation.settings import Settings

__all__ = ["MOVED", "draw_filming", "latent"]

# Numbers with mean and SD; a person's recordings share this part of the variance, since a camera often stays.
_PLAIN = {
    "face_x": (0.5, 0.04),
    "face_y": (0.45, 0.04),
    "face_size": (0.3, 0.04),
    "yaw": (0.0, 6.0),
    "pitch": (0.0, 5.0),
    "roll": (0.0, 3.0),
    "bitrate": (1500.0, 200.0),
    "brightness": (120.0, 15.0),
    "sharpness": (200.0, 25.0),
    "noise": (2.0, 0.2),
    "loudness": (-28.0, 4.0),
    "age": (35.0, 9.0),
    "date": (14600.0, 120.0),
}
# Drawn only where `filming.leak` names them, after all others, so that these stay what they were.
_SOUND = {"sound_noise": (-55.0, 4.0), "sound_length": (40.0, 8.0)}
# Numbers and names with two values: the first where the number's latent is positive.
_BINARY = {
    "fps": ("25", "30"),
    "resolution": ("921600", "307200"),
    "codec": ("h264", "mpeg4"),
    "folder": ("a", "b"),
    "sex": ("f", "m"),
}
_OF_PERSON = 0.7
MOVED = ("face_x", "face_y", "face_size")
"""The numbers by which `filming.moves` moves the features."""


def latent(name: str, u: np.ndarray, person: np.ndarray, settings: Settings, random: np.random.Generator) -> np.ndarray:
    """Draw a number on its normal scale, float64 [recordings]; its correlation with severity is `filming.leak`."""
    assert settings.filming is not None
    share = 1.0 if name in ("sex", "age") else _OF_PERSON
    of_person, of_session = random.standard_normal(settings.n_people), random.standard_normal(len(u))
    own = np.sqrt(share) * of_person[person] + np.sqrt(1 - share) * of_session
    leak = {str(key): value for key, value in settings.filming.leak.items()}.get(name, 0.0)
    return leak * u + np.sqrt(1 - leak**2) * own


def draw_filming(u: np.ndarray, person: np.ndarray, settings: Settings, random: np.random.Generator) -> pd.DataFrame:
    """Draw all numbers of all recordings.

    Parameters
    ----------
    u : ndarray of float64, shape [recordings]
        Severity on its normal scale.
    person : ndarray of int, shape [recordings]
    settings : Settings
    random : Generator

    Returns
    -------
    DataFrame
        One row a recording: text as in a manifest's columns, and the latents of `MOVED` as float64 `moved_NAME`.
    """
    table = {}
    leaks = [str(name) for name in settings.filming.leak] if settings.filming is not None else []
    for name in (*_PLAIN, *_BINARY, *(name for name in _SOUND if name in leaks)):
        z = latent(name, u, person, settings, random)
        if name in _BINARY:
            table[name] = np.where(z > 0, *_BINARY[name])
        else:
            mean, sd = {**_PLAIN, **_SOUND}[name]
            values = mean + sd * z
            days = np.datetime64("1970-01-01") + values.astype(int) if name == "date" else None
            table[name] = np.array([f"{value:.4f}" for value in values] if days is None else days.astype(str))
        if name in MOVED:
            table[f"moved_{name}"] = z
    return pd.DataFrame(table)
