"""From a head's scores to Predictions at every level."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
import torch
from torch import nn

from lfnet.data.protocol import Protocol
from lfnet.evaluation.predictions import Predictions

__all__ = ["levels", "predict", "window_predictions"]


@torch.inference_mode()
def predict(head: nn.Module, batches: Iterable[dict[str, torch.Tensor]], device: str) -> np.ndarray:
    """Scores float64 [W] of the windows in `batches`, in units of the training labels' sd."""
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
