"""The numbers of a model card."""

from types import SimpleNamespace

import numpy as np
import pytest

from lfnet.deploy.card import _groups, _measured
from tests.tables.factory import recordings, result


@pytest.mark.parametrize(("each", "few"), [(4, True), (40, False)])
def test_a_card_of_few_people_states_no_correlation(each: int, few: bool) -> None:
    predictions = result("mean_mlp", 0, skill=0.5, each=each)["_predictions"]
    measured = SimpleNamespace(training=SimpleNamespace(monitor="dev mae"), references={})
    told, numbers = _measured(measured, predictions, frozenset())  # type: ignore[arg-type]
    lines = "\n".join(told).splitlines()
    assert all("mae" in found and ("pcc" in found) is not few for found in numbers.values()) and len(numbers) == 2
    for name in ("pcc", "ccc"):
        own = [line for line in lines if line.startswith(f"- {name}: ")]
        assert len(own) == 2 and all(("too few" in line) is few and ("[" in line) is not few for line in own)
    assert len([line for line in lines if line.startswith("- mae: ")]) == 2


def _groups_of_a_card(asked: dict[str, list[float] | None] | None, each: int = 60) -> str:
    done = result("mean_mlp", 0, skill=0.5, each=each)
    frame = recordings(each=each).drop(columns="label")
    number = frame["person_id"].str[1:].astype(int)
    table = frame.assign(sex=np.where(number % 2 == 0, "f", "m"), age=(20 + number % 50).astype(str))
    facts = SimpleNamespace(run=SimpleNamespace(model="mean_mlp"), conformal=None)
    return "\n".join(_groups(facts, done["_predictions"], frozenset(), table, asked))  # type: ignore[arg-type]


def test_a_card_shows_every_known_group_and_says_what_it_guessed() -> None:
    text = _groups_of_a_card(None)
    assert "**By sex, test:" in text and "**By age, test:" in text and "**Differences by sex:" in text
    assert "is guessed from the thirds of these people" in text and "cannot tell: neither is shown" in text
    asked = _groups_of_a_card({"age": [40.0]})
    assert " below 40 |" in asked and "By sex" not in asked and "guessed" not in asked


def test_a_card_of_few_people_shows_no_group() -> None:
    text = _groups_of_a_card({"sex": None}, each=12)
    assert "|" not in text and "sex: 2 groups of fewer than 10 people not shown." in text
