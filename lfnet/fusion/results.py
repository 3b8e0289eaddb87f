"""Scores, marks and warnings of a fitted fusion, as a run records them."""

import math
from collections.abc import Mapping
from typing import Literal

import pandas as pd

from lfnet.evaluation.predictions import Predictions
from lfnet.fusion.modality_data import Split
from lfnet.fusion.settings import FusionSettings
from lfnet.fusion.system import FusionResult

__all__ = ["fitting_marks", "member_predictions", "missing_rows", "recording_metrics"]

COLLAPSED = 0.1  # sigma_ratio below which scores are all but a constant, as of a head (trainer.min_sigma_ratio)


def member_predictions(
    fused: FusionResult, member: str, splits: Mapping[str, Split], clips: pd.DataFrame, how: Literal["mean", "median"]
) -> Predictions:
    """One member's scores of clips and recordings, with the labels that were measured and never permuted.

    clips: clip_id, recording_id, person_id, split, label. how: aggregation of clips to a recording.
    """
    known = clips.set_index("clip_id")[["recording_id", "person_id", "split", "label"]]
    rows = [
        known.loc[split.clip_ids].assign(score=fused.scores[name][member]).reset_index()
        for name, split in splits.items()
        if name in fused.scores
    ]
    scores = Predictions.from_frame(pd.concat(rows, ignore_index=True), level="clip")
    return scores.all_levels(recording=how)


def recording_metrics(members: Mapping[str, Predictions]) -> dict[str, dict[str, dict[str, float | None]]]:
    """Member → split → metric → value, of recordings."""
    return {
        name: {split: levels["recording"] for split, levels in scores.metrics().items()}
        for name, scores in members.items()
    }


def fitting_marks(fused: FusionResult, settings: FusionSettings, sigma_ratio: float | None) -> list[str]:
    """What a reader must know of a fusion: choice on test, fit on dev, and scores that hardly vary.

    sigma_ratio: of the model's scores of recordings in the split that is looked at before test.
    """
    marks = []
    if settings.choose == "test":
        count = math.prod(choice.candidates for choice in fused.chosen.values())
        marks += ["selected on test", f"{count} candidate{'s' * (count > 1)}"]
    if "physiological" in settings.scored and "dev" in settings.physiological.fit_on:
        marks.append("physiological side fitted on train and dev")
    if sigma_ratio is not None and sigma_ratio < COLLAPSED:
        marks.append(f"collapsed: dev sigma_ratio below {COLLAPSED:g}")
    return marks


def missing_rows(fused: FusionResult, splits: Mapping[str, Split]) -> list[str]:
    """One line for each modality that some clips lack; the result's `missing` names the clips."""
    lines = []
    for modality, missing in fused.missing.items():
        counts = [f"{len(clips)} of {len(splits[name])} {name}" for name, clips in missing.items() if clips]
        if counts:
            article = "an" if modality == "audio" else "a"
            lines.append(f"clips without {article} {modality} row, imputed inside the pipeline: {', '.join(counts)}")
    return lines
