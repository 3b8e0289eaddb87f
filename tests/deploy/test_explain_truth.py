"""Effects of a learned head vs the truth of the simulated cohort: do they point at the events that make the label?"""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from lfnet.deploy.deletion import deletion_test, segment_effects
from lfnet.deploy.model import _stages
from lfnet.deploy.occlusion import OccludedClip, time_segments
from lfnet.deploy.trained_head import TrainedHead
from lfnet.jobs.job import run
from lfnet.runs.run import Run
from lfnet.simulation.signals import BURST, raw_coordinates, read_event
from tests.composing import composed

pytestmark = pytest.mark.slow

# Clips of 40 s at 30 frames a second, cut into 40 segments of 1 s; the label follows the number of events.
SETTINGS = (
    "cohort.recordings={train:80,dev:40,test:20}",
    "cohort.duration={min:38,max:42,median:40,spread:0.0}",
    "cohort.dim=16",
    "cohort.people_shared=0.0",
    "cohort.signal.name=burst",
    "cohort.signal.strength=20",
    "head=mean_mlp",
    "pooling=mean",
    "trainer.max_epochs=40",
    "trainer.patience=40",
    "trainer.lr=0.003",
)


def judged(root, event: int, window: int) -> tuple[list[float], list[bool]]:
    """AUROC of effects for segments with an event, and whether effects beat random orders, of each test clip."""
    own = (f"cohort.signal.block={event}", f"protocol.window={window}", f"protocol.hop={window}")
    config, choices = composed(*SETTINGS, *own, root=root)
    done = Run.open(root / "runs" / run(config, choices).run)
    assert done.result.metrics["test"]["recording"]["pcc"] > 0.5, "the head has learned the events"
    trained = TrainedHead(done)
    data, stages = trained.data(), _stages(trained)
    truth, areas, better = data.cohort.own, [], []
    for clip_id in data.clips.loc[data.clips["split"] == "test", "clip_id"]:
        clip = data.store.read(clip_id)
        raw = raw_coordinates(clip.features[clip.valid], truth.basis, truth.settings.signal)
        event_T = np.zeros(len(clip.valid), bool)
        event_T[clip.valid] = read_event(raw[:, BURST])
        segment_T, edge_S = time_segments(clip.time)
        count = len(edge_S) - 1
        occluded = OccludedClip(stages, clip, segment_T)
        effect_S = segment_effects(occluded, count)
        held_S = np.bincount(segment_T, event_T, count) > 0.5 * np.bincount(segment_T, minlength=count)
        known_S = np.isfinite(effect_S)
        if 0 < held_S[known_S].sum() < known_S.sum():
            areas.append(roc_auc_score(held_S[known_S], effect_S[known_S]))
            better.append(deletion_test(occluded, effect_S).beats_random)
    assert len(areas) >= 20
    return areas, better


def test_effects_point_at_the_events_that_make_the_label(shared_jobs):
    areas, better = judged(shared_jobs, event=30, window=30)
    assert np.mean(areas) > 0.95 and np.mean(better) > 0.9


def test_where_a_window_shows_the_same_in_two_segments_no_effect_is_found_and_the_test_says_so(shared_jobs):
    areas, better = judged(shared_jobs, event=60, window=60)
    assert np.mean(areas) < 0.7, "hiding half of an event leaves the window's mean as it is"
    assert np.mean(better) < 0.2
