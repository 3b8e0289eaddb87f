"""Shipped texts cite files that exist, give commands that can be typed as written, and are in plain English."""

import argparse
import ast
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from lfnet.cli.commands import COMMANDS
from lfnet.cli.configs import names
from lfnet.errors import LfnetError

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not {".venv", "node_modules", ".pytest_cache", "lfnet_runs", "lfnet_demo"} & set(path.relative_to(ROOT).parts)
)
CODE = [*(ROOT / "lfnet").rglob("*.py"), *(ROOT / "hydra_plugins").rglob("*.py"), *(ROOT / "conf").rglob("*.yaml")]

# A file name with a folder, or one of the names that only a repository has at its top.
CITED = re.compile(r"(?<![\w./{}*$<>~=-])((?:[\w-]+/)+[\w.-]+\.(?:py|yaml|md|csv|ipynb|toml)|[\w-]+\.md)(?![\w*{}/])")
# Files that the program, its site or its user makes, and placeholders such as conf/head/NAME.yaml.
MADE = re.compile(
    r"^(lfnet_\w+|my_\w+|PATH|DIR|OUT|clips|runs|out|bundle|reference)/|^(MODEL_CARD|result|architectures)\.md$|(^|/)NAME\."
)


def cited(text: str) -> set[str]:
    return {name for name in CITED.findall(text) if not MADE.search(name)}


def exists(name: str, beside: Path) -> bool:
    return any((folder / name).exists() for folder in (ROOT, beside, ROOT / "lfnet", ROOT / "conf"))


def faults(pages, find):
    """What `find` returns for each page where it finds something, by the page's path.

    One test reads all pages: thousands of tests of a millisecond would take much longer to start than to run.
    """
    return {page.relative_to(ROOT).as_posix(): found for page in sorted(pages) if (found := find(page))}


def missing_files(page):
    # What a command printed of a made copy names files of the copy.
    text = page.read_text(encoding="utf-8").partition("## What `show` matched")[0]
    if page.suffix == ".py":  # docstrings and comments; strings may name files of users
        texts = [ast.get_docstring(node) or "" for node in ast.walk(ast.parse(text)) if isinstance(node, DOCUMENTED)]
        text = "\n".join([*texts, *re.findall(r"#.*", text)])
    return {name for name in cited(text) if not exists(name, page.parent)}


def test_cited_files_exist():
    assert faults([*PAGES, *CODE], missing_files) == {}


DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def test_no_name_that_only_the_authors_know():
    own = re.compile(r"\b[Ss]ystem [AB]\b|\bresearch\.md\b")
    assert faults([*PAGES, *CODE], lambda page: own.findall(page.read_text(encoding="utf-8"))) == {}


# Words of which plain technical English has others: fix, again or recompute, no one, vs or next to, figure or image.
UNUSUAL = re.compile(r"(?<![-\w.])(mend(s|ed|ing)?|anew|nobody|whoever|beside|pictures?)\b", re.I)
ENGLISH = [
    *CODE,
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *(ROOT / "experiments").glob("*/README.md"),
    *(ROOT / "experiments").rglob("*.py"),
]


def unusual_words(page):
    lines = page.read_text(encoding="utf-8").splitlines()
    return {number: line.strip() for number, line in enumerate(lines, 1) if UNUSUAL.search(line.replace("`", "-"))}


def test_words_are_plain():
    assert faults(ENGLISH, unusual_words) == {}


def question(page):
    first = (ast.get_docstring(ast.parse(page.read_text(encoding="utf-8"))) or "").split("\n")[0]
    return first if re.match(r"(What|How|Who|Whose|Where|Which|When|Why)\b|.*\?$", first) else ""


def test_a_module_is_described_by_a_noun_phrase_or_an_imperative():
    assert faults([page for page in CODE if page.suffix == ".py"], question) == {}


def shell_lines(page: Path) -> list[str]:
    """The lines of a page's blocks of a shell."""
    blocks = re.findall(r"^```(?:sh|bash|zsh|shell|console)\b.*?\n(.*?)^```", page.read_text("utf-8"), re.S | re.M)
    return "\n".join(blocks).replace("\\\n", " ").splitlines()


def commands(page: Path) -> list[str]:
    """The command lines of a page's `sh` blocks, without comments."""
    return [line.strip() for line in shell_lines(page) if re.match(r"\s*(lfnet|make)\b", line)]


def unquoted(line: str) -> list[str]:
    """What bash or zsh would expand in a line, or take for a pattern: brackets and braces, `*`, `?`, and a leading `~`.

    >>> unquoted("lfnet train encoder=[a,b] 'head={c:1}' ~cohort.audio  # [no]")
    ['[', ']', '~cohort.audio']
    """
    bare = re.sub(r"'[^']*'|\"[^\"]*\"", "''", line)
    return re.findall(r"[\[\]{}*?()]|(?<=\s)~\w[\w.@/]*", re.sub(r"(?<=\s)#.*|^#.*", "", bare))


def unquoted_commands(page):
    text = page.read_text(encoding="utf-8")
    inline = [re.sub(r"\s+", " ", found) for found in re.findall(r"(?<!`)`((?:lfnet|make) [^`]+)`(?!`)", text)]
    indented = re.findall(r"^ {4,}((?:lfnet|make) .*)", text, re.M)
    lines = {line: found for line in [*shell_lines(page), *inline, *indented] if (found := unquoted(line))}
    # A setting as it is typed has quotes.
    return lines, re.findall(r"(?<!`)`([\w@./+]+=[\[{][^`\n]*)`(?!`)", text)


def test_brackets_and_braces_of_commands_are_quoted():
    assert faults(PAGES, lambda page: [found for found in unquoted_commands(page) if found]) == {}


def test_brackets_and_braces_of_examples_of_help_are_quoted():
    from tools.site.commands import page

    examples = [line.strip() for line in page().splitlines() if re.match(r"  +lfnet [a-z]", line)]
    assert len(examples) > 50
    # What follows two spaces is a remark.
    assert {line: found for line in examples if (found := unquoted(line.partition("  ")[0]))} == {}


# Each command line once, with the first page that has it.
WRITTEN = {shlex.join(shlex.split(line, comments=True)): page for page in reversed(PAGES) for line in commands(page)}


@pytest.mark.parametrize(
    "line", WRITTEN, ids=[f"{page.relative_to(ROOT)}:{line[:60]}" for line, page in WRITTEN.items()]
)
def test_commands_can_be_typed_as_written(line, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    words = shlex.split(line, comments=True)
    if words[0] == "make":
        targets = [word for word in words[1:] if "=" not in word]
        planned = subprocess.run(["make", "-n", *targets], cwd=ROOT, capture_output=True, text=True)
        assert planned.returncode == 0, planned.stderr
        return
    name, rest = words[1], words[2:]
    assert name in COMMANDS, f"there is no command {name}"
    if name in ("train", "table", "extract"):
        overrides = [word for word in rest if not word.startswith("-")]
        if name == "table":
            assert rest[0] in names("table")
            overrides = [f"table={rest[0]}", *(word for word in overrides[1:])]
        if "--config-dir" in rest:  # a folder of the reader's
            return
        swept = "-m" in rest or name == "table"
        single = [word for word in overrides if not (swept and re.search(r"=[^\[{(]*,", word))]
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            compose("extract" if name == "extract" else "train", overrides=single, return_hydra_config=True)
        return

    class Parsed(Exception):
        pass

    def parse(self, *arguments, **options):
        original(self, *arguments, **options)
        raise Parsed

    original = argparse.ArgumentParser.parse_known_args
    monkeypatch.setattr(argparse.ArgumentParser, "parse_known_args", parse)
    try:
        COMMANDS[name].load()(rest)
    except Parsed:
        pass
    except LfnetError as error:  # a command on what an earlier one left, of which there is nothing here
        assert re.search("does not exist|was submitted", str(error)), error


@pytest.mark.parametrize("kind", ["head", "encoder", "cohort", "table"])
def test_lists_of_the_readme_are_those_of_lfnet_list(kind):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (listed,) = re.findall(rf"^- {kind.capitalize()}s: (.*?)\.$", text, re.S | re.M)
    assert re.findall(r"`(\w+)`", listed) == sorted(name for name in names(kind) if name != "none")


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 120


def test_numbers_of_the_readme_are_those_of_the_recorded_table():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    record = (ROOT / "experiments" / "architectures" / "result.md").read_text(encoding="utf-8")
    names = {"training median": "train median", "ridge on mean features": "ridge"}
    rows = re.findall(r"^\| (\*?[\w ()-]+\*?) \| ([\d.]+ \[[\d., ]+\]) \| (\S+) \| (\S+) \| (.*?) ?\|$", readme, re.M)
    assert len(rows) == 8
    # Rows are named by their protocol too where the table has controls.
    keyed = "| Protocol" in record
    _, _, compared = record.partition("**vs mean_mlp: verdicts on the architectures, margin 1 point**")
    for row, mae, pcc, ratio, verdict in rows:
        plain = row.strip("*")
        name = f"*{names.get(plain, plain)}*" if row.startswith("*") else row + ", masked" * keyed
        if verdict:
            found = next(line for line in compared.splitlines() if line.startswith(f"| {name} "))
            text, _, difference = verdict.partition(": ")
            assert difference in found and found.rstrip("| ").endswith(f" {text}"), row
        evidence = next(line for line in record.splitlines() if line.startswith(f"| {name} ") and "[" in line)
        assert mae in re.sub(" +", " ", evidence) and pcc in evidence, row
        cells = [cell.strip() for cell in record.split("\n| ---")[0].splitlines()[-1].strip("|").split("|")]
        place = cells.index("Test sigma_ratio")
        start = [name.split(",")[0], *["" if row.startswith("*") else "masked"] * keyed]
        lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in record.splitlines() if "|" in line]
        (line,) = (line for line in lines if len(line) == len(cells) and line[: len(start)] == start)
        assert line[place].split(" ")[0] == ratio, row
