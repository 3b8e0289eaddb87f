"""Which settings of a table are varied on a cohort that does not have them all."""

from omegaconf import OmegaConf

from tests.composing import CONF


def varied(cohort: dict, params: dict) -> list[str]:
    from hydra_plugins.lfnet_sweeps import LfnetSweeper  # Hydra loads it anew: an older one is of no use

    sweeper = LfnetSweeper(params)
    sweeper.config = OmegaConf.create({"cohort": cohort})
    return sweeper._parse_config()


def test_a_setting_that_the_cohort_lacks_is_not_varied_and_named(capsys):
    params = {"cohort.people_shared": "1.0,0.0", "cohort.signal.name": "none,level", "fusion": "published,nested"}
    made = {"people_shared": 1.0, "signal": {"name": "mixture"}}
    assert varied(made, params) == [f"{key}={values}" for key, values in params.items()]
    assert capsys.readouterr().out == ""
    # A setting that is there and empty is there.
    assert varied({"people_shared": None, "signal": "level"}, params) == [
        "cohort.people_shared=1.0,0.0",
        "fusion=published,nested",
    ]
    assert varied({"root": "videos"}, params) == ["fusion=published,nested"]
    out = capsys.readouterr().out
    assert "no setting cohort.people_shared: the table does not vary it" in out and "cohort.signal.name" in out


def test_every_table_keeps_something_to_vary_on_video():
    folder = OmegaConf.to_container(OmegaConf.load(CONF / "cohort" / "folder.yaml"))
    for path in (CONF / "table").glob("*.yaml"):
        if params := OmegaConf.select(OmegaConf.load(path), "hydra.sweeper.params"):
            assert varied(folder, dict(params)), path
