"""Run the command line as `python -m lfnet`."""

import os
import sys

# `python -m` puts the current folder in front of the import path, where a user's statistics.py would replace Python's.
if not sys.flags.safe_path and sys.path[:1] == [os.getcwd()]:  # noqa: PTH109
    del sys.path[0]

from lfnet.process import collect_seldom, end_quickly


def run() -> None:
    """Run the command of this process's arguments, and exit with its status."""
    collect_seldom()
    status = end_quickly()

    from lfnet.cli.main import main

    status.append(main())
    sys.exit(status[0])


if __name__ == "__main__":
    run()
