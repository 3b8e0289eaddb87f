"""The skin's colour in each frame: what the pulse is read from."""

from functools import partial
from typing import Any, Self

import numpy as np

from lfnet.errors import LfnetError
from lfnet.video.faces import Faces
from lfnet.video.skin import BRIGHT, DARK, REGIONS, skin_means

__all__ = ["SKIN_COLUMNS", "Skin"]

SKIN_COLUMNS = tuple(f"{region}_{part}" for region in REGIONS for part in ("red", "green", "blue", "pixels"))


class Skin:
    """Mean red, green, blue (0–255) and number of skin pixels of forehead, left and right cheek: 12-D.

    The columns are `SKIN_COLUMNS`. The pass over the video measures them by `skin_means`, since whole frames are not
    kept; the encoder hands them on. A region without a pixel of skin is all zeros.
    bright, dark: grey levels; a pixel counts where all its channels are below `bright` and one of them is `dark` or
    more (`lfnet.video.skin.skin_means`). LightFusionNet's step from video to colour is missing: both are assumed.
    Raises `LfnetError` for levels that leave no pixel.
    """

    needs = frozenset({"skin"})
    crop_size = None
    unit_norm = False
    per_segment = False

    def __init__(self, name: str = "skin", *, bright: int = BRIGHT, dark: int = DARK) -> None:
        self.name, self.dim = name, len(SKIN_COLUMNS)
        self.bright, self.dark = bright, dark
        whole = all(isinstance(level, int) and not isinstance(level, bool) for level in (bright, dark))
        if not whole or not 0 <= dark < bright <= 256:
            raise LfnetError(
                f"encoder.{name}.dark={dark} and encoder.{name}.bright={bright}: give whole grey levels with "
                "0 <= dark < bright <= 256."
            )
        self.skin_means = partial(skin_means, bright=bright, dark=dark)

    def recipe(self) -> dict[str, Any]:
        """Settings as JSON, see `Encoder.recipe`."""
        return {"encoder": "Skin", "dim": self.dim, "bright": self.bright, "dark": self.dark}

    def encode(self, faces: Faces) -> np.ndarray:
        """float32 [N, 12] from skin_NRC."""
        skin: np.ndarray | None = getattr(faces, "skin_NRC", None)
        if skin is None or skin.shape != (len(faces), len(REGIONS), 4):
            raise ValueError(f"{self.name} needs skin [N, 3, 4], got {None if skin is None else skin.shape}")
        return skin.reshape(len(faces), self.dim).astype(np.float32)

    def close(self) -> None:
        """Nothing to free."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
