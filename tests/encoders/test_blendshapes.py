"""Blendshapes: its columns, and the head's angles against SciPy."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from lfnet.encoders.blendshapes import Blendshapes, head_angles
from lfnet.testing.encoder_check import check_encoder, made_up_faces


def poses(rotations: np.ndarray) -> np.ndarray:
    pose = np.tile(np.eye(4), (len(rotations), 1, 1))
    pose[:, :3, :3] = rotations
    return pose


@pytest.mark.parametrize(("rotation", "translation", "dim"), [(True, True, 58), (True, False, 55), (False, False, 52)])
def test_it_keeps_the_contract(rotation: bool, translation: bool, dim: int) -> None:
    encoder = Blendshapes(rotation=rotation, translation=translation)
    assert encoder.dim == dim
    check_encoder(encoder)


def test_columns_are_blendshapes_angles_and_metres() -> None:
    faces = made_up_faces(4, None)
    vectors = Blendshapes().encode(faces)
    assert faces.pose_N44 is not None
    np.testing.assert_array_equal(vectors[:, :52], faces.blendshapes_NB)
    np.testing.assert_allclose(vectors[:, 52:55], head_angles(faces.pose_N44), atol=1e-6)
    np.testing.assert_allclose(100 * vectors[:, 55:], faces.pose_N44[:, :3, 3], rtol=1e-6)


def test_the_recipes_of_its_settings_differ() -> None:
    recipes = [Blendshapes(rotation=r, translation=t).recipe() for r in (False, True) for t in (False, True)]
    assert all(recipes.count(recipe) == 1 for recipe in recipes)


@given(pitch=st.floats(-1.5, 1.5), yaw=st.floats(-3.1, 3.1), roll=st.floats(-3.1, 3.1), scale=st.floats(0.1, 10))
def test_angles_are_scipys_whatever_the_scale(pitch: float, yaw: float, roll: float, scale: float) -> None:
    rotation = Rotation.from_euler("YXZ", [yaw, pitch, roll]).as_matrix()[None]
    np.testing.assert_allclose(head_angles(poses(scale * rotation))[0], [pitch, yaw, roll], atol=1e-6)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_turn_about_one_axis_is_one_angle(axis: int) -> None:
    turn = np.zeros(3)
    turn[axis] = 0.3
    np.testing.assert_allclose(head_angles(poses(Rotation.from_rotvec(turn).as_matrix()[None]))[0], turn, atol=1e-12)


def test_faces_without_a_mesh_are_a_defect() -> None:
    faces = made_up_faces(2, None)
    with pytest.raises(ValueError, match="needs blendshapes"):
        Blendshapes().encode(replace(faces, blendshapes_NB=None))
    with pytest.raises(ValueError, match="needs poses"):
        Blendshapes().encode(replace(faces, pose_N44=None))
    assert Blendshapes(rotation=False, translation=False).encode(replace(faces, pose_N44=None)).shape == (2, 52)
