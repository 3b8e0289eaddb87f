"""The numbers of a model card."""

from types import SimpleNamespace

import pytest

from lfnet.deploy.card import _measured
from tests.tables.factory import result


@pytest.mark.parametrize(("each", "few"), [(4, True), (40, False)])
def test_a_card_of_few_people_states_no_correlation(each: int, few: bool) -> None:
    predictions = result("mean_mlp", 0, skill=0.5, each=each)["_predictions"]
    measured = SimpleNamespace(training=SimpleNamespace(monitor="dev mae"), references={})
    lines = "\n".join(_measured(measured, predictions, frozenset())).splitlines()  # type: ignore[arg-type]
    for name in ("pcc", "ccc"):
        own = [line for line in lines if line.startswith(f"- {name}: ")]
        assert len(own) == 2 and all(("too few" in line) is few and ("[" in line) is not few for line in own)
    assert len([line for line in lines if line.startswith("- mae: ")]) == 2
