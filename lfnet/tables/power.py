"""The power table: from a sweep's run folders to what n recordings could show between two heads."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lfnet import RESEARCH_ONLY
from lfnet.config import read
from lfnet.errors import LfnetError
from lfnet.evaluation.aligned_scores import RowScores, align
from lfnet.evaluation.power import Errors, PairErrors, detectable, needed, needed_for_equivalence, pair_errors
from lfnet.files import write_json, write_text
from lfnet.runs.collection import RunCollection
from lfnet.runs.sweep_record import collect
from lfnet.tables import grouping
from lfnet.tables.controls import split_controls
from lfnet.tables.formatting import count, fixed
from lfnet.tables.grouping import Group
from lfnet.tables.settings import TableSettings
from lfnet.tables.table import BANNER

__all__ = ["Power", "measure_power", "write_power"]

_CLAIMS = ("mae", "pcc", "equivalence")


@dataclass(frozen=True)
class Power:
    """The table's content. sizes: one mapping an n; claims: one mapping a claim; errors: what they are made from."""

    source: str
    simulated: bool
    settings: dict[str, Any]
    errors: Errors
    same: Errors | None
    recordings: int
    people: int
    sizes: tuple[dict[str, float], ...]
    claims: tuple[dict[str, Any], ...]

    def to_json(self) -> dict[str, Any]:
        """For machines: settings, correlations, sizes and claims."""
        return {
            "format": 1,
            "source": self.source,
            "simulated": self.simulated,
            "settings": self.settings,
            "recordings": self.recordings,
            "people": self.people,
            "pairs": [pair.__dict__ | {"names": list(pair.names)} for pair in self.errors.pairs],
            "sizes": list(self.sizes),
            "claims": list(self.claims),
        }

    def text(self) -> str:
        """The table as Markdown."""
        return _text(self)


def measure_power(manifest: Path, runs: Path, settings: Mapping[str, Any]) -> Power:
    """The power table of the sweep of `manifest`, whose run folders lie below `runs`.

    settings: key, split, sizes, alpha, power, margin, claims (conf/power.yaml). Pairs are rows of one section that
    differ in `key` alone, each of one's models with each of the other's; controls are left out. Raises `LfnetError`
    where there are none and for claims that it does not understand.
    """
    _check(settings)
    sweep = collect(manifest, runs)
    table = read(TableSettings, sweep.table, "table")
    names = (*grouping.section_keys(sweep, table.sections or ()), *table.rows)
    key = settings["key"]
    if key not in names:
        raise LfnetError(f"power: {key!r} is none of the table's rows ({', '.join(names)}). Set key to one of them.")
    parts: dict[tuple[str, ...], list[Group]] = {}
    for group in split_controls(grouping.groups(sweep, names))[0]:
        if group.runs:
            others = tuple(text for name, text in group.identity.items() if name != key)
            parts.setdefault(others, []).append(group)
    pairs: list[PairErrors] = []
    same: list[PairErrors] = []
    people, recordings = 0, 0
    for groups in parts.values():
        aligned = align([_row(group, key, settings["split"]) for group in groups])
        people, recordings = max(people, len(aligned.people)), max(recordings, len(aligned.label_N))
        pairs += pair_errors(aligned, list(itertools.combinations(range(len(groups)), 2)))
        for number, scores in enumerate(aligned.score_RSN):
            alone = aligned.of_seeds(number)
            same += pair_errors(alone, list(itertools.combinations(range(len(scores)), 2)))
    if not pairs:
        raise LfnetError(f"{manifest}: no two finished rows differ in {key} alone. Run the table again, or set key.")
    errors = Errors(tuple(pairs), people / recordings)
    return Power(
        source=sweep.command or str(manifest),
        simulated=all(run.result.cohort.simulated for run in sweep.runs),
        settings={name: settings[name] for name in ("key", "split", "alpha", "power", "margin")},
        errors=errors,
        same=Errors(tuple(same), people / recordings) if same else None,
        recordings=recordings,
        people=people,
        sizes=tuple(_size(errors, n, settings) for n in settings["sizes"]),
        claims=tuple(_claim(errors, claim, settings) for claim in settings["claims"] or ()),
    )


def _check(settings: Mapping[str, Any]) -> None:
    for name in ("alpha", "power"):
        if not 0 < settings[name] < 1:
            raise LfnetError(f"power: {name}={settings[name]}: give a share between 0 and 1.")
    if settings["margin"] <= 0:
        raise LfnetError(f"power: margin={settings['margin']}: give points of the scale, above 0.")
    if not settings["sizes"] or min(settings["sizes"]) < 6:
        raise LfnetError(f"power: sizes={list(settings['sizes'])}: give numbers of recordings, 6 or more each.")
    for claim in settings["claims"] or ():
        known = set(claim) == {"text", "metric", "values"} and claim["metric"] in _CLAIMS and len(claim["values"]) == 2
        if not known:
            raise LfnetError(
                f"power: the claim {dict(claim)} needs text, metric ({', '.join(_CLAIMS)}) and two values."
            )


def _row(group: Group, key: str, split: str) -> RowScores:
    row = RunCollection(sorted(group.runs, key=lambda run: run.seed)).row_scores(group.identity[key], split)
    if not row.recording_id:
        raise LfnetError(f"{group.runs[0].folder} has no scores of recordings in the {split} split.")
    return row


def _size(errors: Errors, recordings: int, settings: Mapping[str, Any]) -> dict[str, float]:
    found: dict[str, float] = {"recordings": recordings, "people": round(recordings * errors.people_share)}
    for metric in ("mae", "pcc"):
        units = [getattr(pair, f"unit_{metric}") for pair in errors.pairs]
        for name, unit in (("low", min(units)), ("", float(np.median(units))), ("high", max(units))):
            smallest = detectable(unit, recordings, errors.people_share, settings["alpha"], settings["power"])
            found[f"{metric}_{name}".rstrip("_")] = smallest
    return found


def _claim(errors: Errors, claim: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    values = (float(claim["values"][0]), float(claim["values"][1]))
    chances = (errors.people_share, settings["alpha"], settings["power"])
    found: dict[str, Any] = {"text": claim["text"], "metric": claim["metric"], "values": list(values)}
    for name, apart in (("recordings", False), ("recordings_uncorrelated", True)):
        if claim["metric"] == "pcc":
            found[name] = needed(values[0] - values[1], errors.unit_pcc_at(values, apart), *chances)
        elif claim["metric"] == "mae":
            found[name] = needed(values[0] - values[1], errors.unit_mae_at(values, apart), *chances)
        else:
            found[name] = needed_for_equivalence(settings["margin"], errors.unit_mae_at(values, apart), *chances)
    return found


def write_power(power: Power, folder: Path, name: str = "power") -> list[Path]:
    """Write NAME.md and NAME.json into `folder`; their paths."""
    paths = [Path(folder) / f"{name}.{suffix}" for suffix in ("md", "json")]
    write_text(paths[0], power.text())
    write_json(paths[1], power.to_json())
    return paths


def _text(power: Power) -> str:
    settings, errors = power.settings, power.errors
    share, alpha = f"{100 * settings['power']:g} %", f"{settings['alpha']:g}"
    sizes = [
        [
            count(row["recordings"]),
            count(row["people"]),
            f"{fixed(row['mae'])} ({fixed(row['mae_low'])}–{fixed(row['mae_high'])})",
            f"{fixed(row['pcc'])} ({fixed(row['pcc_low'])}–{fixed(row['pcc_high'])})",
        ]
        for row in power.sizes
    ]
    blocks = [
        "# What could n recordings show?",
        "The smallest difference between two heads, each trained once, that a test finds with "
        f"{share} power (two-sided, α = {alpha}).",
        *([f"**{BANNER}**"] if power.simulated else []),
        _grid(["Recordings", "People", "MAE, points (least–most over pairs)", "PCC (least–most)"], sizes),
        "## What a claim would need",
        _grid(
            ["Claim", "Numbers", "Recordings, heads alike as here", "Were they uncorrelated"],
            [
                [
                    claim["text"],
                    _numbers(claim, settings["margin"]),
                    _many(claim["recordings"]),
                    _many(claim["recordings_uncorrelated"]),
                ]
                for claim in power.claims
            ],
        )
        if power.claims
        else "",
        "\n".join(f"- {line}" for line in _facts(power, errors)),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _numbers(claim: Mapping[str, Any], margin: float) -> str:
    first, second = claim["values"]
    if claim["metric"] == "equivalence":
        return f"MAE about {fixed(first, 1)}, margin {margin:g}"
    return f"{claim['metric'].upper()} {fixed(first, 3)} against {fixed(second, 3)}"


def _many(recordings: int | None) -> str:
    if recordings is None:
        return "no number is enough"
    if recordings >= 1_000_000:
        return f"{fixed(recordings / 1_000_000, 0 if recordings >= 10_000_000 else 1)} million"
    return count(recordings)


def _facts(power: Power, errors: Errors) -> list[str]:
    def correlations(which: Errors) -> str:
        return ", ".join(
            f"{fixed(which.median(name))} of {what}"
            for name, what in (("absolute", "|errors|"), ("error", "errors"), ("score", "scores"))
        )

    lines = [
        f"Measured on {count(len(errors.pairs))} pairs of trained models that differ in {power.settings['key']}, on "
        f"{count(power.recordings)} {power.settings['split']} recordings of {count(power.people)} people.",
        f"Correlation between two heads (median over pairs): {correlations(errors)}.",
    ]
    if power.same is not None:
        lines.append(f"Between two seeds of one head: {correlations(power.same)}.")
    lines += [
        "In brackets: the pairs of models that are easiest and hardest to tell apart.",
        f"Medians of these heads: MAE {fixed(_typical(errors, 'mae'), 1)}, PCC {fixed(_typical(errors, 'pcc'))}. "
        "Uncorrelated: people whom one head gets wrong are no harder for the other, and scores share nothing but what "
        "they know of the label.",
        "People's recordings count together; errors are taken to spread in proportion to their MAE, correlations by "
        "Olkin & Siotani's formula times what was measured beyond it.",
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
