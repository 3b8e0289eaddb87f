"""LaTeX: texts that pdflatex can set, and tables that fit a page."""

import re
import shutil
import subprocess
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfnet.reports.latex import latex
from lfnet.reports.latex_text import breakable, escape
from lfnet.tables.build import build
from lfnet.tables.table import Table
from tests.reports.test_render import by_hand, nasty
from tests.tables.factory import HEADS, result, sweep

needs_tex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex (Debian: texlive-latex-base)")
EVIDENCE = {"against": ["train_median", "protocol=masked"], "resamples": 200, "flips": 200}
ALPHABET = "ab &%$#_{}~^\\<>|`\"'±−×↓↑→–—…≤≥σαΓλτ²₂éñÅşßøł“”„°µ文😀\t\u00a0\u0301[]*?=,/.:"


def large(folder: Path, heads: int = 12) -> Table:
    """24 models or more with long names, two of them in Greek and Chinese, with notes and evidence."""
    names = [f"a_statistics_pool_with_a_very_long_name_{number}" for number in range(heads - 3)]
    names += ["α_head", "[bracket] 文 Müller 🙂", "50 % & {c}"]
    results = []
    for number, (name, protocol) in enumerate(product(names, ("masked", "published"))):
        one = result(list(HEADS)[number % 4], skill=0.1 + 0.01 * number)
        one["choices"] |= {"head": name, "protocol": protocol}
        one["config"]["head"]["name"] = name
        one["config"]["protocol"] = {**one["config"]["protocol"], "name": protocol}
        one["marks"] = [f"collapsed in a run that has a note of its own, {'a very long one, ' * 8}number {number // 2}"]
        results.append(one)
    given = [[f"head={one['choices']['head']}", f"protocol={one['choices']['protocol']}"] for one in results]
    return build(sweep(folder, results, overrides=given, evidence=EVIDENCE), folder)


@given(st.text(alphabet=st.sampled_from(list(ALPHABET)), max_size=20))
def test_escaped_text_has_no_active_character(text: str) -> None:
    for shown in (escape(text), breakable(text).replace(r"\allowbreak{}", "")):
        assert shown.isascii() and shown == escape(text)
        assert shown.count("{") - shown.count(r"\{") == shown.count("}") - shown.count(r"\}")
        rest = re.sub(r"\\[&%$#_{}]", "", shown)
        rest = re.sub(r"\$[\\{}^_0-9a-zA-Z-]+\$", "", rest)  # formulas
        rest = re.sub(r"\\[a-zA-Z]+\{\}|\\[a-zA-Z'`^\"~=.]\{[a-zA-Z]\}|\\texttt\{", "", rest)
        assert not re.search(r"[&%$#_{~^\\]", rest)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("α Γ Α ο λ", r"$\alpha$ $\Gamma$ A o $\lambda$"),
        ("τ², I₂", r"$\tau$$^{2}$, I$_{2}$"),
        ("Müller, Şen, é", r"M\"{u}ller, \c{S}en, \'{e}"),
        ("文", "[U+6587]"),
        ("a\u00a0b\tc\u2009d", "a b c d"),
    ],
)
def test_characters_that_pdflatex_lacks_become_commands(text: str, shown: str) -> None:
    assert escape(text) == shown


def test_evidence_is_in_tables_of_its_own_and_the_main_table_has_few_columns(tmp_path: Path) -> None:
    text = latex(large(tmp_path))
    floats = re.findall(r"\\begin\{table\}.*?\\end\{table\}", text, re.DOTALL)
    labels = re.findall(r"\\label\{(.*?)\}", text)
    assert labels == ["tab:architectures", *(f"tab:architectures-evidence-{n}" for n in (1, 2, 3))]
    columns = re.search(r"\\begin\{tabular\}\{@\{\}([lr]+)@\{\}\}\n", floats[0])[1]
    assert len(columns) <= 7 and r"MAE \\ {}[95 \%]" in floats[0]
    assert "Evidence: the error of" not in floats[0] and "P(closer)" in text
    assert all(len(re.findall(r" \\\\$", one, re.MULTILINE)) <= 44 for one in floats)
    assert "(continued)" in text and text.count("Research instrument, not a diagnosis") >= 2


def compiled(folder: Path, tables: dict[str, Table]) -> str:
    """The log of pdflatex on a document of these tables, with the packages that their first line names."""
    document = [r"\documentclass{article}"]
    body = []
    for name, table in tables.items():
        text = latex(table)
        (folder / f"{name}.tex").write_text(text)
        document.append(" ".join(re.findall(r"\\usepackage\S*\{\w+\}", text.splitlines()[0])))
        body.append(rf"\input{{{name}.tex}}\clearpage")
    document = [*dict.fromkeys(document), r"\begin{document}", *body, r"\end{document}"]
    (folder / "all.tex").write_text("\n".join(document))
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-draftmode", "all.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    return (folder / "all.log").read_text(errors="replace")


@needs_tex
def test_tables_compile_and_fit_a_page(tmp_path: Path) -> None:
    tables = {"hand": by_hand(tmp_path / "1"), "nasty": nasty(tmp_path / "2"), "large": large(tmp_path / "3")}
    tables["huge"] = large(tmp_path / "4", heads=36)
    log = compiled(tmp_path, tables)
    assert not re.findall(r"Overfull .*|.*too large.*", log)
    assert "Missing character" not in log


@needs_tex
def test_every_character_compiles(tmp_path: Path) -> None:
    greek = "".join(chr(code) for code in (*range(0x391, 0x3A2), *range(0x3A3, 0x3AA), *range(0x3B1, 0x3CA)))
    latin = "".join(chr(code) for code in range(0xA1, 0x180))
    text = "\n\n".join(f"{escape(one)} x" for one in (ALPHABET, greek, *(latin[i : i + 20] for i in range(0, 223, 20))))
    document = rf"\documentclass{{article}}\usepackage[T1]{{fontenc}}\begin{{document}}{text}\end{{document}}"
    (tmp_path / "all.tex").write_text(document)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-draftmode", "all.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, done.stdout[-2000:]
