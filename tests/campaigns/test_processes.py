"""Two processes at one command, and a command ended at a random moment: the files of one undisturbed run, and no more.

Two undisturbed runs differ in times and dates alone (`tests.faults.campaign`), which are left out: the seconds and
dates of result.json, the date of a bundle and of its card, and the times of log lines.
"""

import random
import signal
import time

import pytest

from tests.campaigns.processes import Campaign
from tests.conftest import ROOT

pytestmark = pytest.mark.long

SHARED = ROOT.parent / "shared"
COMMANDS = ("train", "sweep", "sweep in workers", "extract video", "export")
ENDS = {
    signal.SIGKILL: {-signal.SIGKILL},
    signal.SIGTERM: {143, -signal.SIGTERM},  # the second before lfnet has begun
    signal.SIGINT: {130},
}


@pytest.fixture(scope="module", params=COMMANDS)
def campaign(request, tmp_path_factory):
    if request.param == "extract video" and not (SHARED / "weights").is_dir():
        pytest.skip("needs real media and weights")
    return Campaign(request.param, tmp_path_factory.mktemp("campaign"), SHARED)


@pytest.mark.parametrize("number", range(20))
def test_two_at_once_are_as_one(campaign, number):
    campaign.reset()
    first = campaign.start()
    time.sleep(random.Random(number).uniform(0, 1))
    second = campaign.start()
    assert [first.wait(), second.wait()] == [0, 0], first.text() + second.text()
    assert "Traceback" not in first.text() + second.text()
    assert campaign.difference() is None


@pytest.mark.parametrize("number", range(20))
def test_ended_at_a_random_moment_and_run_again(campaign, number):
    campaign.reset()
    ending = list(ENDS)[number % len(ENDS)]
    running = campaign.start()
    time.sleep(random.Random(number).uniform(0, campaign.seconds))
    running.send(ending)
    status, left = running.wait(), running.left_processes()
    running.end()
    assert status in {0, *ENDS[ending]} and "Traceback" not in running.text(), f"{status}: {running.text()}"
    assert not left
    again = campaign.start()
    assert again.wait() == 0, again.text()
    assert campaign.difference() is None
