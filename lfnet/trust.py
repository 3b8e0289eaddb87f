"""Settings in files that somebody else may have written: they name no code but lfnet's own classes."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from lfnet.config import plain
from lfnet.errors import LfnetError

__all__ = ["TARGETS", "check_targets", "read_settings"]

# The classes that the yamls of each group in conf/ name. A file from somebody else may name these and no others.
TARGETS: dict[str, frozenset[str]] = {
    "audit": frozenset({"lfnet.audit.settings.Settings"}),
    "cohort": frozenset(
        {"lfnet.cohorts.avec2014.load", "lfnet.cohorts.folder.load", "lfnet.simulation.cohort.simulate"}
    ),
    "encoder": frozenset(
        {
            "lfnet.encoders.blendshapes.Blendshapes",
            "lfnet.encoders.expression.Expression",
            "lfnet.encoders.face_embedding.FaceEmbedding",
            "lfnet.encoders.mobilenet.MobileNet",
            "lfnet.encoders.skin.Skin",
            "lfnet.encoders.visual.Visual",
            "lfnet.encoders.visual.VisualFrames",
        }
    ),
    "head": frozenset(
        {
            "lfnet.heads.attention_mil.AttentionMIL",
            "lfnet.heads.hybrid.Hybrid",
            "lfnet.heads.ldbm.LDBM",
            "lfnet.heads.mamba.Mamba",
            "lfnet.heads.mamba_gru.MambaGRU",
            "lfnet.heads.mean_mlp.TemporalMeanMLP",
            "lfnet.heads.region_attention.RegionAttention",
            "lfnet.heads.tcn.TCN",
            "lfnet.heads.transformer.VanillaTransformer",
        }
    ),
    "loss": frozenset({"lfnet.training.losses.L1"}),
    "pretrain": frozenset({"lfnet.training.pretrain.MaskedFrames"}),
    "pulse": frozenset({"lfnet.pulse.settings.PulseSettings"}),
    "scale": frozenset({"lfnet.cohorts.cohort.Scale"}),
    "splits": frozenset(
        {"lfnet.cohorts.splits.grouped", "lfnet.cohorts.splits.official", "lfnet.cohorts.splits.unshared"}
    ),
    "video": frozenset({"lfnet.video.settings.VideoSettings"}),
    "visual": frozenset({"lfnet.encoders.visual_settings.VisualSettings"}),
    "weights": frozenset({"lfnet.weights.weights_file.WeightsFile"}),
}


def read_settings(path: Path, *, trust: Sequence[str] = ()) -> dict[str, Any]:
    """Read a run's settings from its yaml file, which somebody else may have written.

    Parameters
    ----------
    path : Path
        The file.
    trust : sequence of str
        Exact dotted names of classes that the file may name besides those in `TARGETS`.

    Raises
    ------
    LfnetError
        Where the file names any other code, see `check_targets`.
    """
    settings = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
    if not isinstance(settings, dict):
        raise LfnetError(f"{path} holds no settings: train the run again.")
    check_targets(settings, path, trust=trust)
    checked: dict[str, Any] = plain(OmegaConf.create(_without_sources(settings)))
    return checked


def check_targets(
    settings: Any, path: Path, *, groups: Sequence[str] = tuple(TARGETS), trust: Sequence[str] = ()
) -> None:
    """Check that the settings read from a file name no code but lfnet's own classes; nothing is imported.

    Parameters
    ----------
    settings : dict, list or scalar
        The whole content of the file, unresolved. All levels are checked.
    path : Path
        The file, for the message.
    groups : sequence of str
        The groups of `TARGETS` that are allowed.
    trust : sequence of str
        Exact dotted names that are allowed besides.

    Raises
    ------
    LfnetError
        At the first `_target_` that is not allowed, and at the first interpolation (`${...}`), which could produce
        one later.
    """
    allowed = frozenset(trust).union(*(TARGETS[group] for group in groups))
    for place, key, value in _items(settings):
        where = f"{path}: {'.'.join((*place, key))}"
        if isinstance(value, str) and "${" in value:
            raise LfnetError(f"{where}={value!r}: a file of results holds plain values, and no interpolation.")
        if key != "_target_" or (isinstance(value, str) and value in allowed):
            continue
        if not isinstance(value, str):
            raise LfnetError(f"{where}={value!r}: give the name of a class.")
        raise LfnetError(
            f"{where}={value!r} is not one of lfnet's classes that this file may name, and other code could do "
            f"anything on this machine. If it is your own class, allow it with --trust {value}."
        )


def _items(node: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str, Any]]:
    """All values at all levels of dicts and lists: where, key, value."""
    if isinstance(node, dict):
        pairs = [(str(key), value) for key, value in node.items()]
    elif isinstance(node, list | tuple):
        pairs = [(str(index), value) for index, value in enumerate(node)]
    else:
        return
    for key, value in pairs:
        yield place, key, value
        yield from _items(value, (*place, key))


def _without_sources(node: Any) -> Any:
    """The settings with no `sources` of weights: a file from somebody else starts no download."""
    if isinstance(node, dict):
        weights = node.get("_target_") in TARGETS["weights"]
        return {key: [] if weights and key == "sources" else _without_sources(value) for key, value in node.items()}
    return [_without_sources(value) for value in node] if isinstance(node, list) else node
