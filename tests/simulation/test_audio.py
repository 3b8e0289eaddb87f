"""The simulated sound: its definition, its association with severity, its oracle; nothing else moves with it."""

import numpy as np
import pytest

from lfnet.cohorts.cohort import Cohort, OwnFeatures
from lfnet.simulation.audio import SimulatedAudio, read_audio

SOUND = "cohort.audio={strength:0.8,rate:10,dim:9,voice:0.6,lost_clips:0.05}"
MANY = "cohort.recordings={train:300,dev:20,test:20}"


def sound_of(cohort: Cohort) -> SimulatedAudio:
    (own,) = [own for own in cohort.own.more if own.stream == "audio"]
    assert isinstance(own, SimulatedAudio)
    return own


def drives(cohort: Cohort) -> tuple[np.ndarray, np.ndarray]:
    """Mean drive and severity of the clips with sound."""
    own = sound_of(cohort)
    found = [read_audio(*own.clip(clip)[:2], own.direction) for clip in cohort.clips["clip_id"]]
    u = own.truth.recordings["u"].to_numpy()[own.truth.clips["recording"]]
    heard = np.array([count > 0 for count, _ in found])
    return np.array([mean for _, mean in found])[heard], u[heard]


def test_there_is_no_sound_unless_asked_and_nothing_else_depends_on_it(simulated) -> None:
    without, with_sound = simulated(), simulated(SOUND)
    assert [own.stream for own in without.own.more] == ["pulse"]
    assert [own.stream for own in with_sound.own.more] == ["pulse", "audio"]
    assert without.clips.equals(with_sound.clips)
    for one, other in ((without.own, with_sound.own), (without.own.more[0], with_sound.own.more[0])):
        assert one.recipe == other.recipe
        for clip in without.clips["clip_id"].head(4):
            for a, b in zip(one.clip(clip), other.clip(clip), strict=True):
                assert np.array_equal(a, b, equal_nan=True)


def test_a_clip_has_the_shapes_and_types_of_the_interface(simulated) -> None:
    cohort = simulated(SOUND)
    own = sound_of(cohort)
    assert isinstance(own, OwnFeatures) and own.meta == {"sound": "true"}
    coverage = []
    for row in cohort.clips.itertuples():
        x_TD, valid, time = own.clip(row.clip_id)
        assert x_TD.dtype == np.float32 and x_TD.shape == (len(valid), 9) and len(valid) == int(row.n_frames / 3)
        assert np.isnan(x_TD[~valid]).all() and np.isfinite(x_TD[valid]).all()
        assert time[0] == 0.05 and np.diff(time) == pytest.approx(0.1)
        coverage.append(valid.mean())
    assert np.mean(np.array(coverage) == 0) == pytest.approx(0.05, abs=0.04)
    assert np.mean(coverage) == pytest.approx(0.6 * 0.95, abs=0.05)


@pytest.mark.parametrize("strength", [0.0, 0.8, 3.0])
def test_the_drive_correlates_with_severity_as_set(strength: float, simulated) -> None:
    drive, u = drives(simulated(MANY, SOUND.replace("strength:0.8", f"strength:{strength}"), "cohort.people=one_each"))
    expected = strength / np.hypot(1, strength)
    # The mean of some twenty vectors has a variance of about 4 / 20 about the drive.
    assert np.corrcoef(drive, u)[0, 1] == pytest.approx(expected / np.sqrt(1.2), abs=0.09)


def test_the_oracle_of_sound_is_calibrated_and_adds_to_the_others(simulated) -> None:
    cohort = simulated(MANY, SOUND, "cohort.people=one_each")
    pulse = cohort.own.more[0]
    table = cohort.own.references(read_segments=lambda clip: pulse.clip(clip)[:2])
    scores = table.pivot(index="recording_id", columns="model", values="score")
    label = cohort.clips.groupby("recording_id")["label"].first().reindex(scores.index).to_numpy()
    # Of a posterior mean, the slope of the label on the score is 1.
    heard = scores["oracle_audio_mean"].to_numpy()
    assert np.polyfit(heard, label, 1)[0] == pytest.approx(1, abs=0.25)
    error = {name: float(((scores[f"oracle_{name}_mean"] - label) ** 2).mean()) for name in ("signal", "both", "all")}
    assert error["all"] < error["both"] < error["signal"] < label.var()
    assert ((heard - label) ** 2).mean() < 0.9 * label.var()


def test_a_sound_without_effect_says_nothing(simulated) -> None:
    small = "cohort.recordings={train:20,dev:4,test:4}"
    cohort = simulated(SOUND.replace("strength:0.8", "strength:0"), small)
    table = cohort.own.references(read_segments=lambda clip: cohort.own.more[0].clip(clip)[:2])
    scores = table.pivot(index="recording_id", columns="model", values="score")
    assert np.ptp(scores["oracle_audio_mean"]) < 1e-9
    assert scores["oracle_all_mean"].to_numpy() == pytest.approx(scores["oracle_both_mean"].to_numpy(), abs=1e-9)
