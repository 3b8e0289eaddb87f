"""`lfnet forget`: list, and remove, what lfnet keeps of one person."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lfnet.cli.arguments import command_parser
from lfnet.cli.audit import cohort_settings
from lfnet.errors import LfnetError
from lfnet.files import personal_files
from lfnet.text import plural

if TYPE_CHECKING:
    from lfnet.cohorts.cohort import Cohort
    from lfnet.launchers.queue import QueuedJob
    from lfnet.runs.removal import Rows
    from lfnet.runs.sweep_record import SweepRecord

__all__ = ["main"]

DESCRIPTION = """\
List what lfnet keeps of one person of a cohort: features and cached digests of their clips, and their rows in finished
runs. With --yes it is removed; the metrics of these runs are computed again from the remaining rows, and the runs are
marked. The id may be in any spelling that lfnet takes for one person (P017, p17, sub-017), and the ids that are found
are printed. What cannot be removed, and what is yours, is named. Stop running jobs first: they would write the person
again. A removal that is interrupted is finished by the same command; until then, jobs on the cohort are refused."""
EPILOG = """\
examples:
  lfnet forget p017 cohort=folder cohort.root=my_videos          list
  lfnet forget p017 cohort=folder cohort.root=my_videos --yes    remove
  lfnet forget p017 my_videos/manifest.csv --yes                 where the videos are gone already
"""


@dataclass(frozen=True)
class _Found:
    """A person of a cohort: ids, clips, files, rows in runs, names to take out of texts, and what is to be done.

    people: the spellings of the id. queued: jobs in a queue that will extract clips. unfinished: whether an earlier
    removal was interrupted. steps: (text, how).
    """

    person: str
    people: list[str]
    cohort: "Cohort"
    runs: Path
    clips: list[str]
    recordings: set[str]
    files: list[Path]
    names: frozenset[str]
    rows: "Rows"
    unfinished: bool
    queued: "list[QueuedJob]" = field(default_factory=list)
    steps: list[tuple[str, Callable[[], object]]] = field(default_factory=list)


def main(argv: list[str]) -> int:
    """Run `lfnet forget ARGV`; returns the exit status. Raises `LfnetError` for mistakes."""
    parser = command_parser("forget", DESCRIPTION, EPILOG)
    parser.add_argument("person", metavar="PERSON", help="a person_id of the cohort, in any spelling")
    parser.add_argument(
        "settings", nargs="*", metavar="SETTING", help="a manifest.csv, or cohort=NAME cohort.KEY=VALUE"
    )
    parser.add_argument("--yes", action="store_true", help="remove, instead of listing")
    options = parser.parse_intermixed_args(argv)
    if "=" in options.person:
        raise LfnetError(f"the person comes first: lfnet forget PERSON {options.person}.")
    if not options.person.isprintable():  # bytes that are no UTF-8 are not
        raise LfnetError(f"{options.person!r} is no person_id: it is not printable UTF-8 text.")
    config = cohort_settings(options.settings)
    with personal_files(config["paths"].get("mode", "private")):
        if not options.yes:
            return _list(options.person, config)
        return _remove(options.person, config, [options.person, *options.settings, "--yes"])


def _list(person: str, config: dict[str, Any]) -> int:
    from lfnet.runs.removal import pending_removals

    found = _find(person, config)
    _print_steps(found, "would remove")
    pending = pending_removals(found.runs)
    if pending or found.unfinished:
        print(f"interrupted before, to be finished with --yes: {', '.join(map(str, pending)) or 'the removal'}")
    _print_rest(found, config)
    if found.queued:
        print(f"queued or running, to be cancelled or waited for first: {plural(len(found.queued), 'job')} on clips")
    if found.steps or found.unfinished:
        print("nothing was removed: give --yes to remove it")
    return 0


def _remove(person: str, config: dict[str, Any], words: list[str]) -> int:
    from lfnet.files import make_folder
    from lfnet.locks import lock, remove_unused
    from lfnet.runs.removal import finish_removal, pending_removals
    from lfnet.runs.removal_record import Removal

    runs = Path(config["paths"]["runs"])
    make_folder(runs)
    with lock(runs / ".removal.lock"):
        for path in (*runs.glob("*/.*.part"), *runs.glob("*/.*.lock")):  # of killed processes; they may have rows
            remove_unused(path)
        for folder in pending_removals(runs):
            finish_removal(folder)
        found = _find(person, config)
        if found.queued:
            raise LfnetError(
                f"{plural(len(found.queued), 'job')} in a queue will extract clips of {person} "
                f"({found.queued[0].text}): end them with `lfnet cancel extraction`, or wait for them."
            )
        if found.steps or found.unfinished:
            record = Removal.start(
                found.cohort.name, person, words, clips=found.clips, files=found.files, names=sorted(found.names)
            )
            record.write(runs)
            for _, remove in found.steps:
                remove()
            record.finish(runs)
    _print_steps(found, "removed")  # not before: standard output may be closed
    _print_rest(found, config)
    return 0


def _find(person: str, config: dict[str, Any]) -> _Found:
    """Everything that is kept of a person. Raises `LfnetError` if the person is unknown."""
    from lfnet.cohorts.identity import normal_id
    from lfnet.jobs.inputs import load_cohort
    from lfnet.jobs.queued_extraction import find_work_on
    from lfnet.jobs.session import Session
    from lfnet.jobs.settings import read_inputs
    from lfnet.runs.removal import find_rows
    from lfnet.runs.removal_record import Removal

    session = Session()
    settings = read_inputs(config, session)
    cohort, runs = load_cohort(settings, session), settings.paths.runs
    is_own = cohort.clips["person_id"].map(normal_id) == normal_id(person)
    own, others = cohort.clips[is_own], cohort.clips[~is_own]
    rows = find_rows(runs, cohort.name, person)
    faults, record = rows.faults, None
    try:
        record = Removal.find(runs, cohort.name, person)
    except LfnetError as error:
        faults.append(str(error))
    if not len(own) and not rows.found and record is None:
        elsewhere = f" These runs on other cohorts have one: {_joined(rows.elsewhere)}." if rows.elsewhere else ""
        raise LfnetError(
            f"{person} is no person_id of cohort {cohort.name}, nor of a run on it.{elsewhere} "
            "`lfnet cohort show` prints a cohort; paths.runs and paths.cache name other folders."
        )
    people = sorted({*own["person_id"], *(one for run in rows.found for one in run.people)})
    before = record or Removal(cohort.name, "")  # what an interrupted removal knew
    clips = {*before.clips, *own["clip_id"], *(clip for run in rows.found for clip in run.clips)}
    recordings = {*own["recording_id"], *(recording for run in rows.found for recording in run.recordings)}
    files = sorted({Path(path) for path in (*before.files, *own["path"]) if path})
    names = {*before.names, *people, *clips, *recordings, *(text for path in files for text in (str(path), path.name))}
    found = _Found(
        person=person,
        people=people,
        cohort=cohort,
        runs=runs,
        clips=sorted(clips - set(others["clip_id"])),
        recordings=recordings,
        files=files,
        names=frozenset(names - {*others["clip_id"], *others["recording_id"], *others["person_id"]}),
        rows=rows,
        unfinished=bool(before.words),
    )
    left: list[Path] = []
    try:
        found.queued[:], left = find_work_on(found.clips, cohort.name, settings.paths)
    except LfnetError as error:
        rows.faults.append(str(error))
    found.steps.extend((str(file), partial(file.unlink, missing_ok=True)) for file in left)
    found.steps.extend(_steps(found, settings.paths.cache))
    return found


def _steps(found: _Found, cache: Path) -> Iterator[tuple[str, Callable[[], object]]]:
    """What is to be removed, as (text, how)."""
    from lfnet.features.removal import clip_files
    from lfnet.jobs.shared_values import SharedValues
    from lfnet.runs.removal import logs_of_failed_jobs, remove_rows, rewrite_log, unfinished_files

    absent = len(found.files) < len(found.cohort.clips[found.cohort.clips["person_id"].isin(found.people)])
    files = clip_files(cache, found.cohort.name, found.clips, found.files, absent=absent)
    files += SharedValues(cache, found.cohort.name).files()
    for file in files + unfinished_files(found.runs, found.person, found.recordings):
        yield str(file), partial(file.unlink, missing_ok=True)
    for log in logs_of_failed_jobs(found.runs, found.names):
        yield f"names in {log}", partial(rewrite_log, log, found.names)
    for path in sorted((found.runs / "sweeps").glob("*.json")):
        try:
            record = _rewritten(path, found.names)
        except LfnetError as error:
            found.rows.faults.append(str(error))
            continue
        if record is not None:
            yield f"names in {path}", partial(record.write, path)
    for run in found.rows.found:
        counts = ", ".join(f"{plural(count, 'row')} of {name}" for name, count in run.counts.items())
        yield f"{counts} in {run.folder}", partial(remove_rows, run, found.person, found.names)


def _rewritten(path: Path, names: frozenset[str]) -> "SweepRecord | None":
    """A sweep's record with no name in an error; None where nothing changes. Raises `LfnetError` if it is damaged."""
    from lfnet.runs.removal import without_names
    from lfnet.runs.sweep_record import SweepRecord

    record = SweepRecord.read(path)
    jobs = tuple(replace(job, error=job.error and without_names(job.error, names)) for job in record.jobs)
    return None if jobs == record.jobs else replace(record, jobs=jobs)


def _joined(paths: Iterable[Path]) -> str:
    return ", ".join(map(str, paths))


def _print_steps(found: _Found, done: str) -> None:
    ids = ", ".join(found.people) or "not there any more"
    print(f"{found.person}, as in cohort {found.cohort.name} and its runs: {ids}")
    for text, _ in found.steps:
        print(f"{done}: {text}")


def _print_rest(found: _Found, config: dict[str, Any]) -> None:
    """Print what cannot be removed, and what is the user's own."""
    runs, cohort = found.runs, found.cohort
    if not found.steps and not found.unfinished:
        print(f"nothing of {found.person} is left in {config['paths']['cache']} and {runs}")
    trained = [run.folder for run in found.rows.found if run.trained]
    if trained:
        print("\ntrained weights have seen this person, and nothing can be removed from them; delete the folders:")
        print("\n".join(f"  {folder}" for folder in trained))
    names = {run.folder.name for run in found.rows.found}
    written = [*_files_of_runs(Path(config["paths"]["tables"]), names), *_bundles([Path("lfnet_bundles"), runs], names)]
    written += [folder for folder in (runs / "view", runs / "wandb") if folder.is_dir()]
    if written:
        print("\nmade earlier from these runs, and not changed; write them again or delete them:")
        print("\n".join(f"  {path}" for path in written))
    clips = cohort.clips[cohort.clips["person_id"].isin(found.people)]
    own = [path for path in clips["path"] if path and Path(path).exists()]
    own += [f"{path} (rows of {found.person})" for path in _label_files(config["cohort"], found.people)]
    if own:
        print("\nyours, remove it yourself:")
        print("\n".join(f"  {path}" for path in own))
    if len(clips):
        print(
            f"\n{found.person} is still in cohort {cohort.name}: while this is so, `lfnet extract` and `lfnet train` "
            "make all of it again, and say so."
        )
    if found.rows.elsewhere:
        print(f"runs on other cohorts, with a person of this id, not changed: {_joined(found.rows.elsewhere)}")
    for fault in found.rows.faults:
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


def _label_files(node: dict[str, Any], people: Collection[str]) -> list[Path]:
    """The text files that the cohort's settings name and that contain an id of the person."""
    root = Path(str(node.get("root", "."))).expanduser()
    found = []
    for value in node.values():
        path = root / str(value) if isinstance(value, str) and value else None
        if path is not None and path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            if any(re.search(rf"(?<!\w){re.escape(person)}(?!\w)", text) for person in people):
                found.append(path.absolute())
    return found
