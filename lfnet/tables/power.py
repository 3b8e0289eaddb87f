"""Power table: the differences between two heads that n recordings could detect, measured on the runs of a sweep."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from lfnet import RESEARCH_ONLY
from lfnet.config import Positive, settings
from lfnet.errors import LfnetError
from lfnet.evaluation.aligned_scores import RowScores, align
from lfnet.evaluation.power import Errors, PairErrors, detectable, needed, needed_for_equivalence, pair_errors
from lfnet.files import write_json, write_text
from lfnet.runs.collection import RunCollection
from lfnet.runs.public_settings import public_command
from lfnet.runs.sweep_record import collect
from lfnet.tables import grouping
from lfnet.tables.controls import split_controls
from lfnet.tables.formatting import count, fixed
from lfnet.tables.grouping import Group
from lfnet.tables.settings import read_table
from lfnet.tables.table import BANNER

__all__ = ["Claim", "Power", "PowerSettings", "measure_power", "write_power"]


@settings
class Claim:
    """A claim of `claims`: its text, and the values of two models in one metric."""

    text: Annotated[str, Field(min_length=1)]
    metric: Literal["mae", "pcc", "equivalence"]
    values: tuple[float, float]


@settings
class PowerSettings:
    """Settings of the power table (conf/power.yaml).

    Parameters
    ----------
    key : str
        Row or section key; pairs are rows that differ in it alone.
    split : "dev" or "test"
    sizes : list of int
        Numbers of recordings.
    alpha : float
        Level of a two-sided test.
    power : float
        Probability of detecting a true difference.
    margin : float
        Difference in MAE, in points, that does not matter.
    claims : list of Claim or None
        Claims for which the needed number of recordings is computed.
    """

    key: str = "head"
    split: Literal["dev", "test"] = "test"
    sizes: Annotated[tuple[Annotated[int, Field(ge=6)], ...], Field(min_length=1)]
    alpha: Annotated[float, Field(gt=0, lt=1)] = 0.05
    power: Annotated[float, Field(gt=0, lt=1)] = 0.8
    margin: Positive = 1.0
    claims: tuple[Claim, ...] | None = None


@dataclass(frozen=True)
class Power:
    """The power table.

    Parameters
    ----------
    source : str
        Command or record of the sweep whose runs were measured.
    simulated : bool
    settings : PowerSettings
    errors : Errors
        Of pairs of models that differ in `settings.key`.
    same : Errors or None
        Of pairs of seeds of one model; None where each has one seed.
    recordings, people : int
        How many were measured.
    sizes, claims : tuple of dict
        One dict for each of the settings' sizes and claims.
    """

    source: str
    simulated: bool
    settings: PowerSettings
    errors: Errors
    same: Errors | None
    recordings: int
    people: int
    sizes: tuple[dict[str, float], ...]
    claims: tuple[dict[str, Any], ...]

    def to_json(self) -> dict[str, Any]:
        """Settings, correlations, sizes and claims as JSON."""
        return {
            "format": 1,
            "source": self.source,
            "simulated": self.simulated,
            "settings": {
                name: value for name, value in asdict(self.settings).items() if name not in ("sizes", "claims")
            },
            "recordings": self.recordings,
            "people": self.people,
            "pairs": [asdict(pair) for pair in self.errors.pairs],
            "sizes": self.sizes,
            "claims": self.claims,
        }

    def text(self) -> str:
        """The table as Markdown."""
        options = self.settings
        sizes = [
            [
                count(row["recordings"]),
                count(row["people"]),
                *(
                    f"{fixed(row[metric])} ({fixed(row[f'{metric}_low'])}–{fixed(row[f'{metric}_high'])})"
                    for metric in ("mae", "pcc")
                ),
            ]
            for row in self.sizes
        ]
        claims = [
            [
                claim["text"],
                _numbers(claim, options.margin),
                _many(claim["recordings"]),
                _many(claim["recordings_uncorrelated"]),
            ]
            for claim in self.claims
        ]
        blocks = [
            "# What could n recordings show?",
            "The smallest difference between two heads, each trained once, that a test finds with "
            f"{100 * options.power:g} % power (two-sided, α = {options.alpha:g}).",
            f"**{BANNER}**" if self.simulated else "",
            _grid(["Recordings", "People", "MAE, points (min–max over pairs)", "PCC (min–max)"], sizes),
            "## What a claim would need",
            _grid(["Claim", "Numbers", "Recordings, heads correlated as here", "Heads uncorrelated"], claims),
            "\n".join(f"- {line}" for line in _facts(self)),
        ]
        if not claims:
            del blocks[4:6]
        return "\n\n".join(block for block in blocks if block) + "\n"


def measure_power(manifest: Path, runs: Path, options: PowerSettings) -> Power:
    """Measure the power table on the finished runs of a sweep.

    Pairs are rows of one section that differ in `options.key` alone, each of one's models with each of the other's;
    controls are left out.

    Parameters
    ----------
    manifest : Path
        The record of the sweep.
    runs : Path
        The folder of its run folders.
    options : PowerSettings

    Returns
    -------
    Power

    Raises
    ------
    LfnetError
        There is no pair, or a run has no scores.
    """
    sweep = collect(manifest, runs)
    table = read_table({"table": sweep.table})
    names = (*grouping.section_keys(sweep, table.sections or ()), *table.rows)
    key = options.key
    if key not in names:
        raise LfnetError(f"key={key}: choose one of the table's rows ({', '.join(names)}).")
    parts: dict[tuple[str, ...], list[Group]] = {}
    for group in split_controls(grouping.groups(sweep, names))[0]:
        if group.runs:
            others = tuple(text for name, text in group.identity.items() if name != key)
            parts.setdefault(others, []).append(group)
    pairs: list[PairErrors] = []
    same: list[PairErrors] = []
    people, recordings = 0, 0
    for groups in parts.values():
        aligned = align([_row(group, key, options.split) for group in groups])
        people, recordings = max(people, len(aligned.people)), max(recordings, len(aligned.label_N))
        pairs += pair_errors(aligned, list(itertools.combinations(range(len(groups)), 2)))
        for number, scores in enumerate(aligned.score_RSN):
            alone = aligned.of_seeds(number)
            same += pair_errors(alone, list(itertools.combinations(range(len(scores)), 2)))
    if not pairs:
        raise LfnetError(f"{manifest}: no two finished rows differ in {key} alone. Run the table again, or set key.")
    errors = Errors(tuple(pairs), people / recordings)
    return Power(
        source=public_command(sweep.command) if sweep.command else manifest.name,
        simulated=all(run.result.cohort.simulated for run in sweep.runs),
        settings=options,
        errors=errors,
        same=Errors(tuple(same), people / recordings) if same else None,
        recordings=recordings,
        people=people,
        sizes=tuple(_size(errors, n, options) for n in options.sizes),
        claims=tuple(_claim(errors, claim, options) for claim in options.claims or ()),
    )


def _row(group: Group, key: str, split: str) -> RowScores:
    row = RunCollection(sorted(group.runs, key=lambda run: run.seed)).row_scores(group.identity[key], split)
    if not row.recording_id:
        raise LfnetError(f"{group.runs[0].folder} has no scores of recordings in the {split} split.")
    return row


def _size(errors: Errors, recordings: int, options: PowerSettings) -> dict[str, float]:
    found: dict[str, float] = {"recordings": recordings, "people": round(recordings * errors.people_share)}
    for metric in ("mae", "pcc"):
        units = [getattr(pair, f"unit_{metric}") for pair in errors.pairs]
        for name, unit in (("low", min(units)), ("", float(np.median(units))), ("high", max(units))):
            smallest = detectable(unit, recordings, errors.people_share, options.alpha, options.power)
            found[f"{metric}_{name}".rstrip("_")] = smallest
    return found


def _claim(errors: Errors, claim: Claim, options: PowerSettings) -> dict[str, Any]:
    first, second = claim.values
    chances = (errors.people_share, options.alpha, options.power)
    unit = errors.unit_pcc_at if claim.metric == "pcc" else errors.unit_mae_at
    found: dict[str, Any] = asdict(claim)
    for name, apart in (("recordings", False), ("recordings_uncorrelated", True)):
        if claim.metric == "equivalence":
            found[name] = needed_for_equivalence(options.margin, unit(claim.values, apart), *chances)
        else:
            found[name] = needed(first - second, unit(claim.values, apart), *chances)
    return found


def write_power(power: Power, folder: Path, name: str = "power") -> list[Path]:
    """Write NAME.md and NAME.json into `folder`, and return their paths."""
    paths = [Path(folder) / f"{name}.{suffix}" for suffix in ("md", "json")]
    write_text(paths[0], power.text(), personal=False)
    write_json(paths[1], power.to_json(), personal=False)
    return paths


def _numbers(claim: Mapping[str, Any], margin: float) -> str:
    first, second = claim["values"]
    if claim["metric"] == "equivalence":
        return f"MAE about {fixed(first, 1)}, margin {margin:g}"
    return f"{claim['metric'].upper()} {fixed(first, 3)} vs {fixed(second, 3)}"


def _many(recordings: int | None) -> str:
    if recordings is None:
        return "no number is enough"
    if recordings >= 1_000_000:
        return f"{fixed(recordings / 1_000_000, 0 if recordings >= 10_000_000 else 1)} million"
    return count(recordings)


def _facts(power: Power) -> list[str]:
    errors = power.errors

    def correlations(which: Errors) -> str:
        return ", ".join(
            f"{fixed(which.median(name))} of {what}"
            for name, what in (("absolute", "|errors|"), ("error", "errors"), ("score", "scores"))
        )

    lines = [
        f"Measured on {count(len(errors.pairs))} pairs of trained models that differ in {power.settings.key}, on "
        f"{count(power.recordings)} {power.settings.split} recordings of {count(power.people)} people.",
        f"Correlation between two heads (median over pairs): {correlations(errors)}.",
    ]
    if power.same is not None:
        lines.append(f"Between two seeds of one head: {correlations(power.same)}.")
    lines += [
        "In brackets: the pairs of models that are easiest and hardest to distinguish.",
        f"Medians of these heads: MAE {fixed(_typical(errors, 'mae'), 1)}, PCC {fixed(_typical(errors, 'pcc'))}. "
        "Uncorrelated: people whom one head predicts badly are no harder for the other, and scores share nothing but "
        "their dependence on the label.",
        "The recordings of a person count together. The SD of errors is assumed proportional to their MAE; the "
        "variance of correlations is that of Olkin & Siotani, times the measured excess over it.",
        "A claim about architectures needs seeds too: more recordings do not make up for one seed.",
        f"Made from the runs of `{power.source}`.",
        RESEARCH_ONLY,
    ]
    return lines


def _typical(errors: Errors, metric: str) -> float:
    return float(np.median([value for pair in errors.pairs for value in getattr(pair, metric)]))


def _grid(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(cells[i]) for cells in (headings, *rows)) for i in range(len(headings))]

    def line(cells: Sequence[str]) -> str:
        first = cells[0].rjust(widths[0]) if cells[0][:1].isdigit() else cells[0].ljust(widths[0])
        rest = [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
        return f"| {' | '.join((first, *rest))} |"

    rule = "|" + "|".join(":" + "-" * (w + 1) if i == 0 else "-" * (w + 1) + ":" for i, w in enumerate(widths)) + "|"
    return "\n".join([line(headings), rule, *(line(row) for row in rows)])
