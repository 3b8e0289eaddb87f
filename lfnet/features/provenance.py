"""What makes the vectors of a stream what they are, as one digest; and which encoder fits which cohort."""

import inspect
import os
from collections.abc import Sequence
from pathlib import Path

from lfnet.cohorts.cohort import Cohort
from lfnet.cohorts.media import kind
from lfnet.encoders.encoder import Encoder, per_segment
from lfnet.errors import LfnetError, Unreadable
from lfnet.fingerprints import DigestCache, code_digest, digest, file_digest
from lfnet.video.folder import frame_files
from lfnet.video.settings import VideoSettings

__all__ = ["Sources", "check", "needs_landmarker", "recipe"]


class Sources:
    """Digests of videos and frame folders.

    cache: the cache's folder.
    """

    def __init__(self, cache: Path) -> None:
        self._digests = DigestCache(Path(cache) / "digests")

    def clip(self, path: Path, fps: float | None) -> str:
        """Digest of what a clip's vectors come from.

        A video: SHA-256 of its bytes, by path, size and time of change. A frame folder: names and bytes of its pictures
        (names set their order) and the fps, for the times come from it; remembered by names, sizes and times of change.
        Raises `Unreadable` where there is no such file.
        """
        path = Path(path)
        if not path.is_dir():
            return self.file(path)
        pictures = frame_files(path)
        stats = [picture.stat() for picture in pictures]
        facts = [[picture.name, s.st_size, s.st_mtime_ns] for picture, s in zip(pictures, stats, strict=True)]

        def names_and_bytes() -> str:
            return digest([[picture.name, file_digest(picture)] for picture in pictures])

        stamp = [str(path.resolve()), digest(facts)]
        found = self._digests.of(stamp, max(s.st_mtime_ns for s in stats), names_and_bytes)
        return digest({"frames": found, "fps": None if fps is None else float(fps)})

    def file(self, path: Path) -> str:
        """SHA-256 of a file's bytes. Raises `Unreadable` where it does not exist or cannot be read."""
        path = Path(path)
        try:
            return self._digests.file(path)
        except FileNotFoundError as error:
            raise Unreadable(f"{path} does not exist.") from error
        except PermissionError as error:
            raise Unreadable(
                f"{path} cannot be read ({os.strerror(error.errno or 0)}). Mend its permissions."
            ) from error


def needs_landmarker(cohort: Cohort, encoders: Sequence[Encoder]) -> bool:
    """Whether faces must be found: not where the cohort brings its own vectors, nor to take aligned crops as they are.

    An encoder of the mesh, or of the skin within it, has it found in aligned crops too. MediaPipe, unlike other
    detectors, does find it there: in every crop of three clips, and on two of them the blendshapes that move most
    followed those of the full frame with a correlation of .88 or more, pitch and yaw with .74 and .97. The head's roll
    and place are what alignment left of them, which each file's notes say.
    """
    reads = any(encoder.needs & {"mesh", "skin"} for encoder in encoders)
    return cohort.own is None and bool(encoders) and (not cohort.aligned or reads)


def check(cohort: Cohort, encoders: Sequence[Encoder], stride: int) -> None:
    """Raise `LfnetError` where the encoders do not fit the cohort, or each other."""
    if stride < 1:
        raise LfnetError(f"encoder.stride must be 1 or more, not {stride}.")
    if cohort.own is not None:
        if encoders:
            raise LfnetError(
                f"cohort {cohort.name} brings its own vectors, so encoder {encoders[0].name} has nothing to encode. "
                "Leave it out (encoder=none)."
            )
        if stride != 1:
            raise LfnetError(
                f"cohort {cohort.name} brings its own vectors, all of them are used: set encoder.stride=1."
            )
        return
    if not encoders:
        raise LfnetError(f"cohort {cohort.name} holds pictures and needs an encoder, such as encoder=blendshapes.")
    names = [encoder.name for encoder in encoders]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise LfnetError(f"two encoders are named {twice[0]}: each stream needs a name of its own (encoder.NAME.name).")
    for clip_id, path in zip(cohort.clips["clip_id"], cohort.clips["path"], strict=True):
        if kind(Path(path)) == "features":
            raise LfnetError(
                f"clip {clip_id} of cohort {cohort.name} holds ready features, which encoder {names[0]} cannot "
                "read. Keep ready features and videos in cohorts of their own."
            )


def recipe(
    cohort: Cohort, encoder: Encoder, mesh_model: Path | None, video: VideoSettings, cache: Path, stride: int
) -> str:
    """Digest of the encoder, the landmarker, the settings and the code that make the vectors.

    Not in it: threads, batch size and the versions of libraries, which change the last bits and not the meaning; the
    versions are in each file's header. No network is loaded, and the landmarker's file is not needed where
    `video.landmarker` states its digest, so that finished features are known on a machine without it.
    """
    search = needs_landmarker(cohort, [encoder])
    code = ["lfnet.features.video_pass", *(["lfnet.features.segments"] if per_segment(encoder) else [])]
    return digest(
        {
            "encoder": encoder.recipe(),
            "aligned": cohort.aligned,
            "landmarker": _landmarker(mesh_model, video, cache) if search else None,
            "video": video.recipe(search),
            "stride": stride,
            "code": code_digest(code, ["lfnet.video"]),
            "encoder_code": _code(encoder),
        }
    )


def _landmarker(mesh_model: Path | None, video: VideoSettings, cache: Path) -> str:
    if mesh_model is not None:
        return Sources(cache).file(mesh_model)
    if video.landmarker is not None:
        if video.landmarker.sha256 is not None:
            return video.landmarker.sha256
        if video.landmarker.path is not None:
            return Sources(cache).file(Path(video.landmarker.path).expanduser())
    raise LfnetError("faces are to be found, but no face landmarker is named: set video.landmarker (conf/video).")


def _code(encoder: Encoder) -> str:
    made_by = type(encoder)
    if made_by.__module__ != "__main__":
        own = made_by.__module__.rpartition(".")[0] or made_by.__module__
        return code_digest([made_by.__module__], [own, "lfnet.video"])
    try:
        return digest(inspect.getsource(made_by))  # a class of a notebook or of a script
    except (OSError, TypeError) as error:
        raise LfnetError(
            f"the code of encoder {encoder.name} cannot be found, so its features could not be told from another's: "
            "put its class into a file."
        ) from error
