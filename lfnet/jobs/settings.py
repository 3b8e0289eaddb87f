"""The settings of a job: one validated object for each config group, read before anything else is done.

`read_settings` is the only reader of a job's config. It reports the faults of all groups at once, one line each.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, Field, model_validator

from lfnet.audit.filming import NUMBERS
from lfnet.audit.settings import AuditSettings
from lfnet.config import Count, NonNegative, check_target, instantiate, read, settings
from lfnet.data.protocol import Protocol
from lfnet.encoders.encoder import Device
from lfnet.errors import LfnetError
from lfnet.evaluation.conversion import Conversion
from lfnet.extras import require, require_package
from lfnet.features.joined_streams import JoinSettings
from lfnet.features.normalised import FilmingSettings
from lfnet.files import Access, exists
from lfnet.fingerprints import digest
from lfnet.fusion.settings import OF_JOINT_SVR, FusionSettings
from lfnet.jobs.cohort_settings import Amount, OtherCohort, read_amount, read_tested
from lfnet.jobs.head_settings import check_head, read_search
from lfnet.jobs.session import Session
from lfnet.launchers.launcher import Launcher
from lfnet.pulse.settings import PulseSettings
from lfnet.training.settings import TrainerSettings
from lfnet.tuning.space import SEARCH, Space, separate
from lfnet.video.settings import VideoSettings

__all__ = [
    "InputSettings",
    "JobSettings",
    "encoder_names",
    "read_extraction",
    "read_inputs",
    "read_settings",
]

_T = TypeVar("_T")
_VISUAL = "visual"  # the encoder whose settings `fusion.extraction` changes


@settings
class Encoding:
    """What all encoders share, next to the encoders' own nodes in `encoder`."""

    device: Device
    stride: Count
    batch_size: Count
    threads: Count | None


@settings
class Paths:
    """`conf/paths`."""

    data: Path
    cache: Path
    weights: Path
    runs: Path
    tables: Path
    mode: Access = "private"

    @model_validator(mode="after")
    def _check(self) -> "Paths":
        for name in ("data", "cache", "weights", "runs", "tables"):
            folder = getattr(self, name)
            file = next((part for part in (folder, *folder.parents) if exists(part)), folder)
            if exists(file) and not os.path.isdir(file):  # noqa: PTH112  Path.is_dir raises OSError for some names
                raise ValueError(f".{name}={folder}: {file} is no folder. Give a folder, or a path that is free.")
        return self


@settings
class Wandb:
    """`conf/logger/wandb.yaml`."""

    mode: Literal["offline", "online"]
    project: str
    entity: str | None
    dir: str


@settings
class Logger:
    """`conf/logger`: trackers next to metrics.csv.

    tracker: a node with the `_target_` of any logger of Lightning. needs: the package that it imports.
    """

    wandb: Wandb | None = None
    tracker: dict[str, Any] | None = None
    needs: str | None = None


def _check_logger(logger: Logger) -> None:
    """Raise `LfnetError` where a package that a tracker needs is missing, or its settings are wrong."""
    if logger.wandb is not None:
        require("wandb", "wandb", use="logger=wandb", otherwise="give logger=csv")
    if logger.needs is not None:
        require_package(logger.needs, use=f"logger.needs={logger.needs}", otherwise="give logger=csv")
    if logger.tracker is not None:
        check_target(logger.tracker, "logger.tracker")


def _check_seed(seed: int) -> int:
    if seed >= 2**63:
        raise ValueError("give a whole number below 2^63.")
    return seed


@settings
class Switches:
    """The settings of conf/train.yaml itself."""

    seed: Annotated[int, Field(ge=0), AfterValidator(_check_seed)]
    tune: Annotated[int, Field(ge=0)]
    force: bool
    fail_fast: bool
    save_every: NonNegative


_SHARED = tuple(Encoding.__annotations__)


@dataclass(frozen=True)
class InputSettings:
    """What a cohort and its features are made from.

    cohort, splits, encoders: nodes with a `_target_`, checked and not built; encoders by name, in order.
    pulse, streams, filming, amount: None where the command has no such group.
    """

    cohort: Mapping[str, Any]
    splits: Mapping[str, Any] | None
    encoders: Mapping[str, Mapping[str, Any]]
    encoding: Encoding
    video: VideoSettings
    pulse: PulseSettings | None
    streams: JoinSettings | None
    filming: FilmingSettings | None
    amount: Amount | None
    paths: Paths
    nodes: Mapping[str, Any]

    @cached_property
    def key(self) -> str:
        """Digest of all of it."""
        return digest(self.nodes)

    def on(self, cohort: Mapping[str, Any]) -> "InputSettings":
        """The same settings for another cohort, whole and in its own splits."""
        nodes = {**self.nodes, "cohort": cohort, "splits": None, "amount": None}
        return replace(self, cohort=cohort, splits=None, amount=None, nodes=nodes)


@dataclass(frozen=True)
class JobSettings:
    """The settings of one job. head: its node; None where a fusion takes its place, which is None for a head.

    space: what `tune` trials search; None without tuning. test: another cohort to test the trained head on.
    """

    inputs: InputSettings
    protocol: Protocol
    trainer: TrainerSettings
    head: Mapping[str, Any] | None
    fusion: FusionSettings | None
    audit: AuditSettings
    launcher: Launcher
    logger: Logger
    table: str | None
    space: Space | None
    test: OtherCohort | None
    conversions: tuple[Conversion, ...]
    seed: int
    tune: int
    force: bool
    fail_fast: bool
    save_every: float

    @property
    def lacking_component(self) -> str:
        """Why the component that is to be removed does not exist here; "" where it does."""
        if self.fusion is None:
            return ""
        if self.fusion.model == "stacked" and self.fusion.component in OF_JOINT_SVR:
            return "no such component here: a stacked regression is no SVR"
        if not self.fusion.extraction or _VISUAL in self.inputs.encoders:
            return ""
        parts = ", ".join(self.fusion.extraction)
        return f"no such component here: features not made by encoder={_VISUAL} have no {parts}"


class _Reader:
    """Reads parts of a config, gathers their faults, and shares equal parts among the jobs of a session."""

    def __init__(self, config: Mapping[str, Any], session: Session) -> None:
        self.config, self._session = config, session
        self._lines: list[str] = []

    def part(self, name: str, read_part: Callable[[], _T], *nodes: str) -> _T:
        """What `read_part` makes of the nodes (that of `name` unless others are given), or None after a fault."""
        key = digest([name, *(self.config.get(node) for node in nodes or (name,))])
        try:
            return self._session.keep("settings", key, read_part)
        except LfnetError as error:
            self._lines += str(error).splitlines()
            return None  # type: ignore[return-value]  # `end` raises before it is used

    def check(self, check: Callable[[], object]) -> None:
        """Run a check that raises `LfnetError`."""
        try:
            check()
        except LfnetError as error:
            self._lines += str(error).splitlines()

    @property
    def failed(self) -> bool:
        return bool(self._lines)

    def end(self) -> None:
        """Raise one `LfnetError` with all faults, if there are any."""
        if self._lines:
            raise LfnetError("\n".join(dict.fromkeys(self._lines)))


def read_settings(
    config: Mapping[str, Any],
    session: Session,
    checks: Sequence[Callable[[Mapping[str, Any]], object]] = (),
) -> JobSettings:
    """Read and validate all settings of a job.

    Parameters
    ----------
    config : mapping
        The whole resolved config of `lfnet train`.
    session : Session
        Settings that jobs have in common are read once.
    checks : sequence of callables
        Further checks of the config, each raising `LfnetError` with one line a fault.

    Returns
    -------
    JobSettings

    Raises
    ------
    LfnetError
        One line for each wrong setting of all groups.
    """
    config = separate(config)
    _check_groups(config, (*_INPUT_GROUPS, *_JOB_GROUPS, *_SWITCHES))
    reader = _Reader(config, session)
    inputs = _inputs(reader)
    switches = reader.part(
        "seed",
        lambda: read(Switches, {name: config[name] for name in _SWITCHES}, ""),
        *_SWITCHES,
    )
    protocol = reader.part("protocol", lambda: read(Protocol, config["protocol"], "protocol"))
    trainer = reader.part("trainer", lambda: read(TrainerSettings, config["trainer"], "trainer"))
    fused = bool((config.get("fusion") or {}).get("name"))
    fusion = reader.part("fusion", lambda: read(FusionSettings, config["fusion"], "fusion")) if fused else None
    audit = reader.part("audit", lambda: instantiate(config["audit"], "audit") if config.get("audit") else _AUDIT)
    launcher = _launcher(reader)
    logger = reader.part("logger", lambda: read(Logger, config["logger"], "logger"))
    if logger is not None:
        reader.check(lambda: _check_logger(logger))
    if fused:
        reader.check(
            lambda: require("lightfusion", "lightgbm", "xgboost", "skops", use=f"fusion={config['fusion']['name']}")
        )
    else:
        if streams := inputs.streams:
            cohort = config["cohort"] if isinstance(config["cohort"], Mapping) else {}  # refused by its own check
            own = cohort.get("features")
            shown = own.values() if isinstance(own, Mapping) else ()
            count = max(len(inputs.encoders), sum(how is not None for how in shown))
            reader.check(lambda: _check_dropout(streams, count))
        reader.part(
            "head",
            lambda: check_head(config, trainer, protocol),
            *_OF_HEAD,
        )
    tested = reader.part(
        "test_split", lambda: read_tested(config), "test_split", "conversions", "test_cohort", "fusion"
    )
    other = config.get("test_cohort")
    if other:
        reader.part("test_cohort", lambda: check_target(other, "test_cohort"))
    space = None
    if switches is not None and switches.tune:
        reader.check(lambda: require("tune", use=f"tune={switches.tune}", otherwise="give tune=0"))
        if fused:
            reader.check(lambda: _refuse_tuned_fusion(switches.tune))
        elif not reader.failed:
            space = reader.part("search", lambda: read_search(config, protocol), *_SEARCHED)
    for check in checks:
        reader.check(partial(check, config))
    reader.end()
    if fusion is not None and fusion.extraction and _VISUAL in inputs.encoders:
        inputs = _with_extraction(inputs, fusion.extraction)
    return JobSettings(
        inputs=inputs,
        protocol=protocol,
        trainer=trainer,
        head=None if fused else config["head"],
        fusion=fusion,
        audit=audit,
        launcher=launcher,
        logger=logger,
        table=config["table"]["name"],
        space=space,
        test=OtherCohort(other, tested.test_split) if other else None,
        conversions=tested.conversions,
        **vars(switches),
    )


_INPUT_GROUPS = ("cohort", "encoder", "video", "paths")
_JOB_GROUPS = ("head", "protocol", "trainer", "launcher", "logger", "table")
_SWITCHES = ("seed", "tune", "force", "fail_fast", "save_every")
_OF_HEAD = ("head", "trainer", "protocol", "cohort", "streams")
_SEARCHED = (*_OF_HEAD, SEARCH)
_AUDIT = AuditSettings()


def read_inputs(config: Mapping[str, Any], session: Session) -> InputSettings:
    """Read the settings of a cohort and its features alone. Raises `LfnetError` with one line for each wrong one."""
    _check_groups(config, _INPUT_GROUPS)
    reader = _Reader(config, session)
    inputs = _inputs(reader)
    reader.end()
    return inputs


def read_extraction(config: Mapping[str, Any], session: Session) -> tuple[InputSettings, Launcher]:
    """As `read_inputs`, with what runs an extraction."""
    _check_groups(config, (*_INPUT_GROUPS, "launcher"))
    reader = _Reader(config, session)
    inputs, launcher = _inputs(reader), _launcher(reader)
    reader.end()
    return inputs, launcher


def _launcher(reader: _Reader) -> Launcher:
    made: Launcher = reader.part("launcher", lambda: instantiate(reader.config["launcher"], "launcher"))
    return made


def _check_groups(config: Mapping[str, Any], names: Sequence[str]) -> None:
    if missing := [name for name in names if name not in config]:
        raise LfnetError(
            "\n".join(
                f"{name}: it is needed, and is not among the settings: give {name}=VALUE, and no ~{name}."
                for name in missing
            )
        )


def encoder_names(node: Mapping[str, Any]) -> list[str]:
    """The chosen encoders in an `encoder` node, in order."""
    return [name for name in node if name not in _SHARED]


def _inputs(reader: _Reader) -> InputSettings:
    config = reader.config
    encoders = {name: config["encoder"][name] for name in encoder_names(config["encoder"])}
    shared = {name: config["encoder"][name] for name in _SHARED if name in config["encoder"]}
    cohort, splits = config["cohort"], config.get("splits")
    reader.part("cohort", lambda: check_target(cohort, "cohort"))
    if splits:
        reader.part("splits", lambda: check_target(splits, "splits"))
    for name, node in encoders.items():
        reader.part(f"encoder.{name}", partial(_check_encoder, name, node, config), "encoder", "visual")
    visual = config.get("visual")
    if visual:
        reader.part("visual", lambda: check_target(visual, "visual"))
    streams = config.get("streams")
    joining = reader.part("streams", lambda: read(JoinSettings, streams, "streams")) if streams else None
    return InputSettings(
        cohort=cohort,
        splits=splits or None,
        encoders=encoders,
        encoding=reader.part("encoder", lambda: read(Encoding, shared, "encoder")),
        video=reader.part("video", lambda: instantiate(config["video"], "video")),
        pulse=reader.part("pulse", lambda: instantiate(config["pulse"], "pulse")) if config.get("pulse") else None,
        streams=joining,
        filming=reader.part("filming", lambda: _filming(config), "filming", "fusion"),
        amount=reader.part("amount", lambda: read_amount(config), "amount", "fusion"),
        paths=reader.part("paths", lambda: read(Paths, config["paths"], "paths")),
        nodes={name: config.get(name) for name in _INPUTS},
    )


def _filming(config: Mapping[str, Any]) -> FilmingSettings | None:
    """Read `filming`, if it changes anything. Raises `LfnetError` for a number that there is not, and for a fusion."""
    if not config.get("filming"):
        return None
    found = read(FilmingSettings, config["filming"], "filming")
    known = [number.name for number in NUMBERS if not number.category]
    if wrong := [name for name in found.adjust or () if name not in known]:
        raise LfnetError(f"filming.adjust: {wrong[0]} is no number of filming. There are {', '.join(known)}.")
    if found.active and (config.get("fusion") or {}).get("name"):
        raise LfnetError("filming changes the features of a head, and a fusion has none: set filming=none.")
    return found if found.active else None


_INPUTS = ("cohort", "splits", "encoder", "streams", "filming", "amount", "video", "pulse", "visual", "paths")


def _check_encoder(name: str, node: Any, config: Mapping[str, Any]) -> None:
    if not isinstance(node, Mapping):
        raise LfnetError(f"encoder.{name}={node}: there is no such setting; choose encoders with encoder=[NAME,…].")
    # Values of conf/base.yaml and conf/visual are checked there, by the names that a user can set.
    shared = {**{key: config["encoder"].get(key) for key in _SHARED}, "settings": config.get("visual")}
    own = {key: value for key, value in node.items() if key not in shared or value != shared[key]}
    check_target(own, f"encoder.{name}")


def _check_dropout(streams: JoinSettings, count: int) -> None:
    if streams.dropout and count < 2 and not streams.columns:
        raise LfnetError(
            f"streams.dropout={streams.dropout:g} takes whole streams away, and there is one: choose several "
            "encoders, as in encoder=[webface,expression], or cut its columns with streams.columns."
        )


def _refuse_tuned_fusion(trials: int) -> None:
    raise LfnetError(f"tune={trials} tunes a head, and a fusion chooses its own recipes: give tune=0, or fusion=none.")


def _with_extraction(inputs: InputSettings, changed: Mapping[str, Any]) -> InputSettings:
    """The inputs with `fusion.extraction` laid over the visual encoder's settings."""
    node = inputs.encoders[_VISUAL]
    if unknown := sorted(set(changed) - set(node["settings"])):
        raise LfnetError(f"fusion.extraction.{unknown[0]}: there is no such setting in conf/visual.")
    own = {**node, "settings": {**node["settings"], **changed}}
    check_target(own, f"encoder.{_VISUAL}")
    nodes = {**inputs.nodes, "encoder": {**inputs.nodes["encoder"], _VISUAL: own}}
    return replace(inputs, encoders={**inputs.encoders, _VISUAL: own}, nodes=nodes)
