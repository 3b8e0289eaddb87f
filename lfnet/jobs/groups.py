"""Groups of people of a job's cohort: checked against what a table asks, and written to groups.csv."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from lfnet.cohorts.cohort import Cohort
from lfnet.evaluation.groups import check_groups, make_grouping
from lfnet.features.filming import read_filming
from lfnet.features.skin_tone import SKIN_TONE
from lfnet.features.store import Readable
from lfnet.files import write_text
from lfnet.jobs.experiment import Experiment
from lfnet.jobs.inputs import load_cohort
from lfnet.jobs.session import Session
from lfnet.jobs.settings import InputSettings
from lfnet.runs.run import GROUPS

__all__ = ["check_table_groups", "groups_csv", "groups_text", "write_groups"]


def check_table_groups(config: Mapping[str, Any], inputs: InputSettings, session: Session) -> None:
    """Refuse groups of `table.evidence.groups` that the cohort does not have. Raises `LfnetError`.

    Skin tone is measured in videos, so that a cohort of videos has it before any is read.
    """
    evidence = config["table"].get("evidence") or {}
    if asked := evidence.get("groups"):
        cohort = load_cohort(inputs, session)
        measured = [SKIN_TONE] if cohort.own is None and SKIN_TONE not in cohort.groups else []
        check_groups(asked, sorted([*cohort.groups, *measured]), "table.evidence.groups")
        for name, edges in asked.items():
            if cohort.about is not None and name in cohort.groups:
                texts = cohort.about[name].fillna("").astype(str).str.strip()
                make_grouping(name, {str(clip): [text] for clip, text in texts.items()}, edges)


def write_groups(job: Experiment, session: Session) -> None:
    """Write groups.csv, or remove that of an earlier cohort where there are no groups any more."""
    if text := groups_text(job, session):
        write_text(job.folder / GROUPS, text)
    else:
        (job.folder / GROUPS).unlink(missing_ok=True)


def groups_text(job: Experiment, session: Session) -> str:
    """The text of groups.csv; "" for a cohort without groups."""
    cohort, store = job.inputs.cohort, job.inputs.store
    return session.keep("groups", (cohort, store), lambda: groups_csv(cohort, store))


def groups_csv(cohort: Cohort, store: Readable) -> str:
    """The groups of a cohort's recordings, with the skin tone that was measured where the cohort has no such column."""
    clips = cohort.clips
    columns: dict[str, pd.Series[Any]] = {}
    for name in cohort.groups:
        assert cohort.about is not None
        given = cohort.about[name].reindex(clips["clip_id"]).fillna("").astype(str).str.strip()
        columns[name] = given.set_axis(clips["recording_id"]).groupby(level=0).agg(_only)
    if SKIN_TONE not in columns:
        measured = read_filming(store, clips["clip_id"])
        tone = pd.Series([measured.get(clip, {}).get(SKIN_TONE) for clip in clips["clip_id"]], dtype="float64")
        mean = tone.groupby(clips["recording_id"].to_numpy()).mean()
        if mean.notna().any():
            columns[SKIN_TONE] = mean.map(lambda value: "" if pd.isna(value) else f"{value:.1f}")
    if not columns:
        return ""
    table = cohort.recordings().drop(columns="label").set_index("recording_id", drop=False)
    return table.assign(**{name: values.reindex(table.index) for name, values in columns.items()}).to_csv(
        index=False, lineterminator="\n"
    )


def _only(texts: "pd.Series[str]") -> str:
    """The value that a recording's clips agree on; "" where they do not."""
    known = set(texts) - {""}
    return known.pop() if len(known) == 1 else ""
