"""`lfnet dashboard`: a table that has been run, as a W&B dashboard."""

import shlex
from dataclasses import replace
from pathlib import Path

from lfnet.errors import LfnetError
from lfnet.extras import require
from lfnet.fingerprints import digest
from lfnet.text import plural

__all__ = ["main"]

HELP = """\
usage: lfnet dashboard NAME [OVERRIDES] [--online] [--project NAME] [--entity NAME]

Make or update the W&B dashboard of a table that has been run: every run with its learning curve and final metrics,
grouped by the table's rows, and the table itself with intervals and verdicts. It trains nothing. Settings and numbers
are all that is written: no face, no prediction of a single recording, no person's id, no path, no
host name.

Offline, as by default, nothing leaves this machine: the runs lie in FOLDER/wandb until `wandb sync` sends them.
--online sends them now and saves the dashboard's view, or brings the view up to date that was saved before; it needs
`wandb login`. Do both in turn if you like: a run of a table has the same id on both ways.
OVERRIDES are those that the table was run with. --project, --entity: by default those of conf/logger/wandb.yaml.

examples:
  lfnet dashboard architectures
  wandb sync lfnet_runs/wandb/offline-run-*
  lfnet dashboard architectures --online
"""


def main(argv: list[str]) -> int:
    """`lfnet dashboard NAME OVERRIDES`. Returns 0, or 2 without a name."""
    if not argv or argv[0] in ("-h", "--help"):
        print(HELP, end="")
        return 0 if argv else 2
    if argv[0].startswith("-") or "=" in argv[0]:
        raise LfnetError(f"the table's name comes first: lfnet dashboard NAME {' '.join(argv)}.")
    name, given, online = argv[0], {}, False
    overrides = []
    words = iter(argv[1:])
    for word in words:
        flag, _, value = word.partition("=")
        if word == "--online":
            online = True
        elif flag in ("--project", "--entity"):
            given[flag[2:]] = value or next(words, "")
            if not given[flag[2:]]:
                raise LfnetError(f"{flag} needs a name.")
        else:
            overrides.append(word)
    from lfnet.cli.configs import compose, mode
    from lfnet.cli.table import find_sweep_outputs
    from lfnet.files import personal_files
    from lfnet.reports.wandb_dashboard import mirror, save_workspace
    from lfnet.tables.build import build

    require("wandb", use="lfnet dashboard")
    record, runs, tables = find_sweep_outputs(name, overrides)
    settings = {**compose("train", ["logger=wandb"])["logger"]["wandb"], **given, "dir": str(runs)}
    settings["mode"] = "online" if online else "offline"
    # The name of a record contains overrides, which may contain paths.
    public = name if record.stem == name else f"{name}-{digest(record.stem)[:8]}"
    table = replace(build(record, runs), name=public)
    remembered = Path(tables) / f"{record.stem}.dashboard.json"
    with personal_files(mode([word for word in overrides if word.startswith("paths")])):
        done = mirror(table, settings, remembered)
    sent = plural(len(done.sent), "run")
    print(f"{sent} written to W&B, {len(done.kept)} were there already; project {settings['project']}")
    if online:
        print(f"dashboard: {save_workspace(table, settings['project'], settings['entity'], remembered)}")
        return 0
    folders = [*sorted(Path(runs, "wandb").glob(f"offline-run-*-{done.table}"))]
    print(f"nothing has left this machine. To send: wandb sync {Path(runs, 'wandb', 'offline-run-*')}")
    if folders:
        print(f"the table itself: {folders[-1]}")
    print(f"then, once: lfnet dashboard {shlex.join(argv)} --online   saves the dashboard's view")
    return 0
