"""From a video to a score with its interval, by a bundle; or the reason why there is none. Needs no torch."""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self, cast

import numpy as np

from lfnet import RESEARCH_ONLY
from lfnet.cohorts.media import kind
from lfnet.cohorts.ready import read_ready
from lfnet.config import instantiate
from lfnet.deploy.bundle import Bundle
from lfnet.deploy.encoders import open_encoder
from lfnet.encoders.encoder import Encoder
from lfnet.encoders.skin import Skin
from lfnet.errors import LfnetError
from lfnet.features import health
from lfnet.features.consumers import FrameConsumer
from lfnet.features.store import ClipFeatures
from lfnet.features.video_pass import run_pass
from lfnet.pulse.segments import OUTCOMES, read_segments
from lfnet.video.decode import Frame, frames
from lfnet.video.mesh import FaceMesh
from lfnet.video.probe import probe
from lfnet.video.settings import VideoSettings

__all__ = ["Refused", "Scorer", "joined"]


class Refused(LfnetError):
    """A video that the bundle was not made for; the message is the reason."""


class Scorer:
    """An opened bundle with its networks. pulse: whether the pulse is read too. threads: of onnxruntime, None: its own.

    To be closed, best by `with`.
    """

    def __init__(self, bundle: Bundle, *, pulse: bool = True, threads: int | None = None) -> None:
        self._facts, self._bundle = bundle.facts, bundle
        started = time.perf_counter()
        self._head = bundle.head(threads)
        self._encoder: Encoder | None = None
        if bundle.facts["encoder"] is not None:
            self._encoder = open_encoder(bundle.facts["encoder"], bundle.folder, threads)
            self._video = VideoSettings(**_without_target(bundle.facts["video"]["node"]))
        self._pulse = instantiate(bundle.facts["pulse"]) if pulse and bundle.facts["pulse"] else None
        self.load_s = time.perf_counter() - started

    def close(self) -> None:
        """Free the networks."""
        if self._encoder is not None:
            self._encoder.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def score(self, path: Path, fps: float | None = None) -> dict[str, Any]:
        """What `lfnet predict` reports of one video: `score`, or `refused` with the reason.

        fps: frames a second of a folder of pictures, or of vectors without times.
        """
        watch = _Watch()
        report: dict[str, Any] = {"video": str(path), "score": None, "refused": None}
        try:
            clip, told = self._clip(path, fps, watch)
            report |= told
            self._check_clip(clip, told["notes"])
            report |= self._scored(clip, watch)
        except Refused as reason:
            report["refused"] = str(reason)
        except LfnetError as error:  # its file is broken, or is no video
            report["refused"] = str(error)
        report["latency"] = watch.report(report.get("frames") or 0)
        report["disclaimer"] = RESEARCH_ONLY
        return report

    def _clip(self, path: Path, fps: float | None, watch: "_Watch") -> tuple[ClipFeatures, dict[str, Any]]:
        if self._encoder is None:
            return self._ready(path, fps, watch)
        if path.is_file() and kind(path) == "features":
            raise Refused(f"{path} holds vectors, and this bundle scores videos.")
        encoder, facts = self._encoder, self._facts["encoder"]
        media = probe(path, fps)
        self._check_rate(media.fps / facts["stride"], facts["stride"])
        self._check_length(-(-media.n_frames // facts["stride"]), "frames")
        notes: list[str] = []
        timed = _Timed(encoder, "encode", watch, "encoder")
        if own := getattr(encoder, "skin_means", None):  # with the levels that the head was trained on
            setattr(timed, "skin_means", watch.call("skin", own))  # noqa: B010 (of no type)
        consumers = [FrameConsumer(cast(Encoder, timed))]
        skin = FrameConsumer(cast(Encoder, _Timed(Skin(), "skin_means", watch, "skin")))
        if self._pulse is not None:
            consumers.append(skin)
        started = time.perf_counter()
        with ExitStack() as stack:
            model = self._bundle.folder / self._facts["video"]["file"]
            mesh = stack.enter_context(FaceMesh(model, self._video))
            watch.started = time.perf_counter() - started
            decoded = watch.each(
                "decode", frames(path, fps=fps, stride=facts["stride"], damaged=self._video.damaged, notes=notes)
            )
            began = time.perf_counter()
            passed = run_pass(
                cast(Iterable[Frame], decoded),
                cast(FaceMesh, _Timed(mesh, "find", watch, "landmarker")),
                consumers,
                batch_size=facts["batch_size"],
            )
            whole = time.perf_counter() - began
        known = sum(watch.seconds[name] for name in ("decode", "landmarker", "encoder", "skin"))
        watch.seconds["align"] = max(0.0, whole - known)
        watch.overlapped = max(0.0, known - whole)
        clip = consumers[0].clip(passed[0], {"unit_norm": "true" if facts["unit_norm"] else "false"})
        told = {
            "duration_s": round(media.duration, 3),
            "fps": round(media.fps, 3),
            **_counts(clip),
            "notes": [*notes, *passed[0].notes()],
        }
        if self._pulse is not None:
            told["pulse"] = watch.call("pulse", self._read_pulse)(skin.clip(passed[1], {}))
        return clip, told

    def _ready(self, path: Path, fps: float | None, watch: "_Watch") -> tuple[ClipFeatures, dict[str, Any]]:
        cohort = self._facts["run"]["cohort"]
        if path.is_dir() or not path.is_file() or kind(path) != "features":
            raise Refused(
                f"{path} is no file of vectors (.npy, .npz, .safetensors), and this bundle scores nothing else: cohort "
                f"{cohort}, which it was trained on, holds no video."
            )
        features, valid, times = watch.call("decode", read_ready)(path, float("nan") if fps is None else fps)
        wanted = self._facts["features"]["dim"]
        if features.shape[1] != wanted:
            raise Refused(f"{path} holds {features.shape[1]} numbers a frame, and the head reads {wanted}.")
        clip = ClipFeatures(features, valid, times, {})
        rate = (len(times) - 1) / float(times[-1] - times[0]) if len(times) > 1 else float("nan")
        told = {"duration_s": round(len(times) / rate, 3) if rate > 0 else 0.0, **_counts(clip), "notes": []}
        self._check_length(len(times), "frames")
        self._check_rate(rate, 1)
        return clip, told

    def _check_rate(self, rate: float, stride: int) -> None:
        limits = self._facts["limits"]["rows_per_second"]
        if limits is not None and not limits[0] <= rate <= limits[1]:
            low, high = (f"{value * stride:.3g}" for value in limits)
            raise Refused(
                f"{rate * stride:.4g} frames a second: the head was trained at rates for which {low} to {high} are "
                "near enough. Record at such a rate; frames that are dropped or doubled afterwards change what it sees."
            )

    def _check_length(self, count: int, of: str) -> None:
        least = self._facts["limits"]["min_frames"]
        if count < least:
            raise Refused(f"too short: {count} {of}, and the head was made for {least} or more.")

    def _check_clip(self, clip: ClipFeatures, notes: Sequence[str]) -> None:
        seen, frames = int(clip.valid.sum()), len(clip.valid)
        if not seen:
            raise Refused(f"no face in any of {frames} frames.")
        least = self._facts["limits"]["min_coverage"]
        if seen < least * frames:
            raise Refused(f"a face in {seen} of {frames} frames only: {least:.0%} is the least.")
        self._check_length(seen, "frames with a face")
        unit = bool((self._facts["encoder"] or {}).get("unit_norm"))
        if found := health.problems_of(clip, unit, 0.0):
            raise Refused(f"its vectors cannot be right: {found[0][0]}.")

    def _scored(self, clip: ClipFeatures, watch: "_Watch") -> dict[str, Any]:
        windows = watch.call("windows", self._bundle.windows)(clip)
        scores = watch.call("head", self._head)(windows)
        own_K = _aggregated(scores if scores.ndim > 1 else scores[:, None], self._bundle.protocol.aggregate.clip)
        return {
            **_told(own_K, self._bundle),
            "scale": self._facts["scale"],
            **({} if self._bundle.conformal else {"no_interval": self._facts["no_interval"]}),
            "windows": len(scores),
            "windows_score": [round(float(np.mean(value)), 4) for value in scores],
        }

    def _read_pulse(self, clip: ClipFeatures) -> dict[str, Any]:
        """Heart rate and what became of the segments; the rate is None where none can be believed."""
        assert self._pulse is not None
        segments = read_segments(clip.features, clip.time, clip.valid, self._pulse) if clip.valid.any() else []
        kept = [segment for segment in segments if segment.kept]
        dropped = Counter(segment.outcome for segment in segments if not segment.kept)
        why = "; ".join(OUTCOMES[name] for name in dropped)
        if not segments:
            why = f"too short: a pulse is read from segments of {self._pulse.segment:g} s"
        return {
            "heart_rate_bpm": round(float(np.median([each.heart_rate for each in kept])), 2) if kept else None,
            "snr_db": round(float(np.median([each.snr for each in kept])), 2) if kept else None,
            "segments": len(segments),
            "segments_kept": len(kept),
            "dropped": dict(dropped),
            "why_not": None if kept else why,
        }


def joined(reports: Sequence[dict[str, Any]], bundle: Bundle) -> dict[str, Any]:
    """Several videos of one sitting as one recording, aggregated as the run's protocol says; refused ones are left out.

    The interval is calibrated on recordings, so this is what it speaks of where a recording has several clips.
    """
    scores = [report["members_score"] for report in reports if report["score"] is not None]
    if not scores:
        return {"score": None, "refused": "none of the videos could be scored", "videos": 0}
    own_K = _aggregated(np.array(scores), bundle.protocol.aggregate.recording)
    return {**_told(own_K, bundle), "refused": None, "videos": len(scores)}


def _aggregated(scores_NK: np.ndarray, how: str) -> np.ndarray:
    """Each member's score [K] of what N windows or videos are parts of."""
    joint: np.ndarray = np.mean(scores_NK, axis=0) if how == "mean" else np.median(scores_NK, axis=0)
    return joint


def _told(scores_K: np.ndarray, bundle: Bundle) -> dict[str, Any]:
    """The score that K heads give together, their spread (None of one) and the interval."""
    score = float(np.mean(scores_K))
    spread = float(np.std(scores_K, ddof=1)) if len(scores_K) > 1 else None
    interval, conformal, scale = None, bundle.conformal, bundle.facts["scale"]
    if conformal is not None:
        low, high = conformal.interval(score, scale["min"], scale["max"], spread)
        interval = {"level": conformal.level, "low": round(low, 4), "high": round(high, 4), "n": conformal.n}
    return {
        "score": round(score, 4),
        "spread": None if spread is None else round(spread, 4),
        "members_score": [round(float(value), 4) for value in scores_K],
        "interval": interval,
    }


def _counts(clip: ClipFeatures) -> dict[str, Any]:
    seen = int(clip.valid.sum())
    share = round(seen / max(1, len(clip.valid)), 4)
    return {"frames": len(clip.valid), "frames_with_a_face": seen, "coverage": share}


def _without_target(node: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in node.items() if not name.startswith("_")}


class _Watch:
    """How long each stage took, in seconds, summed over the video. started: before its first frame, once a video.

    Frames are decoded ahead, and encoded while the next ones are searched: decode is what the pass waited for frames,
    overlapped what stages spent beside each other.
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
        """Milliseconds of each stage, in all and a decoded frame; the landmarker's start by itself."""
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


class _Timed:
    """An object whose one method is timed; all else is its own."""

    def __init__(self, inner: Any, method: str, watch: _Watch, stage: str) -> None:
        self._inner = inner
        setattr(self, method, watch.call(stage, getattr(inner, method)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)
