"""Heads: networks that map the frames of a window to one score, one file each.

A head is a `torch.nn.Module` with `forward(x_BTD, mask_BT) -> y_B`:

- `x_BTD`: float32 [B, T, D], B windows of T frames with D features;
- `mask_BT`: bool [B, T], true where a frame is real; what lies under a false mask never changes the score;
- `y_B`: float32 [B], in units of the training labels' standard deviation.

It is built as `Head(n_features, max_frames, **settings)`; `lfnet.testing.check_head` checks the whole contract. With an
optional argument `n_outputs`, of default 1, it also learns distributions (`lfnet.training.distributions`): `forward`
returns [B, K] for K = `n_outputs` above 1. Five methods and an attribute are optional:

- `frames(x_BTD, mask_BT) -> z_BTW`: the vectors that the head pools, which pre-training needs;
- `shorten(x_BTD, mask_BT)`: an equivalent shorter window, which training computes once for each window;
- `embed_windows(x_BTD, mask_BT) -> z_BW`: the vector of each window, where the head's score is
  `regressor(z_BW).squeeze(-1)`. `pooling=gated` weighs windows by it; it weighs those of other heads by their scores.
- `remembered_frames(x_BTD, mask_BT) -> int`: how many of the last real frames the scores depend on; tables show it;
- `settle()`: does now what the next training step would do first because of the last one. After it, weights, buffers
  and the random numbers of torch, NumPy and Python are all that an interrupted training goes on from.
- `rounds_frames = True`: under autocast the head first rounds the frames to its type, by a linear layer, and they have
  no other use. Training in bf16-mixed then hands it rounded frames, which take half the memory.

Axes in names: B windows, T frames, D features, W width, N tokens or patches, H attention heads, E channels.

`lfnet.heads.layers` holds what heads share, `lfnet.heads.cpu` the fast kernels for training on a CPU.

Examples
--------
>>> import torch
>>> from lfnet.heads import LDBM
>>> head = LDBM(n_features=8, max_frames=64, patch_size=4, width=16).eval()
>>> head(torch.zeros(3, 20, 8), torch.ones(3, 20, dtype=torch.bool)).shape
torch.Size([3])
"""

from typing import TYPE_CHECKING

from lfnet.lazy import lazy_imports

if TYPE_CHECKING:
    from lfnet.heads.attention_mil import AttentionMIL as AttentionMIL
    from lfnet.heads.cost import Cost as Cost
    from lfnet.heads.cost import measure as measure
    from lfnet.heads.hybrid import Hybrid as Hybrid
    from lfnet.heads.ldbm import LDBM as LDBM
    from lfnet.heads.mamba import Mamba as Mamba
    from lfnet.heads.mamba_gru import MambaGRU as MambaGRU
    from lfnet.heads.mean_mlp import TemporalMeanMLP as TemporalMeanMLP
    from lfnet.heads.patch_statistics import PatchStatistics as PatchStatistics
    from lfnet.heads.region_attention import RegionAttention as RegionAttention
    from lfnet.heads.tcn import TCN as TCN
    from lfnet.heads.transformer import VanillaTransformer as VanillaTransformer

_MODULES = {
    "LDBM": "ldbm",
    "TCN": "tcn",
    "AttentionMIL": "attention_mil",
    "Cost": "cost",
    "Hybrid": "hybrid",
    "Mamba": "mamba",
    "MambaGRU": "mamba_gru",
    "PatchStatistics": "patch_statistics",
    "RegionAttention": "region_attention",
    "TemporalMeanMLP": "mean_mlp",
    "VanillaTransformer": "transformer",
    "measure": "cost",
}

__all__ = list(_MODULES)
__getattr__, __dir__ = lazy_imports(__name__, _MODULES)
