"""`lfnet cite`: the works of CITATION.cff as BibTeX."""

import re
from pathlib import Path

import pytest
import yaml

import lfnet
from lfnet.cli.main import main

CITATION = Path(lfnet.__file__).parents[1] / "CITATION.cff"


def test_the_entries_are_those_of_the_citation_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cite"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    plain = re.sub(r"[{}]", "", text)
    cited = yaml.safe_load(CITATION.read_text(encoding="utf-8"))
    works = [cited, *cited["references"]]
    assert text.count("@") == len(works)
    for work in works:
        assert f"title = {work['title']}" in plain
        for author in work["authors"]:
            assert author.get("family-names", "") in plain
        assert "year" not in work or f"year = {work['year']}" in plain
    assert f"version = {cited['version']}" in plain
    assert text.count("{") == text.count("}")
