"""Check whether a clip shows one person, and which way up the face is.

Once every `video.check_every` seconds the face mesh also finds the other faces of a frame (`Mesh.others`).

Whether one person is shown is judged by how the face looks. Five times a second, the face is aligned and reduced to
16 × 16 grey values. Looks whose distance is below a bar are linked, and so are, by any chain of links, all looks of a
person who moves, talks and turns before one camera, also across cuts and pauses. A second chain is another person, or
the same in another light or from another side.
"""

from collections import Counter

import numpy as np

from lfnet.text import plural
from lfnet.video.align import crop, quarter_turns
from lfnet.video.backends import import_cv2
from lfnet.video.decode import Frame
from lfnet.video.faces import Mesh

__all__ = ["Looks", "People", "describe_look"]

_PERIOD = 0.2  # seconds between two looks
_SIDE = 16
# Distances from 0 to 2. The bar's error rates are in docs/people.md.
_BAR = 0.7  # looks that are nearer are one person's
_EQUAL = 0.15  # a look so near to a stored one is not stored
_MIN_LOOKS = 25  # of a chain that is reported as another person's: 5 s
_MIN_STRAY = 5  # looks of no long chain that are reported as not checked: 1 s
_MIN_SHARE = 0.5  # of the person's face, in width: of a second face that is reported
_MAX_NAMED = 3
_TURNS = {1: "a quarter turn clockwise", 2: "upside down", 3: "a quarter turn counterclockwise"}


class People:
    """Collects what a pass over a clip shows of other people."""

    def __init__(self) -> None:
        self._looks = Looks()
        self._due = -np.inf
        self._turns: Counter[int] = Counter()
        self._checks: list[tuple[float, bool]] = []

    def add(self, frame: Frame, face: Mesh | None) -> None:
        """Add a frame of the clip, in order, with the person's face."""
        if face is None:
            return
        if face.others is not None:
            width = face.box.area**0.5
            self._checks.append((frame.time, any(box.area**0.5 >= _MIN_SHARE * width for box in face.others)))
        if frame.time < self._due:
            return
        self._due = frame.time + _PERIOD * 0.99  # times are rounded
        self._turns[quarter_turns(face.landmarks_LC)] += 1
        image = crop(frame.rgb, face.landmarks_LC)
        look = None if image is None else describe_look(image)
        if look is not None:
            self._looks.add(frame.time, look)

    def notes(self) -> list[str]:
        """Return sentences on other faces than the person's, another person's face, and a turned face; none if none."""
        notes = []
        found = np.array([found for _, found in self._checks], bool)
        if found.any():
            spans = _stretches([time for time, _ in self._checks], found, 0)
            notes.append(
                f"a second face next to the person's in {found.sum()} of {plural(len(found), 'check')}: {_name(spans)} "
                "(video.faces=2 finds both, and video.person says which one is followed: largest, left or right)"
            )
        notes += self._looks.notes()
        turn, count = max(self._turns.items(), key=lambda item: item[1], default=(0, 0))
        if turn:
            notes.append(f"the face is {_TURNS[turn]} in {count} of {self._turns.total()} frames that were checked")
        return notes


def describe_look(rgb_HWC: np.ndarray) -> np.ndarray | None:
    """Describe how an aligned face looks.

    Parameters
    ----------
    rgb_HWC : ndarray of uint8, shape [112, 112, 3]
        The face, aligned by `lfnet.video.align.crop`.

    Returns
    -------
    ndarray of float32, shape [256], or None
        Grey values of the inner face without their mean, of length 1; None if they are all equal.
    """
    cv2 = import_cv2()
    grey = cv2.cvtColor(rgb_HWC, cv2.COLOR_RGB2GRAY)[16:104, 16:96]
    look = cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float32).ravel()
    look -= look.mean()
    length = float(np.linalg.norm(look))
    return look / length if length > _SIDE else None  # a standard deviation of 1 of 255


class Looks:
    """Chains of looks: single-linkage clusters, made one look at a time.

    A look that hardly differs from an earlier one is counted and not stored, so that memory grows with how much the
    face moves, and hardly with the clip.
    """

    def __init__(self) -> None:
        self._stored = np.empty((0, _SIDE * _SIDE), np.float32)
        self._number = 0
        self._chain: list[int] = []  # of each stored look: a stored look of the same chain, itself at the chain's root
        self._times: list[float] = []
        self._nearest: list[int] = []  # of each time: the stored look

    def add(self, time: float, look: np.ndarray) -> None:
        """Add the look at a time."""
        distance = np.sqrt(np.maximum(0.0, 2.0 - 2.0 * (self._stored[: self._number] @ look)))
        nearest = int(distance.argmin()) if self._number else -1
        if nearest < 0 or distance[nearest] > _EQUAL:
            if self._number == len(self._stored):
                more = np.empty((max(64, self._number), _SIDE * _SIDE), np.float32)
                self._stored = np.concatenate([self._stored, more])
            self._stored[self._number] = look
            nearest = self._number
            self._chain.append(nearest)
            self._number += 1
            for linked in np.flatnonzero(distance < _BAR):
                self._chain[self._root(int(linked))] = self._root(nearest)
        self._times.append(time)
        self._nearest.append(nearest)

    def notes(self) -> list[str]:
        """Return a sentence on long chains other than the longest, and one on looks of none."""
        chain_T = np.array([self._root(look) for look in self._nearest], int)
        (first, *others) = Counter(chain_T.tolist()).most_common() or [(0, 0)]
        long = {chain for chain, count in others if count >= _MIN_LOOKS}
        stray_T = np.array([chain != first[0] and chain not in long for chain in chain_T.tolist()], bool)
        notes = []
        if long:
            spans = sorted(span for chain in long for span in _stretches(self._times, chain_T == chain, _MIN_STRAY))
            notes.append(
                f"the face looks like another person's: {_name(spans)} (cut the video where the person changes. Other "
                "light, or another camera, can look the same)"
            )
        if stray_T.sum() >= _MIN_STRAY:
            spans = _stretches(self._times, stray_T, _MIN_STRAY)
            notes.append(
                f"not checked whether the face is the same person's, since it is shown too briefly: {_name(spans)}"
            )
        return notes

    def _root(self, look: int) -> int:
        while self._chain[look] != look:
            look = self._chain[look]
        return look


def _stretches(times: list[float], found_T: np.ndarray, max_gap: int) -> list[tuple[float, float]]:
    """First and last time of each run of true values; up to max_gap false ones interrupt none."""
    numbers = np.flatnonzero(found_T)
    if not len(numbers):
        return []
    edges = np.flatnonzero(np.diff(numbers) > max_gap + 1)
    starts, ends = numbers[np.r_[0, edges + 1]], numbers[np.r_[edges, len(numbers) - 1]]
    return [(times[start], times[end]) for start, end in zip(starts, ends, strict=True)]


def _name(spans: list[tuple[float, float]]) -> str:
    """Name the longest stretches of seconds, in order."""
    longest = sorted(sorted(spans, key=lambda span: span[0] - span[1])[:_MAX_NAMED])
    named = ", ".join(f"{start:.1f}–{end:.1f} s" if end > start else f"{start:.1f} s" for start, end in longest)
    return named + (f" and {len(spans) - _MAX_NAMED} times more" if len(spans) > _MAX_NAMED else "")
