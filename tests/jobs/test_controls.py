"""Control jobs: each job again with a control's values, once, and nothing that is a job already."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfnet.errors import LfnetError
from lfnet.jobs.controls import control_overrides

JOBS = [[f"head={head}", f"protocol={name}", f"seed={seed}"] for head in "ab" for name in "xy" for seed in (3, 4)]


def test_each_head_once_with_every_seed():
    assert control_overrides(JOBS, ["protocol=shuffled"]) == [
        [f"head={head}", "protocol=shuffled", f"seed={seed}"] for head in "ab" for seed in (3, 4)
    ]


def test_several_settings_at_once_and_what_no_job_names():
    added = control_overrides([["+ingredient=none", "seed=0"]], ["protocol=shuffled ingredient=all"])
    assert added == [["+ingredient=all", "seed=0", "protocol=shuffled"]]


def test_what_is_a_job_already_is_not_added():
    assert control_overrides(JOBS, ["protocol=x"]) == []
    assert control_overrides([["head=a"], ["head=b"]], ["head=b"]) == []


def test_no_controls():
    assert control_overrides(JOBS, []) == []


@pytest.mark.parametrize("wrong", ["", "shuffled", "protocol="])
def test_a_control_that_sets_nothing(wrong):
    with pytest.raises(LfnetError, match=r"table\.controls"):
        control_overrides(JOBS, [wrong])


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.integers(0, 2)), min_size=1, unique=True))
def test_no_job_is_there_twice(grid):
    jobs = [[f"head={head}", f"protocol={name}", f"seed={seed}"] for head, name, seed in grid]
    every = [tuple(job) for job in [*jobs, *control_overrides(jobs, ["protocol=x", "protocol=q"])]]
    assert len(set(every)) == len(every)
    added = {(job[0], job[2]) for job in every if job[1] == "protocol=q"}
    assert added == {(f"head={head}", f"seed={seed}") for head, _, seed in grid}
