"""The parts of the face that columns of an encoder's vectors belong to."""

import numpy as np

from lfnet.encoders.blendshapes import Blendshapes
from lfnet.encoders.encoder import Encoder
from lfnet.encoders.skin import Skin
from lfnet.encoders.visual import VisualFrames
from lfnet.video.regions import REGIONS
from lfnet.video.skin import REGIONS as SKIN_REGIONS

__all__ = ["face_parts"]

# Columns of MediaPipe's blendshapes, which are in alphabetical order after "_neutral"; 0 is not used.
_BLENDSHAPES = {
    "brows": (1, 6),
    "cheeks": (6, 9),
    "eyes": (9, 23),
    "jaw": (23, 27),
    "mouth": (27, 50),
    "nose": (50, 52),
}
_N_BLENDSHAPES = 52


def face_parts(encoder: Encoder | None) -> dict[str, np.ndarray]:
    """Return the columns of each part of the face; empty for an encoder that does not separate parts.

    Examples
    --------
    >>> from lfnet.encoders import Blendshapes
    >>> {name: len(columns) for name, columns in face_parts(Blendshapes(translation=False)).items()}
    {'brows': 5, 'cheeks': 3, 'eyes': 14, 'jaw': 4, 'mouth': 23, 'nose': 2, 'head': 3}
    """
    if isinstance(encoder, Blendshapes):
        parts = {name: np.arange(*span) for name, span in _BLENDSHAPES.items()}
        more = np.arange(_N_BLENDSHAPES, encoder.dim)  # rotation and translation
        return {**parts, "head": more} if len(more) else parts
    if isinstance(encoder, Skin):
        return _equal(SKIN_REGIONS, encoder.dim)
    if isinstance(encoder, VisualFrames) and encoder.images_per_vector > 1:
        return _equal(("face", *REGIONS), encoder.dim)
    return {}


def _equal(names: tuple[str, ...], dim: int) -> dict[str, np.ndarray]:
    """Equal parts, one after the other."""
    return dict(zip(names, np.split(np.arange(dim), len(names)), strict=True))
