"""Rows are compared on the same recordings or not at all."""

import numpy as np
import pytest

from lfnet.errors import LfnetError
from lfnet.evaluation.aligned_scores import RowScores, align
from tests.evaluation.cases import Case


def test_rows_are_put_in_one_order_without_unlabelled_recordings():
    case = Case(0)
    score = case.scores()
    order = case.random.permutation(50)
    label = case.label.copy()
    label[4] = np.nan
    turned = RowScores(
        "b",
        [case.recording_id[n] for n in order],
        [case.person_id[n] for n in order],
        label[order],
        score[:, order],
    )
    case.label = label
    aligned = align([case.row("a", score), turned])
    known = np.flatnonzero(~np.isnan(label))
    np.testing.assert_array_equal(aligned.label_N, label[known])
    np.testing.assert_array_equal(aligned.score_RSN[0], aligned.score_RSN[1])
    assert [aligned.people[n] for n in aligned.person_N] == [case.person_id[n] for n in known]


def test_mean_errors_and_recordings_of_each_person():
    row = RowScores("a", ["1", "2", "3"], ["x", "y", "x"], [10, 20, 30], [[11, 20, 33], [13, 26, 33]])
    aligned = align([row])
    np.testing.assert_allclose(aligned.mean_errors(0), [(2 + 3) / 2, 3])
    np.testing.assert_array_equal(aligned.recordings, [2, 1])


def test_rows_with_different_recordings_people_or_labels_are_refused():
    case = Case(0)
    first = case.row("a")
    for change in ("recording_id", "person_id", "label"):
        other = Case(0)
        getattr(other, change)[0] = {"recording_id": "r999", "person_id": "p999", "label": 63}[change]
        with pytest.raises(LfnetError, match="a and b were not scored on the same recordings, people and labels"):
            align([first, other.row("b")])


def test_two_rows_of_one_name_and_rows_without_a_label_are_refused():
    case = Case(0)
    with pytest.raises(LfnetError, match="two rows have the name 'a'"):
        align([case.row("a"), case.row("a")])
    score = case.scores()
    case.label = np.full(50, np.nan)
    with pytest.raises(LfnetError, match="none of the 50 recordings has a label"):
        align([case.row("a", score)])


def test_wrong_shapes_are_value_errors():
    case = Case(0)
    for row, message in (
        (RowScores("a", ["1"], ["x"], [10], [11.0]), "scores"),
        (RowScores("a", ["1"], ["x"], [10], [[np.nan]]), "finite"),
        (RowScores("a", ["1", "1"], ["x", "x"], [10, 10], [[1, 2]]), "twice"),
        (case.row("a", np.empty((0, 50))), "one seed or more"),
    ):
        with pytest.raises(ValueError, match=message):
            align([row])
    with pytest.raises(ValueError, match="needs one row or more"):
        align([])
