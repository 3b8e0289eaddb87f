"""Skin colour of each frame, from which a pulse is estimated."""

from functools import partial
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from lfnet.encoders.encoder import Encoder
from lfnet.errors import LfnetError
from lfnet.video.faces import Faces
from lfnet.video.skin import BRIGHT, DARK, REGIONS, skin_means

__all__ = ["SKIN_COLUMNS", "Skin"]

SKIN_COLUMNS = tuple(f"{region}_{part}" for region in REGIONS for part in ("red", "green", "blue", "pixels"))


class Skin(Encoder):
    """Mean red, green, blue (0–255) and number of skin pixels of forehead, left and right cheek: 12-D.

    The columns are `SKIN_COLUMNS`; a region without a skin pixel is all zeros. Whole frames are not kept, so that the
    pass over the video measures the colours with `skin_means`, and `encode` only reshapes them.

    Parameters
    ----------
    name : str
        Name of the stream.
    bright, dark : int
        Grey levels: a pixel counts if all its channels are below `bright` and one of them is `dark` or more. Both are
        assumed, since LightFusionNet does not publish its step from video to colour.

    Raises
    ------
    LfnetError
        `dark` is not below `bright`.

    Examples
    --------
    >>> from lfnet.encoders import Skin
    >>> from lfnet.testing.encoder_check import made_up_faces
    >>> Skin().encode(made_up_faces(frames=4, crop_size=None)).shape
    (4, 12)
    """

    needs = frozenset({"skin"})
    dim = len(SKIN_COLUMNS)

    def __init__(
        self,
        name: str = "skin",
        *,
        bright: Annotated[int, Field(ge=1, le=256)] = BRIGHT,
        dark: Annotated[int, Field(ge=0, le=255)] = DARK,
    ) -> None:
        if not dark < bright:
            raise LfnetError(f"encoder.{name}.dark={dark}: give a grey level below encoder.{name}.bright={bright}.")
        self.name, self.bright, self.dark = name, bright, dark
        self.skin_means = partial(skin_means, bright=bright, dark=dark)

    def recipe(self) -> dict[str, Any]:
        """Describe the settings as JSON."""
        return {"encoder": "Skin", "dim": self.dim, "bright": self.bright, "dark": self.dark}

    def encode(self, faces: Faces) -> np.ndarray:
        """Return float32 [N, 12] from skin_NRC."""
        skin = faces.skin_NRC
        if skin is None or skin.shape != (len(faces), len(REGIONS), 4):
            raise ValueError(f"{self.name} needs skin [N, 3, 4], got {None if skin is None else skin.shape}")
        return skin.reshape(len(faces), self.dim).astype(np.float32)
