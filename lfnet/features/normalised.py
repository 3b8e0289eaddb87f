"""Features as if all clips were filmed alike: resampled to one frame rate, without the linear effect of numbers."""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from lfnet.config import Positive, settings
from lfnet.errors import LfnetError
from lfnet.features.store import ClipFeatures, Readable
from lfnet.fingerprints import digest, source_digest

__all__ = ["FilmingSettings", "NormalisedStream"]


@settings
class FilmingSettings:
    """Settings of a normalisation, described in `conf/filming`."""

    rate: Positive | None
    adjust: tuple[str, ...] | None

    @property
    def active(self) -> bool:
        """Whether anything is changed."""
        return self.rate is not None or bool(self.adjust)


class NormalisedStream:
    """A stream whose clips look as if they were filmed alike, as a `Readable`.

    With a rate, a clip's rows are those nearest to even times. With numbers z [K] of each clip, x becomes
    x − (z − m) B: B [K, D] is the least-squares effect of the numbers on the training clips' mean vectors, each person
    weighing the same, and m their training mean. What the numbers share with severity is taken out too; effects that
    are not linear, and those within a clip, stay.

    Parameters
    ----------
    store : Readable
        The stream.
    settings : FilmingSettings
    numbers : mapping of str to ndarray, shape [K]
        Numbers of each clip; empty without `settings.adjust`.
    train : mapping of str to str
        Training clips and their people.
    """

    def __init__(
        self,
        store: Readable,
        settings: FilmingSettings,
        numbers: Mapping[str, np.ndarray],
        train: Mapping[str, str],
    ) -> None:
        self.store, self.settings = store, settings
        self._numbers, self._train = numbers, dict(train)
        self.stream = store.stream
        self.recipe = digest(
            {"of": store.recipe, "rate": settings.rate, "adjust": settings.adjust, "code": source_digest([__name__])}
        )
        # The folder does not exist: its name identifies the store.
        self.folder = store.folder.parent / f"filmed-alike-{self.recipe[:12]}"

    def path(self, clip_id: str) -> Path:
        """Return the path of the clip's file as it was extracted."""
        return self.store.path(clip_id)

    def header(self, clip_id: str) -> dict[str, str] | None:
        """Return the header of the clip's file, whose vectors have no unit length any more."""
        header = self.store.header(clip_id)
        return None if header is None else self._meta(header)

    def shape(self, clip_id: str) -> tuple[int, int]:
        """Return the shape [T, D] of a clip's vectors."""
        frames, width = self.store.shape(clip_id)
        return frames if self.settings.rate is None else len(self._rows(self.store.read(clip_id).time)[0]), width

    def fingerprint(self, clip_ids: Iterable[str]) -> str:
        """Compute the digest of the stream, of the clips' numbers, and of the training clips that fit the effect."""
        ids = tuple(clip_ids)
        fitted: list[Any] = []
        if self.settings.adjust:
            known = {clip_id: self._numbers[clip_id].tolist() for clip_id in {*ids, *self._train}}
            fitted = [self.store.fingerprint(self._train), self._train, known]
        return digest({"recipe": self.recipe, "of": self.store.fingerprint(ids), "fitted": fitted})

    def read(self, clip_id: str) -> ClipFeatures:
        """Read a clip's vectors. Raises `LfnetError` as the stream does."""
        clip = self.store.read(clip_id)
        rows, time = self._rows(clip.time)
        features, valid = clip.features[rows], clip.valid[rows]
        if self.settings.adjust:
            mean, effect = self._effect
            features = features - ((self._numbers[clip_id] - mean) @ effect).astype(np.float32)
        return ClipFeatures(features, valid, time, self._meta(clip.meta))

    def keep_open(self) -> AbstractContextManager[None]:
        """As `FeatureStore.keep_open`."""
        return self.store.keep_open()

    def _meta(self, meta: Mapping[str, str]) -> dict[str, str]:
        return {**meta, "unit_norm": "false"} if self.settings.adjust else dict(meta)

    def _rows(self, time_T: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The rows that are taken, and their times."""
        if self.settings.rate is None or len(time_T) < 2:
            return np.arange(len(time_T)), time_T
        step = 1 / self.settings.rate
        end = time_T[-1] - time_T[0] + float(np.median(np.diff(time_T)))  # of the last frame
        grid = time_T[0] + step * np.arange(max(1, round(end / step)))
        after = np.searchsorted(time_T, grid).clip(1, len(time_T) - 1)
        # Times are rounded: of two rows equally near, always the earlier.
        rows = after - (grid - time_T[after - 1] <= time_T[after] - grid + 1e-9)
        return rows, grid

    @cached_property
    def _effect(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean of the numbers [K], and their effect on a mean vector [K, D]."""
        people = list(self._train.values())
        vectors, numbers, weights = [], [], []
        with self.store.keep_open():
            for clip_id, person in self._train.items():
                clip = self.store.read(clip_id)
                if clip.valid.any():
                    vectors.append(clip.features[clip.valid].mean(axis=0, dtype=np.float64))
                    numbers.append(self._numbers[clip_id])
                    weights.append(1 / people.count(person))
        count = len(self.settings.adjust or ())
        if len(vectors) < count + 2:
            raise LfnetError(
                f"filming.adjust={list(self.settings.adjust or ())}: {len(vectors)} training clips with a face are too "
                f"few to fit {count} numbers. Give fewer, or filming=none."
            )
        x_ND, z_NK, w_N = np.array(vectors), np.array(numbers), np.sqrt(np.array(weights) / sum(weights))
        mean_K, mean_D = (w_N**2) @ z_NK, (w_N**2) @ x_ND
        effect = np.linalg.lstsq(w_N[:, None] * (z_NK - mean_K), w_N[:, None] * (x_ND - mean_D), rcond=None)[0]
        return mean_K, effect
