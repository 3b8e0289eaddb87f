"""Names for the examples in docstrings of some modules, and the garbage collector's part in the time of all tests."""

import gc

import pytest

# Imports and collected tests are 800,000 objects. The garbage collector would walk through them a dozen times until all
# are there, and then for half a second in each job, which collects the frames of the job before it.
gc.disable()


def pytest_collection_finish() -> None:
    """Collect garbage again, but not among what exists now."""
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_unconfigure() -> None:
    """Let Python end as usual: libraries report what was not collected as leaks."""
    gc.unfreeze()


# Modules whose examples use the names `runs` and `record`.
MODULES = ("lfnet.runs", "lfnet.tables", "lfnet.cli.table", "lfnet.reports.tripod")


@pytest.fixture(scope="session")
def finished_runs(tmp_path_factory):
    """Record and runs of a small sweep: two heads with two seeds each."""
    from lfnet.runs.collection import open_runs
    from tests.tables.factory import result, sweep

    folder = tmp_path_factory.mktemp("examples")
    results = [result(head, seed, each=10) for head in ("ldbm", "mean_mlp") for seed in (0, 1)]
    record = sweep(folder, results)
    return {"record": record, "runs": open_runs(record)}


@pytest.fixture(autouse=True)
def example_names(request, doctest_namespace):
    """Give `runs` and `record` to the examples of `MODULES`."""
    if isinstance(request.node, pytest.DoctestItem) and request.node.name.startswith(MODULES):
        doctest_namespace.update(request.getfixturevalue("finished_runs"))
