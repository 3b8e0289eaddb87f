"""Two encoders before one head on real video: one pass, one row of the table for each choice of encoders."""

import json
import shutil
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from tests.real.clips import QUICK, landmarker, lfnet
from tests.real.test_folder_video import clips, media  # noqa: F401  fixtures

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("libraries")]


def test_a_table_sets_several_encoders_beside_one(clips, shared, capsys):  # noqa: F811
    words = ["cohort=folder", "cohort.root=clips", "encoder=blendshapes,[blendshapes,expression]", "encoder.stride=8"]
    Path("weights").mkdir()
    shutil.copy(shared / "weights" / "expression_7.onnx", "weights/expression.onnx")
    words += [landmarker(shared), "paths.weights=weights"]
    few = ["head=mean_mlp", "seed=0", "table.controls=[]", "launcher.jobs=1", "trainer.stop_on_collapse=false"]
    assert lfnet("table", "encoders", *words, *few, *QUICK[:3]) == 0
    printed = capsys.readouterr().out
    assert "blendshapes + expression" in printed
    paths = list(Path("lfnet_runs").glob("*/result.json"))
    results = [json.loads(path.read_text()) for path in paths]
    found = {result["features"]["stream"]: result for result in results}
    assert set(found) == {"blendshapes", "blendshapes + expression"}
    # 58 and 7 numbers a frame, and one a stream that says whether it is there.
    assert [result["features"]["dim"] for _, result in sorted(found.items())] == [58, 67]
    assert found["blendshapes"]["features"]["coverage"] == found["blendshapes + expression"]["features"]["coverage"]
    both = [load_file(path) for path in sorted(Path("lfnet_cache/features/clips").glob("*/man_1.safetensors"))]
    assert [one["features"].shape[1] for one in both] == [58, 7]
    assert (both[0]["time"] == both[1]["time"]).all() and (both[0]["valid"] == both[1]["valid"]).all()
    (run,) = (path.parent for path, result in zip(paths, results, strict=True) if "streams" in result["config"])
    assert lfnet("export", str(run)) == 2
    assert "is a run on several streams (blendshapes + expression)" in capsys.readouterr().err
