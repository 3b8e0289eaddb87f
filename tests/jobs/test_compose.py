"""A job's config does not depend on whether it was composed alone or shared another job's composition."""

import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.utils import create_config_search_path
from hydra.types import RunMode

from lfnet.config import plain
from lfnet.jobs.compose import compose_jobs
from tests.composing import CONF


class Loader:
    """Hydra's own composition, counted."""

    def __init__(self):
        self._loader = ConfigLoaderImpl(create_config_search_path(str(CONF)))
        self._master = self._loader.load_configuration("train", [], run_mode=RunMode.MULTIRUN)
        self.calls = 0

    def __call__(self, overrides):
        self.calls += 1
        return self._loader.load_sweep_config(self._master, overrides)


def alone(overrides):
    config = Loader()(overrides)
    del config._content["hydra"]
    return plain(config)


@pytest.mark.parametrize(
    ("varied", "compositions"),
    [
        ([["head=ldbm", f"seed={seed}"] for seed in range(5)], 1),
        ([[f"head={head}", f"seed={seed}"] for head in ("ldbm", "mean_mlp") for seed in range(3)], 2),
        ([["head=ldbm", f"head.patch_size={size}", "trainer.lr=1e-3"] for size in (4, 8, 16)], 1),
        ([["head=ldbm", f"trainer.lr={rate}"] for rate in ("1e-3", "0.5", "3")], 1),
        ([["seed=1", "trainer=quick"], ["seed=2", "trainer=quick"], ["seed=2", "trainer=full"]], 2),
        # null is no number
        ([["head=ldbm", f"head.stride={stride}"] for stride in ("null", 2, 4)], 2),
        ([[f"protocol.mask={truth}"] for truth in ("true", "false")], 1),
        ([["cohort.signal={name:tempo,block:8}", f"seed={seed}"] for seed in (0, 1)], 1),
        # other settings follow from this one
        ([["encoder=mobilenet", f"encoder.batch_size={size}"] for size in (16, 32)], 2),
    ],
)
def test_every_job_has_the_config_that_it_would_have_alone(varied, compositions):
    load = Loader()
    jobs = compose_jobs(load, varied, first=0)
    assert [job.overrides for job in jobs] == varied
    assert load.calls == compositions
    for job, overrides in zip(jobs, varied, strict=True):
        assert job.config == alone(overrides)
    if any("encoder=mobilenet" in own for own in varied):
        assert [job.config["encoder"]["mobilenet"]["batch_size"] for job in jobs] == [16, 32]


def test_jobs_do_not_share_what_differs():
    first, second = compose_jobs(Loader(), [["head=ldbm", "head.patch_size=4"], ["head=ldbm", "head.patch_size=8"]], 0)
    assert (first.config["head"]["patch_size"], second.config["head"]["patch_size"]) == (4, 8)
    assert second.choices["head"] == "ldbm"


def test_an_unknown_setting_is_refused_in_a_later_job_too():
    with pytest.raises(Exception, match="patchsize"):
        compose_jobs(Loader(), [["head=ldbm", "head.patch_size=4"], ["head=ldbm", "head.patchsize=8"]], 0)
