"""Encoders: a face crop, a face mesh or skin colours become a vector; one file each.

An encoder of your own is a subclass of `Encoder` and one yaml in conf/encoder; `lfnet.testing.check_encoder` checks it.

Axes in names: N frames, H height, W width, C colour channels, T frames of a segment, K selected frames, D numbers of a
vector, L mesh points, B blendshapes, R regions.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lfnet.encoders.blendshapes import Blendshapes
    from lfnet.encoders.encoder import Cost, Encoder, SegmentEncoder
    from lfnet.encoders.expression import Expression
    from lfnet.encoders.face_embedding import FaceEmbedding
    from lfnet.encoders.mobilenet import MobileNet
    from lfnet.encoders.skin import Skin
    from lfnet.encoders.visual import Visual, VisualFrames
    from lfnet.encoders.visual_settings import VisualSettings

__all__ = [
    "Blendshapes",
    "Cost",
    "Encoder",
    "Expression",
    "FaceEmbedding",
    "MobileNet",
    "SegmentEncoder",
    "Skin",
    "Visual",
    "VisualFrames",
    "VisualSettings",
]

_MODULES = {
    "Blendshapes": "blendshapes",
    "Cost": "encoder",
    "Encoder": "encoder",
    "Expression": "expression",
    "FaceEmbedding": "face_embedding",
    "MobileNet": "mobilenet",
    "SegmentEncoder": "encoder",
    "Skin": "skin",
    "Visual": "visual",
    "VisualFrames": "visual",
    "VisualSettings": "visual_settings",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(f"lfnet.encoders.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
