"""Time the stages that score a video."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

__all__ = ["StopWatch", "Timed"]


class StopWatch:
    """Seconds of each stage, summed over a video; `started` are those before its first frame.

    Frames are decoded ahead, and encoded while the next ones are searched: "decode" is the time spent waiting for
    frames, `overlapped` the time in which two stages ran at once.
    """

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.started = self.overlapped = 0.0

    def call(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*given: Any) -> Any:
            began = time.perf_counter()
            try:
                return function(*given)
            finally:
                self.seconds[stage] += time.perf_counter() - began

        return timed

    def each(self, stage: str, items: Iterable[Any]) -> Iterator[Any]:
        following = iter(items)
        get = self.call(stage, lambda: next(following, self))
        while (item := get()) is not self:
            yield item
            del item  # one frame in memory at a time

    def report(self, frames: int) -> dict[str, Any]:
        """Return milliseconds of each stage, in total and per decoded frame, and of the landmarker's start."""
        stages = {name: round(1000 * value, 3) for name, value in self.seconds.items()}
        total = sum(self.seconds.values()) - self.overlapped
        each = {name: round(1000 * value / frames, 4) for name, value in self.seconds.items()} if frames else {}
        return {
            "total_ms": round(1000 * total, 3),
            "start_ms": round(1000 * self.started, 3),
            "ms_per_frame": round(1000 * total / frames, 4) if frames else None,
            "stages_ms": stages,
            "stages_ms_per_frame": each,
        }


class Timed:
    """An object with one timed method."""

    def __init__(self, inner: Any, method: str, watch: StopWatch, stage: str) -> None:
        self._inner = inner
        setattr(self, method, watch.call(stage, getattr(inner, method)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)
