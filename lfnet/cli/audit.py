"""`lfnet audit`: where a cohort, its splits and its features leak."""

import argparse
import json
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lfnet.cli.own_code import append_current_folder
from lfnet.errors import LfnetError

if TYPE_CHECKING:
    from lfnet.audit.audit import Report
    from lfnet.audit.finding import Finding
    from lfnet.cohorts.cohort import Cohort
    from lfnet.features.clip_summaries import Pooled

__all__ = ["main"]

DESCRIPTION = """\
Say where a cohort leaks: people and copies in several splits, labels that differ between splits, durations and lost
frames that tell the label, and features that know people. A manifest is enough; what needs files or features is said
to be not checked where they are absent. Nothing is extracted. Ids are printed here and go to no tracker."""
EPILOG = """\
examples:
  lfnet audit my_videos/manifest.csv                         a bare manifest, with or without its videos
  lfnet audit cohort=folder cohort.root=my_videos encoder=blendshapes
  lfnet audit cohort=avec2014 cohort.root=/data/AVEC2014 encoder=webface --strict
  lfnet audit cohort=simulated cohort.duration_leak=0.5 --json
Exit status: 0; with --strict 1 where there is a leak.
"""
_WIDTH, _SHOWN = 116, 8
_LABEL = 13


def main(argv: list[str]) -> int:
    """Run `lfnet audit ARGV`; returns the exit status. Raises `LfnetError` for mistakes."""
    parser = argparse.ArgumentParser(
        prog="lfnet audit",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "settings", nargs="*", metavar="SETTING", help="a manifest.csv, or cohort=NAME cohort.KEY=VALUE"
    )
    parser.add_argument("--json", action="store_true", help="print JSON, with all ids")
    parser.add_argument("--strict", action="store_true", help="exit with status 1 where there is a leak")
    options = parser.parse_intermixed_args(argv)
    config = _config(options.settings)
    report, cohort = _audit(config)
    if options.json:
        print(json.dumps(report.to_json(), indent=2, allow_nan=False))
    else:
        print("\n".join(_lines(report, cohort)))
    return int(options.strict and bool(report.leaks))


def _config(settings: Sequence[str]) -> dict[str, Any]:
    from lfnet.cli.configs import compose
    from lfnet.config import plain

    overrides: list[str] = []
    for word in settings:
        if "=" in word or word.startswith("~"):
            overrides.append(word)
            continue
        path = Path(word).expanduser()
        manifest = path / "manifest.csv" if path.is_dir() else path
        if not manifest.is_file():
            raise LfnetError(f"{word} is neither a setting (such as cohort=avec2014) nor a manifest.csv that exists.")
        given = {"cohort.root": manifest.absolute().parent, "cohort.manifest": manifest.name}
        overrides += [
            "cohort=folder",
            "cohort.manifest_only=true",
            *(f"{key}={_quoted(value)}" for key, value in given.items()),
        ]
    append_current_folder()
    config: dict[str, Any] = plain(compose("audit", overrides))
    return config


def _quoted(value: object) -> str:
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _audit(config: dict[str, Any]) -> "tuple[Report, Cohort]":
    from lfnet.audit.audit import audit
    from lfnet.config import instantiate
    from lfnet.jobs.inputs import load_cohort

    settings = instantiate(config["audit"])
    cohort = load_cohort(config)
    pool, sources, missing = _features(cohort, config)
    return audit(cohort, pool, sources=sources, no_features=missing, settings=settings), cohort


def _features(cohort: "Cohort", config: dict[str, Any]) -> "tuple[Pooled | None, dict[str, str] | None, str]":
    """The features in a few numbers and their sources, or None and why not."""
    from lfnet.audit.audit import sources
    from lfnet.features.clip_summaries import pool, pooled

    clip_ids = cohort.clips["clip_id"].tolist()
    if cohort.own is not None:
        return pool(cohort.own.clip, clip_ids), {clip: cohort.own.source(clip) for clip in clip_ids}, ""
    names = [name for name in config["encoder"] if isinstance(config["encoder"][name], dict)]
    if not names:
        return None, None, "that needs features: extract some and name their encoder (encoder=NAME)"
    if (cohort.clips["path"] == "").any() or not all(Path(path).exists() for path in cohort.clips["path"]):
        return None, None, "that needs features, and files that are not here"
    from contextlib import ExitStack

    from lfnet.config import instantiate
    from lfnet.features.extract import open_stores

    with ExitStack() as stack:
        encoders = [stack.enter_context(instantiate(config["encoder"][name])) for name in names]
        stores, lacking = open_stores(
            cohort,
            encoders,
            cache=Path(config["paths"]["cache"]),
            video=instantiate(config["video"]),
            stride=config["encoder"]["stride"],
        )
    stream, store = next(iter(stores.items()))
    if lacking.get(stream):
        number = len(lacking[stream])
        return None, None, f"that needs features: {number} of {len(clip_ids)} clips lack {stream} (run `lfnet extract`)"
    return pooled(store, clip_ids), sources(store, clip_ids), ""


def _lines(report: "Report", cohort: "Cohort") -> list[str]:
    clips = cohort.clips
    people, recordings = clips["person_id"].nunique(), clips["recording_id"].nunique()
    lines = [
        f"{report.cohort}: {len(clips)} clips, {recordings} recordings, {people} people; {report.scale}"
        f"{'; SIMULATED' if report.simulated else ''}",
        "",
        *_table(report),
        "",
    ]
    for finding in report.findings:
        lines += [*_finding(finding), ""]
    counts = {status: sum(f.status == status for f in report.findings) for status in ("leak", "warning", "not checked")}
    said = [f"{number} {word}{'s' if word != 'not checked' and number != 1 else ''}" for word, number in counts.items()]
    lines.append(f"{', '.join(said)}. A cohort without a leak is flagged with a chance of {100 * report.alpha:g} %.")
    known = ("people in more than one split",)
    lines += [f"warning: {text}" for text in cohort.warnings if not text.startswith(known)]
    return lines


def _table(report: "Report") -> list[str]:
    bands = list(report.splits[0]["bands"]) if report.splits else []
    head = ["split", "recordings", "people", "labelled", "mean", "SD", *bands]
    rows = [head]
    for split in report.splits:
        numbers = ["-" if split[key] is None else f"{split[key]:.1f}" for key in ("mean", "sd")]
        counts = [str(split[key]) for key in ("recordings", "people", "labelled")]
        rows.append([split["split"], *counts, *numbers, *(str(split["bands"][band]) for band in bands)])
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    return [
        "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]


def _finding(finding: "Finding") -> list[str]:
    label = finding.status.upper() if finding.flagged else finding.status
    lines = _wrapped(label, f"{finding.title}: {finding.text}.")
    if finding.mend:
        lines += _wrapped("", f"mend: {finding.mend}")
    named = {
        "people": finding.people,
        "clips": tuple(" = ".join(pair) for pair in finding.clips),
        "recordings": finding.recordings,
    }
    for what, names in named.items():
        if names:
            more = f" and {len(names) - _SHOWN} more (--json)" if len(names) > _SHOWN else ""
            lines += _wrapped("", f"{what}: {', '.join(names[:_SHOWN])}{more}")
    return lines


def _wrapped(label: str, text: str) -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent=label.ljust(_LABEL), subsequent_indent=" " * _LABEL, break_on_hyphens=False
    )
