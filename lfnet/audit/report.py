"""Report of an audit: its findings as text, JSON and DataFrame."""

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lfnet.audit.finding import Finding
from lfnet.text import align_columns, plural

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Report"]

_WIDTH, _SHOWN, _LABEL = 100, 8, 13


@dataclass(frozen=True, repr=False)
class Report:
    """Findings of one audit.

    Parameters
    ----------
    cohort, fingerprint : str
        Name and digest of the cohort.
    simulated : bool
    scale : str
        Name of the severity scale.
    clips, recordings, people : int
        Numbers in the cohort.
    alpha : float
        Chance of one false alarm or more.
    filming_alpha : float
        The same among the numbers of how people were filmed.
    splits : tuple of dict
        Distribution of labels, one dict per split (`labels.distribution`).
    findings : tuple of Finding
        In the order of the checks.
    """

    cohort: str
    fingerprint: str
    simulated: bool
    scale: str
    clips: int
    recordings: int
    people: int
    alpha: float
    splits: tuple[dict[str, Any], ...]
    findings: tuple[Finding, ...]
    filming_alpha: float = 0.05

    @property
    def leaks(self) -> tuple[Finding, ...]:
        """Findings with status "leak", on which `lfnet audit --strict` fails."""
        return tuple(finding for finding in self.findings if finding.status == "leak")

    def __getitem__(self, name: str) -> Finding:
        """Return a finding by its name."""
        return next(finding for finding in self.findings if finding.name == name)

    def to_json(self) -> dict[str, Any]:
        """Return the report as dicts and lists, with all ids."""
        return {
            "format": 1,
            "cohort": {"name": self.cohort, "fingerprint": self.fingerprint, "simulated": self.simulated},
            "scale": self.scale,
            "alpha": self.alpha,
            "filming_alpha": self.filming_alpha,
            "splits": list(self.splits),
            "leaks": [finding.name for finding in self.leaks],
            "findings": [finding.to_json() for finding in self.findings],
        }

    def to_frame(self) -> "pd.DataFrame":
        """Return one row per finding: name, title, status, flagged, text, advice, p, people, recordings and clips.

        p is the smallest adjusted p-value, NaN without a test; people, recordings and clips are lists of ids.
        """
        import pandas as pd

        rows = []
        for finding in self.findings:
            row = {name: getattr(finding, name) for name in ("name", "title", "status", "flagged", "text", "advice")}
            adjusted = [test.adjusted for test in finding.tests if test.adjusted == test.adjusted]
            ids = {"people": list(finding.people), "recordings": list(finding.recordings), "clips": list(finding.clips)}
            rows.append(row | {"p": min(adjusted, default=float("nan"))} | ids)
        return pd.DataFrame(rows)

    def __repr__(self) -> str:
        """The report as text, without ids."""
        return self.text()

    def text(self, ids: bool = False) -> str:
        """Return the report as text, at most 100 columns wide; with `ids`, up to 8 ids of each finding."""
        numbers = ((self.clips, "clip"), (self.recordings, "recording"), (self.people, "person"))
        head = f"{self.cohort}: {', '.join(plural(*each) for each in numbers)}; {self.scale}"
        lines = [head + ("; SIMULATED" if self.simulated else ""), "", *self._table(), ""]
        for finding in self.findings:
            lines += [*_finding(finding, ids), ""]
        parts = []
        for word in ("leak", "warning", "not checked"):
            number = sum(finding.status == word for finding in self.findings)
            parts.append(f"{number} {word}{'s' if word != 'not checked' and number != 1 else ''}")
        chance = f"Chance of a false alarm without a leak: {100 * self.alpha:g} %"
        filming = f"{100 * self.filming_alpha:g} % over all numbers of filming"
        lines += textwrap.wrap(f"{', '.join(parts)}. {chance}, and {filming}.", _WIDTH)
        return "\n".join(lines)

    def _table(self) -> list[str]:
        """The distribution of labels by split."""
        bands = list(self.splits[0]["bands"]) if self.splits else []
        rows = [["split", "recordings", "people", "labelled", "mean", "SD", *bands]]
        for split in self.splits:
            numbers = ["-" if split[key] is None else f"{split[key]:.1f}" for key in ("mean", "sd")]
            counts = [str(split[key]) for key in ("recordings", "people", "labelled")]
            rows.append([split["split"], *counts, *numbers, *(str(split["bands"][band]) for band in bands)])
        return align_columns(rows, numbers=True)


def _finding(finding: Finding, ids: bool) -> list[str]:
    label = finding.status.upper() if finding.flagged else finding.status
    lines = _wrapped(label, f"{finding.title}: {finding.text}.")
    if finding.advice:
        lines += _wrapped("", f"advice: {finding.advice}")
    people = () if finding.evidence else finding.people
    named = {"people": people, "pairs": finding.evidence, "recordings": finding.recordings}
    for kind, names in named.items():
        if names and ids:
            more = f" and {len(names) - _SHOWN} more (--json)" if len(names) > _SHOWN else ""
            lines += _wrapped("", f"{kind}: {', '.join(names[:_SHOWN])}{more}")
    return lines


def _wrapped(label: str, text: str) -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent=label.ljust(_LABEL), subsequent_indent=" " * _LABEL, break_on_hyphens=False
    )
