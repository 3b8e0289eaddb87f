"""Notes on repaired times, where a user reads them."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from lfnet.cli.main import main
from lfnet.features.store import ClipFeatures, FeatureStore
from lfnet.jobs import records
from tests.features.fakes import cohort_of
from tests.real.clips import landmarker
from tests.video.test_times import write

NOTE = "the file has no presentation times: they follow from the order of the decoded frames"


@pytest.mark.usefixtures("libraries")
def test_extract_ends_with_notes_on_times_and_an_audit_names_the_clips(here, shared, capsys):
    (here / "clips").mkdir()
    write(here / "clips", "avi-h264", "none")
    write(here / "clips", "mp4-h264", "none")
    write(here / "clips", "webm-vp9", "none")
    rows = ["avi-h264-none.avi,a,train,1", "mp4-h264-none.mp4,b,dev,2", "webm-vp9-none.webm,c,test,3"]
    (here / "clips" / "manifest.csv").write_text("\n".join(["path,person_id,split,label", *rows]))
    settings = ["cohort=folder", "cohort.root=clips", "encoder=blendshapes", "encoder.stride=10"]
    assert main(["extract", *settings, landmarker(shared)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert f"  avi-h264-none: {NOTE}" in lines[lines.index("notes:") :]
    assert main(["audit", *settings, landmarker(shared)]) == 0
    assert f"warning: clip avi-h264-none: {NOTE}" in (text := capsys.readouterr().out) and "mp4-h264" not in text
    assert main(["audit", *settings, landmarker(shared), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["time_notes"] == {"avi-h264-none": NOTE}


def test_a_result_and_so_its_tables_count_the_clips_and_name_none(tmp_path):
    vectors, valid, time = np.ones((3, 4), np.float32), np.ones(3, bool), np.arange(3) / 25
    store = FeatureStore(tmp_path, "stream", "recipe")
    for clip_id, note in (("film_1", NOTE), ("film_2", ""), ("film_3", NOTE)):
        store.write(clip_id, ClipFeatures(vectors, valid, time, {"time_notes": note}), "source")
    cohort = cohort_of({f"film_{number}": tmp_path for number in (1, 2, 3)})
    stores, packed = {"stream": store}, SimpleNamespace(coverage=1.0)
    data = SimpleNamespace(cohort=cohort, clips=cohort.clips, dropped=[], stores=stores, packed=packed)
    job = SimpleNamespace(config={"cohort": {}}, choices={}, features=["digest"])
    warnings = records._describe_inputs(job, data, [])["cohort"].warnings
    assert "2 of 3 clips have repaired times or lost frames; `lfnet extract` and `lfnet audit` name each" in warnings
    assert not any("film" in text for text in warnings)
