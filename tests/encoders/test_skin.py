"""The stream of the skin's colours."""

from dataclasses import replace

import numpy as np
import pytest

from lfnet.encoders.skin import SKIN_COLUMNS, Skin
from lfnet.testing.encoder_check import check_encoder, made_up_faces


def test_it_keeps_the_contract_and_hands_on_what_was_measured() -> None:
    encoder = Skin()
    check_encoder(encoder)
    faces = made_up_faces(4, None)
    vectors = encoder.encode(faces)
    assert faces.skin_NRC is not None and encoder.dim == len(SKIN_COLUMNS) == 12
    np.testing.assert_array_equal(vectors.reshape(4, 3, 4), faces.skin_NRC)
    assert SKIN_COLUMNS[3] == "forehead_pixels" and SKIN_COLUMNS[5] == "left_cheek_green"


def test_faces_without_skin_are_a_defect() -> None:
    with pytest.raises(ValueError, match="needs skin"):
        Skin().encode(replace(made_up_faces(2, None), skin_NRC=None))
