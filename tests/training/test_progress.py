"""The state of an interrupted training: what is used of a file, when it is written, and what copies share."""

import math
import random
import re

import numpy as np
import pytest
import torch

from lfnet.errors import Interrupted, LfnetError, LfnetWarning
from lfnet.training import progress as module
from lfnet.training.progress import Progress, copied, random_state, set_random_state

OF = {"job": "a", "torch": "2"}
NEVER = math.inf


def saved(file, epoch=2, of=OF, pretraining=None):
    """Interrupt a training after an epoch; returns the message."""
    with pytest.raises(Interrupted) as stop, Progress(file, of, NEVER) as progress:
        progress.pretraining = pretraining
        progress.keep(epoch, 9, {"weights": torch.arange(3.0)})
        raise KeyboardInterrupt
    return str(stop.value)


def test_a_state_is_given_once_and_gone_when_the_training_ends(tmp_path):
    file = tmp_path / "state"
    saved(file, pretraining={"losses": [1.0]})
    with Progress(file, OF, NEVER) as progress:
        assert progress.pretraining == {"losses": [1.0]}
        assert progress.take()["weights"].tolist() == [0, 1, 2] and progress.take() is None
    assert not file.exists()
    with Progress(file, OF, NEVER) as progress:
        assert progress.take() is None and progress.pretraining is None


def test_an_interruption_before_anything_new_keeps_the_state_that_was_found(tmp_path):
    file = tmp_path / "state"
    message = saved(file)
    with pytest.raises(Interrupted, match=re.escape(message)), Progress(file, OF, NEVER):
        raise Interrupted(15)
    with Progress(file, OF, NEVER) as progress:
        assert progress.take() is not None


@pytest.mark.parametrize(("epoch", "pretraining", "kept"), [(0, None, False), (0, {}, False), (0, {"epochs": 1}, True)])
def test_before_the_first_epoch_only_pre_training_is_worth_a_file(tmp_path, epoch, pretraining, kept):
    message = saved(tmp_path / "state", epoch, pretraining=pretraining)
    assert (tmp_path / "state").exists() == kept and ("after pre-training" in message) == kept


def test_a_failure_writes_nothing_and_leaves_an_earlier_state(tmp_path):
    with pytest.raises(LfnetError), Progress(tmp_path / "state", OF, NEVER) as progress:
        progress.keep(1, 9, {})
        raise LfnetError("diverged")
    assert not (tmp_path / "state").exists()


def flip(content):
    return content[:-20] + bytes([content[-20] ^ 1]) + content[-19:]


@pytest.mark.parametrize("damage", [flip, lambda content: content[:-9], lambda _: b"", lambda _: b"x" * 99])
def test_a_damaged_file_is_not_used(tmp_path, damage):
    file = tmp_path / "state"
    saved(file)
    file.write_bytes(damage(file.read_bytes()))
    with pytest.warns(LfnetWarning, match=r"state is damaged: the training starts over\.$"):
        assert Progress(file, OF, NEVER).take() is None


def test_a_file_cannot_run_code(tmp_path):
    file = tmp_path / "state"
    with pytest.raises(Interrupted), Progress(file, OF, NEVER) as progress:
        progress.keep(1, 9, {"code": print})
        raise KeyboardInterrupt
    with pytest.warns(LfnetWarning, match="is damaged"):
        assert Progress(file, OF, NEVER).take() is None


@pytest.mark.parametrize(
    ("of", "reason"),
    [
        ({**OF, "torch": "3"}, "was saved with torch 2, and this is 3"),
        ({**OF, "job": "b"}, "was saved with job a, and this is b"),
        ({**OF, "processor": "x"}, "was saved with processor None, and this is x"),
    ],
)
def test_a_state_with_which_bytes_could_differ_is_not_used(tmp_path, of, reason):
    saved(tmp_path / "state")
    with pytest.warns(LfnetWarning, match=f"{reason}: the training starts over"):
        assert Progress(tmp_path / "state", of, NEVER).take() is None


def test_a_state_is_written_when_it_is_due(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    file = tmp_path / "state"
    progress = Progress(file, OF, 10)
    written = []
    for epoch in range(8):
        now[0] = 4.0 * epoch
        progress.keep(epoch, 9, {})
        written.append(file.exists())
        file.unlink(missing_ok=True)
    assert written == [False, False, False, True, False, False, True, False]  # at 12 s and 24 s


def test_a_training_that_has_done_nothing_yet_is_not_written_even_if_it_is_due(tmp_path):
    progress = Progress(tmp_path / "state", OF, 0)
    progress.keep(0, 9, {})
    assert not (tmp_path / "state").exists()
    progress.keep(1, 9, {})
    assert (tmp_path / "state").exists()


def test_a_full_disk_stops_no_training_and_is_said_when_it_is_interrupted(tmp_path, monkeypatch):
    def full(*_):
        raise LfnetError("cannot write: no space left")

    monkeypatch.setattr(module, "atomic_path", full)
    message = "cannot go on from there: cannot write: no space"
    with pytest.raises(Interrupted, match=message), Progress(tmp_path / "state", OF, 0) as progress:
        progress.keep(1, 9, {})
        raise KeyboardInterrupt


def test_copies_share_no_memory():
    weights = torch.zeros(2)
    state = {"a": [weights, (weights, 1.5)], "b": None}
    copy = copied(state)
    weights += 1
    assert copy["a"][0].tolist() == copy["a"][1][0].tolist() == [0, 0] and copy["a"][1][1] == 1.5


def test_all_random_numbers_are_restored():
    def draw():
        return random.random(), float(np.random.standard_normal()), float(torch.randn(()))  # noqa: NPY002

    draw()
    state = random_state("cpu")
    first = [draw(), draw()]
    set_random_state(state)
    assert [draw(), draw()] == first
