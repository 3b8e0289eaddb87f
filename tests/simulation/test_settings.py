"""Settings of the simulated cohort: wrong values are refused by name, valid ones mean what the yaml says."""

import math

import pytest

from lfnet.config import check_target
from lfnet.errors import LfnetError


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("cohort.seed=abc", "cohort.seed=abc: give a whole number of 0 or more."),
        ("cohort.seed=-1", "cohort.seed=-1: give a whole number of 0 or more."),
        ("cohort.fps=x", "cohort.fps=x: give a number above 0."),
        ("cohort.fps=0", "cohort.fps=0: give a number above 0."),
        ("cohort.duration.min=x", "cohort.duration.min=x: give a number above 0."),
        ("cohort.pulse.strength=x", "cohort.pulse.strength=x: give a number of 0 or more."),
        ("cohort.pulse.strength=-1", "cohort.pulse.strength=-1: give a number of 0 or more."),
        ("cohort.pulse.segment=0", "cohort.pulse.segment=0: give a number above 0."),
        ("cohort.pulse.lost_segments=1.2", "cohort.pulse.lost_segments=1.2: give a number from 0 to 1."),
        ("cohort.pulse.lost_clips=-1", "cohort.pulse.lost_clips=-1: give a number from 0 to 1."),
        ("cohort.pulse.invalid=zero", "cohort.pulse.invalid=zero: give one of missing, noise."),
        ("+cohort.pulse.colour=red", "cohort.pulse.colour: there is no such setting; known: strength, segment, "),
        ("cohort.recordings.dev=0", "cohort.recordings.dev=0: give a whole number of 1 or more."),
        ("+cohort.recordings.unlabelled=3", "cohort.recordings.unlabelled: there is no such setting; known: train, "),
        ("cohort.people=0", "cohort.people=0: give a whole number of 1 or more, or one_each, or null."),
        ("cohort.people_shared=1.5", "cohort.people_shared=1.5: give a number from 0 to 1."),
        ("cohort.within_person=1", "cohort.within_person=1: give a number from 0 to 0.98."),
        ("cohort.duration_leak=1", "cohort.duration_leak=1: give a number from -0.99 to 0.99."),
        ("cohort.label_noise=-2", "cohort.label_noise=-2: give a number of 0 or more."),
        ("cohort.lost_frames=1", "cohort.lost_frames=1: give a number from 0 to 0.9."),
        ("cohort.dim=8", "cohort.dim=8: give a whole number of 16 or more."),
        ("cohort.identity=-1", "cohort.identity=-1: give a number of 0 or more."),
        ("cohort.signal.name=loud", "cohort.signal.name=loud: give one of none, level, tempo, burst, mixture."),
        ("cohort.signal.strength=-1", "cohort.signal.strength=-1: give a number of 0 or more."),
        ("cohort.signal.block=1", "cohort.signal.block=1: give a whole number from 2 to 256."),
        ("cohort.signal.block=300", "cohort.signal.block=300: give a whole number from 2 to 256."),
        ("+cohort.signal.shares.pulse=1", "cohort.signal.shares.pulse: there is no such setting; known: level, "),
        ("cohort.signal.shares={level:0,tempo:0,burst:0}", "cohort.signal.shares: all are 0: give a number above 0"),
        ("cohort.signal.amplitudes.tempo=0", "cohort.signal.amplitudes.tempo=0: give a number above 0."),
        ("+cohort.signal.colour=red", "cohort.signal.colour: there is no such setting; known: name, strength, "),
        ("cohort.duration.median=1000", "cohort.duration.median=1000: give seconds from min=2 to max=8."),
        ("+cohort.colour=red", "cohort.colour: there is no such setting; known: scale, name, seed, "),
    ],
)
def test_a_wrong_setting_gives_one_line_without_simulating(simulated_node, override, line):
    with pytest.raises(LfnetError) as caught:
        check_target(simulated_node(override), "cohort")
    (found,) = str(caught.value).splitlines()
    assert found.startswith(line)


def test_all_wrong_settings_are_reported_at_once(simulated_node):
    overrides = ("cohort.seed=abc", "cohort.fps=x", "cohort.duration.min=x", "cohort.pulse.strength=x")
    with pytest.raises(LfnetError) as caught:
        check_target(simulated_node(*overrides), "cohort")
    found = {line.partition(":")[0] for line in str(caught.value).splitlines()}
    assert found == set(overrides)


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("cohort.people=151", "cohort.people=151: give a whole number from 1 to 150, "),
        ("cohort.label_mean=63", "cohort.label_mean=63: give points between 0 and 63."),
        ("cohort.label_sd=40", "cohort.label_sd=40: give points below 26.83, "),
    ],
)
def test_a_rule_between_settings_names_the_setting(simulated, override, line):
    with pytest.raises(LfnetError) as caught:
        simulated(override)
    assert str(caught.value).startswith(line)


def test_people_who_do_not_fit_the_splits_are_refused(simulated):
    with pytest.raises(LfnetError, match="people_shared=0"):
        simulated("cohort.people=2", "cohort.people_shared=0")


def test_one_each_gives_every_recording_a_person_of_its_own(simulated):
    clips = simulated("cohort.people=one_each", "cohort.recordings.test=9").clips
    assert clips["person_id"].nunique() == clips["recording_id"].nunique() == len(clips) // 2
    numbered = simulated(f"cohort.people={clips['person_id'].nunique()}", "cohort.recordings.test=9").clips
    assert clips.equals(numbered)


def test_signal_override_merges_into_the_defaults(simulated):
    default = simulated().own.settings.signal
    signal = simulated("cohort.signal={name:tempo,block:16}").own.settings.signal
    assert (signal.name, signal.block) == ("tempo", 16)
    assert (signal.strength, signal.shares, signal.amplitudes) == (default.strength, default.shares, default.amplitudes)


def test_strength_is_the_signal_to_noise_ratio_of_all_mechanisms(simulated):
    for override in ("name:mixture,shares:{level:3,tempo:2,burst:5}", "name:level", "name:tempo", "name:burst"):
        signal = simulated(f"cohort.signal={{{override},strength:1.7}}").own.settings.signal
        couplings = [signal.coupling(mechanism) for mechanism in ("level", "tempo", "burst")]
        assert sum(k**2 / (1 - k**2) for k in couplings) == pytest.approx(1.7**2)
    assert signal.coupling("burst") == pytest.approx(1.7 / math.hypot(1, 1.7))
    assert signal.coupling("level") == 0
    silent = simulated("cohort.signal={name:none}").own.settings.signal
    assert [silent.coupling(mechanism) for mechanism in ("level", "tempo", "burst")] == [0, 0, 0]
