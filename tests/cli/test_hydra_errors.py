"""Mistakes in settings, made on the real configuration, and what is said about them."""

import errno

import pytest
from hydra.errors import HydraException

from lfnet.cli.configs import compose
from lfnet.cli.hydra_command import HydraTask
from lfnet.cli.hydra_errors import explain
from lfnet.cli.main import main


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["heda=ldbm"], "there is no setting `heda`. Did you mean `head`?"),
        (["hed.patch_size=3"], "there is no setting `hed.patch_size`. Did you mean `head.patch_size`?"),
        (["head=ldbm", "head.patchsize=3"], "there is no setting `head.patchsize`. Did you mean `head.patch_size`?"),
        (["trainer.bags=4"], "there is no setting `trainer.bags` any more: choose pooling=mean; trainer.pooling."),
        (
            ["test_cohort=simulated"],
            "there is no setting `test_cohort`. Choose a cohort to test on first: cohort@test_",
        ),
        (
            ["test_cohort.seed=3"],
            "there is no setting `test_cohort.seed`. Choose a cohort to test on first: cohort@tes",
        ),
        (["weights.path=x"], "there is no setting `weights.path`. Add --cfg job"),
        (["pretrain.epochs=3"], "there is no setting `pretrain.epochs`. Add --cfg job"),
        (
            ["cohort.root=x"],
            "there is no setting `cohort.root`. Choose cohort=folder first, or another one that has it: avec2013, ",
        ),
        (["head=/etc/passwd"], "there is no `head=/etc/passwd`. There are: attention_mil, "),
        (["encoder=[skin,nosuch]"], "there is no `encoder=nosuch`. There are: blendshapes, "),
        (["encoder=[webface,webface]"], "weights@encoder.webface.weights is chosen twice: name each choice of a group"),
        (["head=glob(m*)"], "`head=glob(m*)` names several values: add -m for a job with each."),
        (["scale=phq8"], "there is no group 'scale'. Did you mean to override scale@cohort.scale?"),
        (["sede=1"], "there is no setting `sede`. Did you mean `seed`?"),
        (["head=ldmb"], "there is no `head=ldmb`. Did you mean `ldbm`? There are: "),
        (["table=architecture"], "there is no `table=architecture`. Did you mean `architectures`? There are: "),
        (["head.patch_size"], "cannot read `head.patch_size`: a setting is name=value."),
        (["seed=[1,"], "cannot read `seed=[1,`: a setting is name=value."),
        (["head=ldbm,mean_mlp"], "`head=ldbm,mean_mlp` names several values: add -m for a job with each"),
        (["+seed=3"], "`seed` exists already: write it without the +."),
        (["head=3"], "a group is chosen by name, as in head=ldbm, not by a number"),
        (["conversions={of: BDI-II}"], "the settings cannot be read: conversions has a list in place of names with "),
        (["~nothing"], "Could not delete from config. 'nothing' does not exist."),
    ],
)
def test_the_message_names_the_setting_and_the_mend(overrides, message):
    with pytest.raises((HydraException, OSError, ValueError, TypeError)) as caught:
        compose("train", overrides)
    said = explain(caught.value)
    assert said is not None and said.startswith(message)
    assert "\n" not in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["~head"], "error: head: it is needed, and is not among the settings: give head=VALUE, and no ~head.\n"),
        (["~cohort", "~seed"], "error: cohort: it is needed, and is not"),
        (["~logger"], "error: logger: it is needed, and is not"),
        (["-m", "~paths", "seed=1,2"], "error: paths: it is needed, and is not"),
        (["+foo=1"], "error: there is no setting `foo`. Add --cfg job to the command to see every setting.\n"),
        (["++hed.hidden=1"], "error: there is no setting `hed`. Did you mean `head`?"),
        (["-m", "head=glob(zzz*)"], "error: the sweep has no job: one of its patterns (`glob`) matches nothing.\n"),
        (
            ["-m", "trainer.lr=tag(x,interval(0,1))"],
            "error: trainer.lr=tag(x,interval(0,1)): give the values themselves",
        ),
        (["seed=${nosuch}"], "error: `seed`: Interpolation key 'nosuch' not found\n"),
        (["hydra.run.dir=/proc/x"], "error: cannot make the folder /proc/x: choose another one in `paths`.\n"),
    ],
)
def test_what_only_a_job_or_a_sweep_notices_is_one_message(tmp_path, monkeypatch, capfd, words, message):
    monkeypatch.chdir(tmp_path)
    assert main(["train", *words]) == 2
    assert capfd.readouterr().err.startswith(message)


def test_a_group_that_another_command_has():
    with pytest.raises(HydraException) as caught:
        compose("extract", ["head=ldbm"])
    assert explain(caught.value) == "this command has no setting `head`. Add --cfg job to it to see every setting."


def test_no_table_is_not_offered_as_a_table():
    with pytest.raises(OSError) as caught:
        compose("train", ["table=nope"])
    said = str(explain(caught.value))
    assert "architectures" in said and "none" not in said


def test_a_setting_with_nothing_near_lists_its_siblings():
    with pytest.raises(HydraException) as caught:
        compose("train", ["head=ldbm", "head.zzzzzz=3"])
    assert "There are: head." in str(explain(caught.value))


def test_values_that_are_missing_or_refer_to_nothing():
    from omegaconf import OmegaConf
    from omegaconf.errors import InterpolationKeyError, MissingMandatoryValue

    with pytest.raises(MissingMandatoryValue) as missing:
        _ = OmegaConf.create({"cohort": {"root": "???"}}).cohort.root
    assert explain(missing.value) == "`cohort.root` must be given: add cohort.root=VALUE."
    with pytest.raises(InterpolationKeyError) as lost:
        OmegaConf.to_container(OmegaConf.create({"a": "${b.c}"}), resolve=True)
    assert explain(lost.value) == "`a`: Interpolation key 'b.c' not found"


def test_a_yaml_that_cannot_be_read_is_named_with_its_line(tmp_path):
    import yaml

    file = tmp_path / "mine.yaml"
    file.write_text("a: 1\nb: [1, 2\nc: 3\n")
    with pytest.raises(yaml.YAMLError) as caught, file.open() as stream:
        yaml.safe_load(stream)
    assert str(explain(caught.value)).startswith(f"{file}, line 3, column 2: not valid YAML (")


@pytest.mark.parametrize("error", [ValueError("x"), KeyError("head"), RuntimeError("planted"), OSError("disk")])
def test_other_errors_are_left_alone(error):
    assert explain(error) is None


def test_a_wrong_key_in_the_code_is_a_defect_not_a_mistake():
    from omegaconf import OmegaConf
    from omegaconf.errors import ConfigAttributeError

    config = OmegaConf.create({"seed": 0})
    OmegaConf.set_struct(config, True)
    with pytest.raises(ConfigAttributeError) as caught:
        _ = config.sede
    assert explain(caught.value) is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"# \xe9\n_target_: x\n", "it is not UTF-8 text"),
        (b"a: \x1b\n", "special characters are not allowed"),
        (b"defaults: text\n", "defaults must be a list"),
        (b"# @package\n# @pa\n", "Expected header format"),
        (b"a: " + b"[" * 20_000, "line 1 is nested more than 50 levels deep"),
        (b"1.5: 2\n", "1.5 is no name of a setting"),
        (b"[1, 2]\n", "head="),
    ],
    ids=["latin-1", "control character", "defaults", "package", "nested", "number as name", "list"],
)
def test_an_own_yaml_that_cannot_be_used_is_one_message(tmp_path, capfd, content, reason):
    (tmp_path / "head").mkdir()
    (tmp_path / "head" / "mine.yaml").write_bytes(content)
    assert main(["train", "--config-dir", str(tmp_path), "head=mine"]) == 2
    text = capfd.readouterr().err
    assert "Traceback" not in text and reason in text


def test_a_file_in_the_place_of_a_folder_is_one_message():
    """Hydra would announce an error of the disk, too, before lfnet explains it."""
    error = FileExistsError(errno.EEXIST, "File exists", "/dev/full")

    def raising(*_):
        raise error

    task = HydraTask(raising)
    task({})
    assert task.mistake is error
    text = "cannot write /dev/full: File exists. It is no folder: choose another one in `paths`."
    assert explain(error) == text
