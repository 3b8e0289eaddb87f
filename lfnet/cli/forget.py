"""`lfnet forget`: list, and remove, what lfnet keeps of one person."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lfnet.cli.arguments import command_parser
from lfnet.cli.audit import cohort_settings
from lfnet.errors import LfnetError
from lfnet.files import personal_files

if TYPE_CHECKING:
    from lfnet.cohorts.cohort import Cohort
    from lfnet.runs.removal import RunRows
    from lfnet.runs.sweep_record import SweepRecord

__all__ = ["main"]

DESCRIPTION = """\
List what lfnet keeps of one person of a cohort: features and cached digests of their clips, and their rows in finished
runs. With --yes it is removed; the metrics of these runs are computed again from the remaining rows, and the runs are
marked. What cannot be removed, and what is yours, is named. Stop running jobs first: they would write the person again.
A removal that is interrupted is finished by the same command."""
EPILOG = """\
examples:
  lfnet forget p017 cohort=folder cohort.root=my_videos          list
  lfnet forget p017 cohort=folder cohort.root=my_videos --yes    remove
  lfnet forget p017 my_videos/manifest.csv --yes                 where the videos are gone already
"""


@dataclass(frozen=True)
class _Found:
    """What is kept of a person: files to delete, runs to rewrite, new records of sweeps, and names to take out."""

    files: list[Path]
    runs: "list[RunRows]"
    records: "dict[Path, SweepRecord]"
    names: frozenset[str]


def main(argv: list[str]) -> int:
    """Run `lfnet forget ARGV`; returns the exit status. Raises `LfnetError` for mistakes."""
    parser = command_parser("forget", DESCRIPTION, EPILOG)
    parser.add_argument("person", metavar="PERSON", help="a person_id of the cohort")
    parser.add_argument(
        "settings", nargs="*", metavar="SETTING", help="a manifest.csv, or cohort=NAME cohort.KEY=VALUE"
    )
    parser.add_argument("--yes", action="store_true", help="remove, instead of listing")
    options = parser.parse_intermixed_args(argv)
    if "=" in options.person:
        raise LfnetError(f"the person comes first: lfnet forget PERSON {options.person}.")
    config = cohort_settings(options.settings)
    with personal_files(config["paths"].get("mode", "private")):
        return _forget(options.person, config, remove=options.yes)


def _forget(person: str, config: dict[str, Any], *, remove: bool) -> int:
    from lfnet.jobs.inputs import load_cohort
    from lfnet.jobs.session import Session
    from lfnet.jobs.settings import read_inputs
    from lfnet.runs.removal import finish_removal, pending_removals, remove_rows

    session = Session()
    settings = read_inputs(config, session)
    cohort, runs = load_cohort(settings, session), settings.paths.runs
    pending = pending_removals(runs)
    for folder in pending if remove else ():
        finish_removal(folder)
    found, faults = _find(person, cohort, settings.paths.cache, runs)
    in_cohort = bool((cohort.clips["person_id"] == person).any())
    if not in_cohort and not found.runs:
        raise LfnetError(
            f"{person} is no person_id of cohort {cohort.name}, nor of a run on it. "
            "`lfnet cohort show` prints a cohort; paths.runs and paths.cache name other folders."
        )
    done = "removed" if remove else "would remove"
    for file in found.files:
        if remove:
            file.unlink(missing_ok=True)
        print(f"{done}: {file}")
    for run in found.runs:
        if remove:
            remove_rows(run, person, found.names)
        rows = ", ".join(f"{count} rows of {name}" for name, count in run.counts.items())
        print(f"{done}: {rows} in {run.folder}")
    for path, record in found.records.items():
        if remove:
            record.write(path)
        print(f"{done}: names in {path}")
    if pending and not remove:
        print(f"interrupted before, to be finished with --yes: {', '.join(map(str, pending))}")
    if not (found.files or found.runs or found.records):
        print(f"nothing of {person} is left in {settings.paths.cache} and {runs}")
    _print_rest(person, cohort, config, found, runs, settings.paths.tables, faults)
    if not remove and (found.files or found.runs or found.records):
        print("nothing was removed: give --yes to remove it")
    return 0


def _find(person: str, cohort: "Cohort", cache: Path, runs: Path) -> tuple[_Found, list[str]]:
    from lfnet.features.removal import clip_files
    from lfnet.runs.removal import find_rows, unfinished_tables

    rows, faults = find_rows(runs, cohort.name, person)
    clips = cohort.clips[cohort.clips["person_id"] == person]
    own = [Path(path) for path in clips["path"] if path]
    clip_ids = {*clips["clip_id"], *(clip for run in rows for clip in run.clips)}
    recordings = {*clips["recording_id"], *(recording for run in rows for recording in run.recordings)}
    names = frozenset({person, *clip_ids, *recordings, *(text for path in own for text in (str(path), path.name))})
    others = cohort.clips[cohort.clips["person_id"] != person]
    names -= {*others["clip_id"], *others["recording_id"]}
    files = clip_files(cache, cohort.name, sorted(clip_ids - set(others["clip_id"])), own, absent=len(own) < len(clips))
    files += unfinished_tables(runs, person, recordings)
    records = {}
    for path in sorted((runs / "sweeps").glob("*.json")):
        try:
            records[path] = _rewritten(path, names)
        except LfnetError as error:
            faults.append(str(error))
    return _Found(files, rows, {path: record for path, record in records.items() if record}, names), faults


def _rewritten(path: Path, names: frozenset[str]) -> "SweepRecord | None":
    """A sweep's record with no name in an error; None where nothing changes. Raises `LfnetError` if it is damaged."""
    from lfnet.runs.removal import without_names
    from lfnet.runs.sweep_record import SweepRecord

    record = SweepRecord.read(path)
    jobs = tuple(replace(job, error=job.error and without_names(job.error, names)) for job in record.jobs)
    return None if jobs == record.jobs else replace(record, jobs=jobs)


def _print_rest(
    person: str,
    cohort: "Cohort",
    config: dict[str, Any],
    found: _Found,
    runs: Path,
    tables: Path,
    faults: list[str],
) -> None:
    """Print what cannot be removed, and what is the user's own."""
    trained = [run.folder for run in found.runs if run.trained]
    if trained:
        print("\ntrained weights have seen this person, and nothing can be removed from them; delete the folders:")
        print("\n".join(f"  {folder}" for folder in trained))
    names = {run.folder.name for run in found.runs}
    written = [*_files_of_runs(tables, names), *_bundles([Path("lfnet_bundles"), runs], names)]
    if (runs / "wandb").is_dir():
        written.append(runs / "wandb")
    if written:
        print("\nmade earlier from these runs, and not changed; write them again or delete them:")
        print("\n".join(f"  {path}" for path in written))
    clips = cohort.clips[cohort.clips["person_id"] == person]
    own = [path for path in clips["path"] if path and Path(path).exists()]
    own += [f"{path} (rows of {person})" for path in _label_files(config["cohort"], person)]
    if own:
        print("\nyours, remove it yourself:")
        print("\n".join(f"  {path}" for path in own))
    if len(clips):
        print(
            f"\n{person} is still in cohort {cohort.name}: while this is so, `lfnet extract` and `lfnet train` make "
            "all of it again."
        )
    for fault in faults:
        print(f"not searched: {fault}")
    print("Backups, copies elsewhere and what was sent to others are not known here.")


def _files_of_runs(folder: Path, runs: Iterable[str]) -> list[Path]:
    """The files of each table whose JSON names one of the runs."""
    stems = []
    for path in sorted(folder.glob("*.json")):
        text = path.read_text(encoding="utf-8", errors="replace")
        if any(run in text for run in runs):
            stems.append(path.stem)
    return [path for stem in stems for path in sorted(folder.glob(f"{stem}*"))]


def _bundles(folders: Iterable[Path], runs: Iterable[str]) -> list[Path]:
    """The bundles below these folders that were exported from one of the runs."""
    files = [file for folder in folders for file in sorted(folder.glob("*/bundle.json"))]
    return [file.parent for file in files if any(run in file.read_text(errors="replace") for run in runs)]


def _label_files(node: dict[str, Any], person: str) -> list[Path]:
    """The text files that the cohort's settings name and that contain the person."""
    root = Path(str(node.get("root", "."))).expanduser()
    found = []
    for value in node.values():
        path = root / str(value) if isinstance(value, str) and value else None
        if path is not None and path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            if re.search(rf"(?<!\w){re.escape(person)}(?!\w)", text):
                found.append(path.absolute())
    return found
