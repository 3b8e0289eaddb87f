"""`lfnet extract`: features of all clips of a cohort."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lfnet.cli.hydra_command import run_hydra

if TYPE_CHECKING:
    from lfnet.cohorts.cohort import Cohort
    from lfnet.features.store import Readable
    from lfnet.jobs.session import Session

__all__ = ["extract"]


def extract(argv: list[str]) -> int:
    """`lfnet extract OVERRIDES`: features of all clips."""
    run_hydra("extract", argv, _extract)
    return 0


def _extract(config: Any, session: "Session") -> None:
    from lfnet.config import plain
    from lfnet.features.extract import Incomplete
    from lfnet.files import personal_files
    from lfnet.jobs.inputs import prepare_streams
    from lfnet.jobs.queued import check_launcher
    from lfnet.jobs.settings import read_extraction

    settings, session.launcher = read_extraction(plain(config), session)
    check_launcher(session.launcher, submit=False, fail_fast=False)
    with personal_files(settings.paths.mode):
        try:
            inputs = prepare_streams(settings, session)
        except Incomplete as error:
            _print_features(error.cohort, error.stores)
            raise
        _print_features(inputs.cohort, inputs.stores)


def _print_features(cohort: "Cohort", stores: "Mapping[str, Readable]") -> None:
    from lfnet.features.health import Health
    from lfnet.features.summary import check_clips, describe_features

    for stream, store in stores.items():
        print(f"vectors of cohort {cohort.name}, stream {stream}: {store.folder}")
    checks = check_clips(stores, cohort.clips["clip_id"], Health())
    for line in describe_features(checks, list(stores)):
        print(line)
