"""The W&B dashboard of a table: runs mirrored offline once, and a view that is made and then brought up to date."""

import json
from pathlib import Path
from typing import Any

import pytest
import wandb
from wandb_workspaces.workspaces import interface, internal

from lfnet.errors import LfnetError
from lfnet.files import write_text
from lfnet.reports.wandb_dashboard import mirror, save_workspace, workspace
from lfnet.runs.sweep_record import collect
from lfnet.seals import write_sealed_json
from lfnet.tables.build import build
from tests.sealing import reseal
from tests.tables.factory import recordings, result, sweep
from tests.wandb_files import read_wandb

EVIDENCE = {"against": ["train_median"], "resamples": 200, "flips": 200}
SECRET = "/places/somebody"
METRICS = "dev/mae,epoch,step,train/loss\n9.5,0,3,\n,0,3,0.8\n9.25,1,7,\n,1,7,0.7\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    results = [result(head, seed, skill=0.5, noise=4) for head in ("mean_mlp", "ldbm") for seed in (0, 1)]
    for done in results:
        done["config"]["cohort"]["root"] = f"{SECRET}/faces"
        done["config"]["encoder"] = {"device": "cpu", "webface": {"weights": {"path": f"{SECRET}/w.onnx"}}}
        done["cohort"]["warnings"] = [f"1 clip left out as unusable: {SECRET}"]
    manifest = sweep(folder, results, evidence=EVIDENCE)
    content = json.loads(manifest.read_text())
    write_sealed_json(manifest, {**content, "command": f"{content['command']} cohort.root={SECRET}/faces"})
    for run in collect(manifest, folder).runs:
        write_text(run.folder / "metrics.csv", METRICS)
        reseal(run.folder)
    return build(manifest, folder), collect(manifest, folder), folder


def settings(folder: Path) -> dict[str, Any]:
    return {"mode": "offline", "project": "trial", "entity": None, "dir": str(folder)}


def test_every_run_and_the_table_are_written_once_and_name_no_person(made, tmp_path):
    table, found, _ = made
    remembered = tmp_path / "table.dashboard.json"
    first = mirror(table, settings(tmp_path), remembered)
    assert sorted(first.sent) == sorted(run.name for run in found.runs) and first.kept == ()
    folders = {path.name.rpartition("-")[2]: path for path in (tmp_path / "wandb").glob("offline-run-*")}
    sent = {name: b"".join(read_wandb(path) for path in folder.glob("*.wandb")) for name, folder in folders.items()}
    assert first.table in sent and len(sent) == len(found.runs) + 1
    jobs = [text for name, text in sent.items() if name != first.table]
    assert all(word in text for text in jobs for word in (b"train/loss", b"final/test/recording/mae", b"webface"))
    for head in ("mean_mlp", "ldbm"):
        assert sum(f'"{head}"'.encode() in text for text in jobs) == 2, "the row's name, by which runs are grouped"
    assert not any(b"oracle" in text for text in jobs), "and no reference's"
    files = (path for folder in folders.values() for path in folder.rglob("*") if path.is_file())
    written = b"".join(read_wandb(path) if path.suffix == ".wandb" else path.read_bytes() for path in files)
    assert b"vs train median" in written
    for name in {*recordings()["recording_id"], *recordings()["person_id"]}:
        assert f'"{name}"'.encode() not in written
    assert SECRET.encode() not in b"".join(sent.values())
    again = mirror(table, settings(tmp_path), remembered)
    assert again.sent == () and sorted(again.kept) == sorted(first.sent)
    assert len(list((tmp_path / "wandb").glob("offline-run-*"))) == len(folders)
    other = mirror(table, {**settings(tmp_path), "project": "another"}, remembered)
    assert sorted(other.sent) == sorted(first.sent), "another project has none of them yet"
    assert mirror(table, settings(tmp_path), remembered).sent == (), "and the first one still has all"


def test_the_view_shows_this_tables_runs_by_row(made):
    table, found, _ = made
    spec = json.dumps(workspace(table, "trial", "somebody")._to_model().spec.model_dump(by_alias=True, mode="json"))
    for metric in ("mae", "rmse", "pcc", "ccc", "sigma_ratio"):
        assert f"final/test/recording/{metric}" in spec
        logged = found.runs[0].result.metrics["test"]["recording"]
        assert metric in logged, "what is drawn is what is logged"
    assert "architectures" in spec and "row" in spec and "not a diagnosis" in spec


def test_the_view_is_created_and_then_updated(made, tmp_path, monkeypatch):
    table, _, _ = made
    views: list[internal.View] = []

    def upsert(view: internal.View) -> dict[str, Any]:
        views.append(view)
        return {"upsertView": {"view": {"name": view.name, "id": view.id or "id-1"}}}

    def stored(entity: str, project: str, view_name: str) -> dict[str, Any]:
        assert (entity, project) == ("somebody", "trial") and f"nw-{view_name}-v" == views[0].name
        spec = views[0].spec.model_dump_json(by_alias=True, exclude_none=True)
        return {"id": "id-1", "displayName": views[0].display_name, "spec": spec}

    monkeypatch.setattr(internal, "upsert_view2", upsert)
    monkeypatch.setattr(internal, "get_view_dict", stored)
    monkeypatch.setattr(wandb, "Api", object)
    monkeypatch.setattr(interface, "get_app_url", lambda api: "https://wandb.ai/")
    remembered = tmp_path / "table.dashboard.json"
    address = save_workspace(table, "trial", "somebody", remembered)
    assert json.loads(remembered.read_text())["address"] == address and not views[0].id
    assert save_workspace(table, "trial", "somebody", remembered) == address
    assert views[1].id == "id-1" and views[1].name == views[0].name
    assert len(views[1].spec.section.panel_bank_config.sections) == len(
        views[0].spec.section.panel_bank_config.sections
    )


def test_without_a_network_the_runs_are_kept_and_the_message_explains_how(made, tmp_path, monkeypatch):
    def refuse(view: internal.View) -> dict[str, Any]:
        raise ConnectionError("no route to host")

    monkeypatch.setattr(internal, "upsert_view2", refuse)
    with pytest.raises(LfnetError, match=r"no route to host.*wandb login.*wandb sync"):
        save_workspace(made[0], "trial", "somebody", tmp_path / "table.dashboard.json")
