"""Build a simulated cohort from conf/cohort/simulated.yaml."""

import pandas as pd

from lfnet.cohorts.cohort import Cohort, Scale, validate
from lfnet.config import Count, NonNegative, Positive, Share, read
from lfnet.errors import LfnetError
from lfnet.simulation.generator import SimulatedFeatures
from lfnet.simulation.people import draw
from lfnet.simulation.settings import (
    Correlation,
    Dim,
    Duration,
    LostShare,
    Pulse,
    Recordings,
    Seed,
    Settings,
    Signal,
    Within,
)

__all__ = ["simulate"]


def simulate(
    *,
    scale: Scale,
    seed: Seed,
    recordings: Recordings,
    people: Count | None,
    people_shared: Share,
    label_mean: float,
    label_sd: Positive,
    within_person: Within,
    label_noise: NonNegative,
    signal: Signal,
    identity: NonNegative,
    duration: Duration,
    duration_leak: Correlation,
    lost_frames: LostShare,
    fps: Positive,
    dim: Dim,
    pulse: Pulse | None = None,
    name: str = "simulated",
) -> Cohort:
    """Draw a cohort whose features have known ground truth (`lfnet.simulation` states the model).

    Parameters
    ----------
    scale : Scale
        Scale of the labels; its ends must be whole points.
    seed, recordings, people, people_shared, label_mean, label_sd, within_person, label_noise, signal, identity, \
duration, duration_leak, lost_frames, fps, dim, pulse
        The settings of conf/cohort/simulated.yaml, each explained there. Groups of settings are mappings or the
        classes of `lfnet.simulation.settings`.
    name : str
        Name of the cohort.

    Returns
    -------
    Cohort
        `Cohort.own` is a `SimulatedFeatures`: it makes the vectors, holds the truth, and
        `Cohort.own.references()` gives the oracles' scores. `Cohort.own.more` holds the pulse stream.

    Raises
    ------
    LfnetError
        One line for each wrong setting.

    Examples
    --------
    >>> from lfnet.cohorts.scale import Band, Scale
    >>> equal = {"level": 1.0, "tempo": 1.0, "burst": 1.0}
    >>> cohort = simulate(
    ...     scale=Scale(name="points", min=0, max=63, bands=(Band(name="all", low=0, high=63),)),
    ...     seed=0, recordings={"train": 4, "dev": 2, "test": 2}, people=None, people_shared=1.0,
    ...     label_mean=15, label_sd=12, within_person=0.7, label_noise=2.0,
    ...     signal={"name": "level", "strength": 1.0, "block": 32, "shares": equal, "amplitudes": equal},
    ...     identity=1.0, duration={"min": 2, "max": 8, "median": 4, "spread": 0.6}, duration_leak=0.0,
    ...     lost_frames=0.0, fps=30, dim=16,
    ... )
    >>> len(cohort.clips), cohort.simulated
    (16, True)
    >>> features, valid, seconds = cohort.own.clip(cohort.clips["clip_id"][0])
    >>> features.shape[1], bool(valid.all())
    (16, True)
    """
    given = dict(locals())
    del given["scale"], given["name"]
    if scale.min != int(scale.min) or scale.max != int(scale.max):
        raise LfnetError(f"scale {scale.name} runs from {scale.min} to {scale.max}: simulated labels are whole points.")
    settings = read(Settings, {**given, "low": int(scale.min), "high": int(scale.max)}, "cohort")
    truth = draw(settings)
    clips = truth.clips.drop(columns=["recording", "level"])
    owners = truth.recordings.loc[truth.clips["recording"], ["recording_id", "person_id", "split", "label"]]
    clips = pd.concat([clips, owners.reset_index(drop=True)], axis=1)
    clips = clips.assign(path="", fps=float(settings.fps))
    return Cohort(
        name=name,
        clips=validate(clips, scale, f"cohort {name}"),
        scale=scale,
        simulated=True,
        own=SimulatedFeatures(settings, truth),
    )
