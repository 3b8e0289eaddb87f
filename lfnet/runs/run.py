"""How a job ended, and where."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lfnet.errors import LfnetError
from lfnet.evaluation.predictions import Predictions, models_from_csv_text
from lfnet.fingerprints import source_digest

__all__ = ["RESULT", "Outcome", "measure", "measuring_code", "require_one_thing", "run_folder"]

RESULT = "result.json"  # written last: where it exists the job is finished


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    run: its folder's name, "" where it failed before it had one; a failed job's holds its train.log and no result.
    error: one line.
    """

    status: Literal["finished", "skipped", "failed"]
    fingerprint: str = ""
    run: str = ""
    error: str | None = None
    seconds: float = 0.0


def run_folder(name: str, runs: Path) -> Path:
    """The folder of the finished run `name`: a folder, or one below `runs`, whose first letters will do.

    Raises `LfnetError` where the name is not one finished run's.
    """
    folder = Path(name)
    if (folder / RESULT).is_file():
        return folder
    found = sorted(path.parent for path in runs.glob(f"{name}*/{RESULT}")) if "/" not in name else []
    if len(found) != 1:
        what = f"{len(found)} runs begin so in {runs}" if found else f"neither {folder} nor {runs / name} holds one"
        raise LfnetError(f"{name} names no finished run: {what}. `lfnet train` says where a run's folder is.")
    return found[0]


def require_one_thing(folders: Sequence[Path], results: Sequence[dict[str, Any]]) -> None:
    """Raise `LfnetError` unless these finished runs differ in their seed, and in nothing else."""
    seeds: dict[int, Path] = {}
    for folder, result in zip(folders, results, strict=True):
        for what, value in _thing(result).items():
            if value != _thing(results[0])[what]:
                raise LfnetError(
                    f"{folder} and {folders[0]} differ in their {what}: name runs that differ in seed alone."
                )
        if result["seed"] in seeds:
            twin = seeds[result["seed"]]
            raise LfnetError(f"{folder} and {twin} have the same seed {result['seed']}: they are one run.")
        seeds[result["seed"]] = folder


def _thing(result: dict[str, Any]) -> dict[str, Any]:
    settings = {name: node for name, node in result["config"].items() if name not in ("seed", "cohort", "encoder")}
    return {"settings": settings, **{name: result[name]["fingerprint"] for name in ("cohort", "features")}}


def measuring_code() -> str:
    """Digest of the code that measures; a finished run measured by other code is measured again, not trained again."""
    return source_digest(["lfnet.evaluation.metrics", "lfnet.evaluation.predictions", "lfnet.runs.run"])


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
