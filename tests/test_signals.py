"""Signals that ask a process to stop: raised once, passed on instead, kept for the next call, and handlers restored."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from lfnet.errors import Interrupted
from lfnet.signals import on_stop, stoppable

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


def send(number):
    os.kill(os.getpid(), number)


def handlers():
    return [signal.getsignal(number) for number in NUMBERS]


@pytest.mark.parametrize("number", NUMBERS)
def test_the_first_signal_is_raised_once_and_handlers_are_as_before(number):
    before = handlers()
    with pytest.raises(Interrupted) as stop, stoppable():
        try:
            send(number)
        finally:
            send(signal.SIGTERM)  # while the work unwinds
    assert (stop.value.number, stop.value.status) == (number, 128 + number)
    assert handlers() == before


def test_a_signal_of_an_earlier_block_is_forgotten():
    for _ in range(2):
        with pytest.raises(Interrupted), stoppable():
            send(signal.SIGUSR1)
    with stoppable():
        pass


def test_an_inner_block_changes_nothing_and_leaves_the_handlers_of_the_outer_one():
    with stoppable():
        outer = handlers()
        with stoppable():
            assert handlers() == outer
        assert handlers() == outer
        with pytest.raises(Interrupted):
            send(signal.SIGTERM)


def test_a_signal_that_somebody_else_handles_or_ignores_stays_theirs():
    seen = []
    before = signal.signal(signal.SIGUSR1, lambda number, _: seen.append(number))
    try:
        with stoppable():
            send(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert seen == [signal.SIGUSR1]


def test_nothing_is_installed_outside_the_main_thread():
    before, found = handlers(), []

    def work():
        with stoppable(), on_stop(found.append):
            found.append(handlers() == before)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [True]


def test_a_signal_is_passed_on_instead_of_raised():
    told = []
    with stoppable():
        with on_stop(told.append):
            send(signal.SIGTERM)
            send(signal.SIGTERM)
        assert told == [signal.SIGTERM]
    with on_stop(told.append):  # in no block of `stoppable`
        assert handlers()[1:] == [signal.SIG_DFL] * 2


def process(code):
    head = "import os, signal, time\nfrom lfnet.errors import Interrupted\nfrom lfnet.signals import *\n"
    head += "send = lambda number: os.kill(os.getpid(), number)\n"
    return subprocess.run([sys.executable, "-c", head + code], capture_output=True, text=True, check=False)


def test_a_second_ctrl_c_ends_the_process_at_once():
    code = """
with stoppable():
    try:
        send(signal.SIGINT)
    finally:
        send(signal.SIGTERM)
        print("saving", flush=True)
        send(signal.SIGINT)
        print("never", flush=True)
"""
    ended = process(code)
    assert (ended.returncode, ended.stdout) == (-signal.SIGINT, "saving\n")


def test_a_signal_between_two_calls_of_a_worker_reaches_the_next_call_of_that_sweep_only():
    code = """
handle_always()
begun = time.time()
send(signal.SIGTERM)
for since in (begun, begun, time.time()):
    try:
        with stoppable(since):
            print("worked")
    except Interrupted as stop:
        print(stop.number)
"""
    assert process(code).stdout.split() == ["15", "15", "worked"]
