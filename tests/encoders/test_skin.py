"""The stream of the skin's colours."""

from dataclasses import replace

import numpy as np
import pytest

from lfnet.config import instantiate
from lfnet.encoders.skin import SKIN_COLUMNS, Skin
from lfnet.errors import LfnetError
from lfnet.testing.encoder_check import check_encoder, made_up_faces


def test_it_keeps_the_contract_and_hands_on_what_was_measured() -> None:
    encoder = Skin()
    check_encoder(encoder)
    faces = made_up_faces(4, None)
    vectors = encoder.encode(faces)
    assert faces.skin_NRC is not None and encoder.dim == len(SKIN_COLUMNS) == 12
    np.testing.assert_array_equal(vectors.reshape(4, 3, 4), faces.skin_NRC)
    assert SKIN_COLUMNS[3] == "forehead_pixels" and SKIN_COLUMNS[5] == "left_cheek_green"


def test_what_counts_as_skin_is_a_setting_and_part_of_the_recipe() -> None:
    from lfnet.video.skin import skin_means

    rng = np.random.default_rng(0)
    rgb, landmarks = rng.integers(0, 256, (60, 60, 3), np.uint8), 60 * rng.random((478, 3))
    encoder = Skin(bright=200, dark=40)
    np.testing.assert_array_equal(encoder.skin_means(rgb, landmarks), skin_means(rgb, landmarks, bright=200, dark=40))
    np.testing.assert_array_equal(Skin().skin_means(rgb, landmarks), skin_means(rgb, landmarks))
    assert (encoder.recipe()["bright"], encoder.recipe()["dark"]) == (200, 40)
    assert len({str(Skin(**given).recipe()) for given in ({}, {"bright": 249}, {"dark": 21})}) == 3


@pytest.mark.parametrize(
    ("bright", "dark", "message"),
    [
        (20, 20, r"encoder\.skin\.dark=20: give a grey level below encoder\.skin\.bright=20\."),
        (257, 0, r"encoder\.skin\.bright=257: give a whole number from 1 to 256\."),
        (250, -1, r"encoder\.skin\.dark=-1: give a whole number from 0 to 255\."),
        (250.5, 20, r"encoder\.skin\.bright=250\.5: give a whole number"),
        (True, 0, r"encoder\.skin\.bright=true: give a whole number"),
    ],
)
def test_levels_that_leave_no_pixel_are_refused(bright: int, dark: int, message: str) -> None:
    with pytest.raises(LfnetError, match=message):
        instantiate({"_target_": "lfnet.encoders.skin.Skin", "bright": bright, "dark": dark}, "encoder.skin")


def test_faces_without_skin_are_a_defect() -> None:
    with pytest.raises(ValueError, match="needs skin"):
        Skin().encode(replace(made_up_faces(2, None), skin_NRC=None))
