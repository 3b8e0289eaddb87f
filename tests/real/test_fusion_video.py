"""Face and pulse of video into a fusion: both streams from one pass, both protocols, all four tables."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.fusion.simulated_splits import NESTED, SMALL
from tests.real.clips import cut, landmarker, lfnet

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("libraries")]

# Both protocols read the same short segments of every other frame, so that one extraction serves all tables.
QUICK = (
    "encoder.stride=2",
    *("visual.segments=first", "visual.segment_frames=60", "visual.keep=10", "visual.min_frames=30"),
    *("pulse.segment=10", "pulse.hop=0.4"),
    *("fusion.inner_folds=3", "fusion.outer_folds=3", "seed=0", "launcher=serial"),
)
FPS = 30
# Clips with a pulse, rendered; of an actor who shows none that can be believed; and one shorter than a segment.
MADE = {"train": (62, 70, 78, 86, 94, 102, 110), "dev": (66, 90), "test": (74, 98)}
ACTOR = {"train": ((0, 10.5), (4, 10.5)), "dev": ((8, 10.5),), "test": ((9, 10.5), (2, 4.0))}
SHORT = "actor_test_1"
TABLES = {
    "modalities": (14, ()),
    "components": (14, ()),
    "optimism": (12, ()),  # draws of the simulated cohort alone
    "efficiency": (16, ("fusion=published,nested",)),  # of heads, which read frames, there are none here
}


@pytest.fixture(scope="module")
def libraries() -> None:
    from lfnet.video.backends import missing

    if said := missing():
        pytest.skip("; ".join(said))


@pytest.fixture(scope="module")
def folder(shared: Path, libraries: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder but for `clips`, a folder cohort of 16 videos."""
    from experiments.media.video import rendered, scene, write_h264
    from lfnet.video.mesh import FaceMesh

    photograph = pytest.importorskip("skimage.data").astronaut()
    root = tmp_path_factory.mktemp("fusion")
    (root / "clips").mkdir()
    with FaceMesh(shared / "weights" / "face_landmarker.task", video=False) as mesh:
        found = mesh.find(photograph)
    assert found is not None
    base, rows = scene(photograph, found.landmarks_LC, width=180), ["path,person_id,split,label"]
    time = np.arange(round(11.4 * FPS)) / FPS
    for split, rates in MADE.items():
        for rate in rates:
            beats = np.arange(-3, 14, 60 / rate)
            frames = rendered(base, time, beats, np.random.default_rng(rate), amplitude=0.04, noise=1.0)
            write_h264(root / "clips" / f"made_{rate}.mp4", frames, time, preset="veryfast")
            rows.append(f"made_{rate}.mp4,m{rate},{split},{rate % 40}")
    for split, parts in ACTOR.items():
        for number, (start, seconds) in enumerate(parts):
            name = f"actor_{split}_{number}"
            cut(shared / "media" / "WolfgangLanger_Pexels.mp4", root / "clips" / f"{name}.mp4", start, seconds)
            rows.append(f"{name}.mp4,{name},{split},{11 + 7 * number + len(split)}")
    (root / "clips" / "manifest.csv").write_text("\n".join(rows))
    return root


def words(shared: Path, *more: str) -> tuple[str, ...]:
    weights = shared / "weights" / "mobilenetv3_small_features.pt"
    return (
        *("cohort=folder", "cohort.root=clips", "encoder=[visual,skin]", landmarker(shared)),
        *(f"encoder.visual.weights.path={weights}", "encoder.visual.weights.sha256=null"),
        *more,
    )


def results() -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in Path("lfnet_runs").glob("*/result.json")]


def test_all_four_tables_on_video(shared, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    extraction = [word for word in QUICK if word.startswith(("encoder.", "visual.", "pulse."))]
    assert lfnet("extract", *words(shared, *extraction)) == 0
    features = {path: path.stat().st_mtime_ns for path in Path("lfnet_cache/features").rglob("*.safetensors")}
    assert len(features) == 3 * 16  # visual, skin, and the pulse that is made of it
    for name, (jobs, more) in TABLES.items():
        capsys.readouterr()
        assert lfnet("table", name, *words(shared, *SMALL, *NESTED, *QUICK, *more)) == 0, name
        out = capsys.readouterr().out
        assert f"{jobs} jobs: " in out and "cannot start" not in out and "features not made by" not in out, out
        # `nested` joins scores by a stack, and is without the two components of an SVR.
        assert out.count(": no such component here: a stacked regression is no SVR") == 2 * (name == "components")
        assert "Selected on test: " in out and "not a diagnosis" in out and "Simulated:" not in out
        (written,) = Path("lfnet_runs/tables").glob(f"{name}*.md")
        assert "nested" in written.read_text() and "failed" not in written.read_text()
    assert list(Path("lfnet_runs/tables").glob("efficiency*.png")), "the picture of error against size"

    # One extraction: what was there was not made again, and only two components needed another.
    now = {path: path.stat().st_mtime_ns for path in Path("lfnet_cache/features").rglob("*.safetensors")}
    assert features.items() <= now.items()
    streams = [path.parent.relative_to("lfnet_cache/features/clips").parts[0].split("-")[0] for path in now]
    assert {name: streams.count(name) // 16 for name in set(streams)} == {"visual": 3, "skin": 1, "pulse": 2}

    done = [result for result in results() if result["metrics"]]  # none where a component does not exist
    assert {result["features"]["stream"] for result in done} == {"visual + pulse"}
    assert {result["metrics"]["test"]["recording"]["n"] for result in done} == {4}
    for result in done:
        assert result["config"]["pulse"]["name"] == result["config"]["fusion"]["name"]
        assert (
            result["config"]["pulse"]["threshold"]
            == {"nested": 1.0, "published": 0.3}[result["config"]["pulse"]["name"]]
        )


def test_a_clip_without_a_usable_pulse_is_missing_and_scored(shared, folder, monkeypatch):
    """The gate is on: rendered pulses pass it, the actor does not, and the clip that is too short has no segment."""
    monkeypatch.chdir(folder)
    given = ("fusion=nested", "fusion.model=fused", *SMALL, *NESTED, *QUICK)
    assert lfnet("train", *words(shared, *given)) == 0
    (result,) = [
        result
        for result in results()
        if (result["config"]["fusion"]["name"], result["model"]) == ("nested", "fused")
        and result["config"]["fusion"]["component"] == "full"
        and result["config"]["fusion"]["repeats"] == 3  # the optimism table has 1
    ]
    missing = result["missing"]["physiological"]
    assert SHORT in missing["test"] and not any(clip.startswith("made") for clips in missing.values() for clip in clips)
    line = next(text for text in result["cohort"]["warnings"] if "without a physiological row" in text)
    assert f"{len(missing['test'])} of 4 test" in line
    scored = (Path("lfnet_runs") / result["fingerprint"][:16] / "predictions.csv").read_text()
    assert f"{SHORT}," in scored and "nan" not in scored.lower()
