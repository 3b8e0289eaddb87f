"""Segments of synthetic skin: the correct rate where there is a pulse, else a named outcome."""

from typing import Any

import numpy as np
import pytest

from experiments.media.skin import MadeSkin, made_skin
from lfnet.pulse.segments import KEPT, OUTCOMES, SegmentFeatures, read_segments, segment_features
from lfnet.pulse.settings import METHODS, PulseSettings
from lfnet.pulse.variability import NAMES
from tests.pulse.settings import settings_of

NESTED = settings_of("nested")
RATES = (45, 62, 83, 107, 128, 150)


def made(bpm: float = 72, seconds: float = 17, seed: int = 0, **given: Any) -> MadeSkin:
    return made_skin(bpm, seconds, np.random.default_rng(seed), **given)


def features(skin: MadeSkin, settings: PulseSettings = NESTED) -> SegmentFeatures:
    return segment_features(skin.skin_TRC, skin.time_T, skin.valid_T, settings)


@pytest.mark.parametrize("method", ["chrom", "pos"])
@pytest.mark.parametrize("amplitude", [0.003, 0.01])
def test_the_heart_rate_is_correct(method: str, amplitude: float) -> None:
    settings = settings_of("nested", method=method)
    found = [features(made(bpm, seed=bpm, amplitude=amplitude, flicker=(2.1, 0.004)), settings) for bpm in RATES]
    errors = [float(abs(each.heart_rate_S[0] - bpm)) for each, bpm in zip(found, RATES, strict=True)]
    assert np.median(errors) < 1
    assert sum(each.kept_S[0] for each in found) >= 5
    assert all(error < 1.5 for error, each in zip(errors, found, strict=True) if each.kept_S[0])


def test_nineteen_of_twenty_traces_without_a_pulse_are_dropped() -> None:
    # Calibrated in experiments/pulse with many more traces.
    found = [
        features(made(seed=seed, amplitude=0, motion=0.005, flicker=(2.1, 0.005) if seed % 2 else None))
        for seed in range(40)
    ]
    assert sum(each.kept_S.any() for each in found) <= 2
    assert all(np.isnan(each.X).all() for each in found if not each.kept_S.any()), "missing, never zero"


def test_a_flickering_lamp_is_a_pulse_for_green_and_not_for_chrom_and_pos() -> None:
    lamp = made(amplitude=0, flicker=(2.1, 0.008), motion=0.001)
    outcome = {method: features(lamp, settings_of("nested", method=method)).outcome_S[0] for method in METHODS}
    assert outcome == {"green": KEPT, "chrom": "no pulse", "pos": "no pulse"}


def test_snr_falls_as_noise_rises() -> None:
    levels = [
        np.mean([features(made(seed=seed, noise=noise)).snr_S[0] for seed in range(6)])
        for noise in (0.0002, 0.002, 0.006)
    ]
    assert (np.diff(levels) < -1).all()


def test_variability_equals_that_of_the_true_beats() -> None:
    # One minute, so that few beats are at the edges.
    skin = made(70, 60, amplitude=0.01, noise=0.0002, motion=0.001, variability_ms=40)
    found = features(skin, settings_of("nested", segment=60.0, hop=60.0, max_error=None))
    values = dict(zip(found.names, found.X[0], strict=True))
    truth = 1000 * np.diff(skin.beats)
    assert values["MeanNN"] == pytest.approx(truth.mean(), rel=0.01)
    assert values["SDNN"] == pytest.approx(truth.std(ddof=1), rel=0.15)
    assert values["RMSSD"] == pytest.approx(np.sqrt((np.diff(truth) ** 2).mean()), rel=0.15)
    assert values["HF"] > 0 and np.isnan(values["LF"]), "a minute is enough for HF, and not for LF"


def test_amplitude_and_rise_of_a_known_wave() -> None:
    skin = made(60, amplitude=0.01, noise=0, motion=0, light=0)
    found = features(skin, settings_of("nested", method="green", detrend=None))
    values = dict(zip(found.names, found.X[0], strict=True))
    # The wave is 2 high and rises from its foot to its peak in a good quarter of a second.
    assert values["Amplitude"] == pytest.approx(2.0, rel=0.1)
    assert 0.2 < values["RiseTime"] < 0.4 and 0.15 < values["Width"] < 0.4
    assert values["Skew"] > 0.2 and 0 < values["SpectralEntropy"] < 0.8 and values["SNR"] > 5


def test_features_invalid_in_17_seconds_are_kept_or_missing_as_set() -> None:
    skin = made(80, amplitude=0.01, noise=0.0002, motion=0.001, light=0, variability_ms=20)
    kept = features(skin, settings_of("nested", invalid="keep"))
    missing = features(skin)
    assert kept.names == missing.names == NAMES
    np.testing.assert_array_equal(kept.valid_SK, missing.valid_SK)
    for name in ("LF", "HF", "LFHF", "SDNN", "DFA_alpha1", "VLF"):
        k = NAMES.index(name)
        assert np.isfinite(kept.X[0, k]) and np.isnan(missing.X[0, k]) and not missing.valid_SK[0, k], name
    for name in ("MeanNN", "RMSSD", "MeanHR", "SD1", "Amplitude", "SNR"):
        assert np.isfinite(missing.X[0, NAMES.index(name)]), name
    np.testing.assert_array_equal(kept.X[missing.valid_SK], missing.X[missing.valid_SK])


def test_the_published_settings_read_a_calm_face() -> None:
    found = features(made(75, amplitude=0.01, light=0, motion=0.0005), settings_of("published"))
    assert found.kept_S[0] and found.heart_rate_S[0] == pytest.approx(75, abs=1) and found.quality_S[0] > 0.3
    drifting = features(made(75, amplitude=0.003, light=0.05), settings_of("published"))
    assert drifting.dropped == {"no pulse": 1} and drifting.quality_S[0] < 0.3


def test_segments_are_consecutive_and_a_remainder_is_ignored() -> None:
    found = features(made(seconds=60))
    assert found.start_S.tolist() == [0, 17, 34] and len(found.X) == 3
    overlapping = features(made(seconds=60), settings_of("nested", hop=10.0))
    assert overlapping.start_S.tolist() == [0, 10, 20, 30, 40]


@pytest.mark.parametrize(("seconds", "segments"), [(0.0, 0), (3.0, 0), (16.9, 0), (17.0, 1)])
def test_a_clip_shorter_than_a_segment_has_none(seconds: float, segments: int) -> None:
    skin = made(seconds=max(seconds, 1))
    frames = round(30 * seconds)
    found = segment_features(skin.skin_TRC[:frames], skin.time_T[:frames], skin.valid_T[:frames], NESTED)
    assert found.X.shape == (segments, len(NAMES)) and len(found.kept_S) == segments


@pytest.mark.parametrize("fps", [10.0, 15.0, 23.976, 29.97, 60.0])
def test_any_constant_frame_rate_works(fps: float) -> None:
    found = features(made(96, 17.2, fps=fps))
    assert found.kept_S[0] and found.heart_rate_S[0] == pytest.approx(96, abs=1)


def test_a_variable_frame_rate_works() -> None:
    skin = made(96, 18, fps=60.0)
    rng = np.random.default_rng(0)
    some = np.sort(rng.choice(len(skin.time_T), len(skin.time_T) // 2, replace=False))
    found = segment_features(skin.skin_TRC[some], skin.time_T[some], skin.valid_T[some], NESTED)
    assert found.kept_S[0] and found.heart_rate_S[0] == pytest.approx(96, abs=1)


def outcome(skin: MadeSkin, settings: PulseSettings = NESTED) -> str:
    found = features(skin, settings)
    (name,) = found.outcome_S
    assert name in OUTCOMES and found.dropped == ({} if name == KEPT else {name: 1})
    assert np.isnan(found.X).all() != found.kept_S[0]
    return name


def test_too_few_frames() -> None:
    assert outcome(made(fps=5.0)) == "too few frames"


def test_a_face_lost_for_seconds_drops_only_its_segment() -> None:
    skin = made(seconds=51)
    skin.valid_T[(skin.time_T > 20) & (skin.time_T < 23)] = False
    skin.skin_TRC[~skin.valid_T] = np.nan
    found = features(skin)
    assert found.outcome_S == (KEPT, "face lost", KEPT) and found.dropped == {"face lost": 1}
    assert np.isnan(found.X[1]).all()


def test_short_gaps_of_the_face_are_interpolated() -> None:
    skin = made()
    for start in (4.0, 9.0, 13.0):
        skin.valid_T[(skin.time_T > start) & (skin.time_T < start + 0.3)] = False
    skin.skin_TRC[~skin.valid_T] = np.nan
    found = features(skin)
    assert found.kept_S[0] and found.heart_rate_S[0] == pytest.approx(72, abs=1)


def test_no_frame_with_a_face() -> None:
    skin = made()
    skin.valid_T[:] = False
    assert outcome(skin) == "face lost"


def test_a_saturated_or_dark_face() -> None:
    skin = made()
    skin.skin_TRC[:, :, 3] = 5  # as `skin_means` returns for one
    assert outcome(skin) == "no skin"


def test_one_visible_region_is_enough() -> None:
    skin = made(amplitude=0.01, motion=0.001)
    skin.skin_TRC[:, 1:] = 0
    assert outcome(skin) == KEPT


def test_a_greyscale_video_has_no_pulse_for_chrom_and_pos() -> None:
    skin = made(amplitude=0.01, light=0, motion=0.0005)
    skin.skin_TRC[:, :, :3] = skin.skin_TRC[:, :, 1:2]
    assert [outcome(skin, settings_of("nested", method=method)) for method in METHODS] == [KEPT, *2 * ["no colour"]]


def test_a_still_image() -> None:
    skin = made()
    skin.skin_TRC[:] = skin.skin_TRC[:1]
    assert outcome(skin) == "still"


def test_two_alternating_faces_give_no_pulse() -> None:
    skin, other = made(72), made(110, seed=1)
    tone = np.array([0.6, 0.5, 0.5, 1.0])
    for start in (3, 7, 11, 15):  # alternating
        some = (skin.time_T > start) & (skin.time_T < start + 2)
        skin.skin_TRC[some] = (other.skin_TRC * tone)[some]
    assert outcome(skin) == "no pulse"


def test_few_beats() -> None:
    assert outcome(made(amplitude=0.01), settings_of("nested", min_beats=100)) == "few beats"


def test_context_changes_only_the_edges() -> None:
    skin = made(72, 51, amplitude=0.01)
    without, with_ = (
        read_segments(skin.skin_TRC, skin.time_T, skin.valid_T, settings_of("nested", context=c))[1] for c in (0.0, 2.0)
    )
    assert len(without.pulse_N) == len(with_.pulse_N) == 510 and without.start == with_.start == 17
    middle = slice(100, -100)
    assert np.corrcoef(without.pulse_N[middle], with_.pulse_N[middle])[0, 1] > 0.999
