"""Score a video, from frames to a score with its interval. Imports no PyTorch."""

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self, cast

import numpy as np

from lfnet import RESEARCH_ONLY
from lfnet.cohorts.media import kind
from lfnet.cohorts.ready import read_ready
from lfnet.config import instantiate
from lfnet.deploy.bundle import Bundle, clip_windows
from lfnet.deploy.film import Film, Filmed
from lfnet.deploy.scoring import Stages
from lfnet.deploy.stages import open_encoder, video_settings
from lfnet.deploy.stopwatch import StopWatch, Timed
from lfnet.encoders.encoder import Encoder
from lfnet.encoders.skin import Skin
from lfnet.errors import LfnetError
from lfnet.extras import require
from lfnet.features import health
from lfnet.features.consumers import FrameConsumer
from lfnet.features.store import ClipFeatures
from lfnet.features.video_pass import run_pass
from lfnet.pulse.segments import OUTCOMES, Segment, read_segments
from lfnet.pulse.settings import PulseSettings
from lfnet.text import plural
from lfnet.video.decode import Frame, frames
from lfnet.video.mesh import FaceMesh
from lfnet.video.probe import probe

__all__ = ["Reading", "Scorer"]


@dataclass
class Reading:
    """A clip that was scored, and what its score was computed from.

    Attributes
    ----------
    report : dict
        What `Scorer.score` returns.
    clip : ClipFeatures or None
        Its features; None where they could not be read.
    pulse : list of Segment or None
        The segments of its pulse; None where it was not read.
    """

    report: dict[str, Any]
    clip: ClipFeatures | None = None
    pulse: list[Segment] | None = None


class Scorer:
    """Scores videos, or files and arrays of features. Close it after use, best by `with`.

    Parameters
    ----------
    stages : Stages
        What to score with.
    load_s : float
        Seconds that loading them took.
    """

    def __init__(self, stages: Stages, load_s: float = 0.0) -> None:
        self.stages, self.load_s = stages, load_s

    @classmethod
    def of(
        cls,
        bundle: Bundle,
        *,
        pulse: bool = True,
        threads: int | None = None,
        video: Mapping[str, Any] | None = None,
    ) -> Self:
        """Load the networks of a bundle. Raises `LfnetError` for wrong settings.

        Parameters
        ----------
        bundle : Bundle
        pulse : bool
            Whether the pulse is read too.
        threads : int or None
            Of onnxruntime; None lets it decide.
        video : mapping, optional
            Settings of `VideoSettings` that replace those of the bundle, such as `{"times": "rebuild"}`.
        """
        facts, started = bundle.facts, time.perf_counter()
        if facts.video is not None:
            require("video", use=f"the bundle {bundle.folder}, which scores video,")
        stages = Stages(
            bundle.head(threads),
            facts.protocol,
            facts.scale,
            facts.features.dim,
            facts.run.cohort,
            facts.limits,
            pulse=instantiate(facts.pulse, "pulse") if pulse and facts.pulse else None,
            conformal=facts.conformal,
            no_interval=facts.no_interval,
            pooling=None if bundle.pooling is None else bundle.pooling.in_points(facts.labels.mean, facts.labels.sd),
        )
        if video and facts.video is None:
            raise LfnetError(f"video.{next(iter(video))}: the bundle scores features, and has no settings of videos.")
        if facts.encoder is not None and facts.video is not None:
            before, after = video_settings(facts.video), video_settings(facts.video, video)
            values = {name: getattr(after, name) for name in video or ()} | {"runtime": after.used_runtime}
            path = bundle.folder / facts.video.file
            stages = replace(
                stages,
                encoder=open_encoder(facts.encoder, bundle.folder, threads),
                video=after,
                changed=tuple(
                    f"video.{name}={value}, and {getattr(before, name)} for the training clips"
                    for name, value in values.items()
                    if value != getattr(before, name)
                ),
                landmarker=lambda: path,
                stride=facts.encoder.stride,
                batch_size=facts.encoder.batch_size,
            )
        return cls(stages, time.perf_counter() - started)

    def close(self) -> None:
        """Free the networks."""
        if self.stages.encoder is not None:
            self.stages.encoder.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def score(self, source: Path | np.ndarray, fps: float | None = None) -> dict[str, Any]:
        """Score one video, or file or array of features.

        Parameters
        ----------
        source : Path or ndarray of shape (T, D)
            Rows of an array with a number that is not finite are frames without a face.
        fps : float, optional
            Frames per second of a folder of images, or of features without times.

        Returns
        -------
        dict
            What `lfnet predict --json` prints of a video: `score`, or `refused` with the reason.
        """
        return self.read(source, fps).report

    def read(self, source: Path | np.ndarray, fps: float | None = None, film: Film | None = None) -> Reading:
        """Score a clip as `score` does, and keep what the score was computed from.

        film: is given the frames of a video, with the face that was found in each.
        """
        watch = StopWatch()
        name = "array" if isinstance(source, np.ndarray) else str(source)
        report: dict[str, Any] = {"video": name, "score": None, "refused": None}
        reading = Reading(report)
        try:
            if isinstance(source, np.ndarray):
                if fps is None and self.stages.limits.rows_per_second is not None:
                    raise LfnetError("fps is missing: give the frames per second of the features.")
                clip, found = self._features(*_from_array(source, fps), name)
            elif self.stages.encoder is None or (source.is_file() and kind(source) == "features"):
                features, valid, times = watch.call("decode", self._read)(source, fps)
                clip, found = self._features(features, valid, times, name)
            else:
                clip, found, reading.pulse = self._video(self.stages.encoder, source, fps, watch, film)
            report |= found
            reading.clip = clip
            self._check_clip(clip)
            report |= self._scored(clip, watch)
        except LfnetError as error:
            report["refused"] = str(error)
        report["latency"] = watch.report(report.get("frames") or 0)
        report["disclaimer"] = RESEARCH_ONLY
        return reading

    def join(self, reports: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Aggregate the reports of several videos of one recording as in training, without the refused ones.

        The interval is calibrated on recordings: where a recording has several clips, it holds for this score.
        """
        scored = [report for report in reports if report["score"] is not None]
        if not scored:
            return {"score": None, "refused": "none of the videos could be scored", "videos": 0}
        values = np.array([report["members_score"] for report in scored])
        if self.stages.attends:
            values = np.stack([values, [report["members_log_weight"] for report in scored]], axis=-1)
        own_K, _ = self.stages.aggregate(values, self.stages.protocol.aggregate.recording)
        return {**self.stages.summary(own_K), "refused": None, "videos": len(scored)}

    def _video(
        self, encoder: Encoder, path: Path, fps: float | None, watch: StopWatch, film: Film | None
    ) -> tuple[ClipFeatures, dict[str, Any], list[Segment] | None]:
        """Encode a video: its features, what is reported of it, and the segments of its pulse."""
        stages = self.stages
        assert stages.video is not None and stages.landmarker is not None
        media = probe(path, fps, stages.video.times, stages.video.damaged)
        self._check_rate(media.fps / stages.stride)
        self._check_length(-(-media.n_frames // stages.stride), "frames")
        notes: list[str] = []
        timed = Timed(encoder, "encode", watch, "encoder")
        if own := getattr(encoder, "skin_means", None):  # with the levels that the head was trained on
            setattr(timed, "skin_means", watch.call("skin", own))  # noqa: B010 (of no type)
        consumers = [FrameConsumer(cast(Encoder, timed))]
        skin = FrameConsumer(cast(Encoder, Timed(Skin(), "skin_means", watch, "skin")))
        if stages.pulse is not None:
            consumers.append(skin)
        landmarker, started = stages.landmarker(), time.perf_counter()
        with ExitStack() as stack:
            mesh = stack.enter_context(FaceMesh(landmarker, stages.video, blendshapes="mesh" in encoder.needs))
            watch.started = time.perf_counter() - started
            decoded = watch.each(
                "decode",
                frames(
                    path,
                    fps=fps,
                    stride=stages.stride,
                    damaged=stages.video.damaged,
                    times=stages.video.times,
                    notes=notes,
                ),
            )
            began = time.perf_counter()
            finder = Timed(mesh, "find", watch, "landmarker")
            passed = run_pass(
                cast(Iterable[Frame], decoded),
                cast(FaceMesh, finder if film is None else Filmed(finder, film, media.duration)),
                consumers,
                batch_size=stages.batch_size,
                check_people=stages.video.check_every is not None,
            )
            whole = time.perf_counter() - began
        known = sum(watch.seconds[name] for name in ("decode", "landmarker", "encoder", "skin"))
        watch.seconds["align"] = max(0.0, whole - known)
        watch.overlapped = max(0.0, known - whole)
        clip = consumers[0].clip(passed[0], {})
        found = {
            "duration_s": round(media.duration, 3),
            "fps": round(media.fps, 3),
            **_counts(clip),
            "notes": [*stages.changed, *notes, *passed[0].notes()],
        }
        if stages.pulse is None:
            return clip, found, None
        segments = watch.call("pulse", _pulse_segments)(skin.clip(passed[1], {}), stages.pulse)
        return clip, {**found, "pulse": _pulse_report(segments, stages.pulse)}, segments

    def _read(self, path: Path, fps: float | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        if not path.exists():
            raise LfnetError(f"{path} does not exist.")
        if path.is_dir() or kind(path) != "features":
            raise LfnetError(
                f"{path} is no file of features (.npy, .npz, .safetensors), and this model scores nothing else: it was "
                f"not trained on the vectors of one encoder of video (cohort {self.stages.cohort})."
            )
        return read_ready(path, float("nan") if fps is None else fps)

    def _features(
        self, x_TD: np.ndarray, valid_T: np.ndarray, time_T: np.ndarray, name: str
    ) -> tuple[ClipFeatures, dict[str, Any]]:
        """Check features that were computed elsewhere; returns them, and what is reported of them."""
        if x_TD.shape[1] != self.stages.dim:
            raise LfnetError(f"{name} has {x_TD.shape[1]} numbers per frame, and the head reads {self.stages.dim}.")
        clip = ClipFeatures(x_TD, valid_T, time_T, {})
        rate = (len(time_T) - 1) / float(time_T[-1] - time_T[0]) if len(time_T) > 1 else float("nan")
        found = {"duration_s": round(len(time_T) / rate, 3) if rate > 0 else 0.0, **_counts(clip), "notes": []}
        self._check_length(len(time_T), "frames")
        self._check_rate(rate)
        return clip, found

    def _check_rate(self, rate: float) -> None:
        limits, stride = self.stages.limits.rows_per_second, self.stages.stride
        if limits is not None and not limits[0] <= rate <= limits[1]:
            low, high = (f"{value * stride:.3g}" for value in limits)
            raise LfnetError(
                f"{rate * stride:.4g} frames a second: give {low} to {high}, as in the training clips. Record at such "
                "a rate; dropping or doubling frames afterwards changes what the head sees."
            )

    def _check_length(self, count: int, of: str) -> None:
        least = self.stages.limits.min_frames
        if count < least:
            raise LfnetError(f"too short: {count} {of}, and the head was made for {least} or more.")

    def _check_clip(self, clip: ClipFeatures) -> None:
        seen, frames = int(clip.valid.sum()), len(clip.valid)
        if not seen:
            raise LfnetError(f"no face in any of {plural(frames, 'frame')}.")
        min_coverage = self.stages.limits.min_coverage
        if seen < min_coverage * frames:
            raise LfnetError(f"a face in only {seen} of {plural(frames, 'frame')}: {min_coverage:.0%} is the minimum.")
        self._check_length(seen, "frames with a face")
        if found := health.problems_of(replace(clip, meta=self._kind_of_vectors())):
            raise LfnetError(f"its features cannot be right: {found[0][0]}.")

    def _kind_of_vectors(self) -> dict[str, str]:
        """Return what a feature file's header would say of the vectors (`lfnet.features.health`)."""
        unit = self.stages.encoder is not None and self.stages.encoder.unit_norm
        found = {"unit_norm": unit, "sparse": self.stages.limits.sparse}
        return {name: "true" if value else "false" for name, value in found.items()}

    def _scored(self, clip: ClipFeatures, watch: StopWatch) -> dict[str, Any]:
        stages = self.stages
        windows = watch.call("windows", clip_windows)(clip, stages.protocol)
        values = watch.call("head", stages.values)(windows)
        own_K, weight_K = stages.aggregate(values, stages.protocol.aggregate.clip)
        scores = values[..., 0] if stages.attends else values
        return {
            **stages.summary(own_K),
            **({} if weight_K is None else {"members_log_weight": [round(float(value), 6) for value in weight_K]}),
            "scale": asdict(stages.scale),
            **({} if stages.conformal else {"no_interval": stages.no_interval}),
            "windows": len(scores),
            "windows_score": [round(float(np.mean(value)), 4) for value in scores],
        }


def _from_array(x_TD: np.ndarray, fps: float | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return features float32 [T, D], valid bool [T] and time [T] in seconds of an array; without fps 1 s a frame."""
    if x_TD.ndim != 2 or not len(x_TD) or x_TD.dtype.kind not in "fiu":
        raise LfnetError(f"give numbers of shape (frames, features), not {x_TD.dtype} {list(x_TD.shape)}.")
    if fps is not None and not fps > 0:
        raise LfnetError(f"fps={fps:g}: give a number above 0.")
    valid_T = np.isfinite(x_TD).all(1)
    return np.where(valid_T[:, None], x_TD, 0).astype(np.float32), valid_T, np.arange(len(x_TD)) / (fps or 1.0)


def _pulse_segments(clip: ClipFeatures, settings: PulseSettings) -> list[Segment]:
    return read_segments(clip.features, clip.time, clip.valid, settings) if clip.valid.any() else []


def _pulse_report(segments: Sequence[Segment], settings: PulseSettings) -> dict[str, Any]:
    """Return heart rate and outcomes of the segments; the rate is None where no segment is usable."""
    kept = [segment for segment in segments if segment.kept]
    dropped = Counter(segment.outcome for segment in segments if not segment.kept)
    why = "; ".join(OUTCOMES[name] for name in dropped)
    if not segments:
        why = f"the clip is shorter than {settings.segment:g} s, the length of a segment"
    return {
        "heart_rate_bpm": round(float(np.median([each.heart_rate for each in kept])), 2) if kept else None,
        "snr_db": round(float(np.median([each.snr for each in kept])), 2) if kept else None,
        "segments": len(segments),
        "segments_kept": len(kept),
        "dropped": dict(dropped),
        "why_not": None if kept else why,
    }


def _counts(clip: ClipFeatures) -> dict[str, Any]:
    seen = int(clip.valid.sum())
    share = round(seen / max(1, len(clip.valid)), 4)
    return {"frames": len(clip.valid), "frames_with_a_face": seen, "coverage": share}
