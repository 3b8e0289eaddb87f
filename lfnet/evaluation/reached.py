"""What the intervals were measured to reach: the sentence that a table's foot quotes from experiments/validation."""

from collections.abc import Sequence
from types import MappingProxyType

__all__ = ["REACHED", "sentence"]

# Per cent of cohorts of 50 recordings (28 people) whose 95 % interval held the truth, over heads, trained models and
# architectures: the mean of the chosen rows of experiments/validation/coverage.csv, to which a test holds it.
REACHED = MappingProxyType({"mae": 94.8, "rmse": 93.3, "pcc": 95.3, "ccc": 95.1, "sigma_ratio": 95.4, "skill": 95.1})
_LEVEL = 0.95


def sentence(metrics: Sequence[str], level: float = _LEVEL) -> str:
    """How often intervals of these metrics held the truth; "" for a level and metrics that were not measured."""
    rates = [REACHED[metric] for metric in metrics if metric in REACHED]
    if not rates or level != _LEVEL:
        return ""
    least, most = min(rates), max(rates)
    rate = f"{least:.1f} %" if least == most else f"{least:.1f}–{most:.1f} %"
    return (
        f"At n = 50 the 95 % intervals held the truth in {rate} of simulated cohorts, heavy tails and people who sit "
        "several times included (experiments/validation)."
    )
