"""Jobs in a queue: submitted once, looked at by the queue's word and their outcomes, and never taken for finished."""

import json

import pytest

from lfnet.errors import LfnetError
from lfnet.launchers import queue
from lfnet.runs.run import Outcome
from lfnet.runs.submissions import SUBMISSIONS, read_submissions, record_outcome
from tests.launchers.stub import StubQueue, done


@pytest.fixture
def launcher(tmp_path, engine):
    return StubQueue(runs=tmp_path)


def test_what_is_queued_or_running_is_not_submitted_again(launcher, engine):
    calls = [done("a"), done("b"), done("c")]
    assert launcher.submit(calls[:2]) == {}
    engine.start("a")
    assert set(launcher.submit(calls)) == {"a", "b"}
    assert engine.submitted == ["a", "b", "c"]


def test_of_two_submissions_the_later_counts_whatever_clocks_say(launcher, engine, tmp_path, monkeypatch):
    monkeypatch.setattr("lfnet.runs.submissions.time.time", lambda: 9000.0)
    launcher.submit([done("a")])
    engine.lose("a")
    monkeypatch.setattr("lfnet.runs.submissions.time.time", lambda: 5.0)
    launcher.submit([done("a")])
    engine.lose("a", "TIMEOUT")
    assert [one.submitted for one in read_submissions(tmp_path)] == [9000.0, 5.0]
    assert queue.find_latest(tmp_path, ["a"])["a"].outcome.error == "lost (TIMEOUT)"


@pytest.mark.parametrize("state", ["NODE_FAIL", ""])
def test_a_lost_job_is_submitted_again_and_the_new_one_counts(launcher, engine, tmp_path, state):
    launcher.submit([done("a")])
    engine.lose("a", state)
    assert queue.find_latest(tmp_path, ["a"])["a"].outcome.error == f"lost ({state or 'gone'})"
    launcher.submit([done("a")])
    assert engine.submitted == ["a", "a"]
    assert queue.find_latest(tmp_path, ["a"])["a"].status == "queued"


def test_a_job_that_the_queue_starts_again_is_queued_whatever_its_old_process_wrote(launcher, engine, tmp_path):
    launcher.submit([done("a")])
    (one,) = read_submissions(tmp_path)
    record_outcome(one.folder, 0, Outcome("failed", error="its node was lost"))
    assert queue.find_latest(tmp_path, ["a"])["a"].status == "queued"


def test_an_interrupted_job_has_not_ended_until_the_queue_says_so(launcher, engine, tmp_path):
    launcher.submit([done("a")])
    engine.start("a")
    (one,) = read_submissions(tmp_path)
    record_outcome(one.folder, 0, Outcome("interrupted", error="interrupted after epoch 2 of 9"))
    assert queue.find_latest(tmp_path, ["a"])["a"].status == "running"
    engine.lose("a", "CANCELLED")
    assert "The queue has not started it again" in queue.find_latest(tmp_path, ["a"])["a"].outcome.error


def test_a_silent_queue_lets_nothing_be_submitted(launcher, engine, tmp_path):
    launcher.submit([done("a")])
    engine.silence = "squeue is not on PATH."
    with pytest.raises(LfnetError, match="not on PATH"):
        launcher.submit([done("a"), done("b")])
    assert engine.submitted == ["a"]
    assert queue.find_latest(tmp_path, ["a"])["a"].status == "queued"


def test_waiting_yields_each_outcome_as_it_ends(launcher, engine, monkeypatch):
    calls = [done("a"), done("b"), done("c")]
    ends = iter([lambda: engine.finish("b"), lambda: engine.lose("a", "TIMEOUT"), lambda: engine.lose("c", "")])
    monkeypatch.setattr(queue.time, "sleep", lambda seconds: next(ends, lambda: None)())
    found = list(launcher.run(calls))
    assert [key for key, _ in found] == ["b", "a", "c"]
    assert [outcome.error for _, outcome in found] == [None, "lost (TIMEOUT)", "lost (gone)"]


def test_waiting_outlives_a_queue_that_does_not_answer(launcher, engine, monkeypatch, capsys):
    launcher.submit([done("a")])
    engine.silence = "Slurm does not answer."

    def sleep(seconds):
        engine.silence = ""
        engine.finish("a")

    monkeypatch.setattr(queue.time, "sleep", sleep)
    assert [key for key, _ in launcher.wait(["a"])] == ["a"]
    assert capsys.readouterr().out == "Slurm does not answer. The jobs are waited for.\n"


def test_a_held_job_is_said_once_while_it_is_waited_for(launcher, engine, monkeypatch, capsys):
    launcher.submit([done("a")])
    (key,) = engine.entries
    engine.entries[key] = queue.Entry("7_0", "queued", "PENDING", reason="JobHeldAdmin")
    ends = iter([lambda: None, lambda: engine.finish("a")])
    monkeypatch.setattr(queue.time, "sleep", lambda seconds: next(ends)())
    assert [key for key, _ in launcher.wait(["a"])] == ["a"]
    assert capsys.readouterr().out == "jobs wait: JobHeldAdmin\n"


def test_a_call_that_was_not_submitted_is_not_waited_for(launcher, engine):
    assert [outcome.error for _, outcome in launcher.wait(["a"])] == ["it was not submitted"]


def test_an_outcome_that_reaches_this_node_late_is_waited_for(launcher, engine, monkeypatch, tmp_path):
    monkeypatch.setattr(queue, "_PATIENCE", 1e9)
    launcher.submit([done("a")])
    engine.lose("a", "COMPLETED")
    (one,) = read_submissions(tmp_path)
    monkeypatch.setattr(queue.time, "sleep", lambda seconds: record_outcome(one.folder, 0, Outcome("finished")))
    assert [outcome.status for _, outcome in launcher.wait(["a"])] == ["finished"]


def test_cancelled_jobs_may_run_elsewhere(launcher, engine, tmp_path):
    launcher.submit([done("a")])
    queue.cancel(read_submissions(tmp_path))
    assert queue.find_latest(tmp_path, ["a"]) == {}


def pickles(runs):
    return sorted(path.name for path in runs.glob(f"{SUBMISSIONS}/*/*.pkl"))


def test_pickled_work_of_killed_jobs_is_removed_and_that_of_others_is_not(launcher, engine, tmp_path):
    launcher.submit([done("a"), done("b"), done("c")])
    engine.start("a")
    engine.lose("c")
    queue.discard_leftovers(tmp_path)
    assert pickles(tmp_path) == ["0.pkl", "1.pkl"]
    engine.lose("a", "")
    engine.silence = "squeue is not on PATH."
    queue.discard_leftovers(tmp_path)
    assert pickles(tmp_path) == ["0.pkl", "1.pkl"]
    engine.silence = ""
    launcher.submit([done("d")])
    assert pickles(tmp_path) == ["0.pkl", "1.pkl"]  # of b and d
    (tmp_path / SUBMISSIONS / engine.calls["d"][0].folder.name / f"{'5f' * 16}.pkl").touch()
    engine.lose("d")
    assert [outcome.error for _, outcome in launcher.wait(["d"])] == ["lost (NODE_FAIL)"]
    queue.discard_leftovers(tmp_path)
    assert pickles(tmp_path) == ["1.pkl"]
    queue.cancel(read_submissions(tmp_path))
    assert pickles(tmp_path) == []


def test_only_jobs_that_have_not_started_are_withdrawn(launcher, engine, tmp_path):
    calls = [done("a"), done("b")]
    launcher.submit(calls)
    engine.start("a")
    launcher.withdraw(calls, "")
    found = queue.find_latest(tmp_path, ["a", "b"])
    assert [found[key].status for key in "ab"] == ["running", "ended"]


def test_the_queue_and_outsiders_see_no_name_of_the_work(launcher, engine, tmp_path):
    launcher.submit([done("cohort.root=/data/clinic")])
    (one,) = read_submissions(tmp_path)
    assert one.name == f"lfnet-{one.folder.name}" and len(one.folder.name) == 8
    assert one.folder.stat().st_mode & 0o077 == 0


def test_a_damaged_record_is_named_with_what_to_do(launcher, engine, tmp_path):
    launcher.submit([done("a")])
    (path,) = tmp_path.glob(f"{SUBMISSIONS}/*/submission.json")
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "tasks": 3}))
    with pytest.raises(LfnetError, match=r"submission.json is damaged \(tasks: .*Cancel the jobs named lfnet-"):
        read_submissions(tmp_path)
