"""Text for LaTeX: every character as commands that pdflatex knows."""

import re
import unicodedata

__all__ = ["breakable", "escape"]

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"\textasciigrave{}",
    '"': r"\textquotedbl{}",
    "±": r"$\pm$",
    "−": r"$-$",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "√": r"$\surd$",
    "∞": r"$\infty$",
    "↓": r"$\downarrow$",
    "↑": r"$\uparrow$",
    "→": r"$\rightarrow$",
    "←": r"$\leftarrow$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "≈": r"$\approx$",
    "≠": r"$\neq$",
    "°": r"$^\circ$",
    "–": "--",
    "—": "---",
    "‘": "`",
    "’": "'",
    "“": "``",
    "”": "''",
    "„": r"\quotedblbase{}",
    "«": r"\guillemotleft{}",
    "»": r"\guillemotright{}",
    "…": r"\dots{}",
    "•": r"\textbullet{}",
    "ß": r"\ss{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "œ": r"\oe{}",
    "Œ": r"\OE{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
    "đ": r"\dj{}",
    "Đ": r"\DJ{}",
    "ı": r"\i{}",
    "µ": r"$\mu$",
    "ς": r"$\varsigma$",
}
# Combining accents, and the commands that put them on a letter.
_ACCENTS = {
    "\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0304": "=", "\u0306": "u", "\u0307": ".",
    "\u0308": '"', "\u030a": "r", "\u030b": "H", "\u030c": "v", "\u0327": "c", "\u0328": "k",
}  # fmt: skip
_GREEK = re.compile(r"GREEK (SMALL|CAPITAL) LETTER (\w+)$")
# Greek capitals and omicron that have no command, for they look like these letters.
_LATIN = {
    "ALPHA": "A", "BETA": "B", "EPSILON": "E", "ZETA": "Z", "ETA": "H", "IOTA": "I", "KAPPA": "K", "MU": "M", "NU": "N",
    "OMICRON": "O", "RHO": "P", "TAU": "T", "CHI": "X",
}  # fmt: skip


def escape(text: str) -> str:
    """Escape a text for LaTeX; `code` between backticks is set in typewriter.

    The result is ASCII, for pdflatex stops at characters that its fonts lack. Letters with accents and Greek letters
    become commands; of other scripts only the code is left.

    Examples
    --------
    >>> print(escape("50 % of α, `a_b` and 文"))
    50 \\% of $\\alpha$, \\texttt{a\\_b} and [U+6587]
    """
    pieces = re.split(r"`([^`]*)`", text)
    shown = ["".join(map(_character, unicodedata.normalize("NFC", piece))) for piece in pieces]
    return "".join(rf"\texttt{{{piece}}}" if i % 2 else piece for i, piece in enumerate(shown))


def breakable(text: str) -> str:
    """`escape` with places where a line may be broken inside of settings, such as `cohort.recordings={train:5,dev:5}`.

    Examples
    --------
    >>> print(breakable("head=a_b,c"))
    head=\\allowbreak{}a\\_\\allowbreak{}b,\\allowbreak{}c
    """
    # After \\ these are names of accents.
    return re.sub(r"(\\_|(?<!\\)[=,/:](?=[^\s{}])|(?<!\\)\.(?=[A-Za-z]))", r"\1\\allowbreak{}", escape(text))


def _character(one: str) -> str:
    """One character as ASCII."""
    if one in _SPECIAL:
        return _SPECIAL[one]
    if " " <= one <= "~":
        return one
    if greek := _GREEK.match(unicodedata.name(one, "")):
        return _greek(*greek.groups())
    kind, _, codes = unicodedata.decomposition(one).partition(" ")
    if kind in ("<super>", "<sub>"):
        return (
            f"${'^' if kind == '<super>' else '_'}{{{''.join(_bare(chr(int(code, 16))) for code in codes.split())}}}$"
        )
    base, *accents = list(unicodedata.normalize("NFKD", one))
    if base != one and len(accents) == 1 and base.isascii() and accents[0] in _ACCENTS:
        return rf"\{_ACCENTS[accents[0]]}{{{base}}}"
    if base != one and all(part.isascii() for part in (base, *accents)):
        return "".join(map(_character, (base, *accents)))
    if unicodedata.category(one) in ("Cc", "Zs", "Zl", "Zp"):
        return " "
    return f"[U+{ord(one):04X}]"


def _greek(size: str, name: str) -> str:
    if size == "SMALL":
        return "o" if name == "OMICRON" else rf"$\{_command(name)}$"
    return _LATIN.get(name) or rf"$\{_command(name).capitalize()}$"


def _command(name: str) -> str:
    return "lambda" if name == "LAMDA" else name.lower()


def _bare(one: str) -> str:
    """A character of a formula."""
    return "-" if one == "−" else _character(one).strip("$")
