"""A drafted yaml of an unknown tree gives the people, splits and labels that the corpus's own yaml gives."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from lfnet.cli.cohort import main
from lfnet.cli.corpus_yaml import compose_cohort
from lfnet.cli.main import main as lfnet
from lfnet.cli.own_code import own_yamls
from lfnet.cohorts.cohort import Cohort
from lfnet.errors import LfnetError
from tests.cohorts.miniatures import MINIATURES

OPTIONS = {
    "avec2014": [],
    "d_vlog": ["--fps", "1"],
    "daic_woz": ["--scale", "phq8"],
    "e_daic": ["--scale", "phq8"],
    "lmvd": ["--fps", "1"],
    "mcd_rppg": ["--scale", "psm25", "--label-column", "stress"],
}


def facts(cohort: Cohort, *, splits: bool) -> set[tuple]:
    """Person, label and split of the labelled recordings."""
    known = cohort.recordings().dropna(subset="label")
    columns = ["person_id", "label", *["split"] * splits]
    return set(known[columns].itertuples(index=False, name=None))


@pytest.mark.parametrize("name", OPTIONS)
def test_a_draft_gives_the_people_labels_and_splits_of_the_corpus(name: str, tmp_path: Path, capsys) -> None:
    MINIATURES[name](tmp_path / "tree")
    file = tmp_path / "my_conf" / "cohort" / "mine.yaml"
    assert main(["init", str(tmp_path / "tree"), "--yaml", str(file), *OPTIONS[name]]) == 0
    said = capsys.readouterr().out
    with own_yamls(tmp_path / "my_conf"):
        made = compose_cohort(["cohort=mine"])
    own = compose_cohort([f"cohort={name}", f"cohort.root={tmp_path / 'tree'}"])
    official = "deal" not in OmegaConf.load(file)
    assert official == (name != "mcd_rppg") and facts(made, splits=official) == facts(own, splits=official)
    assert made.scale == own.scale and set(own.groups) <= {*made.groups, "bmi"}
    assert f"wrote {file}. Guessed:\n  people: " in said and f"--config-dir {tmp_path / 'my_conf'} cohort=mine" in said
    text = file.read_text()
    assert all(
        f"# guessed: {line.strip()}" in text for line in said.split("Guessed:\n")[1].split("mine: ")[0].splitlines()
    )
    assert lfnet(["cohort", "show", "--config-dir", str(tmp_path / "my_conf"), "cohort=mine"]) == 0
    assert capsys.readouterr().out.startswith(f"mine: {len(made.clips)} clips")


def test_what_a_draft_cannot_find_is_named_and_the_file_stays(tmp_path: Path) -> None:
    MINIATURES["e_daic"](tmp_path / "tree")
    for table in (tmp_path / "tree" / "labels").iterdir():
        table.unlink()
    (tmp_path / "tree" / "uneven.csv").write_text("a,b\n1,2,3\n1\n")
    file = tmp_path / "cohort" / "mine.yaml"
    given = ["init", str(tmp_path / "tree"), "--yaml", str(file)]
    with pytest.raises(LfnetError, match=r"mine\.yaml is written, and gives no cohort yet: .*has a label"):
        main(given)
    assert "# guessed: scores: no table of them was found; give it with --labels CSV" in file.read_text()
    assert OmegaConf.load(file).name == "mine" and "# guessed: left out: " in file.read_text()
    with pytest.raises(LfnetError, match=r"exists already\. Edit it, or replace it with --force"):
        main(given)
    with pytest.raises(LfnetError, match=r"--yaml mine\.yaml: give a file in a folder `cohort`, such as"):
        main([*given[:-1], "mine.yaml"])


def test_a_table_given_and_a_part_of_the_names_as_session(tmp_path: Path, capsys) -> None:
    for person in ("anna", "ben", "cara", "dan", "eve"):
        for task in ("talk", "read"):
            (tmp_path / "tree").mkdir(exist_ok=True)
            (tmp_path / "tree" / f"{person}_{task}.mp4").touch()
    (tmp_path / "scores.csv").write_text("subject,bdi,sex\nanna,3,f\nben,30,m\ncara,12,f\ndan,20,m\neve,5,f\n")
    file = tmp_path / "cohort" / "mine.yaml"
    assert main(["init", str(tmp_path / "tree"), "--yaml", str(file), "--labels", str(tmp_path / "scores.csv")]) == 0
    with own_yamls(tmp_path):
        made = compose_cohort(["cohort=mine"])
    assert len(made.recordings()) == 10 and made.groups == ("sex",)
    assert made.clips.groupby("person_id")["label"].first().to_dict() == {
        "anna": 3, "ben": 30, "cara": 12, "dan": 20, "eve": 5,
    }  # fmt: skip
    assert (made.clips.groupby("person_id")["split"].nunique() == 1).all()
    assert "what follows a person in a name is a session" in capsys.readouterr().out
