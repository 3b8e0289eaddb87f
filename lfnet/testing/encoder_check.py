"""Check that an encoder keeps the contract of `lfnet.encoders.Encoder`."""

import json
from dataclasses import replace
from typing import Any

import numpy as np

from lfnet.encoders.encoder import Encoder, per_segment
from lfnet.encoders.sound_encoder import SoundEncoder, hears
from lfnet.video.faces import Faces

__all__ = ["check_encoder", "made_up_faces"]

_NEEDS = {"crops", "mesh", "skin", "sound"}


def check_encoder(encoder: Encoder, frames: int = 5, tolerance: float = 1e-4) -> None:
    """Check an encoder: its attributes, vectors, recipe, and independence of neighbouring frames and batches.

    An encoder of sound is given made-up sound of `frames` seconds, or of as many windows if these are longer. The
    network is loaded, and freed at the end.

    Parameters
    ----------
    encoder : Encoder
        An object of a subclass of `lfnet.encoders.Encoder`, or with the same attributes and methods.
    frames : int
        Number of made-up faces, 3 or more; more than the encoder's batch size shows faults between batches.
    tolerance : float
        Allowed difference, as a share of the largest number, where only rounding may differ.

    Raises
    ------
    AssertionError
        What is wrong.

    Examples
    --------
    >>> from lfnet.encoders import Blendshapes
    >>> from lfnet.testing import check_encoder
    >>> check_encoder(Blendshapes())
    """
    assert frames >= 3, "check_encoder needs three frames or more"
    _check_attributes(encoder)
    if hears(encoder):
        _check_sound(encoder, frames, tolerance)  # type: ignore[arg-type]
        return
    faces = made_up_faces(frames, encoder.crop_size)
    before = _copy(faces)
    recipe = encoder.recipe()
    with encoder as opened:
        assert opened is encoder, "`with encoder as e` must give the encoder itself"
        vectors = encoder.encode(faces)
        whole = per_segment(encoder)
        _check_vectors(encoder, vectors, 1 if whole else frames)
        for name, array in vars(before).items():
            assert np.array_equal(getattr(faces, name), array), f"encode changed the faces' {name}"

        again = encoder.encode(faces)
        assert np.array_equal(again, vectors), "encoding the same faces twice gave two answers"

        close = tolerance * np.abs(vectors).max()
        order = np.arange(frames)[::-1]
        singly = np.concatenate([encoder.encode(_take(faces, order[i : i + 1])) for i in range(frames)])
        if whole:
            assert singly.shape == (frames, encoder.dim), "a segment of one frame must give one row"
            _check_vectors(encoder, singly, frames)
        else:
            backwards = encoder.encode(_take(faces, order))
            assert np.abs(backwards - vectors[order]).max() <= close, "a frame's vector depends on the frames around it"
            assert np.abs(singly - vectors[order]).max() <= close, (
                "a frame's vector depends on how many are encoded at once"
            )
        later = encoder.encode(replace(faces, index=faces.index + 1000, time=faces.time + 33.0))
        assert np.array_equal(later, vectors), "a frame's vector depends on when it was filmed"

        none = encoder.encode(_take(faces, order[:0]))
        assert none.shape == (0, encoder.dim) and none.dtype == np.float32, "no faces must give float32 [0, dim]"
    reopened = encoder.encode(faces)
    encoder.close()
    assert np.array_equal(reopened, vectors), "after close the encoder gave other vectors"
    assert encoder.recipe() == recipe, "the recipe changed by encoding"


def made_up_faces(frames: int, crop_size: int | None, seed: int = 0) -> Faces:
    """Make random faces with all parts: smooth crops, blendshapes in [0, 1], rigid poses, landmarks, skin."""
    rng = np.random.default_rng(seed)
    side = crop_size or 112
    coarse = rng.integers(0, 256, (frames, 8, 8, 3))
    cells = np.arange(side) * 8 // side
    crops = coarse[:, cells][:, :, cells].astype(np.uint8)
    # The orthogonal factor of a random matrix becomes a rotation by its sign.
    rotations, _ = np.linalg.qr(rng.normal(size=(frames, 3, 3)))
    rotations *= np.linalg.det(rotations)[:, None, None]
    pose = np.tile(np.eye(4, dtype=np.float32), (frames, 1, 1))
    pose[:, :3, :3] = rotations
    pose[:, :3, 3] = rng.normal([0, 0, -40], [5, 5, 5], (frames, 3))
    return Faces(
        index=np.arange(frames, dtype=np.int64),
        time=np.arange(frames) / 30,
        crops_NHWC=crops,
        blendshapes_NB=rng.random((frames, 52), dtype=np.float32),
        pose_N44=pose,
        landmarks_NLC=(300 * rng.random((frames, 478, 3))).astype(np.float32),
        points_NL2=(side * rng.random((frames, 478, 2))).astype(np.float32),
        skin_NRC=(200 * rng.random((frames, 3, 4))).astype(np.float32),
    )


def _check_attributes(encoder: Encoder) -> None:
    assert isinstance(encoder.name, str) and encoder.name, "name must be a text"
    assert isinstance(encoder.dim, int) and encoder.dim > 0, f"dim must be a positive whole number, not {encoder.dim!r}"
    assert encoder.needs and encoder.needs <= _NEEDS, f"needs must be out of {_NEEDS}, not {encoder.needs}"
    if "crops" in encoder.needs:
        assert isinstance(encoder.crop_size, int) and encoder.crop_size > 0, "an encoder of crops states its crop_size"
    else:
        assert encoder.crop_size is None, "crop_size must be None where crops are not needed"
    assert isinstance(encoder.unit_norm, bool), "unit_norm must be True or False"
    assert isinstance(getattr(encoder, "sparse", False), bool), "sparse must be True or False"
    if per_segment(encoder):
        _check_segments(encoder)
    recipe = encoder.recipe()
    assert isinstance(recipe, dict) and recipe, "recipe() must be a dict that says what makes the vectors"
    assert json.loads(json.dumps(recipe, allow_nan=False)) == recipe, "recipe() must hold plain JSON values only"
    assert encoder.recipe() == recipe, "recipe() must not change from call to call"


def _check_sound(encoder: SoundEncoder, seconds: int, tolerance: float) -> None:
    for name in ("rate", "window", "hop"):
        assert getattr(encoder, name) > 0, f"{name} must be above 0"
    assert 0 <= encoder.min_voice <= 1, f"min_voice must be from 0 to 1, not {encoder.min_voice!r}"
    columns = encoder.columns
    assert columns is None or len(columns) == encoder.dim, "columns must name the numbers of a vector, dim of them"
    window, hop = encoder.samples
    count = max(seconds * encoder.rate, seconds * window)
    beat = 1 + np.sin(2 * np.pi * 3 * np.arange(count) / encoder.rate)
    samples_N = (0.05 * beat * np.random.default_rng(0).standard_normal(count)).astype(np.float32)
    before, recipe = samples_N.copy(), encoder.recipe()
    with encoder as opened:
        assert opened is encoder, "`with encoder as e` must give the encoder itself"
        vectors = encoder.encode_sound(samples_N)
        whole = 1 + (count - window) // hop
        assert 0 < len(vectors) <= whole, f"encode_sound gave {len(vectors)} rows of {whole} whole windows"
        _check_vectors(encoder, vectors, len(vectors))
        assert np.array_equal(samples_N, before), "encode_sound changed the samples"
        assert np.array_equal(encoder.encode_sound(samples_N), vectors), "encoding one sound twice gave two answers"
        assert encoder.encode_sound(samples_N[: window // 2]).shape == (0, encoder.dim), "no window must give [0, dim]"
    again = encoder.encode_sound(samples_N)
    encoder.close()
    assert np.abs(again - vectors).max() <= tolerance * np.abs(vectors).max(), "after close it gave other vectors"
    assert encoder.recipe() == recipe, "the recipe changed by encoding"


def _check_segments(encoder: Any) -> None:
    for name in ("segment_frames", "min_frames"):
        assert isinstance(getattr(encoder, name), int) and getattr(encoder, name) > 0, f"{name} must be 1 or more"
    segments = encoder.segments
    assert segments is None or (isinstance(segments, int) and segments > 0), "segments must be None, or 1 or more"


def _check_vectors(encoder: Encoder, vectors: np.ndarray, frames: int) -> None:
    assert isinstance(vectors, np.ndarray), f"encode must give a NumPy array, not {type(vectors).__name__}"
    assert vectors.dtype == np.float32, f"encode must give float32, not {vectors.dtype}"
    expected = (frames, encoder.dim)
    assert vectors.shape == expected, f"encode gave {vectors.shape} where dim says {expected}"
    assert np.isfinite(vectors).all(), "encode gave NaN or infinite numbers"
    different = np.abs(vectors[1:] - vectors[:1]).max(axis=1)
    if not getattr(encoder, "sparse", False):
        assert different.all(), "different faces gave the same vector: the network is dead or does not read the faces"
    if encoder.unit_norm:
        lengths = np.linalg.norm(vectors, axis=1)
        assert np.allclose(lengths, 1, atol=1e-4), (
            f"unit_norm is stated, but lengths are {lengths.min()}-{lengths.max()}"
        )


def _take(faces: Faces, rows: np.ndarray) -> Faces:
    parts: dict[str, Any] = {name: None if array is None else array[rows] for name, array in vars(faces).items()}
    return Faces(**parts)


def _copy(faces: Faces) -> Faces:
    return _take(faces, np.arange(len(faces)))
