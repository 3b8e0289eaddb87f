"""Public checks for heads and encoders of your own: `check_head` and `check_encoder`; a bundle for examples.

Call the checks in your tests; each raises `AssertionError` with the broken rule.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lfnet.testing.encoder_check import check_encoder
    from lfnet.testing.head_check import check_head
    from lfnet.testing.toy_bundle import make_toy_bundle

__all__ = ["check_encoder", "check_head", "make_toy_bundle"]

_MODULES = {
    "check_encoder": "lfnet.testing.encoder_check",
    "check_head": "lfnet.testing.head_check",
    "make_toy_bundle": "lfnet.testing.toy_bundle",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:  # they import torch, cv2 and onnx, so only on first use
        return getattr(importlib.import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
