"""Numbers from a run folder's predictions: measured when the job ends, and again when the metrics' code has changed."""

from pathlib import Path
from typing import Any

from lfnet.digests import source_digest
from lfnet.evaluation.predictions import Predictions, models_from_csv_text

__all__ = ["measure", "measuring_code"]


def measuring_code() -> str:
    """Digest of the code that measures; a finished run measured by other code is measured again, not trained again."""
    return source_digest(["lfnet.evaluation.metrics", "lfnet.evaluation.predictions", "lfnet.training.measure"])


def measure(folder: Path) -> dict[str, Any]:
    """Metrics from predictions.csv and references.csv of a run folder.

    Returns {"metrics": {split: {level: {metric: value or None}}}, "references": {model: {split: {metric: …}}}}, the
    references at recording level.
    """
    metrics = Predictions.from_csv_text((folder / "predictions.csv").read_text(encoding="utf-8")).metrics()
    models = models_from_csv_text((folder / "references.csv").read_text(encoding="utf-8"))
    references = {
        model: {split: levels["recording"] for split, levels in predictions.metrics().items()}
        for model, predictions in models.items()
    }
    return {"metrics": metrics, "references": references}
