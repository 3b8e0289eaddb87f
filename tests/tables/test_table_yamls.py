"""Tables and protocols in conf say what they can answer, and what of the published protocol is assumed."""

import pytest
import yaml

from lfnet.evaluation.estimates import EvidenceSettings
from tests.composing import CONF


@pytest.mark.parametrize("name", ["architectures", "patch_size", "pooling", "published", "tuned"])
def test_tables_about_architectures_have_seeds_enough_for_verdicts_on_them(name: str) -> None:
    table = yaml.safe_load((CONF / f"table/{name}.yaml").read_text())
    seeds = str(table["hydra"]["sweeper"]["params"]["seed"]).split(",")
    needed = (table["table"].get("evidence") or {}).get("min_seeds", EvidenceSettings().min_seeds)
    assert len(set(seeds)) == len(seeds) >= needed == EvidenceSettings().min_seeds


@pytest.mark.parametrize(
    ("path", "names"),
    [("trainer/default", ("max_epochs", "patience")), ("protocol/published", ("split", "metric", "level"))],
)
def test_what_the_published_text_does_not_say_is_marked_as_assumed(path: str, names: tuple[str, ...]) -> None:
    lines = [line.strip() for line in (CONF / f"{path}.yaml").read_text().splitlines()]
    for name in names:
        (line,) = [line for line in lines if line.startswith(f"{name}: ")]
        assert "assumed" in line.partition("#")[2], line
