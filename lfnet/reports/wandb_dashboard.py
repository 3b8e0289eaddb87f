"""W&B dashboard of a table: its runs, a run with the table itself, and a saved workspace over them.

What is sent: each run's settings and numbers as `lfnet.jobs.tracking` lists them, and the table's cells, which name
rows and never people. No image, no prediction of a single recording, no reason of a failure, no path
(`lfnet.tables.public`).
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lfnet import RESEARCH_ONLY
from lfnet.errors import LfnetError
from lfnet.files import read_json, write_json
from lfnet.fingerprints import digest
from lfnet.jobs.tracking import final_metrics, run_name, shared_settings, tracked_run
from lfnet.reports.grid import make_grid
from lfnet.reports.markdown import escape
from lfnet.runs.run import Run
from lfnet.tables.public import public
from lfnet.tables.table import Row, Section, Table

__all__ = ["Dashboard", "mirror", "save_workspace", "workspace"]

_FINAL = "final/test/recording"


@dataclass(frozen=True)
class Dashboard:
    """What `mirror` did. sent, kept: runs written now, and runs that W&B has already; table: the table's run."""

    sent: tuple[str, ...]
    kept: tuple[str, ...]
    table: str


def mirror(table: Table, settings: Mapping[str, Any], remembered: Path) -> Dashboard:
    """Write every run of the table, and the table, as W&B runs of the group `table.name`.

    settings: `logger.wandb`; offline, nothing leaves the machine. remembered: a JSON
    file of what was written before; a run is written again only where its numbers or its row have changed.
    Raises `LfnetError` where W&B refuses.
    """
    table = public(table)
    known = read_json(remembered) if remembered.is_file() else {}
    where = f"{settings['mode']} {settings['entity'] or ''}/{settings['project']}"
    written: dict[str, str] = known.get(where, {})
    rows = {
        run: (row, _row_name(table, section, row))
        for section in table.sections
        for row in section.rows
        if row.kind in ("model", "control")
        for run in row.runs
        if run.result.metrics
    }
    states = {run: digest([name, run.result.metrics, run.result.fingerprint]) for run, (_, name) in rows.items()}
    due = [run for run, state in states.items() if written.get(run.name) != state]
    for run in due:
        _mirror_run(table, *rows[run], run, settings)
        written[run.name] = states[run]
        write_json(remembered, {**known, where: written})
    identity = digest(["table", table.name])[:16]
    if written.get(identity) != (state := digest(table.to_json()["sections"])):
        _mirror_table(table, identity, settings)
        written[identity] = state
        write_json(remembered, {**known, where: written})
    kept = tuple(run.name for run in states if run not in due)
    return Dashboard(tuple(run.name for run in due), kept, identity)


def workspace(table: Table, project: str, entity: str) -> Any:
    """The saved view: bars of test error by row, dev against test, spread of scores, learning curves. Not yet saved."""
    import wandb_workspaces.expr as expr
    import wandb_workspaces.reports.v2 as wr
    import wandb_workspaces.workspaces as ws

    def bars(metric: str, title: str) -> Any:
        return wr.BarPlot(
            title=title,
            metrics=[f"{_FINAL}/{metric}"],
            groupby=wr.Config("row"),
            groupby_aggfunc="mean",
            groupby_rangefunc="minmax",
            max_bars_to_show=100,
        )

    def course(metric: str, title: str) -> Any:
        return wr.LinePlot(
            title=title,
            x="epoch",
            y=[metric],
            groupby=wr.Config("row"),
            groupby_aggfunc="mean",
            groupby_rangefunc="minmax",
        )

    return ws.Workspace(
        entity=entity,
        project=project,
        name=f"{table.title} (lfnet {table.name})",
        sections=[
            ws.Section(
                name="Test, recordings: mean over seeds, band from min to max",
                panels=[
                    bars("mae", "MAE, points (lower is better)"),
                    bars("rmse", "RMSE, points (lower is better)"),
                    bars("pcc", "PCC"),
                    bars("ccc", "CCC"),
                    bars("sigma_ratio", "sigma_ratio (near 0: collapsed to a constant)"),
                ],
                is_open=True,
            ),
            ws.Section(
                name="Does dev predict test?",
                panels=[
                    wr.ScatterPlot(
                        title="MAE: dev against test",
                        x=wr.SummaryMetric("final/dev/recording/mae"),
                        y=wr.SummaryMetric(f"{_FINAL}/mae"),
                    ),
                ],
                is_open=True,
            ),
            ws.Section(
                name="Learning curves, dev recordings",
                panels=[
                    course("dev/mae", "Dev MAE"),
                    course("dev/sigma_ratio", "Dev sigma_ratio"),
                    course("train/loss", "Training loss"),
                ],
                is_open=True,
            ),
            ws.Section(
                name="The table with intervals and verdicts",
                panels=[
                    wr.MarkdownPanel(
                        markdown=f"**{escape(table.question)}**\n\n{RESEARCH_ONLY}\n\n`{public(table).command}`"
                    ),
                    wr.WeavePanelSummaryTable(table_name="table"),
                ],
                is_open=True,
            ),
        ],
        runset_settings=ws.RunsetSettings(
            filters=[expr.Metric("Group") == table.name],
            groupby=[expr.Config("row")],
            pinned_columns=[f"summary:{_FINAL}/{metric}" for metric in ("mae", "pcc", "sigma_ratio")],
        ),
    )


def save_workspace(table: Table, project: str, entity: str | None, remembered: Path) -> str:
    """Make the view, or bring the one up to date that was made before; its address. Needs the network and a W&B login.

    Raises `LfnetError` where W&B cannot be reached or refuses.
    """
    import wandb
    import wandb_workspaces.workspaces as ws

    known = read_json(remembered) if remembered.is_file() else {}
    try:
        owner = entity or str(wandb.Api().default_entity)
        made = workspace(table, project, owner)
        if (address := known.get("address")) and f"/{owner}/{project}" in address:
            before = ws.Workspace.from_url(address)
            before.name, before.sections, before.runset_settings = made.name, made.sections, made.runset_settings
            made = before
        made.save()
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise LfnetError(
            f"W&B did not take the dashboard: {reason}. Log in with `wandb login`, or leave out --online: the runs lie "
            "offline then, for `wandb sync`."
        ) from error
    write_json(remembered, {**known, "address": made.url})
    return str(made.url)


def _row_name(table: Table, section: Section, row: Row) -> str:
    return ", ".join(name for name in (section.label, *table.names(row)) if name) or table.name


def _mirror_run(
    table: Table,
    row: Row,
    called: str,
    mirrored: Run,
    settings: Mapping[str, Any],
) -> None:
    result = mirrored.result
    with _tracked(
        settings,
        identity=digest([table.name, mirrored.name])[:16],  # two tables may show one run, each in its own group
        name=run_name(result.config),
        group=table.name,
        job_type="fuse" if result.kind == "fusion" else "train",
        config={**shared_settings(result.config), "row": called, "kind": row.kind},
    ) as run:
        for numbers in _course(mirrored):
            run.log(numbers)
        run.log(final_metrics(result.metrics))
        run.summary.update({"marks": list(result.marks)})


def _mirror_table(table: Table, identity: str, settings: Mapping[str, Any]) -> None:
    import wandb

    config = {"question": table.question, "command": table.command, "level": table.level, "digest": table.digest}
    grid = make_grid(table)
    cells: list[Iterable[Any]] = [
        [section.label, *line.texts]
        for section, lines in zip(table.sections, grid.sections, strict=True)
        for line in lines
    ]
    with _tracked(
        settings,
        identity=identity,
        name=f"table {table.name}",
        group=table.name,
        job_type="table",
        config={**config, "simulated": table.simulated, "row": "the table", "kind": "table"},
    ) as run:
        logged = {"table": wandb.Table(columns=["Section", *grid.headings], data=cells, allow_mixed_types=True)}
        for number, block in enumerate(block for section in table.sections for block in section.evidence):
            name = f"evidence/{number + 1:02d} {block.title}".replace(":", "")[:100]
            texts: list[Iterable[Any]] = [list(row) for row in block.rows]
            logged[name] = wandb.Table(columns=list(block.headings), data=texts)
        for name, own in logged.items():
            # W&B logs a table that is bound already as a file of the run alone, and any other as an artifact as well,
            # whose record contains the path of a folder in the user's home.
            own.bind_to_run(run, name, 0)
        run.log(logged)
        run.summary.update({"foot": "\n".join(table.foot)})


@contextmanager
def _tracked(settings: Mapping[str, Any], **what: Any) -> Iterator[Any]:
    """`tracked_run`, with an error of W&B at its start as one message."""
    with ExitStack() as stack:
        try:
            run = stack.enter_context(tracked_run(settings, **what))
        except Exception as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise LfnetError(f"W&B did not begin a run in {settings['dir']}: {reason}.") from error
        yield run


def _course(run: Run) -> list[dict[str, float]]:
    """The numbers of each epoch; none where a fusion has no epochs."""
    table = run.learning_curve
    if table is None:
        return []
    rows = table.drop(columns="step", errors="ignore").to_dict("records")
    return [{str(name): float(value) for name, value in row.items() if value == value} for row in rows]
