"""Run again what the pages in experiments/ report, by the commands that the pages state.

A page, `experiments/NAME/README.md`, ends with a section `## Repeat`: a `sh` block of commands, the time that they
take, and the digest of the folder's result files (all but README.md and scripts). Pages are run in order, each command
in the project's folder. A command that is finished is not run again until the code changes: stop at any time, and start
again. `lfnet table` goes on within a table.

    make experiments                                 all pages
    make experiments ARGS="order mechanisms"         these
    make experiments ARGS=--list                     time and state of each page; runs nothing
    make experiments ARGS="--stamp order"            the page agrees with its results: write their digest into it

The last is for authors: `tests/packaging/test_experiments.py` compares the figures of each page with its result files,
and the digest with that of the page.
"""

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RECORD = Path("lfnet_runs/experiments.json")
_SECTION = re.compile(
    r"^## Repeat\n+```sh\n(?P<commands>.*?)^```\n+(?P<time>About (?P<number>[\d.]+) (?P<unit>minutes?|hours?)[^\n]*\.) "
    r"Digest of the result files: `(?P<digest>[\w-]*)`\.$",
    re.M | re.S,
)


@dataclass(frozen=True)
class Page:
    """One experiment: its folder, its commands, the hours that they take, and the digest that it states."""

    folder: Path
    commands: tuple[str, ...]
    time: str
    hours: float
    digest: str

    @property
    def name(self) -> str:
        return self.folder.name

    def needs(self) -> list[str]:
        """Return folders of real media that the commands name and that are not there."""
        named = {word for line in self.commands for word in re.findall(r"\.\./shared[\w./-]*", line)}
        return sorted(word for word in named if not (ROOT / word).exists())


def read_page(folder: Path) -> Page | None:
    """Return the experiment of a folder; None if it has no result that commands could repeat."""
    readme = folder / "README.md"
    if not readme.is_file():
        return None
    found = _SECTION.search(readme.read_text(encoding="utf-8"))
    if found is None:
        return None
    hours = float(found["number"]) / (60 if found["unit"].startswith("minute") else 1)
    lines = [line.strip() for line in found["commands"].replace("\\\n", " ").splitlines()]
    return Page(folder, tuple(line for line in lines if line), found["time"], hours, found["digest"])


def result_files(folder: Path) -> list[Path]:
    """Return the files of a folder that hold results: all but its page and its scripts."""
    own = (path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    return sorted(path for path in own if path.name != "README.md" and path.suffix != ".py")


def digest(folder: Path) -> str:
    """Return 12 hexadecimal digits of the names and contents of the folder's result files."""
    found = hashlib.sha256()
    for path in result_files(folder):
        found.update(f"{path.name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return found.hexdigest()[:12]


def stamp(page: Page) -> None:
    """Write the digest of the result files into the page."""
    readme = page.folder / "README.md"
    text = readme.read_text(encoding="utf-8")
    start, end = _SECTION.search(text).span("digest")  # type: ignore[union-attr]
    readme.write_text(text[:start] + digest(page.folder) + text[end:], encoding="utf-8")


def _code() -> str:
    """Return a digest of everything that a result depends on: the package, its settings, the scripts."""
    found = hashlib.sha256()
    for top, suffix in (("lfnet", ".py"), ("conf", ".yaml"), ("experiments", ".py")):
        for path in sorted((ROOT / top).rglob(f"*{suffix}")):
            found.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return found.hexdigest()[:16]


def _finished() -> dict[str, str]:
    return json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.is_file() else {}


def _run(page: Page, code: str) -> bool:
    """Run the page's commands that are not finished yet; say whether all are."""
    before = digest(page.folder)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for line in page.commands:
        finished = _finished()
        if finished.get(f"{page.name}: {line}") == code:
            continue
        print(f"{page.name}: {line}", flush=True)
        status = subprocess.run(
            ["sh", "-c", line], cwd=ROOT, env=os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)}, check=False
        ).returncode
        if status:
            print(f"{page.name}: FAILED with exit status {status}: {line}", flush=True)
            return False
        RECORD.parent.mkdir(parents=True, exist_ok=True)
        new = RECORD.with_suffix(".new")
        new.write_text(json.dumps({**finished, f"{page.name}: {line}": code}, indent=1), encoding="utf-8")
        new.replace(RECORD)
    if digest(page.folder) != before:
        print(f"{page.name}: results changed. Read experiments/{page.name}/README.md, then --stamp it.", flush=True)
    return True


def main(argv: list[str] | None = None) -> int:
    """Run, list or stamp the pages that `argv` names, or all; returns 1 if a command failed."""
    parser = argparse.ArgumentParser(prog="make experiments", description="Run again what the pages report.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="folders in experiments/ (default: all)")
    parser.add_argument("--list", action="store_true", help="print the time and the state of each page")
    parser.add_argument("--again", action="store_true", help="run finished commands too")
    parser.add_argument("--stamp", action="store_true", help="write the digest of the result files into the pages")
    arguments = parser.parse_args(argv)
    os.chdir(ROOT)
    folders = sorted(path for path in (ROOT / "experiments").iterdir() if path.is_dir())
    pages = {page.name: page for page in map(read_page, folders) if page is not None}
    if unknown := [name for name in arguments.names if name not in pages]:
        parser.error(f"there is no page {unknown[0]!r}; there are {', '.join(pages)}")
    chosen = [pages[name] for name in arguments.names] or list(pages.values())
    code = _code()
    if arguments.stamp:
        if not arguments.names:
            parser.error("name the pages that you have compared with their results")
        for page in chosen:
            stamp(page)
        return 0
    if arguments.list:
        finished = _finished()
        for page in chosen:
            done = all(finished.get(f"{page.name}: {line}") == code for line in page.commands)
            state = "finished with this code" if done else "to run"
            print(f"{page.name:14} {page.hours:5.1f} hours  {state}")
        print(f"{'all':14} {sum(page.hours for page in chosen):5.1f} hours")
        return 0
    failed = []
    for page in chosen:
        if missing := page.needs():
            print(f"{page.name}: left out, {missing[0]} is not there.")
            continue
        if arguments.again and RECORD.is_file():
            kept = {key: value for key, value in _finished().items() if not key.startswith(f"{page.name}: ")}
            RECORD.write_text(json.dumps(kept, indent=1), encoding="utf-8")
        if not _run(page, code):
            failed.append(page.name)
    if failed:
        print(f"failed: {', '.join(failed)}. Start again: what is finished is not repeated.")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
