"""The error rates of copies and of faces that experiments/audit states, measured again on real material."""

from pathlib import Path

import pytest

from lfnet.audit.settings import AuditSettings
from tests.audit.simulated import script


@pytest.mark.long
def test_one_of_sixty_copies_is_missed_at_most_and_no_unrelated_pair_counts(shared: Path, tmp_path: Path) -> None:
    experiment = script("copies")
    films = experiment.make_films(shared / "media", tmp_path, experiment.FILMS)
    copied, unrelated = experiment.measure(films, AuditSettings().min_likeness)
    assert len(copied) == 60 and len(unrelated) >= 2000
    assert (~copied["found"]).sum() <= 1, copied[~copied["found"]]
    assert not unrelated["found"].any(), unrelated[unrelated["found"]]
    # Pairs of one scene are compared over time; the others are told apart by their scene.
    assert unrelated["likeness"].notna().sum() > 100


@pytest.mark.long
def test_faces_of_one_and_of_two_people_lie_on_the_right_side(shared: Path) -> None:
    pairs = script("faces").compare(shared / "media", shared / "weights")
    min_cosine = AuditSettings().same_person["mobileface"]
    assert pairs["one_person"].sum() >= 10 and (~pairs["one_person"]).sum() >= 90
    assert pairs.loc[pairs["one_person"], "cosine"].min() >= min_cosine + 0.05
    assert pairs.loc[~pairs["one_person"], "cosine"].max() <= min_cosine - 0.15
