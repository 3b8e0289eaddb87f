"""Public checks for other people's heads and encoders."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lfnet.testing.encoder_check import check_encoder
    from lfnet.testing.head_check import check_head

__all__ = ["check_encoder", "check_head"]

_MODULES = {"check_encoder": "lfnet.testing.encoder_check", "check_head": "lfnet.testing.head_check"}


def __getattr__(name: str) -> Any:
    if name in _MODULES:  # torch and cv2 come with them, so not before somebody asks
        return getattr(importlib.import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
