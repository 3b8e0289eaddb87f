"""How far an extraction is: frames done, frames a second, time left."""

import sys
from collections.abc import Sequence

from lfnet.features.job import Clip, Job, Missing

__all__ = ["Bar"]


class Bar:
    """A bar on standard error; silent where that is no terminal, or where nothing is to be done."""

    def __init__(self, job: Job, waiting: Sequence[Missing], progress: bool) -> None:
        from tqdm import tqdm

        shown = progress and bool(waiting) and sys.stderr.isatty()
        self._clips = len(waiting)
        self._done = 0
        self._seen = 0
        self._share = {missing.clip.clip_id: job.looked_at(missing) for missing in waiting} if shown else {}
        self._bar = tqdm(total=sum(self._share.values()) or None, unit="frame", disable=not shown, dynamic_ncols=True)

    def start(self, clip: Clip) -> None:
        """A clip begins."""
        self._seen = 0
        self._bar.set_description(f"clip {self._done + 1} of {self._clips} ({clip.clip_id})")

    def tick(self) -> None:
        """One frame is done."""
        self._seen += 1
        self._bar.update()

    def finish(self, clip: Clip) -> None:
        """A clip is done, and counts as what it was said to hold: a broken one leaves the rest of the bar right."""
        self._done += 1
        self._bar.update(max(0, self._share.get(clip.clip_id, 0) - self._seen))

    def __enter__(self) -> "Bar":
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.close()
