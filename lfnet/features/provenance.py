"""Digests of what determines a stream's vectors, and checks that encoders fit a cohort."""

import inspect
import os
from collections.abc import Sequence
from pathlib import Path

from lfnet.cohorts.cohort import Cohort
from lfnet.cohorts.media import kind
from lfnet.encoders.encoder import Encoder
from lfnet.encoders.sound_encoder import hears
from lfnet.errors import LfnetError, Unreadable
from lfnet.files import user_path
from lfnet.fingerprints import DigestCache, code_digest, digest, file_digest
from lfnet.video.image_folder import frame_files
from lfnet.video.settings import VideoSettings

__all__ = ["Sources", "check", "needs_landmarker", "recipe"]


class Sources:
    """Digests of videos and frame folders, cached in the folder `cache`."""

    def __init__(self, cache: Path) -> None:
        self._digests = DigestCache(Path(cache) / "digests")

    def clip(self, path: Path, fps: float | None) -> str:
        """Compute the digest of a clip's source.

        A video: SHA-256 of its bytes, cached by path, size and mtime. A frame folder: names (which set the order) and
        bytes of its images, and the fps, which sets the times; cached by names, sizes and mtimes. Raises `Unreadable`
        if there is no such file.
        """
        path = Path(path)
        if not path.is_dir():
            return self.file(path)
        images = frame_files(path)
        stats = [image.stat() for image in images]
        facts = [[image.name, s.st_size, s.st_mtime_ns] for image, s in zip(images, stats, strict=True)]

        def names_and_bytes() -> str:
            return digest([[image.name, file_digest(image)] for image in images])

        stamp = [str(path.resolve()), digest(facts)]
        found = self._digests.of(stamp, max(s.st_mtime_ns for s in stats), names_and_bytes)
        return digest({"frames": found, "fps": None if fps is None else float(fps)})

    def file(self, path: Path) -> str:
        """Compute the SHA-256 of a file's bytes. Raises `Unreadable` if it does not exist or cannot be read."""
        path = Path(path)
        try:
            return self._digests.file(path)
        except FileNotFoundError as error:
            raise Unreadable(f"{path} does not exist.") from error
        except PermissionError as error:
            raise Unreadable(
                f"{path} cannot be read ({os.strerror(error.errno or 0)}). Fix its permissions."
            ) from error


def needs_landmarker(cohort: Cohort, encoders: Sequence[Encoder]) -> bool:
    """Return whether faces must be found: not if the cohort has its own vectors, nor for aligned crops or sound alone.

    For an encoder of the mesh, or of skin, the mesh is found in aligned crops too. MediaPipe, unlike other detectors,
    finds it there: in every crop of three clips. On two of them the correlation with the full frame was .88 or more for
    the blendshapes that move most, .74 for pitch and .97 for yaw. Alignment removes most of the head's roll and
    position, which each file's notes say.
    """
    seen = [encoder for encoder in encoders if not hears(encoder)]
    reads = any(encoder.needs & {"mesh", "skin"} for encoder in seen)
    return cohort.own is None and bool(seen) and (not cohort.aligned or reads)


def check(cohort: Cohort, encoders: Sequence[Encoder], stride: int) -> None:
    """Raise `LfnetError` if the encoders do not fit the cohort, or each other."""
    if stride < 1:
        raise LfnetError(f"encoder.stride={stride}: give a whole number of 1 or more.")
    if cohort.own is not None:
        if encoders:
            raise LfnetError(
                f"cohort {cohort.name} has its own vectors, so that encoder {encoders[0].name} has nothing to encode: "
                "set encoder=none."
            )
        if stride != 1:
            raise LfnetError(f"cohort {cohort.name} has its own vectors, which are all used: set encoder.stride=1.")
        return
    if not encoders:
        raise LfnetError(f"cohort {cohort.name} holds videos: choose an encoder, such as encoder=blendshapes.")
    names = [encoder.name for encoder in encoders]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise LfnetError(f"two encoders are named {twice[0]}: give each stream its own name (encoder.NAME.name).")
    for clip_id, path in zip(cohort.clips["clip_id"], cohort.clips["path"], strict=True):
        if kind(Path(path)) == "features":
            raise LfnetError(
                f"clip {clip_id} of cohort {cohort.name} holds ready features, which encoder {names[0]} cannot "
                "read. Keep ready features and videos in cohorts of their own."
            )


def recipe(
    cohort: Cohort, encoder: Encoder, mesh_model: Path | None, video: VideoSettings, cache: Path, stride: int
) -> str:
    """Compute the digest of the encoder, the landmarker, the settings and the code that determine the vectors.

    Threads, batch size and versions of libraries are left out, since they change the last bits only; the versions are
    in each file's header. No network is loaded, and the landmarker's file is not needed if `video.landmarker` states
    its digest, so that extracted features can be used on a machine without it.
    """
    if hears(encoder):
        return digest(
            {
                "encoder": encoder.recipe(),
                "video": video.recipe(mesh=False),
                "code": code_digest(["lfnet.features.sound"], ["lfnet.audio", "lfnet.video"]),
                "encoder_code": _code(encoder),
            }
        )
    search = needs_landmarker(cohort, [encoder])
    return digest(
        {
            "encoder": encoder.recipe(),
            "aligned": cohort.aligned,
            "landmarker": _landmarker(mesh_model, video, cache) if search else None,
            "video": video.recipe(search),
            "stride": stride,
            "code": code_digest(["lfnet.features.video_pass", "lfnet.features.consumers"], ["lfnet.video"]),
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
            return Sources(cache).file(user_path(video.landmarker.path))
    raise LfnetError("video.landmarker=null: add a node of conf/weights, with which faces are found.")


def _code(encoder: Encoder) -> str:
    made_by = type(encoder)
    if made_by.__module__ != "__main__":
        own = made_by.__module__.rpartition(".")[0] or made_by.__module__
        return code_digest([made_by.__module__], [own, "lfnet.video", "lfnet.audio"])
    try:
        return digest(inspect.getsource(made_by))  # a class of a notebook or of a script
    except (OSError, TypeError) as error:
        raise LfnetError(
            f"the code of encoder {encoder.name} cannot be found, so that its features cannot be identified: "
            "put its class into a file."
        ) from error
