"""A cohort that brings several streams: all reach the fusion's arrays, heads get the frames alone."""

import numpy as np
import pytest

from lfnet.config import read
from lfnet.data.datamodule import DataModule
from lfnet.data.protocol import Protocol
from lfnet.jobs.baselines import fit_baselines
from lfnet.jobs.session import Session
from tests.composing import SMALL, composed, fusion_inputs, head_inputs


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return composed(*SMALL, "cohort.pulse.segment=1", root=tmp_path_factory.mktemp("streams"))[0]


def test_heads_get_the_frames_and_a_fusion_all_streams(config):
    alone = head_inputs(config)
    assert alone.store.stream == "simulated" and not list(alone.store.folder.parent.glob("pulse-*"))
    inputs = fusion_inputs(config)
    cohort, stores = inputs.cohort, inputs.stores
    assert list(stores) == ["simulated", "pulse"] and stores["simulated"].recipe == alone.store.recipe
    again = fusion_inputs(config).stores["pulse"]
    assert again.fingerprint(cohort.clips["clip_id"]) == stores["pulse"].fingerprint(cohort.clips["clip_id"])
    data = DataModule(cohort, stores, read(Protocol, config["protocol"], "protocol"))
    rows = data.arrays("train").streams["pulse"]
    assert rows.names[:3] == ("MeanNN", "SDNN", "RMSSD") and len(rows.X) > 24
    truth = {name: cohort.own.more[0].clip(name) for name in data.arrays("train").clip_ids}
    expected = np.concatenate([x[kept] for x, kept, _ in truth.values()])
    np.testing.assert_array_equal(rows.X, expected)
    np.testing.assert_array_equal(
        np.unique(rows.clip), [i for i, (_, kept, _) in enumerate(truth.values()) if kept.any()]
    )


def test_oracles_of_the_pulse_are_fitted_where_the_pulse_is_read(config):
    inputs = fusion_inputs(config)
    cohort, stores = inputs.cohort, inputs.stores
    recordings = cohort.recordings()
    alone = fit_baselines(cohort, stores["simulated"], recordings, Session())
    both = fit_baselines(cohort, stores["simulated"], recordings, Session(), streams=stores)
    assert set(both) - set(alone) == {
        f"oracle_{what}_{how}" for what in ("pulse", "both", "both_people") for how in ("median", "mean")
    }
    stream = cohort.own.more[0]
    made = cohort.own.references(read_segments=lambda name: stream.clip(name)[:2])
    for name in ("oracle_pulse_mean", "oracle_both_median"):
        own = made[made["model"] == name].set_index("recording_id")["score"]
        found = both[name].frame.set_index("recording_id")["score"]
        np.testing.assert_allclose(found, own.loc[found.index], rtol=1e-9)
