"""A fitted system as one skops file: no pickle, and nothing in a file runs when it is opened."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from lfnet.errors import LfnetError
from lfnet.files import atomic_path
from lfnet.fusion.system import System

__all__ = ["FILE", "TRUSTED", "dumps", "load", "save"]

FILE = "model.skops"
# Beyond scikit-learn, NumPy and plain Python, which skops knows. Naming a type here lets a file make one, and no more.
TRUSTED = (
    "collections.OrderedDict",
    "lfnet.fusion.joint.WeightedMean",
    "lfnet.fusion.modalities.Scorer",
    "lfnet.fusion.system.System",
    "lfnet.fusion.transformers.AddEngineered",
    "lfnet.fusion.transformers.Bound",
    "lfnet.fusion.transformers.Columns",
    "lfnet.fusion.transformers.VoteSelector",
    "lightgbm.basic.Booster",
    "lightgbm.sklearn.LGBMRegressor",
    "numpy.dtype",
    "sklearn.feature_selection._univariate_selection.f_regression",
    "sklearn.tree._tree.Tree",
    "sklearn.utils._bunch.Bunch",
    "xgboost.core.Booster",
    "xgboost.sklearn.XGBRegressor",
)


def dumps(fitted: Any) -> bytes:
    """A system, or a part of one, as the bytes of a skops file."""
    import skops.io

    return skops.io.dumps(fitted, compression=zipfile.ZIP_DEFLATED, compresslevel=6)


def save(system: System, path: Path) -> int:
    """Write a system, whole or not at all; its size in bytes."""
    content = dumps(system)
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
    return len(content)


def load(path: Path) -> System:
    """Read a system.

    All types that the file names are looked up before anything is made. Raises `LfnetError` where one is not in
    TRUSTED (nothing of the file has run then), and where the file is missing, broken or no system.
    """
    import skops.io

    path = Path(path)
    try:
        content = path.read_bytes()
        zipfile.ZipFile(io.BytesIO(content)).close()
    except FileNotFoundError:
        raise LfnetError(f"{path} does not exist.") from None
    except zipfile.BadZipFile:
        raise LfnetError(f"{path} is no skops file, or is cut short: run the job again with force=true.") from None
    try:
        unknown = sorted(set(skops.io.get_untrusted_types(data=content)) - set(TRUSTED))
        if unknown:
            more = f" and {len(unknown) - 3} more" if len(unknown) > 3 else ""
            raise LfnetError(
                f"{path} was not opened: it names {', '.join(unknown[:3])}{more}, which no fusion of lfnet holds. "
                "Nothing in it was run. Use files of your own runs only."
            )
        system = skops.io.loads(content, trusted=list(TRUSTED))
    except LfnetError:
        raise
    except Exception as error:
        raise LfnetError(f"{path} cannot be read ({type(error).__name__}: {error}): run the job again.") from error
    if not isinstance(system, System):
        raise LfnetError(f"{path} holds {type(system).__name__}, not a fusion.")
    try:
        for scorer in system.sides.values():
            _check_trees(scorer.pipeline)
    except (AttributeError, TypeError, ValueError) as error:
        raise LfnetError(f"{path} is damaged ({error}): run the job again with force=true.") from error
    return system


def _check_trees(pipeline: Any) -> None:
    """Every split of every forest leads to a later node of its tree and asks for a feature that is there.

    scikit-learn follows a tree's numbers unchecked: wrong ones would read memory that is not the tree's.
    """
    for estimator in getattr(pipeline.steps[-1][1], "estimators_", []):
        forest = getattr(estimator, "estimator", estimator)
        for member in getattr(forest, "estimators_", []):
            tree = member.tree_
            own = np.arange(tree.node_count)
            inner = tree.children_left >= 0
            children = np.stack([tree.children_left, tree.children_right])[:, inner]
            wrong = (children <= own[inner]) | (children >= tree.node_count)
            features = tree.feature[inner]
            if wrong.any() or (features < 0).any() or (features >= tree.n_features).any():
                raise ValueError("a tree of its forest leads nowhere")
            if tree.n_features != forest.n_features_in_:
                raise ValueError("a tree of its forest expects other features")
