"""Wrong settings give one line each and exit 2, before anything is read or written."""

import pytest

from lfnet.cli.main import main

INTERVAL = "trainer.lr=interval(1e-4,1e-3)"


@pytest.fixture
def faults(tmp_path, monkeypatch, capsys):
    """Runs `lfnet WORDS` in an empty folder, which must stay empty, and returns the lines of its error."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> list[str]:
        assert main(list(words)) == 2
        assert list(tmp_path.iterdir()) == []
        return capsys.readouterr().err.removeprefix("error: ").splitlines()

    return run


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (["train", "protocol.min_valid=x"], ["protocol.min_valid=x: give a number from 0 to 1."]),
        (["train", "audit.alpha=x"], ["audit.alpha=x: give a number above 0 and below 1."]),
        (["train", "head=ldbm", "head.width=x"], ["head.width=x: give a whole number of 1 or more."]),
        (["train", "cohort.seed=abc"], ["cohort.seed=abc: give a whole number of 0 or more."]),
        (["train", "cohort.fps=x"], ["cohort.fps=x: give a number above 0."]),
        (["train", "cohort.duration.min=x"], ["cohort.duration.min=x: give a number above 0."]),
        (["train", "cohort.pulse.strength=x"], ["cohort.pulse.strength=x: give a number of 0 or more."]),
        (["train", "protocol.hop=1.5"], ["protocol.hop=1.5: give a whole number from 1 to 1000000."]),
        (["table", "architectures", "table.evidence.margin=-1"], ["table.evidence.margin=-1: give a number"]),
        (["train", "table.evidence.margin=-1"], ["table.evidence.margin=-1: give a number above 0."]),
        (["table", "architectures", "table.sections=[protocol]"], ["table.sections"]),
        (["table", "architectures", "head=mean_mlp,ldbm", "nonsense=3"], ["there is no setting `nonsense`."]),
        (["train", "table=architectures", "head=mean_mlp,ldbm", "nonsense=3"], ["there is no setting `nonsense`."]),
        (["train", "-m", INTERVAL], [f"{INTERVAL}: give the values themselves, as in trainer.lr=VALUE,VALUE"]),
        (["train", "launcher.jobs=0"], ["launcher.jobs=0: give a whole number of 1 or more, or auto."]),
        (["train", "seed=-1"], ["seed=-1: give a whole number of 0 or more."]),
        (["train", "seed=9223372036854775808"], ["seed=9223372036854775808: give a whole number below 2^63."]),
        (["train", "force=maybe"], ["force=maybe: give true or false."]),
        (["train", "streams.valid=most"], ["streams.valid=most: give one of any, all."]),
        (["train", "trainer.loss.lds_sigma=0"], ["trainer.loss.lds_sigma=0: give a number above 0, or null."]),
        (["train", "splits=grouped", "splits.fold=x"], ["splits.fold=x: give a whole number of 1 or more."]),
        (["train", "protocol.select.metric=mea"], ["protocol.select.metric=mea: choose one of "]),
        (
            ["train", "head=ldbm", "head.attention_heads=3"],
            ["head.width=128: give a multiple of head.attention_heads=3."],
        ),
        (["train", "head=mean_mlp", "head.dropout=0", "trainer.mc_dropout=3"], ["trainer.mc_dropout=3"]),
        (["train", "encoder=blendshapes", "encoder.stride=0"], ["encoder.stride=0: give a whole number of 1 or more."]),
        (["train", "video.faces=0"], ["video.faces"]),
        (
            ["train", "fusion=nested", "fusion.inner_folds=1"],
            ["fusion.inner_folds=1: give a whole number of 2 or more."],
        ),
        (["extract", "encoder.batch_size=x"], ["encoder.batch_size=x: give a whole number of 1 or more."]),
    ],
)
def test_a_wrong_setting_is_one_line_and_nothing_is_written(faults, words, lines):
    found = faults(*words)
    assert len(found) == len(lines)
    for line, start in zip(found, lines, strict=True):
        assert line.startswith(start)


def test_the_faults_of_all_groups_are_reported_at_once(faults):
    words = ("seed=-1", "protocol.hop=0", "trainer.lr=x", "head.hidden=0", "audit.alpha=2", "launcher.jobs=0")
    lines = faults("train", *words, "cohort.fps=0", "table.name=mine")
    assert {line.partition("=")[0] for line in lines} == {
        "seed",
        "protocol.hop",
        "trainer.lr",
        "head.hidden",
        "audit.alpha",
        "launcher.jobs",
        "cohort.fps",
    }
