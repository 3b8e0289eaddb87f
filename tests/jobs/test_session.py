"""What the jobs of one process share: computed once, and one cohort's features in memory at a time."""

from collections import Counter

import pytest

from lfnet.features import feature_file, store
from lfnet.jobs import head_fit, head_job
from lfnet.jobs.job import run
from lfnet.jobs.session import Session
from lfnet.runs.run import Run
from tests.composing import SMALL, composed


@pytest.fixture
def opened(monkeypatch):
    """Counts how often each feature file is opened."""
    count: Counter[str] = Counter()
    real = store.map_content

    def counted(path):
        count[str(path)] += 1
        return real(path)

    def read(path):
        count[str(path)] += 1
        return read_entry(path)

    read_entry = feature_file.read_entry
    monkeypatch.setattr(store, "map_content", counted)
    monkeypatch.setattr(store, "read_entry", read)
    monkeypatch.setattr(feature_file, "read_entry", read)
    return count


def job(root, *overrides):
    return composed(*SMALL, "trainer.max_epochs=1", *overrides, root=root)


@pytest.mark.parametrize("overrides", [("head=mean_mlp",), ("head=mean_mlp", "streams.columns=[6,10]")])
def test_a_feature_file_is_opened_at_most_twice_a_job(tmp_path, opened, overrides):
    extracted = job(tmp_path, *overrides, "seed=1")
    run(*extracted)
    opened.clear()
    feature_file._checked.clear()  # as in a new process
    run(*job(tmp_path, *overrides))
    assert len(opened) == 56 and max(opened.values()) <= 2


def test_a_second_job_of_a_session_opens_no_feature_file(tmp_path, opened):
    session = Session()
    run(*job(tmp_path, "head=mean_mlp"), session)
    opened.clear()
    assert run(*job(tmp_path, "head=ldbm"), session).status == "finished"
    assert not opened


def test_seeds_of_a_head_are_measured_once_and_another_head_again(tmp_path, monkeypatch):
    calls: Counter[str] = Counter()
    for module, name in ((head_fit, "measure_cost"), (head_job, "measure_head")):
        real = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *args, name=name, real=real: (calls.update([name]), real(*args))[1])
    session = Session()
    cost = []
    for words in (("seed=0",), ("seed=1",), ("head.patch_size=8",)):
        outcome = run(*job(tmp_path, "head=ldbm", *words), session)
        cost.append(Run(tmp_path / "runs" / outcome.run).result.cost)
    assert calls == {"measure_cost": 2, "measure_head": 2}
    assert cost[0] == cost[1] and cost[2].parameters < cost[0].parameters


def test_a_fusion_opens_a_feature_file_at_most_twice(tmp_path, opened):
    fusion = ("fusion=published", "fusion.model=concat_ridge", "fusion.visual.k=[8]", "protocol.segment=30")
    fusion += ("cohort.pulse.segment=1",)
    run(*job(tmp_path, *fusion, "seed=1"))
    opened.clear()
    feature_file._checked.clear()
    assert run(*job(tmp_path, *fusion)).status == "finished"
    assert len(opened) == 112 and max(opened.values()) <= 2


def test_a_value_that_cannot_be_made_is_not_kept():
    session = Session()
    for method in (session.keep, session.keep_latest):
        with pytest.raises(ZeroDivisionError):
            method("ratio", 0, lambda: 1 / 0)
        assert method("ratio", 0, lambda: 5) == 5
