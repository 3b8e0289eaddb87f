"""Save a fitted fusion as one skops file; opening a file runs no code from it."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from lfnet.errors import LfnetError
from lfnet.extras import require
from lfnet.files import atomic_path
from lfnet.fusion.system import System

__all__ = ["TRUSTED", "dumps", "load", "loads", "save"]

_SCHEMA = "schema.json"  # the member of a skops file that describes its objects
# Types that a file may contain besides those that skops trusts (scikit-learn, NumPy and plain Python).
TRUSTED = (
    "collections.OrderedDict",
    "lfnet.fusion.joint.StackedRegression",
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
    """Serialise a system, or a part of one, as a skops file. Systems that were fitted alike give the same bytes."""
    require("lightfusion", "skops", use="saving a fusion")
    import skops.io

    return _without_addresses(skops.io.dumps(fitted))


def _without_addresses(content: bytes) -> bytes:
    """The same skops file with objects and members numbered, and undated.

    skops identifies objects by their addresses in memory, names members after addresses or at random, and dates them.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        members = {name: file.read(name) for name in file.namelist()}
    numbers: dict[int, int] = {}
    names: dict[str, str] = {}

    def number(node: dict[str, Any]) -> dict[str, Any]:
        if isinstance(address := node.get("__id__"), int):
            node["__id__"] = numbers.setdefault(address, len(numbers))
        if isinstance(name := node.get("file"), str) and name in members:
            node["file"] = names.setdefault(name, f"{len(names)}{Path(name).suffix}")
        return node

    schema = json.dumps(json.loads(members[_SCHEMA], object_hook=number)).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, data in [(_SCHEMA, schema), *((new, members[old]) for old, new in names.items())]:
            file.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED, compresslevel=6)
    return buffer.getvalue()


def save(system: System, path: Path) -> int:
    """Write a system atomically and return its size in bytes."""
    content = dumps(system)
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
    return len(content)


def load(path: Path) -> System:
    """Read a system from a file, as `loads` does. Raises `LfnetError` as it, and where the file is missing."""
    try:
        return loads(Path(path).read_bytes(), path)
    except FileNotFoundError:
        raise LfnetError(f"{path} does not exist.") from None
    except OSError as error:
        raise LfnetError(f"{path} cannot be read ({error.strerror}): run the job again.") from error


def loads(content: bytes, path: Path) -> System:
    """Read a system from the content of the file `path`.

    All types in the file are compared with `TRUSTED` before any object is made.

    Raises
    ------
    LfnetError
        A type is not trusted, or the content is broken or no fusion.
    """
    require("lightfusion", "skops", use=f"opening {path}")
    import skops.io

    try:
        zipfile.ZipFile(io.BytesIO(content)).close()
    except zipfile.BadZipFile:
        raise LfnetError(f"{path} is no skops file, or is truncated: run the job again with force=true.") from None
    try:
        unknown = sorted(set(skops.io.get_untrusted_types(data=content)) - set(TRUSTED))
        if unknown:
            more = f" and {len(unknown) - 3} more" if len(unknown) > 3 else ""
            raise LfnetError(
                f"{path} was not opened: it contains {', '.join(unknown[:3])}{more}, which no fusion of lfnet uses. "
                "No code from it was run. Use files of your own runs only."
            )
        system = skops.io.loads(content, trusted=list(TRUSTED))
    except LfnetError:
        raise
    except Exception as error:
        raise LfnetError(f"{path} cannot be read ({type(error).__name__}: {error}): run the job again.") from error
    if not isinstance(system, System):
        raise LfnetError(f"{path} contains {type(system).__name__}, not a fusion.")
    try:
        for scorer in system.modalities.values():
            _check_trees(scorer.pipeline)
    except (AttributeError, TypeError, ValueError) as error:
        raise LfnetError(f"{path} is damaged ({error}): run the job again with force=true.") from error
    return system


def _check_trees(pipeline: Any) -> None:
    """Check that every split of every forest leads to a later node of its tree and reads an existing feature.

    scikit-learn does not check a tree's indices: wrong ones would read memory outside the tree.
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
                raise ValueError("a tree of its forest has wrong indices")
            if tree.n_features != forest.n_features_in_:
                raise ValueError("a tree of its forest expects another number of features")
