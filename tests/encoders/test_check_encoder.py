"""The public check finds what it is for: each broken encoder fails it for its own reason."""

import itertools
from typing import Any

import numpy as np
import pytest

from lfnet.testing.encoder_check import check_encoder
from lfnet.video.faces import Faces


class Plain:
    """Keeps the contract: the mean colour of nine fields of the crop."""

    name = "plain"
    dim = 27
    needs = frozenset({"crops"})
    crop_size: int | None = 12
    unit_norm = False

    def recipe(self) -> dict[str, Any]:
        return {"encoder": "Plain"}

    def encode(self, faces: Faces) -> np.ndarray:
        assert faces.crops_NHWC is not None
        fields = faces.crops_NHWC.reshape(-1, 3, 4, 3, 4, 3).mean(axis=(2, 4))
        return fields.reshape(-1, 27).astype(np.float32)

    def close(self) -> None:
        pass

    def __enter__(self) -> "Plain":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class WrongDim(Plain):
    dim = 26


class Double(Plain):
    def encode(self, faces: Faces) -> np.ndarray:
        return super().encode(faces).astype(np.float64)


class Dead(Plain):
    def encode(self, faces: Faces) -> np.ndarray:
        return np.zeros((len(faces), 27), np.float32)


class Nan(Plain):
    def encode(self, faces: Faces) -> np.ndarray:
        return np.log(super().encode(faces) - 1e9)


class Restless(Plain):
    def __init__(self) -> None:
        self.calls = itertools.count()

    def encode(self, faces: Faces) -> np.ndarray:
        return super().encode(faces) + np.float32(next(self.calls))


class Neighbourly(Plain):
    def encode(self, faces: Faces) -> np.ndarray:
        vectors = super().encode(faces)
        return vectors + np.roll(vectors, 1, axis=0)


class Crowded(Plain):
    def encode(self, faces: Faces) -> np.ndarray:
        return super().encode(faces) * np.float32(1 + 0.01 * len(faces))


class Timely(Plain):
    def encode(self, faces: Faces) -> np.ndarray:
        return super().encode(faces) + np.floor(faces.time)[:, None].astype(np.float32)


class Vandal(Plain):
    def encode(self, faces: Faces) -> np.ndarray:
        assert faces.crops_NHWC is not None
        vectors = super().encode(faces)
        faces.crops_NHWC[:] = 0
        return vectors


class Hungry(Plain):
    def encode(self, faces: Faces) -> np.ndarray:
        return super().encode(faces) if len(faces) else np.zeros((0, 1), np.float32)


class Unlengthy(Plain):
    unit_norm = True


class Sizeless(Plain):
    crop_size = None


class Unreadable(Plain):
    def recipe(self) -> dict[str, Any]:
        return {"mean": np.float32(3)}


class Forgetful(Plain):
    closed = False

    def encode(self, faces: Faces) -> np.ndarray:
        return super().encode(faces) + np.float32(self.closed)

    def close(self) -> None:
        self.closed = True


def test_a_sound_encoder_passes() -> None:
    check_encoder(Plain())


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (WrongDim, "where dim says"),
        (Double, "must give float32"),
        (Dead, "the network is dead"),
        (Nan, "NaN or infinite"),
        (Restless, "twice gave two answers"),
        (Neighbourly, "depends on the frames around it"),
        (Crowded, "how many are encoded at once"),
        (Timely, "depends on when it was filmed"),
        (Vandal, "changed the faces' crops_NHWC"),
        (Hungry, "no faces must give"),
        (Unlengthy, "unit_norm is stated"),
        (Sizeless, "states its crop_size"),
        (Unreadable, "JSON"),
        (Forgetful, "after close"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_each_fault_is_found_and_named(broken: type[Plain], reason: str) -> None:
    with pytest.raises((AssertionError, TypeError), match=reason):
        check_encoder(broken())
