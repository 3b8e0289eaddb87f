"""Clips of two stores as one stream: those of a training cohort and those of the cohort that it is tested on."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from lfnet.errors import LfnetError
from lfnet.features.store import ClipFeatures, Readable
from lfnet.fingerprints import digest

__all__ = ["Route", "RoutedStream", "check_alike"]


class Route(NamedTuple):
    """Where a clip's vectors are: the store, and the clip's id there."""

    store: Readable
    clip_id: str


class RoutedStream:
    """A stream whose clips lie in several stores, as a `Readable`.

    Parameters
    ----------
    routes : mapping of str to Route
        Of each clip; the stores hold the same kind of vectors (`check_alike`).
    """

    def __init__(self, routes: Mapping[str, Route]) -> None:
        self._routes = dict(routes)
        self._stores = list({id(route.store): route.store for route in self._routes.values()}.values())
        first = self._stores[0]
        self.stream = first.stream
        self.recipe = digest([store.recipe for store in self._stores])
        # The folder does not exist: its name identifies the store.
        self.folder = first.folder.parent / f"routed-{self.recipe[:12]}"

    def path(self, clip_id: str) -> Path:
        """Return the path of the clip's file."""
        store, own = self._routes[clip_id]
        return store.path(own)

    def header(self, clip_id: str) -> dict[str, str] | None:
        """Return the header of the clip's file."""
        store, own = self._routes[clip_id]
        return store.header(own)

    def read(self, clip_id: str) -> ClipFeatures:
        """Read a clip's vectors. Raises `LfnetError` as its store does."""
        store, own = self._routes[clip_id]
        return store.read(own)

    def shape(self, clip_id: str) -> tuple[int, int]:
        """Return the shape [T, D] of a clip's vectors."""
        store, own = self._routes[clip_id]
        return store.shape(own)

    def fingerprint(self, clip_ids: Iterable[str]) -> str:
        """Compute the digest of the clips' ids here, and of their vectors in each store."""
        ids = tuple(clip_ids)
        parts = []
        for store in self._stores:
            names = [name for name in ids if self._routes[name].store is store]
            parts.append([names, store.fingerprint(self._routes[name].clip_id for name in names)])
        return digest(parts)

    @contextmanager
    def keep_open(self) -> Iterator[None]:
        """As `FeatureStore.keep_open`, for all stores."""
        with ExitStack() as stack:
            for store in self._stores:
                stack.enter_context(store.keep_open())
            yield


def check_alike(train: Mapping[str, Route], test: Mapping[str, Route]) -> None:
    """Check that the test cohort has the streams of the training cohort, with the same columns.

    Parameters
    ----------
    train, test : mapping of str to Route
        By stream, any clip of the training and of the test cohort.

    Raises
    ------
    LfnetError
        A stream is absent in one of them, or has another number, order or kind of columns.
    """
    if set(train) != set(test):
        raise LfnetError(
            f"test_cohort has the features {', '.join(test)}, and the head was trained on {', '.join(train)}: a head "
            "is tested on the features that it was trained on. Choose a cohort with these, or an encoder for both."
        )
    for stream, (store, clip_id) in train.items():
        other, other_id = test[stream]
        width, found = store.shape(clip_id)[1], other.shape(other_id)[1]
        names = [(one.header(own) or {}).get("names") for one, own in (train[stream], test[stream])]
        if width != found or names[0] != names[1]:
            what = f"{found} columns, and {width}" if width != found else "other columns than those that"
            raise LfnetError(
                f"test_cohort: {stream} has {what} the head was trained on. Choose the same columns "
                "(features@test_cohort.features=… for feature tables), or a cohort with these features."
            )
