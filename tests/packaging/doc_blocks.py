"""Code blocks of pages in docs/, and the reasons for which some of their commands are not run.

A comment directly above a block, which the site does not show, gives the reason: `<!-- not run: REASON -->` of the
whole block, or ``<!-- not run `WORDS`: REASON -->`` of its lines that have these words.
"""

import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["DOCS", "SHELLS", "Block", "blocks", "faults"]

DOCS = Path(__file__).resolve().parents[2] / "docs"
SHELLS = {"sh", "bash", "console", "shell", "zsh"}

_BLOCK = re.compile(
    r'^((?:<!--.*?-->\n)*)```(\w*)(?: title="([^"]+)")?[ \t]*\n(.*?)^```[ \t]*$', re.MULTILINE | re.DOTALL
)
_COMMAND = re.compile(r"\s*(\$|%|>>>|lfnet|make|pip)\s")
_OUTSIDE = re.compile(r" {4,}(\$ )?lfnet |.*<!-- not run|\s*```")
_REASON = re.compile(r"<!-- not run(?: `([^`]+)`)?: (.+?) -->", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A code block: its language, the file that it is (\"\" for none), its text, and reasons by the words of a line."""

    language: str
    file: str
    text: str
    reasons: dict[str, str]

    @property
    def lines(self) -> list[str]:
        """The commands of a block of a shell, a line each."""
        if self.language not in SHELLS:
            return []
        lines = self.text.replace("\\\n", " ").splitlines()
        return [re.sub(" {2,}", " ", line.strip()) for line in lines if line.strip() and line.strip()[0] != "#"]

    def reason(self, line: str) -> str | None:
        """Why a line is not run; None for one that is."""
        return next((reason for words, reason in self.reasons.items() if words in line), None)


def blocks(page: Path) -> list[Block]:
    """Return the blocks of a page, in their order."""
    found = _BLOCK.findall(page.read_text(encoding="utf-8"))
    return [
        Block(language, file, text, {words: " ".join(reason.split()) for words, reason in _REASON.findall(comments)})
        for comments, language, file, text in found
    ]


def faults(page: Path) -> list[str]:
    """Return the commands of a page that no test runs and that give no reason, and reasons of nothing."""
    found = []
    for block in blocks(page):
        if block.language not in ("sh", "python", "yaml", "text", ""):
            found.append(f"no test runs a block of {block.language}")
        if block.language in ("text", ""):
            shown = [line.strip() for line in block.text.splitlines() if _COMMAND.match(line)]
            found += [f"a command in a block of text: {line}" for line in shown]
        lines = block.lines
        runs = [line for line in lines if not (line.startswith("lfnet ") or block.reason(line))]
        found += [f"no test runs `{line}`" for line in runs]
        found += [f"no line has `{words}`" for words in block.reasons if not any(words in line for line in lines)]
        found += [f"no reason: {reason}" for reason in block.reasons.values() if len(reason.split()) < 3]
    rest = _BLOCK.sub("", page.read_text(encoding="utf-8")).splitlines()
    return found + [f"outside a block: {line.strip()}" for line in rest if _OUTSIDE.match(line)]
