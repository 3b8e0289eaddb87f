"""People in groups: bands, guesses, and who is left out."""

import pytest

from lfnet.errors import LfnetError
from lfnet.evaluation.groups import check_groups, make_grouping


def test_a_band_begins_at_its_edge_and_a_person_has_the_mean_of_its_recordings():
    ages = {"a": ["29.9"], "b": ["30"], "c": ["44", "46"], "d": ["60", ""], "e": ["", ""]}
    made = make_grouping("age", ages, [30, 45, 60])
    assert made.names == ("below 30", "30 to below 45", "45 to below 60", "60 or more")
    assert made.group_of == {"a": "below 30", "b": "30 to below 45", "c": "45 to below 60", "d": "60 or more"}
    assert made.notes == ("age is unknown for 1 person.",)


def test_guessed_bands_are_thirds_and_are_said():
    made = make_grouping("age", {f"p{i}": [str(20 + i)] for i in range(30)})
    sizes = [sum(group == name for group in made.group_of.values()) for name in made.names]
    assert sizes == [10, 10, 10]
    assert made.notes == ("age is cut at 29.7 and 39.3, which is guessed from the thirds of these people.",)


def test_few_numbers_are_groups_of_their_own_in_the_order_of_numbers():
    made = make_grouping("site", {"a": ["10"], "b": ["2"], "c": ["2"]})
    assert made.names == ("2", "10") and made.notes == ()


def test_a_person_of_two_groups_is_left_out_and_counted():
    made = make_grouping("language", {"a": ["de", "en"], "b": ["de"], "c": ["en", "en"]})
    assert made.group_of == {"b": "de", "c": "en"}
    assert made.notes == ("1 person with several values of language left out.",)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"height": None}, r"groups\.height: the cohort has no such group\. There are: age, sex\."),
        ({"age": [40, 30]}, r"groups\.age=\[40, 30\]: give rising numbers"),
        ({"age": []}, r"groups\.age=\[\]: give rising numbers"),
    ],
)
def test_groups_that_cannot_be_are_refused(asked, message):
    with pytest.raises(LfnetError, match=message):
        check_groups(asked, ["age", "sex"], "groups")


def test_a_few_words_among_numbers_are_named_as_what_prevents_bands():
    ages = {f"p{i}": [str(20 + i)] for i in range(30)}
    made = make_grouping("age", {**ages, "q": ["forty"]})
    assert len(made.names) == 31
    assert made.notes == ("age is not cut into bands: 1 of its 31 values are no numbers. Leave these empty.",)
    words = {f"p{i}": [f"site {i}"] for i in range(30)}
    assert make_grouping("site", {**words, "q": ["3"]}).notes == ()


def test_bands_of_words_are_refused():
    with pytest.raises(LfnetError, match=r"groups\.sex: its values are no numbers \(such as 'f'\)"):
        make_grouping("sex", {"a": ["f"], "b": ["3"]}, [1.0])
