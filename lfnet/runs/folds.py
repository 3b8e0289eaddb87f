"""Cross-validation: the folds of one model become one run, in which every recording was tested once.

Runs that differ in `splits.fold` (or `cohort.fold`) alone are joined. What was scored lies in `pooled/` among the run
folders, as a run folder's files do; it is made anew whenever it is read, and nothing is lost with it.
"""

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import pandas as pd

from lfnet.errors import LfnetError
from lfnet.evaluation.predictions import Predictions, models_from_csv_text, models_to_csv_text
from lfnet.files import write_json, write_text
from lfnet.fingerprints import digest

__all__ = ["pooled"]

_NODES = ("splits", "cohort")
_GRAVEST = ("leak", "warning", "not checked", "clear")

Joined = tuple[tuple[int, ...], str, dict[str, Any]]


def pooled(results: Sequence[tuple[str, dict[str, Any]]], runs: Path) -> list[Joined]:
    """Join the folds among (folder, result.json) of a sweep's runs.

    Returns for each run that is left: the places of what it was joined of, its folder below `runs`, its result. A run
    that is no fold stays as it is. Raises `LfnetError` where two folds tested one recording, or one lost its scores.
    """
    parts: dict[str, list[int]] = {}
    for place, (folder, result) in enumerate(results):
        node = _node(result)
        # Whatever decides a number is in the config; where it was tried, and how it was launched, does not.
        key = folder if node is None else digest([_as_all(result, node)["config"], result["kind"], result["seed"]])
        parts.setdefault(key, []).append(place)
    joined: list[Joined] = []
    for places in parts.values():
        folder, result = results[places[0]]
        if (node := _node(result)) is None:
            joined.append((tuple(places), folder, result))
        elif not result.get("metrics"):  # a component that this cohort does not have, in any fold
            joined.append((tuple(places), folder, _as_all(result, node)))
        else:
            joined.append((tuple(places), *_join([results[place] for place in places], node, runs)))
    return joined


def _node(result: dict[str, Any]) -> str | None:
    """The node of the config that names the fold; None for a run that is none."""
    config = result.get("config", {})
    return next((name for name in _NODES if (config.get(name) or {}).get("fold") is not None), None)


def _as_all(result: dict[str, Any], node: str) -> dict[str, Any]:
    """The result, shallow, with the fold taken out of its config."""
    config = result["config"]
    return {**result, "config": {**config, node: {**config[node], "fold": "all"}}}


def _join(parts: Sequence[tuple[str, dict[str, Any]]], node: str, runs: Path) -> tuple[str, dict[str, Any]]:
    results = [result for _, result in parts]
    own = [Predictions.from_csv_text(_read(runs / folder / "predictions.csv")) for folder, _ in parts]
    scores = {split: _one(own, split, parts) for split in ("dev", "test")}
    beside = [models_from_csv_text(_read(runs / folder / "references.csv")) for folder, _ in parts]
    names = [name for name in beside[0] if all(name in models for models in beside)]
    references = {
        split: {name: _one([models[name] for models in beside], split, parts) for name in names}
        for split in ("dev", "test")
    }
    joined = _as_all(results[0], node)
    joined["fingerprint"] = digest(sorted(result["fingerprint"] for result in results))
    joined["folds"] = sorted(result["config"][node]["fold"] for result in results)
    joined["metrics"] = {split: part for scored in scores.values() for split, part in scored.metrics().items()}
    joined["references"] = {name: {} for name in names}
    for split, models in references.items():
        for name, model in models.items():
            if measured := model.metrics().get(split, {}).get("recording"):
                joined["references"][name][split] = measured
    joined["cohort"] = _cohort(results)
    joined["audit"] = _worst([result.get("audit") or [] for result in results])
    if "training" in joined:
        joined["training"] = _training([result["training"] for result in results])
    marks = dict.fromkeys(mark for result in results for mark in result.get("marks", ()))
    joined["marks"] = [*marks, _said(results, joined, node)]
    folder = f"pooled/{joined['fingerprint'][:16]}"
    write_text(runs / folder / "predictions.csv", scores["test"].to_csv_text())
    write_text(runs / folder / "references.csv", models_to_csv_text(references["test"]))
    write_json(runs / folder / "result.json", joined)
    return folder, joined


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise LfnetError(
            f"{path} cannot be read: {error.strerror}. Delete its folder and run the table again."
        ) from error


def _cohort(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the folds' cohorts are together: training sizes are those of the first."""
    cohort: dict[str, Any] = deepcopy(results[0]["cohort"])
    cohort["fingerprint"] = digest(sorted(result["cohort"]["fingerprint"] for result in results))
    for count in ("recordings", "people"):
        cohort[count] = {**cohort[count], "test": sum(result["cohort"][count].get("test", 0) for result in results)}
    cohort["warnings"] = list(dict.fromkeys(text for result in results for text in result["cohort"]["warnings"]))
    return cohort


def _worst(audits: Sequence[Sequence[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Each finding as in the fold where it is worst: a leak into one fold is a leak."""
    worst: dict[str, dict[str, Any]] = {}
    for entry in (entry for audit in audits for entry in audit):
        known = worst.setdefault(entry["name"], entry)
        if _GRAVEST.index(entry["status"]) < _GRAVEST.index(known["status"]):
            worst[entry["name"]] = entry
    return list(worst.values())


def _said(results: Sequence[dict[str, Any]], joined: dict[str, Any], node: str) -> str:
    """How much of the cohort was tested, and in how many folds."""
    sizes = results[0]["cohort"]["recordings"]
    whole = sum(sizes.get(split, 0) for split in ("train", "dev", "test"))
    tested = joined["cohort"]["recordings"]["test"]
    if tested < whole:
        numbers = ", ".join(map(str, joined["folds"]))
        return f"only the folds {numbers}: {tested} of {whole} recordings tested"
    by_person = " by person" if node == "splits" else ""
    return f"{len(results)} folds{by_person}, each recording tested once"


def _one(parts: Sequence[Predictions], split: str, named: Sequence[tuple[str, Any]]) -> Predictions:
    """One split's rows of all folds."""
    frame = pd.concat([part.in_split(split).frame for part in parts], ignore_index=True)
    try:
        return Predictions(frame)
    except ValueError as error:
        folders = ", ".join(folder for folder, _ in named)
        raise LfnetError(
            f"the folds {folders} share {split} recordings ({error}): they are not of one cross-validation. Number the "
            "folds so that each recording is in one."
        ) from error


def _training(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Seconds of all folds together; epochs and convergence as the worst of them."""
    joined = dict(parts[0])
    if "seconds" in joined:
        joined["seconds"] = round(sum(part["seconds"] for part in parts), 2)
    if "epochs" in joined:
        joined["epochs"] = max(part["epochs"] for part in parts)
        joined["converged"] = all(part["converged"] for part in parts)
    return joined
