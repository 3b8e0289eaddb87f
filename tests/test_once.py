"""Answers are remembered while jobs are looked at together, and at no other time."""

import pytest

from lfnet.once import once, together


def counter():
    calls = []

    def answer():
        calls.append(1)
        return len(calls)

    return answer


def test_outside_everything_is_asked_anew():
    answer = counter()
    assert [once("key", answer), once("key", answer)] == [1, 2]


def test_together_each_key_is_asked_once_and_forgotten_afterwards():
    answer = counter()
    with together():
        assert [once("a", answer), once("a", answer), once("b", answer)] == [1, 1, 2]
        with together():  # a sweep within a sweep shares its answers
            assert once("a", answer) == 1
        assert once("a", answer) == 1
    with together():
        assert once("a", answer) == 3
    assert once("a", answer) == 4


def test_a_failure_is_not_remembered():
    def fail():
        raise ValueError

    with together():
        for _ in range(2):
            with pytest.raises(ValueError):
                once("key", fail)
        assert once("key", lambda: 5) == 5
