"""conf/cohort/simulated.yaml becomes a `Cohort`."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from lfnet.cohorts.cohort import Cohort, Scale, validate
from lfnet.errors import LfnetError
from lfnet.simulation.generator import SimulatedFeatures
from lfnet.simulation.people import draw
from lfnet.simulation.settings import Duration, Pulse, Settings, Signal

__all__ = ["simulate"]


def simulate(
    *,
    scale: Scale,
    signal: Mapping[str, Any],
    duration: Mapping[str, Any],
    pulse: Mapping[str, Any] | None = None,
    name: str = "simulated",
    **settings: Any,
) -> Cohort:
    """A cohort of people who never were, with features whose truth is known (`lfnet.simulation`).

    Arguments: the keys of conf/cohort/simulated.yaml, each explained there. `Cohort.own` makes the vectors and holds
    the truth, `Cohort.own.more` makes the pulse's features; `Cohort.own.references()` gives the oracles' answers.
    Raises `LfnetError` naming the setting that cannot be.
    """
    if scale.min != int(scale.min) or scale.max != int(scale.max):
        raise LfnetError(f"scale {scale.name} runs from {scale.min} to {scale.max}: simulated labels are whole points.")
    checked = Settings(
        signal=_made(Signal, "cohort.signal", signal),
        duration=_made(Duration, "cohort.duration", duration),
        pulse=None if pulse is None else _made(Pulse, "cohort.pulse", pulse),
        low=int(scale.min),
        high=int(scale.max),
        **settings,
    )
    truth = draw(checked)
    clips = truth.clips.drop(columns=["recording", "level"])
    owners = truth.recordings.loc[truth.clips["recording"], ["recording_id", "person_id", "split", "label"]]
    clips = pd.concat([clips, owners.reset_index(drop=True)], axis=1)
    clips = clips.assign(path="", fps=float(checked.fps))
    return Cohort(
        name=name,
        clips=validate(clips, scale, f"cohort {name}"),
        scale=scale,
        simulated=True,
        own=SimulatedFeatures(checked, truth),
    )


def _made(kind: type, where: str, values: Mapping[str, Any]) -> Any:
    try:
        return kind(**values)
    except TypeError as error:
        raise LfnetError(f"{where}: {str(error).split(') ')[-1]}. See conf/cohort/simulated.yaml.") from error
