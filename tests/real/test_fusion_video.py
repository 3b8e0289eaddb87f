"""Face and pulse of real video into a fusion: both streams from one pass, both protocols, every component."""

import json
from pathlib import Path

import pytest

from tests.fusion.fakes import NESTED, SMALL
from tests.real.clips import cut, landmarker, lfnet

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("libraries")]

# The clip has hardly a pulse: every segment is kept here, for what is tested is the way and not the number.
KEPT = ("pulse.segment=7", "pulse.hop=1", "pulse.threshold=-100", "pulse.agreeing=0", "pulse.min_beats=2")
QUICK = ("visual.segment_frames=100", "visual.keep=10", "visual.shortest=30")


def test_a_table_of_fusions_on_video(shared, here, capsys):
    rows = ["path,person_id,split,label"]
    for number in range(13):
        path = Path("clips") / f"c{number}.mp4"
        cut(shared / "media" / "WolfgangLanger_Pexels.mp4", path, 0.75 * number, 9.0)
        split = "train" if number < 9 else "dev" if number < 11 else "test"
        rows.append(f"{path.name},p{number},{split},{7 * number % 40}")
    Path("clips/manifest.csv").write_text("\n".join(rows))
    weights = shared / "weights" / "mobilenetv3_small_features.pt"
    words = (
        "table", "components", "cohort=folder", "cohort.root=clips", "encoder=[visual,skin]", landmarker(shared),
        f"encoder.visual.weights.path={weights}", "encoder.visual.weights.sha256=null",
        *QUICK, *KEPT, *SMALL, *NESTED, "fusion.inner_folds=3", "fusion.outer_folds=3", "launcher=serial",
        "fusion/component=full,without_multi_region,without_frame_selection,without_pulse",
    )  # fmt: skip
    assert lfnet(*words) == 0
    out = capsys.readouterr().out
    assert "no such component" not in out
    results = [json.loads(path.read_text()) for path in Path("lfnet_runs").glob("*/result.json")]
    assert len(results) == 8
    for result in results:
        assert result["features"]["stream"] == "visual + pulse"
        assert result["metrics"]["test"]["recording"]["n"] == 2
        assert result["config"]["pulse"]["name"] == result["config"]["fusion"]["name"]
    # Another extraction is another stream of features; the pulse is not extracted again for it.
    assert len({result["features"]["fingerprint"] for result in results}) == 6
