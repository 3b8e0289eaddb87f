"""From a head's scores to Predictions at every level."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
import torch
from torch import nn

from lfnet.data.protocol import Protocol
from lfnet.evaluation.predictions import Predictions

__all__ = ["Grouping", "levels", "predict", "window_predictions"]


@torch.inference_mode()
def predict(head: nn.Module, batches: Iterable[dict[str, torch.Tensor]], device: str) -> np.ndarray:
    """Scores float64 [W] of the windows in `batches`, in units of the training labels' sd.

    Computed in 32-bit floats whatever `trainer.precision` the head was fitted in: its weights are 32-bit floats, and so
    is the head that is exported. (Under bf16-mixed the epoch was chosen by scores in bfloat16.)
    """
    head.to(device).eval()
    scores = [head(batch["x_BTD"].to(device), batch["mask_BT"].to(device)).double().cpu() for batch in batches]
    return torch.cat(scores).numpy() if scores else np.zeros(0)


def window_predictions(windows: pd.DataFrame, scores: np.ndarray) -> Predictions:
    """Scores [W] in scale points as window Predictions; `windows` is a split's table from the DataModule."""
    columns = ["window", "clip_id", "recording_id", "person_id", "split", "label"]
    return Predictions.from_frame(windows[columns].assign(score=scores), level="window")


def levels(windows: Predictions, protocol: Protocol) -> Predictions:
    """The same predictions by window, clip and recording, aggregated as the protocol says."""
    clips = windows.aggregate("clip", protocol.aggregate.clip)
    recordings = clips.aggregate("recording", protocol.aggregate.recording)
    return Predictions(pd.concat([windows.frame, clips.frame, recordings.frame], ignore_index=True))


class Grouping:
    """What `levels` does, for one level and the same windows again and again: groups are found once, not every epoch.

    windows: a split's table from the DataModule. rows: the level's n rows of it. labels: float64 [n], in scale points.
    """

    def __init__(self, windows: pd.DataFrame, protocol: Protocol, level: str) -> None:
        self._steps: list[tuple[np.ndarray, int, str]] = []
        rows = windows
        for key, how in (("clip", protocol.aggregate.clip), ("recording", protocol.aggregate.recording)):
            if level == "window" or (level == "clip" and key == "recording"):
                break
            codes, names = pd.factorize(rows[f"{key}_id"])
            self._steps.append((codes, len(names), how))
            rows = rows.drop_duplicates(f"{key}_id")
        self.rows = rows.reset_index(drop=True)
        self.labels = rows["label"].to_numpy(float)

    def scores(self, scores_W: np.ndarray) -> np.ndarray:
        """The level's scores [n] from the windows' [W]."""
        for codes, count, how in self._steps:
            if how == "mean":
                scores_W = np.bincount(codes, scores_W, count) / np.bincount(codes, minlength=count)
            else:
                scores_W = np.array([np.median(scores_W[codes == code]) for code in range(count)])
        return scores_W
