"""`lfnet cohort`: draft a manifest for a folder of clips, split it by person, show a cohort."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lfnet.cli.arguments import command_parser
from lfnet.cli.video_settings import split_settings
from lfnet.errors import LfnetError

if TYPE_CHECKING:
    import pandas as pd

    from lfnet.cohorts.cohort import Scale

__all__ = ["main"]

EXAMPLES = """\
examples:
  lfnet cohort init my_videos --labels scores.csv
  lfnet cohort init my_videos --decode video.damaged=keep
  lfnet cohort init my_frames --fps 30 --splits 0.7,0.15,0.15 --seed 3
  lfnet cohort init features --kind features --fps 30 --labels phq.csv --scale phq8
  lfnet cohort init openface --labels phq9.xlsx --scale phq9
  lfnet cohort init my_corpus --yaml my_conf/cohort/mine.yaml --scale phq8
  lfnet cohort split my_videos --seed 1
  lfnet cohort show cohort=folder cohort.root=my_videos
  lfnet cohort show cohort=avec2014 cohort.root=/data/AVEC2014
"""
INIT = """\
Draft manifest.csv for a folder of videos, frame folders (images) or feature files (.npy, .npz, .safetensors, or tables
such as OpenFace's .csv with a column timestamp or frame). Frame
rates and counts are filled in, people are guessed from the file names (please check them), and splits are made by
person, stratified by score. An existing manifest is kept unless --force is given. With --yaml my_conf/cohort/NAME.yaml
the yaml of a corpus is drafted instead: patterns of paths, tables and splits, for a tree that others have too.

Settings of reading videos: video.times=rebuild counts frames at the stated rate; video.damaged=keep uses what precedes
damage. Give the same settings to the later commands."""
SPLIT = """\
Replace the splits of DIR/manifest.csv, by person and stratified by score; for example after you corrected person_id.
Only the columns split and fold change. Clips without a label are unlabelled."""
SHOW = """\
Load a cohort with the given settings and print its splits, people, scores and warnings; nothing is extracted."""


def main(argv: list[str]) -> int:
    """Run `lfnet cohort ARGV` and return the exit status. A user's mistake is an `LfnetError`."""
    parser = command_parser("cohort", "Draft, split and show cohorts: clips, people, splits and scores.", EXAMPLES)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(
        name: str, about: str, description: str, run: Callable[[argparse.Namespace], int]
    ) -> argparse.ArgumentParser:
        form = parser.formatter_class
        command = commands.add_parser(name, help=about, description=description, epilog=EXAMPLES, formatter_class=form)
        command.set_defaults(run=run)
        return command

    init = add("init", "draft a manifest for a folder", INIT, _init)
    init.add_argument("root", type=Path, metavar="DIR", help="the folder that holds the clips")
    init.add_argument(
        "--labels", type=Path, metavar="CSV", help="scores by clip, recording or person (.csv, .tsv, .xlsx)"
    )
    init.add_argument("--label-column", metavar="NAME", help="the column of scores, where there are several")
    init.add_argument("--name-column", metavar="NAME", help="the column of names of clips, recordings or people")
    init.add_argument("--person-column", metavar="NAME", help="a column of people that replaces what file names say")
    init.add_argument("--encoding", metavar="NAME", help="of a table of scores that is not UTF-8, such as cp1252")
    init.add_argument("--scale", default="bdi_ii", help="scale of the scores: a yaml of conf/scale (default: bdi_ii)")
    _add_split_options(init)
    init.add_argument(
        "--kind", choices=("videos", "frames", "features"), help="kind of clips, where a folder holds several"
    )
    init.add_argument("--fps", type=float, help="frames per second of frame folders and of features without times")
    init.add_argument("--skip-unreadable", action="store_true", help="leave unreadable clips out instead of stopping")
    init.add_argument("--decode", action="store_true", help="decode all frames to find damaged ones, which takes long")
    init.add_argument(
        "--yaml", type=Path, metavar="FILE", help="draft a corpus instead: my_conf/cohort/NAME.yaml, by patterns"
    )
    init.add_argument("--force", action="store_true", help="replace an existing manifest.csv")
    split = add("split", "replace a manifest's splits", SPLIT, _split)
    split.add_argument("root", type=Path, metavar="DIR", help="the folder that holds manifest.csv")
    _add_split_options(split)
    show = add("show", "print a cohort's splits, people and scores", SHOW, _show)
    show.add_argument("overrides", nargs="+", metavar="SETTING", help="such as cohort=folder cohort.root=DIR")
    reading: dict[str, str] = {}
    if argv[:1] == ["init"]:
        argv, reading = split_settings(argv)
    options = parser.parse_args(argv)
    options.reading = reading
    from lfnet.cli.configs import mode
    from lfnet.files import personal_files

    run: Callable[[argparse.Namespace], int] = options.run
    with personal_files(mode()):
        return run(options)


def _add_split_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--splits", default="0.6,0.2,0.2", help="shares of train, dev, test (default: 0.6,0.2,0.2)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the splits (default: 0)")


def _init(options: argparse.Namespace) -> int:
    from lfnet.cli.cohort_report import (
        counts,
        print_columns,
        print_few,
        print_left_out,
        print_next,
        print_people,
        print_reading,
        print_splits,
    )
    from lfnet.cohorts.csvfile import check_encoding
    from lfnet.cohorts.draft import add_splits, draft, manifest_text
    from lfnet.cohorts.merge_labels import add_labels, describe_merged
    from lfnet.cohorts.splits import check_split_settings
    from lfnet.files import write_text
    from lfnet.text import first_names, plural

    manifest = options.root / "manifest.csv"
    if manifest.exists() and not options.force and options.yaml is None:
        raise LfnetError(f"{manifest} exists already. Edit it, or replace it with --force.")
    if options.fps is not None and not 0 < options.fps < float("inf"):
        raise LfnetError(f"--fps {options.fps:g}: give a positive number of frames per second.")
    if options.encoding is not None:
        check_encoding(options.encoding, "--encoding")
    of_labels = ("encoding", "label_column", "name_column", "person_column")
    given = [name for name in of_labels if getattr(options, name) is not None]
    if options.labels is None and given and not (options.yaml and given == ["label_column"]):
        raise LfnetError(f"--{given[0].replace('_', '-')} needs a table of scores: give it with --labels CSV.")
    shares = _shares(options.splits)
    check_split_settings(shares, options.seed)
    scale = _scale(options.scale)
    if options.yaml is not None:
        from lfnet.cli.corpus_yaml import draft_yaml

        names = ("labels", "label_column", "scale", "kind", "fps", "force")
        return draft_yaml(options.root, options.yaml, **{name: getattr(options, name) for name in names})
    table, rule = draft(options.root, options.kind)
    same = table.attrs["spellings"]
    merged = None
    if options.labels is not None:
        columns = (options.label_column, options.name_column, options.person_column)
        merged = add_labels(table, options.labels, scale, *columns, options.encoding)
    drafted = len(table)
    table = _probed(table, options)
    people = add_splits(table, shares, options.seed)
    write_text(manifest, manifest_text(table))

    recordings, persons = table["recording_id"].nunique(), table["person_id"].nunique()
    print(f"wrote {manifest}: {counts(len(table), recordings, persons)}")
    print_left_out(options.root, table)
    if same:
        groups = first_names([" = ".join(group) for group in same])
        print(f"ids that differ only in spelling are one person: {groups}")
    if merged is not None:
        print(f"{options.labels}:")
        for line in describe_merged(merged, drafted):
            print(f"  {line}")
    missing = table.loc[table["label"].isna(), "clip_id"].tolist()
    if missing:
        named = f" ({first_names(missing)})" * (len(missing) < len(table))
        print(
            f"{plural(len(missing), 'clip')} without a score{named}: split `unlabelled`, which is predicted but not "
            "trained on"
        )
    print_splits(table)
    print_people(table, rule)
    print_few(table, people)
    print_reading(table, options.decode)
    fitting = print_columns(table)
    print_next(table, str(options.root), options.scale, people, options.reading, next(iter(fitting), None))
    return 0


def _scale(name: str) -> "Scale":
    from omegaconf import OmegaConf

    from lfnet.cli.configs import conf_of, names
    from lfnet.config import instantiate

    if name not in names("scale"):
        raise LfnetError(f"--scale {name}: give one of {', '.join(names('scale'))}.")
    scale: Scale = instantiate(OmegaConf.load(conf_of("scale", name) / "scale" / f"{name}.yaml"))  # type: ignore[arg-type]
    return scale


def _shares(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(share) for share in text.split(","))
    except ValueError as error:
        raise LfnetError(f"--splits {text}: give three shares, such as 0.6,0.2,0.2.") from error


def _probed(table: "pd.DataFrame", options: argparse.Namespace) -> "pd.DataFrame":
    """The draft with frame rates and counts; unreadable clips are refused, or left out with --skip-unreadable."""
    from tqdm import tqdm

    from lfnet.cohorts.validation import refuse

    unreadable: dict[Path, str] = {}
    notes: dict[str, str] = {}
    for file in tqdm(table.index, desc="reading clips", unit="clip", disable=None, leave=False):
        try:
            fps, frames, noted = _facts(file, options)
        except LfnetError as error:
            unreadable[file] = str(error)
            continue
        table.at[file, "fps"] = "" if fps is None else f"{round(fps, 4):g}"
        table.at[file, "n_frames"] = str(frames)
        if noted:
            notes[str(table.at[file, "clip_id"])] = "; ".join(noted)
    if unreadable and not options.skip_unreadable:
        remedy = "Repair or remove them, give the missing options, or leave them out with --skip-unreadable"
        refuse([*unreadable.values()], f"{options.root}: some clips cannot be read. {remedy}")
    for reason in unreadable.values():
        print(f"left out: {reason}", file=sys.stderr)
    if len(unreadable) == len(table):
        raise LfnetError(f"{options.root}: none of {len(table)} clips can be read.")
    table = table.drop(index=list(unreadable))
    table.attrs["notes"] = notes
    return table


def _facts(file: Path, options: argparse.Namespace) -> tuple[float | None, int, tuple[str, ...]]:
    """Frame rate, number of frames and notes on the times of a clip."""
    from lfnet.cohorts.media import kind
    from lfnet.cohorts.ready import ready_shape

    what, fps = kind(file), options.fps
    if what == "features":
        frames, _, timed = ready_shape(file)
        if fps is None and not timed:
            raise LfnetError(f"{file} holds no `time`: give its frame rate with --fps.")
        return (None if timed else fps), frames, ()
    if what == "frames" and fps is None:
        raise LfnetError(f"{file}: images have no frame rate: give it with --fps.")
    from lfnet.video.probe import decode_all, probe

    media = probe(file, fps if what == "frames" else None, **options.reading)
    notes = decode_all(file, fps, **options.reading) if options.decode else media.notes
    return media.fps, media.n_frames, notes


def _split(options: argparse.Namespace) -> int:
    from lfnet.cli.cohort_report import print_few, print_splits
    from lfnet.cohorts.draft import resplit_manifest

    manifest = options.root / "manifest.csv"
    table, people = resplit_manifest(manifest, _shares(options.splits), options.seed)
    print(f"wrote {manifest}: columns split{' and fold' * ('fold' in table.columns)}, seed {options.seed}")
    print_splits(table)
    print_few(table, people)
    return 0


def _show(options: argparse.Namespace) -> int:
    from lfnet.cli.cohort_report import described
    from lfnet.cli.corpus_yaml import compose_cohort

    for line in described(compose_cohort(options.overrides)):
        print(line)
    return 0
