"""Whether features identify people, and one person with two ids: by a fixed cosine, with one recording for each id."""

import numpy as np
import pandas as pd
import pytest

from lfnet.audit import recognition
from lfnet.audit.recognition import recording_vectors, two_ids, verification
from lfnet.features.clip_summaries import summarise_clips
from tests.audit.simulated import sessions


def vectors(table: pd.DataFrame, identity: float, seed: int = 0) -> np.ndarray:
    """A person's vector of length about `identity` plus a recording's own of length 1."""
    random = np.random.default_rng(seed)
    _, person = np.unique(table["person_id"], return_inverse=True)
    faces = random.standard_normal((person.max() + 1, 32))
    return identity * faces[person] + random.standard_normal((len(table), 32))


@pytest.mark.parametrize(
    ("shared", "ids", "status"),
    [
        (True, "clear", "leak"),
        (False, "clear", "clear"),
        (False, "not checked", "not checked"),
        (False, "warning", "not checked"),
    ],
)
def test_features_that_identify_people_leak_where_people_are_shared(shared: bool, ids: str, status: str) -> None:
    """Without shared ids they are clear only where it was checked that ids are people."""
    table = sessions()
    finding = verification(vectors(table, 2.0), table, np.random.default_rng(0), shared, ids).conclude((), 0.005)  # type: ignore[arg-type]
    assert finding.status == status and "the mean vectors identify people" in finding.text
    assert "verification AUC 1.00 [" in finding.text
    assert finding.numbers == {"pairs_same": 40, "pairs_different": 80 * 79 // 2 - 40}
    blind = verification(vectors(table, 0.0), table, np.random.default_rng(0), shared, ids).conclude((), 0.005)  # type: ignore[arg-type]
    assert blind.status == "clear" and "do not visibly" in blind.text


def test_few_people_do_not_tell_whether_features_identify_people() -> None:
    table = sessions(people=4)
    finding = verification(vectors(table, 0.0), table, np.random.default_rng(0), True, "clear").conclude((), 0.005)
    assert finding.status == "not checked" and "too few people" in finding.text


def faces(people: int, seed: int = 0) -> np.ndarray:
    """Unit vectors of faces: those of two people are nearly orthogonal, as in 512 dimensions."""
    x = np.random.default_rng(seed).standard_normal((people, 512))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def seen(face: np.ndarray, number: int, cosine: float = 0.6) -> np.ndarray:
    """A recording's vector whose cosine with another recording of that face is about `cosine`."""
    own = faces(1, 1000 + number)[0]
    return np.sqrt(cosine) * face + np.sqrt(1 - cosine) * own


def test_one_man_under_six_names_is_found_with_one_recording_each() -> None:
    table = sessions(people=6, each=1)
    x = np.stack([seen(faces(1)[0], number) for number in range(6)])
    finding = two_ids(x, table, 0.45, "mobileface").conclude((), 0.005)
    assert finding.status == "warning" and set(finding.people) == set(table["person_id"])
    assert finding.numbers["pairs"] == 15 and finding.numbers["pairs_across_splits"] == 12
    assert "15 pairs of person_ids look like one person" in finding.text and "12 of them in different" in finding.text
    assert "Look at the recordings" in finding.advice and len(finding.recordings) == 6


def test_one_pair_of_forty_people_is_found_and_the_others_are_not() -> None:
    table = sessions(each=1)
    x = np.stack([seen(face, number) for number, face in enumerate(faces(40))])
    clear = two_ids(x, table, 0.45, "mobileface").conclude((), 0.005)
    assert clear.status == "clear" and clear.people == ()
    assert clear.text.startswith("no two of 40 people look like one: highest cosine 0.") and "from 0.45" in clear.text
    x[8] = seen(faces(40)[6], 99)
    finding = two_ids(x, table, 0.45, "mobileface").conclude((), 0.005)
    assert finding.status == "warning" and finding.people == ("p06", "p08")
    assert finding.recordings == ("r06_0", "r08_0") and "p06" not in finding.text
    (evidence,) = finding.evidence
    assert evidence.startswith("p06 = p08 (cosine 0.")


def test_without_a_known_cosine_it_is_not_checked() -> None:
    table = sessions(people=6, each=2)
    x = np.stack([seen(faces(1)[0], number) for number in range(12)])
    finding = two_ids(x, table, None, "blendshapes").conclude((), 0.005)
    assert finding.status == "not checked" and "encoder=mobileface" in finding.text and "blendshapes" in finding.text
    none = two_ids(np.full((12, 4), np.nan), table, 0.45, "mobileface").conclude((), 0.005)
    assert none.status == "not checked"


def test_two_recordings_of_one_id_are_no_pair_and_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    table = sessions(people=20)
    x = vectors(table, 1.0)
    x[3] = np.nan
    whole = two_ids(x, table, 0.4, "mobileface").conclude((), 0.005)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    people = table["person_id"].to_numpy()
    wanted = {
        tuple(sorted((people[i], people[j])))
        for i in range(40)
        for j in range(i)
        if people[i] != people[j] and unit[i] @ unit[j] >= 0.4
    }
    assert whole.numbers["pairs"] == len(wanted) > 0
    monkeypatch.setattr(recognition, "_BLOCK", 7)
    assert two_ids(x, table, 0.4, "mobileface").conclude((), 0.005) == whole
    assert "1 recording without features" in whole.text


def test_one_recording_per_person_cannot_be_verified() -> None:
    table = sessions(each=1)
    assert (
        verification(vectors(table, 2.0), table, np.random.default_rng(0), True, "clear").conclude((), 0.1).status
        == "not checked"
    )


def test_of_many_recordings_those_of_people_with_several_are_compared() -> None:
    table = pd.concat([sessions(500, 1), sessions(60, 2).assign(person_id=lambda t: "x" + t["person_id"])])
    table = table.assign(recording_id=[f"r{i}" for i in range(len(table))]).reset_index(drop=True)
    finding = verification(vectors(table, 2.0), table, np.random.default_rng(0), False, "clear").conclude((), 0.005)
    assert finding.numbers["pairs_same"] == 60


def test_a_recordings_vector_is_the_mean_of_its_known_clips() -> None:
    table = pd.DataFrame({"recording_id": ["a", "b"]})
    clips = pd.DataFrame({"recording_id": ["a", "a", "b"], "clip_id": ["a1", "a2", "b1"]})
    made = {"a1": 1.0, "a2": 3.0, "b1": np.nan}

    def read(clip_id: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return np.full((4, 2), made[clip_id], np.float32), np.ones(4, bool), np.arange(4) / 30

    pooled = summarise_clips(read, ["a1", "a2", "b1"])
    np.testing.assert_allclose(recording_vectors(pooled, clips, table), [[2, 2], [np.nan, np.nan]])
    np.testing.assert_allclose(pooled.seconds_N, 4 / 30)
