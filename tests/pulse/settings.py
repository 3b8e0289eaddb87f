"""Read conf/pulse with changes."""

from typing import Any

from lfnet.cli.configs import compose
from lfnet.config import plain, read
from lfnet.pulse.settings import PulseSettings


def settings_of(name: str, **changed: Any) -> PulseSettings:
    """Read conf/pulse/NAME.yaml with changes, as commands do."""
    node = plain(compose(None, [f"+pulse={name}"]).pulse)
    del node["_target_"]
    return read(PulseSettings, {**node, **changed}, "pulse")
