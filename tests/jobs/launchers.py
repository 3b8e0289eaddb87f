"""A launcher for tests: calls in this process, after a round trip through pickle, as another process would get them."""

import pickle
from typing import ClassVar

from lfnet.config import settings
from lfnet.launchers.launcher import Launcher, Memory, killed


@settings
class Pickled(Launcher):
    """lost: the number of a call, from the first one ever, whose process is killed."""

    memory: Memory = "auto"
    lost: int = -1
    ran: ClassVar[list] = []

    def run(self, calls):
        for call in calls:
            self.ran.append(call)
            lost = len(self.ran) - 1 == self.lost
            yield call.key, killed(call.need) if lost else pickle.loads(pickle.dumps(call))()
