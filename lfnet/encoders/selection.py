"""Which frames of a segment are worth a closer look."""

import numpy as np

__all__ = ["SELECTIONS", "expression", "select"]

SELECTIONS = ("expression", "uniform", "none")


def expression(vectors_TD: np.ndarray, length: float, deviation: float, spread: float, channels: int) -> np.ndarray:
    """How expressive each frame is, float64 [T]: length·‖f‖ + deviation·‖f − mean‖ + spread·std(f[:channels]).

    vectors_TD: one vector a frame; the mean is over the segment's frames, the standard deviation (ddof 1) over the
    first `channels` numbers of a frame. LightFusionNet publishes .5, .3, .2 and 100 channels (research.md, section A).
    """
    f_TD = vectors_TD.astype(np.float64)
    few_TC = f_TD[:, :channels]
    sd_T = few_TC.std(axis=1, ddof=1) if few_TC.shape[1] > 1 else np.zeros(len(f_TD))
    norm_T = np.linalg.norm(f_TD, axis=1)
    return length * norm_T + deviation * np.linalg.norm(f_TD - f_TD.mean(axis=0), axis=1) + spread * sd_T


def select(by: str, keep: int, frames: int, score_T: np.ndarray | None = None) -> np.ndarray:
    """The kept frames' indices, int64, increasing: all where there are no more than `keep`.

    by: "expression", the highest of `score_T`, of equal ones the earlier; "uniform", spread evenly; "none", all.
    """
    if by == "none" or frames <= keep:
        return np.arange(frames)
    if by == "uniform":
        return ((np.arange(keep) + 0.5) * frames / keep).astype(np.int64)
    assert score_T is not None
    return np.sort(np.argsort(-score_T, kind="stable")[:keep])
