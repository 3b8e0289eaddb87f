"""Settings that cannot be are refused by name; those that can mean what the yaml says."""

import math

import pytest

from lfnet.errors import LfnetError


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("cohort.signal.name=loud", "cohort.signal.name=loud"),
        ("cohort.signal.strength=-1", "cohort.signal.strength"),
        ("cohort.signal.block=1", "cohort.signal.block=1"),
        ("cohort.signal.block=300", "cohort.signal.block=300"),
        ("+cohort.signal.shares.pulse=1", "cohort.signal.shares"),
        ("cohort.signal.shares={level:0,tempo:0,burst:0}", "cohort.signal.shares"),
        ("cohort.signal.amplitudes.tempo=0", "cohort.signal.amplitudes"),
        ("+cohort.signal.colour=red", "cohort.signal"),
        ("cohort.duration.median=1000", "cohort.duration"),
        ("cohort.recordings.dev=0", "cohort.recordings"),
        ("cohort.people=151", "cohort.people=151"),
        ("cohort.people_shared=1.5", "cohort.people_shared=1.5"),
        ("cohort.within_person=1", "cohort.within_person=1"),
        ("cohort.duration_leak=1", "cohort.duration_leak=1"),
        ("cohort.label_noise=-2", "cohort.label_noise"),
        ("cohort.label_sd=40", "label_sd=40"),
        ("cohort.missing=1", "cohort.missing=1"),
        ("cohort.dim=8", "cohort.dim=8"),
        ("cohort.fps=0", "cohort.fps=0"),
        ("cohort.seed=-1", "cohort.seed=-1"),
        ("cohort.identity=-1", "cohort.identity"),
        ("cohort.pulse.strength=-1", "cohort.pulse.strength=-1"),
        ("cohort.pulse.segment=0", "cohort.pulse.segment=0"),
        ("cohort.pulse.lost=1.2", "cohort.pulse.lost=1.2"),
        ("cohort.pulse.missing=-1", "cohort.pulse.missing=-1"),
        ("cohort.pulse.invalid=zero", "cohort.pulse.invalid=zero"),
        ("+cohort.pulse.colour=red", "cohort.pulse"),
    ],
)
def test_impossible_setting_is_named(simulated, override, named):
    with pytest.raises(LfnetError, match=named.replace("{", r"\{")):
        simulated(override)


def test_people_who_do_not_fit_the_splits_are_refused(simulated):
    with pytest.raises(LfnetError, match="people_shared=0"):
        simulated("cohort.people=2", "cohort.people_shared=0")


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
