"""DataModule: features of one cohort as windows for heads and as arrays for scikit-learn."""

import gc
import weakref
from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import lightning as L
import numpy as np
import pandas as pd
import torch
from torch.utils.data import DataLoader

from lfnet.cohorts.cohort import Cohort
from lfnet.data.arrays import Arrays, Rows, feature_names, frame_rows, is_segments, segment_rows, stack
from lfnet.data.batches import EpochSampler, Shorten, StreamDropout, WindowDataset, in_batches, on_device
from lfnet.data.frame_cache import FrameCache
from lfnet.data.frames import Frames
from lfnet.data.labels import ITEM, Labels, exchanged
from lfnet.data.packed import PackedWindows, pack
from lfnet.data.protocol import Protocol
from lfnet.data.windows import cut, frames_of
from lfnet.errors import LfnetError
from lfnet.features import health
from lfnet.features.joined_streams import JoinedStreams
from lfnet.features.store import Readable
from lfnet.fingerprints import digest

__all__ = ["Arrays", "DataModule", "Labels", "Rows"]

_newest: "weakref.ref[Frames] | None" = None  # the frames that were read last in this process


class DataModule(L.LightningDataModule):
    """Windows of one cohort's features for heads, and arrays for scikit-learn.

    `setup` raises `LfnetError` if features are unusable (see `lfnet.features.health`) or a split has no clips.

    Parameters
    ----------
    cohort : Cohort
        The clips and their labels.
    stores : Readable or mapping
        One feature store, or several by name, with features of every clip. Heads get the first; `arrays` has all.
    protocol : Protocol
        How clips become windows.
    batch_size, eval_batch_size : int
        Windows of a batch in training and in evaluation.
    windows_per_clip : int, optional
        Windows drawn from each clip in an epoch; None for all.
    recordings : int, optional
        Recordings of a training batch, each with all its drawn windows; None for `batch_size` windows of any clips.
    select_windows_per_clip : int, optional
        Evenly spread windows of each clip that choose the best epoch; None for all.
    stream_dropout : float
        Probability to remove each stream of a training window, where the first store joins several streams.
    seed : int
        Seed of the order of windows, of permuted labels and of modality dropout.
    cache : FrameCache, optional
        What jobs in one process share.
    packed_on : str, optional
        Device on which all frames lie packed, and batches with them (`lfnet.data.packed`); None: batches are copied
        from the mapped files.

    Examples
    --------
    >>> import tempfile
    >>> from lfnet.cohorts import Cohort, Scale
    >>> from lfnet.cohorts.validation import validate
    >>> from lfnet.features.store import ClipFeatures, FeatureStore
    >>> names = ["a", "b", "c", "d"]
    >>> clips = pd.DataFrame({
    ...     "clip_id": names, "recording_id": names, "person_id": names, "split": ["train", "train", "dev", "test"],
    ...     "task": "", "label": [3, 20, 9, 14], "path": "", "fps": 30, "n_frames": 60,
    ... })
    >>> scale = Scale(name="PHQ-8", min=0, max=24, bands=[{"name": "all", "low": 0, "high": 24}])
    >>> store = FeatureStore(tempfile.mkdtemp(), "random", "0" * 64)
    >>> random = np.random.default_rng(0)
    >>> for name in names:
    ...     x_TD = random.standard_normal((60, 4), np.float32)
    ...     store.write(name, ClipFeatures(x_TD, np.ones(60, bool), np.arange(60) / 30), name)
    >>> cohort = Cohort("four", validate(clips, scale, "clips"), scale)
    >>> data = DataModule(cohort, store, Protocol(name="short", window=32, hop=16), batch_size=2)
    >>> data.setup()
    >>> batch = next(iter(data.train_dataloader()))
    >>> batch["x_BTD"].shape, batch["mask_BT"].shape, batch["y_B"].shape
    (torch.Size([2, 32, 4]), torch.Size([2, 32]), torch.Size([2]))
    """

    def __init__(
        self,
        cohort: Cohort,
        stores: Readable | Mapping[str, Readable],
        protocol: Protocol,
        *,
        batch_size: int = 32,
        eval_batch_size: int = 64,
        windows_per_clip: int | None = None,
        recordings: int | None = None,
        select_windows_per_clip: int | None = None,
        stream_dropout: float = 0.0,
        seed: int = 0,
        cache: FrameCache | None = None,
        packed_on: str | None = None,
    ) -> None:
        super().__init__()
        self.cohort = cohort
        self.stores = {stores.stream: stores} if not isinstance(stores, Mapping) else dict(stores)
        if not self.stores:
            raise ValueError("a DataModule needs one store or more")
        self.store = next(iter(self.stores.values()))
        self.protocol = protocol
        self.batch_size = batch_size
        self.eval_batch_size = eval_batch_size
        self.windows_per_clip = windows_per_clip
        self.recordings = recordings
        self.select_windows_per_clip = select_windows_per_clip
        self.stream_dropout = stream_dropout
        self.seed = seed
        self.packed_on = packed_on
        self.dropped: list[str] = []
        self.remarks: list[health.Remark] = []
        # Set by `fit`; see `WindowDataset`.
        self.shorten: Shorten | None = None
        self.reuse = False
        self.dtype = torch.float32
        self._cache = cache or FrameCache()
        self._ready = False

    def setup(self, stage: str | None = None) -> None:
        """Read the features, check them and cut windows; a second call does nothing."""
        if self._ready:
            return
        self.clips = self._usable(self._in_tasks(self.cohort.clips))
        for split in ("train", self.protocol.select.split):
            if not (self.clips["split"] == split).any():
                raise LfnetError(
                    f"cohort {self.cohort.name} has no usable clip in split {split}. "
                    "Check the manifest's split column, protocol.tasks and the coverage of its clips."
                )
        source, target = self.clips["recording_id"], self.clips["label"]
        if self.protocol.labels == "permuted":
            source = exchanged(self.clips, self.seed, ("train", self.protocol.select.split))
            target = source.map(self.clips.drop_duplicates("recording_id").set_index("recording_id")["label"])
        self.clips = self.clips.assign(target=target.astype(float))
        train = self.clips[self.clips["split"] == "train"]
        self.labels = Labels.fit(train.drop_duplicates("recording_id")["target"].to_numpy(float))
        self.frames = self._read()
        self.windows = cut(self.frames.layout, self.clips, self.protocol).merge(
            self.clips[["clip_id", "recording_id", "person_id", "split", "label", "target"]], on="clip_id", how="left"
        )
        if (items := self.cohort.items) is not None:
            source_of = dict(zip(self.clips["clip_id"], source, strict=True))
            own = items.reindex(self.windows["clip_id"].map(source_of)).set_axis(self.windows.index, axis=0)
            self.windows = self.windows.join(own.add_prefix(ITEM))
        self._ready = True

    @property
    def n_features(self) -> int:
        """Number D of features."""
        return self.frames.n_features

    def split(self, name: str) -> pd.DataFrame:
        """Return the windows of one split, one row each: clip_id, window, recording_id, person_id, label, …"""
        return self.windows[self.windows["split"] == name].reset_index(drop=True)

    def selection(self) -> pd.DataFrame:
        """Return the windows that choose the best epoch, of `protocol.select.split`: all, or evenly spread ones.

        Evenly spread over the windows with a valid frame, where the clip has any: of a short clip without a mask, most
        windows are padding, and a clip must not be judged by these alone.
        """
        table = self.split(self.protocol.select.split)
        limit = self.select_windows_per_clip
        if limit is None:
            return table
        kept = []
        valid = table["valid"].to_numpy() > 0
        for positions in table.groupby("clip_id", sort=False).indices.values():
            rows = np.asarray(positions)
            own = rows[valid[rows]] if valid[rows].any() else rows
            count = min(limit, len(own))
            kept.append(own[((np.arange(count) + 0.5) * len(own) / count).astype(int)])
        return table.iloc[np.sort(np.concatenate(kept))].reset_index(drop=True)

    def train_dataloader(self) -> DataLoader[Any]:
        """Return the training windows in a seeded order."""
        table = self.split("train")
        bags = None if self.recordings is None else table["recording_id"].to_numpy()
        size = self.batch_size if self.recordings is None else self.recordings
        dataset = self._dataset(table, self._dropout())
        sampler = EpochSampler(table["clip_id"].to_numpy(), size, self.windows_per_clip, self.seed, bags)
        if isinstance(dataset, PackedWindows):
            sampler.device = dataset.device
        return DataLoader(dataset, sampler=sampler, batch_size=None)

    def eval_dataloader(self, table: pd.DataFrame) -> DataLoader[Any]:
        """Return the windows of `table` (from `split` or `selection`), in order."""
        dataset, batches = self._dataset(table), in_batches(list(range(len(table))), self.eval_batch_size)
        sampler: Any = on_device(batches, dataset.device) if isinstance(dataset, PackedWindows) else batches
        return DataLoader(dataset, sampler=list(sampler), batch_size=None)

    def val_dataloader(self) -> DataLoader[Any]:
        """Return the windows that choose the best epoch."""
        return self.eval_dataloader(self.selection())

    @property
    def windows_per_epoch(self) -> int:
        """Training windows in one epoch."""
        clips = self.split("train")["clip_id"].to_numpy()
        return EpochSampler(clips, self.batch_size, self.windows_per_clip, self.seed).windows

    @property
    def marks(self) -> list[str]:
        """Deviations from the default protocol that a table row must name."""
        protocol, marks = self.protocol, []
        if protocol.select.split == "test":
            marks.append("selected on test")
        if protocol.fill == "random" and self.frames.layout.coverage < 1:
            marks.append("random vectors stand where no face was found")
        if protocol.frames != "in_order":
            marks.append(f"frames {protocol.frames}")
        if protocol.frames_in("test") != protocol.frames:
            marks.append(f"test frames {protocol.frames_in('test')}".replace("in_order", "in order"))
        if protocol.labels == "permuted":
            marks.append(f"labels of train and {protocol.select.split} permuted")
        return marks

    def arrays(self, split: str) -> Arrays:
        """Return the clips of `split` for scikit-learn: descriptors, labels, people, and each stream's rows.

        Streams of frames become means over pieces of `protocol.segment` valid frames; streams of segments stay as they
        are. A clip without a valid frame in the first stream is NaN in X, and one without rows in a stream is missing
        there; impute both in a pipeline fitted on train.

        Raises
        ------
        LfnetError
            Features of a stream are unusable.
        """
        self.setup()
        clips = self.clips[self.clips["split"] == split]
        clip_ids = clips["clip_id"].tolist()
        X = np.full((len(clips), self.n_features), np.nan)
        for i, clip_id in enumerate(clip_ids):
            x_TD, valid_T = self.frames.whole(clip_id)
            if valid_T.any():
                X[i] = x_TD[valid_T].mean(axis=0, dtype=np.float64)
        streams = {}
        for name, store in self.stores.items():
            names = feature_names(store, self.clips["clip_id"])
            streams[name] = stack(partial(self._rows, store, split), clip_ids, names)
        return Arrays(
            X,
            clips["target"].to_numpy(float),
            clips["person_id"].to_numpy(),
            clips["clip_id"].to_numpy(),
            clips["recording_id"].to_numpy(),
            streams,
        )

    def _rows(self, store: Readable, split: str, clip_id: str) -> np.ndarray:
        """One clip's rows of one stream, float64 [rows, D]."""
        if is_segments(store.header(clip_id) or {}):
            return segment_rows(store.read(clip_id), clip_id, store.stream)
        if store is self.store:
            return frame_rows(*self.frames.whole(clip_id), self.protocol.segment)
        clip, protocol = store.read(clip_id), self.protocol
        if clip.valid.any():  # a clip without a valid frame is missing in this stream
            problems = [health.Problem(clip_id, *found) for found in health.problems_of(clip, self._uncovered)]
            if problems and protocol.health.unusable == "refuse":
                health.refuse(problems)
            if problems:
                return np.empty((0, clip.features.shape[1]))
        order = protocol.frames_in(split)
        x_TD, valid_T = frames_of(clip, clip_id, length=protocol.length, fill=protocol.fill, frames=order)
        return frame_rows(x_TD, valid_T, protocol.segment)

    def _dataset(self, table: pd.DataFrame, dropout: StreamDropout | None = None) -> WindowDataset | PackedWindows:
        y_W = self.labels.standardise(table["target"].to_numpy(float))
        # Dropout of streams looks at each batch, in the order of its random numbers.
        packed = None if self.packed_on is None or dropout is not None else pack(self.frames, self.packed_on)
        if packed is not None:
            return PackedWindows(packed, table, y_W, self.protocol, self.shorten, self.dtype)
        return WindowDataset(self.frames, table, y_W, self.protocol, self.shorten, self.reuse, dropout, self.dtype)

    def _dropout(self) -> StreamDropout | None:
        store, chance = self.store, self.stream_dropout
        if not chance or not isinstance(store, JoinedStreams):
            return None
        any_valid = store.settings.valid == "any"
        return StreamDropout(store.spans, store.flags, chance=chance, any_valid=any_valid, seed=self.seed)

    def _in_tasks(self, clips: pd.DataFrame) -> pd.DataFrame:
        if self.protocol.tasks is None:
            return clips
        known = set(clips["task"])
        if missing := [task for task in self.protocol.tasks if task not in known]:
            raise LfnetError(
                f"protocol.tasks names {missing[0]!r}, but cohort {self.cohort.name} has only "
                f"{', '.join(sorted(map(repr, known)))}."
            )
        return clips[clips["task"].isin(self.protocol.tasks)]

    def _usable(self, clips: pd.DataFrame) -> pd.DataFrame:
        clip_ids = list(clips["clip_id"])
        key = digest([self.store.fingerprint(clip_ids), asdict(replace(self.protocol.health, unusable="refuse"))])
        if key not in self._cache.checked:
            self._cache.checked[key] = self._check(clip_ids)
        problems, self.remarks = self._cache.checked[key]
        if problems and self.protocol.health.unusable == "refuse":
            health.refuse(problems)
        self.dropped = sorted({problem.clip_id for problem in problems})
        return clips[~clips["clip_id"].isin(self.dropped)].reset_index(drop=True)

    def _check(self, clip_ids: list[str]) -> health.Report:
        """Check each joined stream first, since the other streams would hide its faults; then whether any is there."""
        if not isinstance(self.store, JoinedStreams):
            return health.check(self.store, clip_ids, self.protocol.health)
        problems, remarks = self.store.check(clip_ids, self.protocol.health)
        unusable = {problem.clip_id for problem in problems}
        alive = [clip_id for clip_id in clip_ids if clip_id not in unusable]
        exact = replace(health.EXACT, min_coverage=self.protocol.health.min_coverage)
        joined = health.check(self.store, alive, exact)
        return health.Report([*problems, *joined.problems], [*remarks, *joined.remarks])

    @property
    def _uncovered(self) -> health.Health:
        """The conditions for a stream that a clip may lack."""
        return replace(self.protocol.health, min_coverage=0.0)

    def _read(self) -> Frames:
        global _newest
        protocol = self.protocol
        clip_ids = list(self.clips["clip_id"])
        order = {
            clip_id: protocol.frames_in(split) for clip_id, split in zip(clip_ids, self.clips["split"], strict=True)
        }
        key = digest([self.store.fingerprint(clip_ids), protocol.length, protocol.fill, order])
        if self._cache.frames is None or self._cache.frames[0] != key:
            # Free the frames of the last cohort before the new ones are read. A trainer and its data refer to each
            # other: without a collection they stay until Python happens to make one, gigabytes later.
            self._cache.frames = None
            if _newest is not None and _newest() is not None:
                gc.collect()
            frames = Frames(self.store, clip_ids, length=protocol.length, fill=protocol.fill, frames=order)
            self._cache.frames = (key, frames)
            _newest = weakref.ref(frames)
        return self._cache.frames[1]
