"""What may be said of a row beside its reference, in words: each says no more than was shown."""

from typing import Literal

__all__ = ["VERDICTS", "Verdict", "verdict"]

Verdict = Literal[
    "better",
    "better but inside the margin",
    "equivalent",
    "cannot tell",
    "worse but inside the margin",
    "worse",
]

VERDICTS: dict[Verdict, str] = {
    "better": "its MAE is smaller than the reference's (p ≤ α after Holm)",
    "better but inside the margin": "its MAE is smaller, and it is also shown to be smaller by less than the margin",
    "equivalent": "its MAE is shown to be less than the margin from the reference's (TOST, p ≤ α after Holm)",
    "cannot tell": "neither was shown: this many people cannot tell the two apart, nor show that they are alike",
    "worse but inside the margin": "its MAE is larger, and it is also shown to be larger by less than the margin",
    "worse": "its MAE is larger than the reference's (p ≤ α after Holm)",
}


def verdict(difference: float, p: float | None, p_equivalent: float | None, alpha: float) -> Verdict:
    """The verdict on a difference in MAE (row − reference) from the two adjusted p-values; None: nothing was tested."""
    apart = p is not None and p <= alpha
    alike = p_equivalent is not None and p_equivalent <= alpha
    if not apart:
        return "equivalent" if alike else "cannot tell"
    if difference < 0:
        return "better but inside the margin" if alike else "better"
    return "worse but inside the margin" if alike else "worse"
