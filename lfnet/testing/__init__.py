"""Public checks for your own heads, encoders and readers: `check_head`, `check_encoder`, `check_reader`; a toy bundle.

Call the checks in your tests; each raises `AssertionError` with the broken rule.
"""

from typing import TYPE_CHECKING

from lfnet.lazy import lazy_imports

if TYPE_CHECKING:
    from lfnet.testing.encoder_check import check_encoder as check_encoder
    from lfnet.testing.head_check import check_head as check_head
    from lfnet.testing.reader_check import check_reader as check_reader
    from lfnet.testing.toy_bundle import make_toy_bundle as make_toy_bundle

_MODULES = {
    "check_encoder": "encoder_check",
    "check_head": "head_check",
    "check_reader": "reader_check",
    "make_toy_bundle": "toy_bundle",
}

__all__ = list(_MODULES)
__getattr__, __dir__ = lazy_imports(__name__, _MODULES)
