"""Draw recordings, severities, labels, splits and clip lengths of a simulated cohort."""

import math
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from scipy import special, stats

from lfnet.errors import LfnetError
from lfnet.simulation import signals
from lfnet.simulation.filming import draw_filming
from lfnet.simulation.settings import Settings

__all__ = ["TASKS", "Truth", "block_bounds", "draw", "severity", "stream"]

TASKS = ("freeform", "northwind")
_STREAMS = (
    "sessions",
    "splits",
    "severity",
    "label",
    "jitter",
    "duration",
    "space",
    "person",
    "session",
    "clip",
    "lost",
    "pulse",
    "filming",
    "audio",
)
_ATTEMPTS = 200


@dataclass(frozen=True)
class Truth:
    """Ground truth of a simulated cohort.

    Attributes
    ----------
    recordings : DataFrame
        One row a recording, by person and session: recording_id, person_id, person (number), split, u (severity on its
        normal scale), severity (points), label, tempo and burst (drives).
    clips : DataFrame
        One row a clip: clip_id, recording (row in `recordings`), task, n_frames, level (drive).
    filming : DataFrame, optional
        One row a recording: how it was filmed (`lfnet.simulation.filming`).
    """

    recordings: pd.DataFrame
    clips: pd.DataFrame
    filming: pd.DataFrame | None = None


def stream(seed: int, name: str, *indices: int) -> np.random.Generator:
    """Return a generator for one purpose (and one person, recording or clip), independent of all other draws."""
    key = (_STREAMS.index(name), *indices)
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed, spawn_key=key)))


def draw(settings: Settings) -> Truth:
    """Draw a cohort. Raises `LfnetError` where people cannot be assigned to the splits as asked."""
    person, session = _sessions(settings)
    count = len(person)
    random = stream(settings.seed, "severity")
    of_person, of_session = random.standard_normal(settings.n_people), random.standard_normal(count)
    u = np.sqrt(settings.within_person) * of_person[person] + np.sqrt(1 - settings.within_person) * of_session
    points = severity(u, settings)
    noise = settings.label_noise * stream(settings.seed, "label").standard_normal(count)
    filming = None
    if settings.filming is not None:
        filming = draw_filming(u, person, settings, stream(settings.seed, "filming"))
        noise = noise + settings.filming.sex_shift * (filming["sex"] == "f").to_numpy(float)
    width = max(3, len(str(settings.n_people)))
    people = np.array([f"p{number + 1:0{width}d}" for number in range(settings.n_people)])
    jitter = stream(settings.seed, "jitter")
    level_person, level_session = jitter.standard_normal(settings.n_people), jitter.standard_normal(count)
    level_clip = jitter.standard_normal((count, len(TASKS)))
    level_jitter = (
        np.sqrt(signals.PERSON_SHARE) * level_person[person][:, None]
        + np.sqrt(signals.SESSION_SHARE) * level_session[:, None]
        + np.sqrt(signals.CLIP_SHARE) * level_clip
    )
    recordings = pd.DataFrame(
        {
            "recording_id": [f"{people[p]}_{s + 1}" for p, s in zip(person, session, strict=True)],
            "person_id": people[person],
            "person": person,
            "split": _splits(person, settings),
            "u": u,
            "severity": points,
            "label": np.clip(np.rint(points + noise), settings.low, settings.high),
            "tempo": _drive(u, jitter.standard_normal(count), settings, "tempo"),
            "burst": _drive(u, jitter.standard_normal(count), settings, "burst"),
        }
    )
    level = _drive(u[:, None], level_jitter, settings, "level")
    frames = _frames(u, settings)
    clips = pd.DataFrame(
        {
            "clip_id": [f"{name}_{task}" for name in recordings["recording_id"] for task in TASKS],
            "recording": np.repeat(np.arange(count), len(TASKS)),
            "task": np.tile(TASKS, count),
            "n_frames": frames.ravel(),
            "level": level.ravel(),
        }
    )
    return Truth(recordings, clips, filming)


def severity(u: np.ndarray, settings: Settings) -> np.ndarray:
    """Return severity in points, low + (high − low) F⁻¹(Φ(u)) with F a beta distribution, from its normal scale u."""
    # The upper tail through its complement, so that 1 − Φ does not round to 0.
    quantile = np.where(
        u <= 0,
        stats.beta.ppf(special.ndtr(np.minimum(u, 0)), *settings.beta),
        stats.beta.isf(special.ndtr(-np.maximum(u, 0)), *settings.beta),
    )
    return settings.low + (settings.high - settings.low) * quantile


def block_bounds(settings: Settings) -> tuple[int, int]:
    """Return the minimum and maximum number of whole blocks in a clip, 1 or more."""
    low, high = (
        seconds * settings.fps / settings.signal.block for seconds in (settings.duration.min, settings.duration.max)
    )
    minimum = max(1, math.ceil(low))
    return minimum, max(minimum, math.floor(high))


def _drive(u: np.ndarray, jitter: np.ndarray, settings: Settings, mechanism: str) -> np.ndarray:
    coupling = settings.signal.coupling(mechanism)
    return coupling * u + np.sqrt(1 - coupling**2) * jitter


def _sessions(settings: Settings) -> tuple[np.ndarray, np.ndarray]:
    """Draw person and session number of each recording: one for everyone, the others at random."""
    random = stream(settings.seed, "sessions")
    more = settings.n_recordings - settings.n_people
    slots = np.tile(np.arange(settings.n_people), settings.max_sessions - 1)
    sessions = 1 + np.bincount(random.permutation(slots)[:more], minlength=settings.n_people)
    person = np.repeat(np.arange(settings.n_people), sessions)
    session = np.concatenate([np.arange(number) for number in sessions])
    return person, session


def _splits(person: np.ndarray, settings: Settings) -> np.ndarray:
    """Assign recordings to splits: the share `people_shared` of people one by one, all other people as a whole."""
    random = stream(settings.seed, "splits")
    sizes = asdict(settings.recordings)
    names = np.array(list(sizes))
    sessions = np.bincount(person)
    whole = np.flatnonzero((sessions > 1) & (random.random(len(sessions)) >= settings.people_shared))
    for _ in range(_ATTEMPTS):
        split = np.full(len(person), -1)
        room = np.array([sizes[name] for name in names])
        # Large groups first, at random among equals; each goes to a split with room, in proportion to that room.
        shuffled = random.permutation(whole)
        for one in shuffled[np.argsort(-sessions[shuffled], kind="stable")]:
            fits = np.where(room >= sessions[one], room, 0)
            if not fits.any():
                break
            chosen = random.choice(len(names), p=fits / fits.sum())
            split[person == one] = chosen
            room[chosen] -= sessions[one]
        else:
            split[split < 0] = random.permutation(np.repeat(np.arange(len(names)), room))
            return names[split]
    raise LfnetError(
        f"cohort.people={settings.n_people} with cohort.people_shared={settings.people_shared:g}: recordings of these "
        f"people cannot fill the splits {sizes}. Give more people or a larger cohort.people_shared."
    )


def _frames(u: np.ndarray, settings: Settings) -> np.ndarray:
    """Draw the frames of each clip, int [recordings, 2]; log-duration correlates with u by duration_leak.

    Clips are whole blocks. A window that ends with a clip would otherwise cut a block, and of a block in order it would
    keep the beginning of the gesture, which a model blind to order could see.
    """
    leak = settings.duration_leak
    own = stream(settings.seed, "duration").standard_normal((len(u), len(TASKS)))
    normal = leak * u[:, None] + np.sqrt(1 - leak**2) * own
    seconds = settings.duration.median * np.exp(settings.duration.spread * normal)
    blocks = np.clip(np.rint(seconds * settings.fps / settings.signal.block), *block_bounds(settings))
    return blocks.astype(int) * settings.signal.block
