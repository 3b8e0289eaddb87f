"""Load a trained model from a run folder or a bundle, and score features or video with it in Python."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from lfnet.deploy.bundle import Bundle, Windows
from lfnet.deploy.bundle_json import Limits, Scale
from lfnet.deploy.replace import bundle_folder
from lfnet.deploy.scorer import Scorer
from lfnet.deploy.scoring import Stages
from lfnet.errors import LfnetError
from lfnet.evaluation.pooling import to_points
from lfnet.runs.result import Result
from lfnet.runs.run import Run

if TYPE_CHECKING:
    from lfnet.deploy.trained_head import TrainedHead

__all__ = ["Model", "Prediction", "load"]

_BATCH = 64  # windows


@dataclass(frozen=True, repr=False)
class Prediction:
    """The score of one clip.

    Parameters
    ----------
    source : str
        The file; "array" for an array.
    score : float
        In points of the scale.
    scale : Scale
        Name and range of the scale.
    low, high, level : float or None
        The conformal interval and its level; None for a model without one.
    spread : float or None
        SD of the scores of an ensemble's members; None for a single model.
    coverage : float
        Share of frames with a face, or of valid frames.
    windows : tuple of float
        Score of each window; empty for a fusion.
    """

    source: str
    score: float
    scale: Scale
    low: float | None = None
    high: float | None = None
    level: float | None = None
    spread: float | None = None
    coverage: float = 1.0
    windows: tuple[float, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """Return one row: source, score, low, high, level, spread, coverage, windows (their number), scale."""
        names = ("source", "score", "low", "high", "level", "spread", "coverage")
        row = {name: getattr(self, name) for name in names}
        return pd.DataFrame([{**row, "windows": len(self.windows), "scale": self.scale.name}])

    def __repr__(self) -> str:
        text = self.scale.text(self.score).removeprefix("score ")
        if self.low is not None and self.level is not None:
            text += f", {100 * self.level:g} % interval {self.low:.1f} to {self.high:.1f}"
        if self.spread is not None:
            text += f", SD of the members {self.spread:.1f}"
        return f"Prediction: {text}"


class Model(ABC):
    """A trained model that `load` returns; close it after use, best by `with`.

    Parameters
    ----------
    folder : Path
        The run folder or bundle.
    name : str
        Name of the model.
    scale : Scale
        Name and range of its scores.
    result : Result or None
        What the run recorded: metrics, cost, settings; None for a bundle.
    """

    def __init__(self, folder: Path, name: str, scale: Scale, result: Result | None) -> None:
        self.folder, self.name, self.scale, self.result = folder, name, scale, result

    @abstractmethod
    def predict(self, x: Any, fps: float | None = None) -> Prediction:
        """Score one clip.

        Parameters
        ----------
        x : ndarray of shape (T, D), or path
            Features of the clip's frames; rows with a number that is not finite are frames without a face. Or a file of
            features (.npy, .npz, .safetensors), a video, or a folder of images. For a fusion: {"visual": rows,
            "physiological": rows}, each an array or DataFrame of the clip's descriptors; a missing modality is imputed.
        fps : float, optional
            Frames per second of an array, a folder of images, or a file without times.

        Returns
        -------
        Prediction
            The score in points of the scale.

        Raises
        ------
        LfnetError
            The clip cannot be scored; the message is the reason.
        """

    def close(self) -> None:  # noqa: B027  a fusion has nothing to free
        """Free the networks."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        kind = "bundle" if self.result is None else f"run of a {self.result.kind}"
        return f"Model: {self.name}, {self.scale.name} {self.scale.min:g} to {self.scale.max:g} ({kind} {self.folder})"


class _HeadModel(Model):
    """A head of a run or a bundle."""

    def __init__(self, folder: Path, name: str, scorer: Scorer, result: Result | None) -> None:
        super().__init__(folder, name, scorer.stages.scale, result)
        self._scorer = scorer

    def predict(self, x: np.ndarray | Path | str, fps: float | None = None) -> Prediction:
        """Score one clip, see `Model.predict`."""
        report = self._scorer.score(Path(x) if isinstance(x, str | Path) else np.asarray(x), fps)
        if report["score"] is None:
            raise LfnetError(f"{report['video']}: {report['refused']}")
        interval = report["interval"] or {}
        return Prediction(
            report["video"],
            report["score"],
            self.scale,
            low=interval.get("low"),
            high=interval.get("high"),
            level=interval.get("level"),
            spread=report["spread"],
            coverage=report["coverage"],
            windows=tuple(report["windows_score"]),
        )

    def close(self) -> None:
        """Free the networks."""
        self._scorer.close()


class _FusionModel(Model):
    """A fusion of a run."""

    def __init__(self, run: Run) -> None:
        from lfnet.fusion import persist

        result = run.result
        super().__init__(run.folder, result.model, Scale.of(result), result)
        self._system = persist.loads(run.content(run.weights_path.name), run.weights_path)

    def predict(self, x: Mapping[str, np.ndarray | pd.DataFrame], fps: float | None = None) -> Prediction:
        """Score one clip, see `Model.predict`."""
        from lfnet.fusion.modality_data import Split

        known = tuple(self._system.features)
        if not isinstance(x, Mapping) or not x or set(x) - set(known):
            raise LfnetError(f"a fusion scores descriptors: give {{modality: rows}} of {' and '.join(known)}.")
        streams = {name: self._stream(name, x.get(name)) for name in known}
        labelled = all(isinstance(rows, pd.DataFrame) for rows in x.values())
        clip = Split(
            np.full(1, np.nan),
            np.array(["person"]),
            np.array(["clip"]),
            np.array(["recording"]),
            streams.get("visual"),
            streams.get("physiological"),
            streams.get("audio"),
        )
        # The names of features can be compared where all are given.
        named = labelled and len(x) == len(known)
        system = self._system if named else replace(self._system, features={})
        return Prediction("descriptors", float(system.scores(clip)[system.model][0]), self.scale)

    def _stream(self, name: str, rows: np.ndarray | pd.DataFrame | None) -> Any:
        from lfnet.fusion.modality_data import Stream

        count = int(self._system.features[name]["count"])
        if rows is None:
            rows = np.empty((0, count))
        names = tuple(map(str, rows.columns)) if isinstance(rows, pd.DataFrame) else tuple(map(str, range(count)))
        X = np.atleast_2d(np.asarray(rows, np.float64))
        if X.ndim != 2 or X.shape[1] != count:
            raise LfnetError(f"{name} has shape {list(X.shape)}: give rows of {count} numbers.")
        return Stream(X, np.zeros(len(X), np.int64), names)


def load(
    path: Path | str,
    *more: Path | str,
    runs: Path | str = "lfnet_runs",
    trust: Sequence[str] = (),
    threads: int | None = None,
) -> Model:
    """Load a trained model.

    Parameters
    ----------
    path : path or str
        A bundle, which needs no PyTorch; or a run folder, or the first letters of a run's name in `runs`.
    *more : path or str
        Further runs, which differ in their seed alone: a deep ensemble.
    runs : path
        Folder of runs.
    trust : sequence of str
        Exact dotted names of classes that the run or bundle may name besides lfnet's own ("my_module.MyHead").
    threads : int, optional
        Threads of a bundle's networks; by default onnxruntime decides.

    Returns
    -------
    Model
        Its `predict` scores a clip, in points of the scale.

    Raises
    ------
    LfnetError
        There is no such run or bundle, or it is damaged.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np
    >>> import lfnet
    >>> from lfnet.testing import make_toy_bundle
    >>> x_TD = np.full((60, 3), 0.5)
    >>> x_TD[::2, 0] = 1.5
    >>> with TemporaryDirectory() as folder:
    ...     _ = make_toy_bundle(folder)
    ...     with lfnet.load(folder) as model:
    ...         prediction = model.predict(x_TD, fps=30)
    >>> prediction
    Prediction: 30.0 (BDI-II, 0 to 63), 90 % interval 25.0 to 35.0
    >>> prediction.to_frame()[["score", "low", "high"]].round(1).values.tolist()
    [[30.0, 25.0, 35.0]]
    """
    if not more and bundle_folder(Path(path)) is not None:
        bundle = Bundle.open(path, trust=trust)
        return _HeadModel(Path(path), bundle.facts.run.model, Scorer.of(bundle, pulse=False, threads=threads), None)
    found = [Run.open(Run.find(str(name), Path(runs)).folder, trust) for name in (path, *more)]
    if len(found) == 1 and found[0].result.kind == "fusion":
        return _FusionModel(found[0])
    from lfnet.deploy.trained_head import TrainedHead

    trained = TrainedHead(*found)
    return _HeadModel(trained.folder, trained.result.model, Scorer(_stages(trained)), trained.result)


def _stages(trained: "TrainedHead") -> Stages:
    """Return the stages of a run: its head in PyTorch, and its encoder where it has one and clips are videos."""
    import torch

    from lfnet.config import instantiate
    from lfnet.encoders.encoder import Encoder
    from lfnet.encoders.sound_encoder import hears
    from lfnet.jobs.session import Session
    from lfnet.jobs.settings import read_inputs

    head, (mean, sd), config = trained.head(), trained.labels, trained.config

    def score(windows: Windows) -> np.ndarray:
        parts = []
        with torch.inference_mode():
            for b in range(0, len(windows.x_BTD), _BATCH):
                x_BTD, mask_BT = (torch.from_numpy(part[b : b + _BATCH]) for part in windows)
                parts.append(head(x_BTD, mask_BT).double().numpy())
        return to_points(np.concatenate(parts), mean, sd, trained.pooling)

    min_coverage = trained.protocol.health.min_coverage
    inputs = read_inputs(config, Session())
    encoders: list[Encoder] = [instantiate(node, f"encoder.{name}") for name, node in inputs.encoders.items()]
    stages = Stages(
        score,
        trained.protocol,
        Scale.of(trained.result),
        trained.n_features,
        trained.result.cohort.name,
        Limits(
            rows_per_second=None,
            trained_rows_per_second=None,
            min_frames=1,
            min_coverage=min_coverage,
            sparse=bool(config["cohort"].get("sparse")) or any(getattr(one, "sparse", False) for one in encoders),
        ),
        pooling=None if trained.pooling is None else trained.pooling.in_points(mean, sd),
    )
    seen = len(inputs.encoders) == 1 and not hears(encoders[0])
    if not seen or "streams" in trained.result.config or config["cohort"].get("aligned"):
        return stages
    return replace(
        stages,
        encoder=encoders[0],
        video=inputs.video,
        landmarker=lambda: inputs.video.find_landmarker(Path(config["paths"]["weights"])),
        stride=inputs.encoding.stride,
        batch_size=inputs.encoding.batch_size,
    )
