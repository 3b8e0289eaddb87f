"""`lfnet adapt`: the gain of a finished run from labelled recordings of the person it scores."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from lfnet import RESEARCH_ONLY
from lfnet.cli.arguments import command_parser, split_overrides
from lfnet.cli.configs import paths
from lfnet.errors import LfnetError

if TYPE_CHECKING:
    from lfnet.runs.result import Result

__all__ = ["main"]

DESCRIPTION = """\
Measure what a model gains from k labelled recordings of the person it scores. Each test person's first recordings are
labelled and the later ones scored, the same ones for every k. The model's score is shifted by the person's mean error
so far, shrunk by how much people differ (estimated on dev people of no other split); no weight is trained. The k labels
alone, without a model, are reported too. Intervals are for new people."""
EPILOG = f"""\
examples:
  lfnet adapt 0123456789abcdef                 k = 0, 1, 2, 3
  lfnet adapt 0123 4567 89ab --max 2           runs that differ in their seed: means over seeds

Several recordings of a test person are needed. The simulated cohort has them where it has few people:
  lfnet train 'cohort.recordings={{train:90,dev:90,test:180}}' cohort.people=60 cohort.people_shared=0

{RESEARCH_ONLY}
"""


def main(argv: list[str]) -> int:
    """Run `lfnet adapt ARGV`; returns the exit status. Raises `LfnetError` for mistakes."""
    parser = command_parser("adapt", DESCRIPTION, EPILOG)
    parser.add_argument("words", nargs="+", metavar="RUN", help="runs' folders, or the beginnings of their names")
    parser.add_argument("--max", type=int, metavar="K", help="labelled recordings of a person (3, or fewer)")
    parser.add_argument("--slope", action="store_true", help="fit a slope of labels on scores too, on dev people")
    parser.add_argument("--json", action="store_true", help="everything as JSON")
    if any(word.split("=")[0] == "--most" for word in argv):
        raise LfnetError("--most is now --max: give --max K.")
    options = parser.parse_intermixed_args(argv)
    named, overrides = split_overrides(options.words)
    if not named:
        raise LfnetError("name a run: lfnet adapt RUN.")
    runs = paths(overrides)["runs"]
    from lfnet.evaluation.personalisation import compute_gain
    from lfnet.runs.run import Run, check_same_config_except_seed

    found_runs = [Run.find(name, runs) for name in named]
    results = [run.result for run in found_runs]
    for run in found_runs:
        if not run.result.metrics:
            raise LfnetError(f"{run.folder} has no scores: it is not finished.")
    check_same_config_except_seed(found_runs)
    frames = [run.predictions.at("recording").frame for run in found_runs]
    found = compute_gain(frames, found_runs[0].trained_people, max_labels=options.max, slope=options.slope)
    if options.json:
        print(json.dumps(_facts(found, results), indent=2, allow_nan=False))
    else:
        print(_text(found, results))
    return 0


def _text(found: Any, results: "list[Result]") -> str:
    from lfnet.evaluation.estimates import estimate_text, too_few
    from lfnet.text import align_columns

    first, evidence = results[0], found.evidence
    scale, level = first.scale, f"{100 * evidence.settings.level:g} %"
    simulated = " (simulated)" if first.cohort.simulated else ""
    seeds = ", ".join(str(result.seed) for result in results)
    lines = [
        f"{first.model}, seed {seeds}, cohort {first.cohort.name}{simulated}; {scale.name}, "
        f"{scale.min:g} to {scale.max:g} points",
        f"scored: {evidence.recordings} test recordings of {evidence.people} people, after the first "
        f"{found.max_labels} of each, the same for every k; none of these people is in train or dev",
        *(_offsets_text(f"seed {result.seed}", one) for result, one in zip(results, found.offsets, strict=True)),
        _offsets_text("labels alone", found.label_offsets),
        "",
    ]
    few = evidence.people < evidence.settings.min_people
    table = [("scores", f"MAE [{level}]", "RMSE", "PCC", f"MAE vs k = 0 [{level}]", "verdict")]
    for name, row in evidence.rows.items():
        cells = [estimate_text(row.estimates[metric], ".2f", metric == "mae") for metric in ("mae", "rmse")]
        cells.append(too_few(evidence.people) if few else estimate_text(row.estimates["pcc"], ".2f", interval=False))
        compared = row.comparison
        tests = ("", "") if compared is None else (estimate_text(compared.differences["mae"], "+.2f"), compared.verdict)
        table.append((name, *cells, *tests))
    return "\n".join([*lines, *align_columns(table), "", *evidence.notes, RESEARCH_ONLY])


def _offsets_text(what: str, one: Any) -> str:
    weights = ", ".join(f"{one.weight(k):.2f} of {k}" for k in (1, 2, 3))
    slope = "" if one.slope == 1 else f", slope {one.slope:.2f}"
    return (
        f"{what}: {one.people} dev people ({one.recordings} recordings), general offset {one.general:+.2f}{slope}; SD "
        f"between people {one.between**0.5:.2f}, within {one.within**0.5:.2f}; weight of a mean error: {weights}"
    )


def _facts(found: Any, results: "list[Result]") -> dict[str, Any]:
    from lfnet.evaluation.estimates import CORRELATIONS

    evidence = found.evidence
    few = evidence.people < evidence.settings.min_people
    rows = {}
    for name, row in evidence.rows.items():
        rows[name] = {
            metric: _plain(row.estimates[metric])
            for metric in ("mae", "rmse", "pcc", "ccc")
            if not (few and metric in CORRELATIONS)
        }
        if row.comparison is not None:
            rows[name] |= {"mae_gap": _plain(row.comparison.differences["mae"]), "verdict": row.comparison.verdict}
    return {
        "runs": [result.fingerprint for result in results],
        "seeds": [result.seed for result in results],
        "cohort": {name: getattr(results[0].cohort, name) for name in ("name", "fingerprint", "simulated")},
        "scale": {name: getattr(results[0].scale, name) for name in ("name", "min", "max")},
        "max_labels": found.max_labels,
        "people": evidence.people,
        "recordings": evidence.recordings,
        "level": evidence.settings.level,
        "offsets": [asdict(one) for one in found.offsets],
        "labels_alone": asdict(found.label_offsets),
        "rows": rows,
        "notes": [*evidence.notes, RESEARCH_ONLY],
    }


def _plain(estimate: Any) -> dict[str, Any]:
    ends = estimate.interval
    return {"value": estimate.value, "interval": None if ends is None else [ends.low, ends.high]}
