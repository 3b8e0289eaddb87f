"""Encoders of sound: their settings, networks and rows; openSMILE where it is installed."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from lfnet.cli.listing import rows
from lfnet.encoders import Egemaps, LogMel, OnnxAudio
from lfnet.errors import LfnetError
from lfnet.testing import check_encoder
from tests.audio.media import RATE, tone
from tests.encoders.networks import network, own, write_sound_network

openSMILE = pytest.mark.skipif(importlib.util.find_spec("opensmile") is None, reason="needs opensmile, lfnet[audio]")


def onnx_audio(path: Path, **settings: object) -> OnnxAudio:
    return OnnxAudio("mine", own(path), path.parent / "cache", **{"dim": 8, **settings})  # type: ignore[arg-type]


def test_encoders_of_sound_keep_the_contract(tmp_path: Path) -> None:
    check_encoder(LogMel(bands=20, min_voice=0))
    check_encoder(onnx_audio(write_sound_network(tmp_path / "wave.onnx", bands=None)))
    check_encoder(onnx_audio(write_sound_network(tmp_path / "mel.onnx", bands=24), input="logmel", bands=24))


@openSMILE
def test_egemaps_keeps_the_contract_and_follows_pitch() -> None:
    check_encoder(Egemaps())
    with Egemaps() as encoder:
        wave = np.sign(tone(1.0, 220.0, 0.3)).astype(np.float32) * 0.2
        vectors = encoder.encode_sound(wave)
    assert 94 <= len(vectors) <= 99
    pitch = vectors[20:80, encoder.columns.index("F0semitoneFrom27.5Hz_sma3nz")]
    assert np.median(pitch) == pytest.approx(36.0, abs=0.2)  # three octaves above 27.5 Hz


def test_egemaps_without_its_package_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "opensmile", None)
    with pytest.raises(LfnetError, match=r"no commercial use.*pip install 'lfnet\[audio\]'"):
        Egemaps().prepare()


def test_the_list_names_the_licence_of_egemaps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lfnet.cli.listing.names", lambda group: ["egemaps", "logmel", "onnx_audio"])
    found = rows("encoders")
    assert [(row["dim"], row["vector"]) for row in found] == [(25, "window"), (64, "window"), (512, "window")]
    assert "no commercial use" in found[0]["about"] and not any("error" in row for row in found)


def test_a_network_gets_each_window_as_it_is(tmp_path: Path) -> None:
    import onnxruntime

    path = write_sound_network(tmp_path / "wave.onnx", bands=None, samples=8000)
    encoder = onnx_audio(path, window=0.5, hop=0.25)
    assert encoder.input_shape == (1, 8000)
    samples = np.random.default_rng(0).standard_normal(2 * RATE).astype(np.float32)
    vectors = encoder.encode_sound(samples)
    session = onnxruntime.InferenceSession(str(path))
    wanted = [
        session.run(None, {"sound": samples[None, start : start + 8000]})[0][0] for start in range(0, 24001, 4000)
    ]
    assert np.array_equal(vectors, np.stack(wanted))


def test_a_network_of_spectrograms_gets_those_of_logmel(tmp_path: Path) -> None:
    import onnxruntime

    path = write_sound_network(tmp_path / "mel.onnx", bands=32)
    encoder = onnx_audio(path, input="logmel", bands=32, low=100, high=7000)
    assert encoder.input_shape == (1, 32, 98)
    samples = tone(1.0, 500.0)
    mel_TB = LogMel(bands=32, low=100, high=7000).encode_sound(samples)
    wanted = onnxruntime.InferenceSession(str(path)).run(None, {"sound": mel_TB.T[None]})[0]
    assert np.array_equal(encoder.encode_sound(samples), wanted)


def test_a_network_that_does_not_fit_is_refused_with_the_setting(tmp_path: Path) -> None:
    second = np.zeros(RATE, np.float32)
    wave = write_sound_network(tmp_path / "wave.onnx", bands=None)
    with pytest.raises(LfnetError, match=r"gives 8 numbers a window, .* set encoder\.mine\.dim=8\."):
        onnx_audio(wave, dim=9).encode_sound(second)
    with pytest.raises(LfnetError, match=r"takes \[1, 16000\] and cannot be given \[1, 8000\]"):
        onnx_audio(wave, window=0.5).encode_sound(second)
    with pytest.raises(LfnetError, match=r"takes \[1, 24, 'frames'\] and cannot be given \[1, 64, 98\]"):
        onnx_audio(write_sound_network(tmp_path / "mel.onnx", bands=24), input="logmel").encode_sound(second)
    with pytest.raises(LfnetError, match="give a network with one input of float32"):
        onnx_audio(network(tmp_path / "two.onnx", inputs=2, tail="open")).encode_sound(second)


def test_a_head_on_sound_is_not_exported(tmp_path: Path) -> None:
    from lfnet.deploy.stages import bundle_encoder

    config = {"encoder": {"logmel": {"_target_": "lfnet.encoders.logmel.LogMel"}}}
    with pytest.raises(LfnetError, match="encoder logmel reads sound, and bundles score images"):
        bundle_encoder("logmel", config, tmp_path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"high": 9000}, "high of at most 8000"),
        ({"low": 500, "high": 400}, "give low below high"),
        ({"hop": 0.05}, r"hop=0\.05: give seconds of at most"),
    ],
)
def test_wrong_settings_of_logmel(settings: dict[str, float], message: str) -> None:
    with pytest.raises(LfnetError, match=message):
        LogMel(**settings)  # type: ignore[arg-type]
