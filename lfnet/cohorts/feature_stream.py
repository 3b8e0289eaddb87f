"""Settings of a stream of ready features, and what they do to its numbers: units, angles, shapes of faces."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from lfnet.cohorts.pattern import Pattern
from lfnet.config import Positive, read, settings
from lfnet.errors import LfnetError

__all__ = ["FeatureStream", "read_streams"]

_PERIODS = {"radians": 2 * np.pi, "degrees": 360.0}


@settings
class FeatureStream:
    """Columns of feature files that are one stream, and how they are read.

    `conf/features/columns.yaml` explains each setting. Names of columns lose outer spaces.

    Parameters
    ----------
    columns : sequence of str, optional
        Patterns of whole column names, in the order of the stream; None for all columns of numbers that are none of
        the columns below. They concern tables (.csv, .tsv, .txt) alone.
    unit : str
        Unit of the stream's numbers, for people.
    factor : float
        Factor of all numbers.
    angle : {"radians", "degrees"}, optional
        Unit of angles, which are unwrapped: a turn past ±180° makes no jump.
    landmarks : {"blocks", "interleaved"}, optional
        Order of a face's points: x of all points and then y (blocks), or x and y of each point. They lose the place
        and size of the face in each frame.
    time, frame, success, confidence, face : sequence of str
        Names, in any case, of the columns of seconds, of frame numbers, of whether a face was found, of how sure that
        is, and of which face a row is of. The first name that there is counts.
    first_frame : int
        Number of a clip's first frame.
    offset : float
        Seconds that are added to all times, of a stream whose track is shifted.
    min_confidence : float
        Rows below it are invalid.
    fps : float, optional
        Frames a second where neither the manifest nor the file has it.
    header : bool
        Whether a table's first line holds the names of columns; else they are c0, c1, …
    sparse : bool
        Whether zero and constant vectors are values, as counts and one-hot vectors are.
    file : str, optional
        Pattern of a path below the root, with the group person; used by corpora alone (`lfnet.cohorts.corpus`).

    Examples
    --------
    >>> pose = FeatureStream(columns=("pose_R[xyz]",), angle="radians")
    >>> turning = np.array([[3.1], [-3.1]])
    >>> pose.transform(turning, np.array([True, True])).round(2).tolist()
    [[3.1], [3.18]]
    """

    columns: tuple[Pattern, ...] | None = None
    unit: str = ""
    factor: Positive = 1.0
    angle: Literal["radians", "degrees"] | None = None
    landmarks: Literal["blocks", "interleaved"] | None = None
    time: tuple[str, ...] = ("timestamp", "time", "seconds", "frametime")
    frame: tuple[str, ...] = ("frame", "frame_number")
    first_frame: Annotated[int, Field(ge=0)] = 0
    success: tuple[str, ...] = ("success",)
    confidence: tuple[str, ...] = ("confidence", "facescore")
    face: tuple[str, ...] = ("face_id",)
    min_confidence: Annotated[float, Field(ge=0, le=1)] = 0.0
    offset: float = 0.0
    fps: Positive | None = None
    header: bool = True
    sparse: bool = False
    file: Pattern | None = None

    def recipe(self) -> dict[str, Any]:
        """Describe as JSON what determines the vectors; empty where a file is read as it is."""
        own = {name: value for name, value in asdict(self).items() if value != _PLAIN[name]}
        return {name: value for name, value in own.items() if name not in ("unit", "file")}

    def transform(self, x_TD: np.ndarray, valid_T: np.ndarray) -> np.ndarray:
        """Return the vectors in the stream's unit; rows that are not valid stay as they are.

        Raises
        ------
        LfnetError
            Angles are no radians, or landmarks have an odd number of columns.
        """
        x_TD = np.array(x_TD, np.float64)
        if self.angle is not None and valid_T.any():
            x_TD[valid_T] = _unwrapped(x_TD[valid_T], _PERIODS[self.angle])
        if self.landmarks is not None:
            x_TD[valid_T] = _shapes(x_TD[valid_T], self.landmarks == "blocks")
        return x_TD * self.factor


def read_streams(node: Mapping[str, Any] | None) -> dict[str, FeatureStream]:
    """Read the streams of a cohort's `features` by name; by default, all columns are the stream `ready`.

    Raises
    ------
    LfnetError
        A setting is wrong, or all streams are null.

    Examples
    --------
    >>> list(read_streams({"pose": {"columns": ["pose_R[xyz]"]}, "gaze": None}))
    ['pose']
    """
    if node is None:
        return {"ready": FeatureStream()}
    streams = {
        name: how if isinstance(how, FeatureStream) else read(FeatureStream, how, f"cohort.features.{name}")
        for name, how in node.items()
        if how is not None
    }
    if not streams:
        raise LfnetError("cohort.features has no stream. Leave one in, or set features@cohort.features=columns.")
    return streams


def _unwrapped(x_TD: np.ndarray, period: float) -> np.ndarray:
    if np.abs(x_TD).max() > 1.01 * period:
        raise LfnetError(f"angles of up to {np.abs(x_TD).max():.4g} are no radians. Set the stream's angle=degrees.")
    whole = np.unwrap(x_TD, period=period, axis=0)
    return whole - period * np.round(np.median(whole, axis=0) / period)


def _shapes(x_TD: np.ndarray, blocks: bool) -> np.ndarray:
    """Points of each frame about their centre, at a root mean square distance of 1 from it."""
    if x_TD.shape[1] % 2:
        raise LfnetError(f"landmarks have x and y, not {x_TD.shape[1]} columns. Correct the stream's columns.")
    points = len(x_TD), -1, 2
    x_TPC = x_TD.reshape(len(x_TD), 2, -1).transpose(0, 2, 1) if blocks else x_TD.reshape(points)
    x_TPC = x_TPC - x_TPC.mean(axis=1, keepdims=True)
    size_T = np.sqrt((x_TPC**2).sum(axis=2).mean(axis=1))
    x_TPC = x_TPC / np.where(size_T > 0, size_T, 1.0)[:, None, None]
    return (x_TPC.transpose(0, 2, 1) if blocks else x_TPC).reshape(x_TD.shape)


_PLAIN = asdict(FeatureStream())
