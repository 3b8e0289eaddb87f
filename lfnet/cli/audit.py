"""`lfnet audit`: check a cohort, its splits and its features for leaks and confounds."""

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lfnet.cli.arguments import command_parser
from lfnet.errors import LfnetError
from lfnet.files import personal_files, user_path
from lfnet.text import plural

if TYPE_CHECKING:
    from lfnet.audit.report import Report
    from lfnet.cohorts.cohort import Cohort
    from lfnet.features.clip_summaries import ClipSummaries

__all__ = ["cohort_settings", "main"]

_Numbers = dict[str, Mapping[str, float | str]]

DESCRIPTION = """\
Check a cohort for people and copies in several splits, labels that differ between splits, durations and lost frames
that are associated with the label, how people were filmed (place and size of the face, light, frame rate, session,
folder, date and more) against label and split, and identity leakage in features. A manifest is enough; checks that
need files or features are reported as not checked where they are absent. Videos are decoded once, to compare their
frames; no features are extracted. Ids are printed here and go to no tracker."""
EPILOG = """\
examples:
  lfnet audit my_videos/manifest.csv                         a bare manifest, with or without its videos
  lfnet audit cohort=folder cohort.root=my_videos encoder=mobileface     one person with two ids, too
  lfnet audit cohort=avec2014 cohort.root=/data/AVEC2014 encoder=webface --strict
  lfnet audit cohort=simulated cohort.duration_leak=0.5 --json
Exit status: 0; with --strict 1 where there is a leak.
"""


def main(argv: list[str]) -> int:
    """Run `lfnet audit ARGV`; returns the exit status. Raises `LfnetError` for mistakes."""
    parser = command_parser("audit", DESCRIPTION, EPILOG)
    parser.add_argument(
        "settings", nargs="*", metavar="SETTING", help="a manifest.csv, or cohort=NAME cohort.KEY=VALUE"
    )
    parser.add_argument("--json", action="store_true", help="print JSON, with all ids")
    parser.add_argument("--strict", action="store_true", help="exit with status 1 where there is a leak")
    options = parser.parse_intermixed_args(argv)
    config = cohort_settings(options.settings)
    with personal_files(config["paths"].get("mode", "private")):
        report, cohort, notes = _audit(config)
    if options.json:
        print(json.dumps({**report.to_json(), **notes}, indent=2, allow_nan=False))
    else:
        print(report.text(ids=True))
        # The report has its own finding for people in two splits.
        for text in cohort.warnings:
            if not text.startswith("people in more than one split"):
                print(f"warning: {text}")
        for kind in notes.values():
            for clip_id, note in kind.items():
                print(f"warning: clip {clip_id}: {note}")
    return int(options.strict and bool(report.leaks))


def cohort_settings(settings: Sequence[str]) -> dict[str, Any]:
    """Compose the settings of a cohort from the words of a command line: overrides, or a manifest."""
    from lfnet.cli.configs import compose
    from lfnet.config import plain

    overrides: list[str] = []
    for word in settings:
        if "=" in word or word.startswith("~"):
            overrides.append(word)
            continue
        path = user_path(word)
        manifest = path / "manifest.csv" if path.is_dir() else path
        if not manifest.is_file():
            raise LfnetError(f"{word} is neither a setting (such as cohort=avec2014) nor a manifest.csv that exists.")
        given = {"cohort.root": manifest.absolute().parent, "cohort.manifest": manifest.name}
        overrides += [
            "cohort=folder",
            "cohort.manifest_only=true",
            *(f"{key}={_quoted(value)}" for key, value in given.items()),
        ]
    config: dict[str, Any] = plain(compose("audit", overrides))
    return config


def _quoted(value: object) -> str:
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _audit(config: dict[str, Any]) -> "tuple[Report, Cohort, dict[str, dict[str, str]]]":
    """The report, the cohort, and notes on its clips by kind."""
    from lfnet.audit.audit import find_leaks
    from lfnet.config import instantiate
    from lfnet.features.clip_notes import KINDS
    from lfnet.features.thumbnails import cohort_thumbnails
    from lfnet.jobs.inputs import load_cohort
    from lfnet.jobs.session import Session
    from lfnet.jobs.settings import read_inputs

    settings = instantiate(config["audit"], "audit")
    session = Session()
    cohort = load_cohort(read_inputs(config, session), session)
    pool, encoder, sources, filming, notes, missing = _features(cohort, config, settings.same_person)
    thumbnails = None
    if settings.frames and cohort.own is None:
        thumbnails = cohort_thumbnails(
            cohort, Path(config["paths"]["cache"]), instantiate(config["video"]), progress=True
        )
    report = find_leaks(
        cohort,
        pool,
        encoder=encoder,
        thumbnails=thumbnails,
        sources=sources,
        filming=filming,
        no_features=missing,
        settings=settings,
        progress=True,
    )
    return report, cohort, {kind: notes.get(kind, {}) for kind in KINDS}


def _features(
    cohort: "Cohort", config: dict[str, Any], identifying: Collection[str]
) -> "tuple[ClipSummaries | None, str, dict[str, str] | None, _Numbers, dict[str, dict[str, str]], str]":
    """Summaries of the features, their encoder, their sources, how clips were filmed, and notes by kind; or why they
    are missing.

    Of several streams, one whose encoder is among the `identifying` ones.
    """
    from lfnet.audit.audit import sources
    from lfnet.features.clip_notes import KINDS, clip_notes
    from lfnet.features.clip_summaries import summarise_clips, summarise_store
    from lfnet.features.filming import read_filming

    clip_ids = cohort.clips["clip_id"].tolist()
    if cohort.own is not None:
        found = {clip: cohort.own.source(clip) for clip in clip_ids}
        return summarise_clips(cohort.own.clip, clip_ids), cohort.own.stream, found, {}, {}, ""
    names = [name for name in config["encoder"] if isinstance(config["encoder"][name], dict)]
    if not names:
        return None, "", None, {}, {}, "this needs features: extract some and name their encoder (encoder=NAME)"
    if (cohort.clips["path"] == "").any() or not all(Path(path).exists() for path in cohort.clips["path"]):
        return None, "", None, {}, {}, "this needs features, and files that do not exist here"
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
    stream = next((name for name in stores if name in identifying), next(iter(stores)))
    store = stores[stream]
    if lacking.get(stream):
        number = len(lacking[stream])
        which = f"{number} of {plural(len(clip_ids), 'clip')} lack {stream}"
        return None, "", None, read_filming(store, clip_ids), {}, f"this needs features: {which} (run `lfnet extract`)"
    notes = {kind: clip_notes(stores.values(), clip_ids, kind) for kind in KINDS}
    filming = read_filming(store, clip_ids)
    return summarise_store(store, clip_ids), stream, sources(store, clip_ids), filming, notes, ""
