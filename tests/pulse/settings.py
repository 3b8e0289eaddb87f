"""The settings of conf/pulse, as the commands get them."""

from dataclasses import replace
from typing import Any

from lfnet.cli.configs import compose
from lfnet.config import instantiate
from lfnet.pulse.settings import PulseSettings


def settings_of(name: str, **changed: Any) -> PulseSettings:
    """conf/pulse/NAME.yaml, with changes."""
    made: PulseSettings = instantiate(compose(None, [f"+pulse={name}"]).pulse)
    return replace(made, **changed)
