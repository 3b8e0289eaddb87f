"""A run or bundle from somebody else executes no code in any command; a user's own class needs --trust."""

import json
import shutil
import sys
from copy import deepcopy

import numpy as np
import pytest
from omegaconf import OmegaConf

from lfnet.cli.main import main
from lfnet.deploy.bundle import Bundle
from lfnet.deploy.export import export
from lfnet.deploy.scorer import Scorer
from lfnet.deploy.trained_head import TrainedHead
from lfnet.errors import LfnetError
from lfnet.runs.run import digest_files
from lfnet.seals import write_sealed_json
from tests.hostile import PAYLOADS, payload
from tests.sealing import reseal

pytestmark = pytest.mark.slow

# Paths to nodes of a run's config.yaml, and of bundle.json.
OF_RUN = (
    "head",
    "head.hidden",
    "cohort",
    "cohort.scale",
    "cohort.scale.bands.0",
    "cohort.people",
    "encoder.own",
    "video",
    "video.landmarker",
    "video.landmarker.path",
    "visual",
    "visual.weights.eyes",
    "pulse",
    "pulse.min_seconds",
    "splits",
    "loss",
    "pretrain",
    "audit",
    "protocol",
    "trainer",
    "seed",
    "unheard_of",
)
OF_BUNDLE = (
    "pulse",
    "pulse.band.0",
    "pulse.min_seconds.HF",
    "encoder",
    "encoder.node",
    "encoder.node.weights",
    "encoder.node.settings.weights",
    "video",
    "video.node",
    "head",
    "protocol",
    "conformal",
    "labels.mean",
    "limits.min_frames",
    "unheard_of",
)


def changed(settings, place, node):
    """A copy of the settings with the node at that place; what is missing on the way is made."""
    settings = deepcopy(settings)
    here, keys = settings, place.split(".")
    for key in keys[:-1]:
        key = int(key) if key.isdigit() else key
        if not isinstance(here, list) and not isinstance(here.get(key), dict | list):
            here[key] = {}
        here = here[key]
    here[int(keys[-1]) if keys[-1].isdigit() else keys[-1]] = node
    return settings


@pytest.fixture
def run_folder(trained, tmp_path):
    return shutil.copytree(trained.folder, tmp_path / "foreign_run")


@pytest.fixture
def one_bundle(exported):
    return exported("fp32")


@pytest.fixture
def clip(one_bundle, tmp_path):
    facts = json.loads((one_bundle / "bundle.json").read_text())
    rows, rate = 40, facts["limits"]["rows_per_second"]
    features = np.random.default_rng(0).normal(size=(rows, facts["features"]["dim"])).astype(np.float32)
    np.savez(tmp_path / "clip.npz", features=features, time=np.arange(rows) / np.mean(rate))
    return tmp_path / "clip.npz"


def product(places):
    """Every payload and every place in a few cases; all pairs in the long tests."""
    for number, target in enumerate(PAYLOADS):
        yield pytest.param(target, places[number :: len(PAYLOADS)], id=target)
        yield pytest.param(target, places, id=f"{target} everywhere", marks=pytest.mark.long)


@pytest.mark.parametrize(("target", "places"), product(OF_RUN))
def test_a_run_runs_nothing(target, places, run_folder, tmp_path, capsys):
    settings = OmegaConf.to_container(OmegaConf.load(run_folder / "config.yaml"))
    result = json.loads((run_folder / "result.json").read_text())
    node, marker = payload(target, tmp_path)
    for place in places:
        config = changed(settings, place, node)
        (run_folder / "config.yaml").write_text(OmegaConf.to_yaml(OmegaConf.create(config)))
        foreign = {**result, "config": changed(result["config"], place, node)}
        write_sealed_json(run_folder / "result.json", {**foreign, "files": digest_files(run_folder)})
        for command in ("export", "bench"):
            out = ["--out", str(tmp_path / "out")] if command == "export" else []
            assert main([command, str(run_folder), *out]) == 2, (place, command)
            assert "_target_" in capsys.readouterr().err
        assert not marker.exists(), place
    main(["adapt", str(run_folder)])  # reads scores alone
    assert not marker.exists()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("target", "places"), product(OF_BUNDLE))
def test_a_bundle_runs_nothing(target, places, one_bundle, clip, tmp_path, capsys):
    folder = shutil.copytree(one_bundle, tmp_path / "foreign_bundle")
    facts = json.loads((folder / "bundle.json").read_text())
    node, marker = payload(target, tmp_path)
    assert main(["predict", str(clip), "--bundle", str(folder)]) == 0
    capsys.readouterr()
    for place in places:
        write_sealed_json(folder / "bundle.json", changed(facts, place, node))
        for command in (["predict", str(clip), "--bundle"], ["bench"]):
            assert main([*command, str(folder)]) == 2, (place, command)
            assert "_target_" in capsys.readouterr().err
        assert not marker.exists(), place


def test_a_bundle_may_not_name_every_class_of_lfnet(one_bundle, tmp_path):
    folder = shutil.copytree(one_bundle, tmp_path / "b")
    facts = json.loads((folder / "bundle.json").read_text())
    for target in ("lfnet.cohorts.folder.load", "lfnet.heads.hybrid.Hybrid", "lfnet.files.write_text"):
        write_sealed_json(folder / "bundle.json", {**facts, "pulse": {"_target_": target}})
        with pytest.raises(LfnetError, match="_target_"):
            Bundle.open(folder)


def test_a_bundle_fetches_no_weights_and_reads_only_its_own_files(one_bundle, tmp_path):
    folder = shutil.copytree(one_bundle, tmp_path / "b")
    facts = json.loads((folder / "bundle.json").read_text())
    weights = {"_target_": "lfnet.weights.weights_file.WeightsFile", "name": "x", "file": "x.onnx", "sha256": "0" * 64}
    weights |= {"licence": "", "about": "", "sources": [], "path": None}
    origin = {"name": "x", "file": "x.onnx", "licence": "", "about": ""}
    stage = {"name": "x", "dim": 8, "needs": ["crops"], "crop_size": 224, "unit_norm": False, "stride": 1}
    stage |= {"batch_size": 32, "weights": origin, "cost": None, "parity": None, "file": "head.onnx"}
    stage |= {"node": {"_target_": "lfnet.encoders.expression.Expression", "weights": weights}}
    video = {"node": {}, "file": "head.onnx", "weights": origin}

    def opened(encoder, video=video):
        write_sealed_json(folder / "bundle.json", {**facts, "encoder": encoder, "video": video})
        return Bundle.open(folder)

    opened(stage)
    for name, value in (("sources", [{"pypi": "x==1", "member": "x"}]), ("path", "/etc/passwd")):
        node = {**stage["node"], "weights": {**weights, name: value}}
        with pytest.raises(LfnetError, match="give the bundle's own file"):
            opened({**stage, "node": node})
    with pytest.raises(LfnetError, match="give the bundle's own file"):
        opened({**stage, "file": None})
    for name in ("../x.onnx", "/etc/passwd", "x.onnx"):
        with pytest.raises(LfnetError, match=r"encoder\.file=.* give a file of this bundle"):
            opened({**stage, "file": name})
        with pytest.raises(LfnetError, match=r"video\.file=.* give a file of this bundle"):
            opened(stage, {**video, "file": name})


def test_an_own_head_is_exported_with_trust(run_folder, clip, tmp_path, monkeypatch, capsys):
    settings = OmegaConf.to_container(OmegaConf.load(run_folder / "config.yaml"))
    settings["head"]["_target_"] = "my_module_of_heads.MyHead"
    (run_folder / "config.yaml").write_text(OmegaConf.to_yaml(OmegaConf.create(settings)))
    reseal(run_folder)
    here = tmp_path / "here"
    here.mkdir()
    (here / "my_module_of_heads.py").write_text("from lfnet.heads.hybrid import Hybrid as MyHead\n")
    monkeypatch.chdir(here)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    words = ["export", str(run_folder), "--out", str(tmp_path / "b"), "--min-frames", "20"]
    assert main(words) == 2
    assert "--trust my_module_of_heads.MyHead" in capsys.readouterr().err
    assert main([*words, "--trust", "my_module_of_heads"]) == 2
    assert main([*words, "--trust", "some.Other"]) == 2
    assert main([*words, "--trust", "some.Other", "--trust", "my_module_of_heads.MyHead"]) == 0
    assert sys.path[-1] == str(here)
    # Its graph needs the class no more.
    assert main(["predict", str(clip), "--bundle", str(tmp_path / "b")]) == 0


def test_a_second_export_keeps_own_files(trained, one_bundle, tmp_path):
    folder = shutil.copytree(one_bundle, tmp_path / "b")
    (folder / "my_notes.txt").write_text("mine")
    (folder / "sub").mkdir()
    (folder / "sub" / "head.onnx").write_text("mine too")
    export(trained, folder, min_frames=20, variant="int8")
    assert sorted(path.name for path in folder.iterdir()) == [
        "MODEL_CARD.md",
        "bundle.json",
        "feature_means.npy",
        "head.int8.onnx",
        "my_notes.txt",
        "sub",
    ]
    assert (folder / "my_notes.txt").read_text() == "mine"
    assert (folder / "sub" / "head.onnx").read_text() == "mine too"
    with Scorer.of(Bundle.open(folder)) as scorer:
        assert scorer.load_s > 0


def test_every_run_of_an_ensemble_is_checked(trained, run_folder):
    (run_folder / "config.yaml").write_text("head: {_target_: os.system, command: ls}")
    reseal(run_folder)
    with pytest.raises(LfnetError, match="_target_"):
        TrainedHead.open([run_folder, trained.folder], run_folder)


def test_an_unfinished_replacement_is_read(one_bundle, clip, tmp_path):
    """A killed export may leave the new bundle in a folder of its own."""
    folder = shutil.copytree(one_bundle, tmp_path / "b")
    shutil.copytree(one_bundle, folder / ".lfnet-new")
    (folder / "head.onnx").write_bytes(b"of the old bundle")
    for command in (["predict", str(clip), "--bundle"], ["bench"]):
        assert main([*command, str(folder)]) == 0
