"""The metric that chooses goes back to Hydra, so that sweepers of others can search: through both launchers."""

import json
import sys
from pathlib import Path
from typing import ClassVar

import pytest
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper

from lfnet.cli.main import main
from lfnet.runs.result import Result
from tests.composing import SMALL
from tests.tables.factory import leave, result

WORDS = [*SMALL, "trainer.max_epochs=1", "protocol.select.level=clip", "hydra.sweep.dir=."]


class Batches(Sweeper):
    """Two batches of jobs; keeps what they return."""

    batches = (("trainer.lr=1e-3", "trainer.lr=1e-4"), ("head.dropout=0.9", "trainer.lr=1e30"))
    returned: ClassVar[list] = []

    def setup(self, *, hydra_context, task_function, config):
        self.launcher = Plugins.instance().instantiate_launcher(
            config=config, hydra_context=hydra_context, task_function=task_function
        )

    def sweep(self, arguments):
        for number, batch in enumerate(
            (["trainer.lr=1e-3", "trainer.lr=1e-4"], ["head.dropout=0.9", "trainer.lr=1e30"])
        ):
            jobs = [[*arguments, word] for word in batch]
            self.returned += self.launcher.launch(jobs, initial_job_idx=2 * number)


@pytest.fixture
def foreign(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    # Hydra takes plugins from the package of plugins alone.
    monkeypatch.setitem(sys.modules, "hydra_plugins.batches", sys.modules[__name__])
    monkeypatch.setattr(Batches, "__module__", "hydra_plugins.batches")
    Plugins.instance().register(Batches)
    node = {"_target_": "hydra_plugins.batches.Batches"}
    ConfigStore.instance().store(group="hydra/sweeper", name="batches", node=node, provider="test")
    Batches.returned.clear()
    return Batches.returned


def best(runs: str = "lfnet_runs") -> list[float]:
    return sorted(json.loads(path.read_text())["training"]["best"] for path in Path(runs).glob("*/result.json"))


def test_a_sweeper_of_others_gets_the_metric_of_each_job(foreign):
    assert main(["train", "-m", *WORDS, "head=mean_mlp", "hydra/sweeper=batches"]) == 1  # the last job diverges
    values = [job.return_value for job in foreign[:3]]
    assert sorted(values) == best() and all(type(value) is float for value in values)
    with pytest.raises(Exception, match="training diverged"):
        _ = foreign[3].return_value


def test_a_job_of_hydras_own_launcher_returns_it(foreign):
    main(["train", "-m", *WORDS, "head=mean_mlp", "hydra/sweeper=batches", "hydra/launcher=basic"])
    assert sorted(job.return_value for job in foreign[:3]) == best()
    with pytest.raises(Exception, match="training diverged"):
        _ = foreign[3].return_value


def test_a_model_without_epochs_has_the_metric_of_dev(tmp_path):
    done = result()
    done["training"] = {"seconds": 1.0}
    done["config"]["protocol"] = {"select": {"split": "dev", "metric": "pcc", "level": "recording"}}
    read = Result.read(tmp_path / leave(tmp_path, done))
    assert read.selection_value == read.metrics["dev"]["recording"]["pcc"]
