"""Settings that may leave the machine: an allow list of keys, whose values contain no path.

Commands in tables and reports, settings sent to a tracker and names of files are limited to it. A new setting is
private until it is listed here. The name of a folder of videos is private too (`public_cohort`).
"""

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from lfnet.runs.result import Result

__all__ = [
    "HIDDEN",
    "is_public",
    "public_cohort",
    "public_command",
    "public_override",
    "public_setting",
    "public_value",
]

HIDDEN = "…"
_GROUPS = (
    *(
        "amount",
        "audit",
        "cohort",
        "debug",
        "encoder",
        "events",
        "features",
        "filming",
        "fusion",
        "fusion/component",
        "fusion/joined",
        "head",
        "ingredient",
    ),
    *("launcher", "leak", "logger", "loss", "pooling", "pretrain", "protocol", "pulse", "scale", "splits", "streams"),
    *("table", "test_cohort", "trainer", "video", "visual", "weights"),
)
_COHORT = (
    *("_target_", "name", "scale", "fold", "aligned", "fps", "seed", "recordings", "people", "people_shared"),
    *("label_mean", "label_sd", "within_person", "filming", "label_noise", "signal", "identity", "pulse", "duration"),
    *("audio", "duration_leak", "lost_frames", "dim", "sparse"),
)
# Settings, each with all below it.
_SETTINGS = (
    *(
        "amount",
        "audit",
        "filming",
        "fusion",
        "head",
        "loss",
        "pooling",
        "pretrain",
        "protocol",
        "pulse",
        "streams",
        "table",
    ),
    *("trainer", "tune", "video", "visual", "seed", "force", "fail_fast", "save_every", "test_split"),
    # not an account, a partition or an address
    *(f"launcher.{name}" for name in ("jobs", "jobs_per_gpu", "memory", "time", "gpus")),
    *(f"encoder.{name}" for name in ("device", "stride", "batch_size", "threads")),
    *(f"splits.{name}" for name in ("_target_", "name", "folds", "fold", "seed")),
    *(f"{cohort}.{name}" for cohort in ("cohort", "test_cohort") for name in _COHORT),
)
_PLACES = ("path", "cache", "root", "file", "sources")  # last part of a key that names a place, wherever it is
_PATH = re.compile(r"[/\\~]|^\.+$|\.(ckpt|csv|json|npy|npz|onnx|parquet|pt|pth|safetensors|skops|task|txt|ya?ml)\b")
_OPTIONS = ("-m", "--multirun", "--render")


def is_public(key: str) -> bool:
    """Whether the values of a setting may leave the machine, if they contain no path.

    Examples
    --------
    >>> is_public("head.patch_size"), is_public("cohort.root")
    (True, False)
    """
    name = key.replace("/", ".")
    if name.rpartition(".")[2] in _PLACES:
        return False
    return key in _GROUPS or any(f"{name}.".startswith(f"{one}.") for one in _SETTINGS)


def public_value(value: Any) -> Any:
    """Return a setting's value with every text that may be a path replaced by `…`, and without keys that name places.

    Examples
    --------
    >>> public_value({"patch_size": 8, "weights": "~/head.safetensors"})
    {'patch_size': 8, 'weights': '…'}
    """
    if isinstance(value, Mapping):
        return {
            str(key): HIDDEN if key in _PLACES and item else public_value(item)
            for key, item in value.items()
            if not _is_path(str(key))
        }
    if isinstance(value, list | tuple):
        return [public_value(item) for item in value]
    return HIDDEN if isinstance(value, str) and _is_path(value) else value


def public_setting(key: str, value: Any) -> Any:
    """Return the value of a setting as it may be shown: `…` unless the setting is listed.

    Examples
    --------
    >>> public_setting("head.patch_size", 8), public_setting("cohort.root", "/data/clinic")
    (8, '…')
    """
    return public_value(value) if is_public(key) else HIDDEN


def public_override(word: str) -> str:
    """Return an override as it may be shown: the value of a setting that is not listed is replaced by `…`.

    Examples
    --------
    >>> public_override("head.patch_size=8"), public_override("cohort.root=/data/clinic")
    ('head.patch_size=8', 'cohort.root=…')
    """
    typed, equals, value = word.partition("=")
    key = typed.lstrip("+~").removeprefix("hydra.sweeper.params.").partition("@")[0]
    if not re.fullmatch(r"[+~]*[\w./@]+", typed):  # no setting's name
        return HIDDEN
    if not equals:
        return word if typed.startswith("~") and is_public(key) else HIDDEN
    return word if is_public(key) and not _is_path(value) else f"{typed}={HIDDEN}"


def public_cohort(result: Result) -> str:
    """Return the name of a run's cohort as it may be shown: `cohort.name`, else its yaml's instead of its folder's."""
    group = "cohort" if result.tested is None else "test_cohort"
    named = result.config.get(group, {}).get("name", result.cohort.name)
    return result.cohort.name if named else result.choices.get(group, "folder")


def public_command(command: str) -> str:
    """Return a command as it may be shown, quoted for a shell: only listed settings keep their values.

    Examples
    --------
    >>> public_command("lfnet table architectures seed=0,1 cohort.root=/data/clinic")
    'lfnet table architectures seed=0,1 cohort.root=…'
    """
    try:
        words = shlex.split(command)
    except ValueError:  # recorded with a quote missing
        return HIDDEN
    shown = [HIDDEN if _is_path(word) else word for word in words[: _named(words)]]
    for word in words[len(shown) :]:
        option, equals, _ = word.partition("=")
        if word in _OPTIONS or option in ("--config-dir", "-cd"):
            shown.append(f"{option}={HIDDEN}" if equals else word)
        else:
            shown.append(public_override(word))
    return " ".join(word if word.endswith(HIDDEN) else shlex.quote(word) for word in shown)


def _named(words: Sequence[str]) -> int:
    """How many words name the program and the table: `lfnet table NAME`, `lfnet train`."""
    return 3 if words[:2] == ["lfnet", "table"] else 2 if words[:1] == ["lfnet"] else 0


def _is_path(text: str) -> bool:
    return _PATH.search(text) is not None
