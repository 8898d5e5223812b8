"""A source whose records look otherwise than before, as Dagster shows it."""

from __future__ import annotations

from typing import Any

from dagster import AssetCheckSeverity

ATTRIBUTES = ("entities: [organizations]",)


def shape_of(run: Any) -> Any:
    """The check `shape` of a run."""
    [check] = [one for one in run.get_asset_check_evaluations() if one.check_name == "shape"]
    return check


def test_a_new_field_is_named_and_fails_nothing(project: Any) -> None:
    """What is new, gone or of another kind since the last read warns; the run succeeds, and no value is kept."""
    project.declare("alpha", *ATTRIBUTES)
    whole = {"id": "o1", "name": "School", "status": "active", "modified": None, "motto": "Quiet please"}
    project.send("alpha", organizations=[[whole]])
    first = project.run("sync_alpha")
    assert first.success
    assert shape_of(first).passed
    changed = {name: held for name, held in whole.items() if name != "motto"} | {"name": 7, "phone": "secret-number"}
    project.send("alpha", organizations=[[changed]])
    second = project.run("sync_alpha")
    assert second.success
    found = shape_of(second)
    assert (found.passed, found.severity) == (False, AssetCheckSeverity.WARN)
    assert found.description.startswith("new: phone (text); changed: name (number, was text); gone: motto.")
    kept = repr(project.instance.all_logs(second.run_id))
    assert "secret-number" not in kept
    project.send("alpha", organizations=[[]])
    assert shape_of(project.run("sync_alpha")).passed
