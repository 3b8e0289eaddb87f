"""Build a simulated cohort from conf/cohort/simulated.yaml."""

from typing import Annotated, Any

import pandas as pd

from lfnet.cohorts.cohort import Cohort, Scale, validate
from lfnet.config import read
from lfnet.errors import LfnetError
from lfnet.simulation.filming import MOVED
from lfnet.simulation.generator import SimulatedFeatures
from lfnet.simulation.people import draw
from lfnet.simulation.settings import Settings

__all__ = ["simulate"]


def simulate(*, scale: Scale, name: str = "simulated", **settings: Annotated[Any, Settings]) -> Cohort:
    """Draw a cohort whose features have known ground truth (`lfnet.simulation` states the model).

    Parameters
    ----------
    scale : Scale
        Scale of the labels; its ends must be whole points.
    name : str
        Name of the cohort.
    **settings
        The fields of `lfnet.simulation.settings.Settings`; conf/cohort/simulated.yaml explains each. Groups of settings
        are mappings or the classes of that module.

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
    if scale.min != int(scale.min) or scale.max != int(scale.max):
        raise LfnetError(f"scale {scale.name} runs from {scale.min} to {scale.max}: simulated labels are whole points.")
    chosen = read(Settings, {"scale": scale, **settings}, "cohort")
    truth = draw(chosen)
    clips = truth.clips.drop(columns=["recording", "level"])
    owners = truth.recordings.loc[truth.clips["recording"], ["recording_id", "person_id", "split", "label"]]
    clips = pd.concat([clips, owners.reset_index(drop=True)], axis=1)
    clips = clips.assign(path="", fps=float(chosen.fps))
    about = None
    if truth.filming is not None:
        about = truth.filming.loc[truth.clips["recording"]].set_axis(truth.clips["clip_id"], axis=0)
        about = about.drop(columns=[f"moved_{name}" for name in MOVED])
    return Cohort(
        name=name,
        clips=validate(clips, scale, f"cohort {name}"),
        scale=scale,
        simulated=True,
        own=SimulatedFeatures(chosen, truth),
        about=about,
    )
