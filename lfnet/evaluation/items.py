"""Metrics of the items of a questionnaire, of recordings with a label and a score of each."""

import pandas as pd

from lfnet.evaluation.estimates import CORRELATIONS, EvidenceSettings
from lfnet.evaluation.metrics import compute_metrics

__all__ = ["summarise_items"]

_METRICS = ("mae", "rmse", "pcc")


def summarise_items(table: pd.DataFrame) -> dict[str, dict[str, dict[str, float | None]]]:
    """Compute the metrics of each item.

    Parameters
    ----------
    table : DataFrame
        One row a recording: person_id, split and, for each item, NAME_label (NaN: unknown) and NAME_score.

    Returns
    -------
    dict
        Split → item → mae, rmse, pcc (None where it is undefined or of fewer than 10 people) and n.

    Examples
    --------
    >>> rows = pd.DataFrame({"person_id": ["p", "q"], "split": "test", "sleep_label": [0, 3], "sleep_score": [1, 2]})
    >>> summarise_items(rows)
    {'test': {'sleep': {'mae': 1.0, 'rmse': 1.0, 'pcc': None, 'n': 2}}}
    """
    names = [name.removesuffix("_label") for name in table.columns if name.endswith("_label")]
    found: dict[str, dict[str, dict[str, float | None]]] = {}
    for split, rows in table.groupby("split", sort=False):
        for name in names:
            known = rows[rows[f"{name}_label"].notna()]
            if len(known):
                few = known["person_id"].nunique() < EvidenceSettings().min_people
                values = compute_metrics(known[f"{name}_label"], known[f"{name}_score"])
                kept = {metric: None if few and metric in CORRELATIONS else values[metric] for metric in _METRICS}
                found.setdefault(str(split), {})[name] = {**kept, "n": values["n"]}
    return found
