"""Settings as reports show them: values that may not leave the machine are numbered, long ones are cut."""

from collections.abc import Mapping, Sequence
from typing import Any

from lfnet.runs.public_settings import HIDDEN, is_public, public_value
from lfnet.runs.run import Run, leaves
from lfnet.tables.formatting import DASH

__all__ = ["settings_apart", "settings_of", "shown_values"]

_MAX_LENGTH = 80


def settings_of(run: Run) -> dict[str, Any]:
    """The settings of a run that decide its numbers, one value a key."""
    return dict(leaves(run.result.config))


def settings_apart(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """The keys whose values are not the same in all of `settings`, plain seeds left out."""
    keys = dict.fromkeys(key for own in settings for key in own if key.rpartition(".")[2] != "seed")
    return [key for key in keys if len({repr(own.get(key, DASH)) for own in settings}) > 1]


def shown_values(key: str, values: Sequence[Any], show_paths: bool = False) -> list[str]:
    """The values of a setting as texts; numbered where they may not be handed on, unless `show_paths`.

    Examples
    --------
    >>> shown_values("head.patch_size", [8, 16]), shown_values("cohort.root", ["/a", "/b", "/a"])
    (['8', '16'], ['… (1)', '… (2)', '… (1)'])
    """
    texts = [_short(value) for value in values]
    if show_paths or (is_public(key) and public_value(values) == list(values)):
        return texts
    numbers = {text: str(number) for number, text in enumerate(dict.fromkeys(texts), 1)}
    return [text if text == DASH else f"{HIDDEN} ({numbers[text]})" for text in texts]


def _short(value: Any) -> str:
    text = "null" if value is None else str(value)
    return text if len(text) <= _MAX_LENGTH else f"{text[:_MAX_LENGTH]}…"
