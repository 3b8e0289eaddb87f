"""Settings of a table: the `table` node of the config."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from lfnet.config import read, settings
from lfnet.errors import LfnetError
from lfnet.evaluation.evidence import EvidenceSettings
from lfnet.jobs.controls import override_parts
from lfnet.tables import columns
from lfnet.tables.reference_rows import DEFAULT
from lfnet.tables.remarks import SIDES
from lfnet.tables.table import Column, FigureSettings

__all__ = ["PublishedRow", "TableEvidence", "TableSettings", "read_table"]

Against = str | dict[str, str | tuple[str, ...]]


@settings
class TableEvidence(EvidenceSettings):
    """`table.evidence`: what each row is compared with, on which split, and the settings of the statistics.

    Parameters
    ----------
    against : list
        Names of references (train_median), or key=value of the row with which those that agree with it in all other
        keys are compared (head=mean_mlp). A value that is one of `table.sections` stands for the section's own:
        cohort=test_cohort is the row that was trained on the cohort which the section tests. {key=value: other, or a
        list of others}: those alone, so that Holm's adjustment is over what was asked. Empty: intervals alone.
    split : "dev" or "test"
        The split whose recordings are scored.
    pool : bool
        Whether to pool the differences of all sections, which are then cohorts (`lfnet.evaluation.meta_analysis`).
    cutoffs : list of float or None
        Cut-offs of the scale with a block of their own; None: none. Binary labels always have one.
    threshold : "cutoff", "dev" or "dev90"
        Scores that count as positive: from the cut-off on, or from a threshold chosen on dev
        (`lfnet.evaluation.classes.choose_threshold`).
    groups : dict or None
        Columns of the cohort that group people, each with the numbers at which its bands begin, or with null: its
        values are groups, and more than six numbers are cut into thirds. None: no groups.
    coverage : float
        Level of the conformal intervals whose coverage is measured in groups.
    """

    against: tuple[Against, ...] = ("train_median",)
    split: Literal["dev", "test"] = "test"
    pool: bool = False
    cutoffs: tuple[float, ...] | None = None
    threshold: Literal["cutoff", "dev", "dev90"] = "cutoff"
    groups: dict[str, tuple[float, ...] | None] | None = None
    coverage: Annotated[float, Field(gt=0, lt=1)] = 0.9

    @model_validator(mode="after")
    def _check(self) -> "TableEvidence":
        for entry in self.against:
            for key, others in entry.items() if isinstance(entry, dict) else ():
                if "=" not in key or not others:
                    raise ValueError(f"table.evidence.against={key}: write {{key=value: [other values]}}.")
        return self

    def in_section(self, part: Mapping[str, str]) -> "TableEvidence":
        """The settings for one section: a value that names a section's key is the section's own.

        part: key → text of the section.
        """

        def own(name: str) -> str:
            key, equals, value = name.partition("=")
            return f"{key}={part[value]}" if equals and value in part else name

        found = ({own(k): v for k, v in one.items()} if isinstance(one, dict) else own(one) for one in self.against)
        return replace(self, against=tuple(found))

    @property
    def names(self) -> tuple[str, ...]:
        """What rows are compared with, in order."""
        return tuple(name for entry in self.against for name in (entry if isinstance(entry, dict) else (entry,)))

    @property
    def only(self) -> Mapping[str, tuple[str, ...]]:
        """key=value → the other values that alone are compared with it."""
        named = {key: others for entry in self.against if isinstance(entry, dict) for key, others in entry.items()}
        return {key: (others,) if isinstance(others, str) else others for key, others in named.items()}


@settings
class PublishedRow:
    """A row quoted from a publication: its name, a note, and {column: number}; other columns are left out."""

    name: Annotated[str, Field(min_length=1)]
    note: str | None = None
    values: dict[str, float]


@settings
class TableSettings:
    """The `table` node.

    Parameters
    ----------
    name : str or None
        None for jobs started by hand, which have no table.
    title, question : str
        The heading, and the question that the table answers.
    rows : list of str
        Config keys that define the rows; seeds are averaged within a row.
    columns : list of str
        See `lfnet.tables.columns.parse`.
    sections : list of str or None
        Config keys of cohort variants, each in a section of its own.
    references : list of str
        Baselines and oracles to show.
    level : "window", "clip" or "recording"
        The level of the metrics.
    controls : list of str or None
        Overrides ("protocol=shuffled") whose rows are shown below the models.
    evidence : TableEvidence or None
        Intervals and comparisons; None for none.
    closing : bool or str
        A line on the spread over rows: over `head` (true), over another row key, or none (false).
    ensembles : bool
        Whether to show the ensemble of each row's seeds.
    targets : dict
        {column: "below NUMBER" or "above NUMBER"}, with a line each on which rows reach it.
    published : list of PublishedRow
    figure : FigureSettings or None
        A plot of two of the columns, or of one against several.
    """

    name: str | None = None
    title: str | None = None
    question: str | None = None
    rows: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    sections: tuple[str, ...] | None = None
    references: tuple[str, ...] | None = DEFAULT
    level: Literal["window", "clip", "recording"] = "recording"
    controls: tuple[str, ...] | None = None
    evidence: TableEvidence | None = Field(default_factory=TableEvidence)
    closing: bool | str = False
    ensembles: bool = False
    targets: dict[str, str | float] | None = None
    published: tuple[PublishedRow, ...] | None = None
    figure: FigureSettings | None = None

    @model_validator(mode="after")
    def _check(self) -> "TableSettings":
        if self.name is None:
            return self
        needed = {"rows": self.rows, "columns": self.columns}
        faults = [f"table.{key}=[]: give a list of names." for key, names in needed.items() if not names]
        for key in self.sections or ():
            if key in self.rows:
                faults.append(f"table.sections={_list(self.sections)}: {key} is in table.rows; name it in one of them.")
        if self.evidence and self.evidence.pool and not self.sections:
            faults.append(
                "table.evidence.pool=true: name the keys of cohorts in table.sections, such as [cohort.name]."
            )
        if not isinstance(self.closing, bool) and self.closing not in self.rows:
            faults.append(f"table.closing={self.closing}: give true, false or one of table.rows.")
        for control in self.controls or ():
            if not {override_parts(word)[0] for word in control.split()} & set(self.rows):
                faults.append(
                    f"table.controls={_list(self.controls)}: {control} sets none of table.rows "
                    f"({', '.join(self.rows)}), so its rows would be those of the models. Add what it sets to "
                    "table.rows."
                )
        for name in self.evidence.names if self.evidence else ():
            if "=" in name and name.partition("=")[0] not in self.rows:
                faults.append(f"table.evidence.against={name}: {name.partition('=')[0]} is none of table.rows.")
        for name, text in (self.targets or {}).items():
            if name not in self.columns:
                faults.append(f"table.targets.{name}={text}: {name} is none of table.columns.")
            if not _is_bound(text):
                faults.append(f"table.targets.{name}={text}: write `below NUMBER` or `above NUMBER`.")
        if self.figure:
            for axis, names in (("x", self.figure.axes), ("y", (self.figure.y,))):
                faults += [
                    f"table.figure.{axis}={name}: choose one of table.columns."
                    for name in names
                    if name not in self.columns
                ]
            if self.figure.by is None and not isinstance(self.figure.x, str):
                faults.append("table.figure.x: several columns need table.figure.by, a row key with a line each.")
            if self.figure.by is not None and self.figure.by not in self.rows:
                faults.append(f"table.figure.by={self.figure.by}: choose one of table.rows.")
        for name in self.columns:
            try:
                columns.parse(name, self.level)
            except LfnetError as error:
                faults.append(str(error))
        if faults:
            raise ValueError("\n".join(faults))
        return self

    @property
    def bounds(self) -> dict[str, tuple[str, float]]:
        """The targets as {column: (side, bound)}."""
        parts = {name: str(text).split(" ", 1) for name, text in (self.targets or {}).items()}
        return {name: (side, float(number)) for name, (side, number) in parts.items()}

    def shown(self, trained: bool = True) -> tuple[Column, ...]:
        """The columns, and `epochs` where models were trained: no row hides that its training was cut short."""
        names = dict.fromkeys([*self.columns, *["epochs"] * trained])
        return tuple(columns.parse(name, self.level) for name in names)


def read_table(config: Mapping[str, Any]) -> TableSettings:
    """Read the `table` node of a config, or of a sweep's record.

    Raises
    ------
    LfnetError
        One line for each wrong setting.
    """
    return read(TableSettings, config["table"], "table")


def _is_bound(text: str | float) -> bool:
    side, _, number = str(text).partition(" ")
    try:
        return side in SIDES and float(number) == float(number)
    except ValueError:
        return False


def _list(values: tuple[str, ...] | None) -> str:
    return f"[{', '.join(values or ())}]"
