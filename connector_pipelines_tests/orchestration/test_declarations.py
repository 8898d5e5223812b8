"""What a `defs.yaml` may say, and what becomes of one that is wrong."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import dagster as dg
import pytest

from connector_pipelines.errors import ConfigurationError
from connector_pipelines.orchestration import build, components, sources, validate
from connector_pipelines.orchestration.environment import Unset, put_in
from connector_pipelines.orchestration.timetable import Timetable
from connector_pipelines.settings import settings

TOY = "type: connector_pipelines.orchestration.components.ToySource\nattributes:\n"

WRONG = {
    "syntax": ("type: [\n", "line 2: no YAML"),
    "not a mapping": ("- one\n- two\n", "a mapping with `type` and `attributes`"),
    "unknown type": ("type: connector_pipelines.orchestration.components.NoSource\n", "ToySource"),
    "no type": ("attributes: {}\n", "type is None"),
    "unknown field": (TOY + "  file: x\n  fiel: y\n", "line 4: fiel is no field; there are entities, file, key"),
    "missing field": (TOY + "  entities: [students]\n", "file: Field required"),
    "literal secret": (TOY + "  file: x\n  key: hunter2\n", "line 4: key: a secret is written {{ env.NAME }}"),
    "unset variable": (TOY + "  file: '{{ env.NOT_SET_ANYWHERE }}'\n", "file names NOT_SET_ANYWHERE, which is not set"),
    "time zone": (TOY + "  file: x\n  schedule:\n    timezone: Mars/Base\n", "line 5: schedule.timezone: 'Mars/Base'"),
    "cron": (TOY + "  file: x\n  schedule: {cron: '0 99 * * *'}\n", "line 4: schedule.cron: '0 99 * * *' is no cron"),
    "cron with a field too many": (
        TOY + "  file: x\n  schedule: {full_cron: '0 0 2 * * *'}\n",
        "line 4: schedule.full_cron: '0 0 2 * * *' is no cron expression; write five fields",
    ),
    "cron of what the source has not": (
        TOY + "  file: x\n  schedule:\n    export_cron: '0 0 30 2 *'\n",
        "line 5: schedule.export_cron: '0 0 30 2 *' is no cron expression",
    ),
    "policy": (TOY + "  file: x\n  policy:\n    guard: {limits: {absent: -1}}\n", "line 5: policy.guard.limits.absent"),
    "unknown policy": (
        TOY + "  file: x\n  policy: {drop: all}\n",
        "policy.drop is no field; there are auto_create, conflicts, drops",
    ),
    "unknown drop": (
        TOY + "  file: x\n  policy:\n    drops: [terms]\n",
        "line 5: policy.drops.0: the source feeds no terms; it feeds organizations",
    ),
    "parents that cannot be asked for": (
        TOY + "  file: x\n  policy:\n    missing_parents: {enrollments: import}\n",
        "line 5: policy.missing_parents.enrollments: the source cannot be asked for single students",
    ),
    "nothing of what it may create": (
        TOY + "  file: x\n  policy: {auto_create: {dragons: false}}\n",
        "policy.auto_create.dragons: the source feeds no dragons",
    ),
    "unknown season": (
        TOY
        + "  file: x\n  policy:\n    guard:\n      seasons:\n"
        + "      - {name: a, from: 2026-08-02, until: 2026-08-01, limits: {}}\n",
        "line 7: policy.guard.seasons.0: the season 'a' ends before it begins",
    ),
    "wrong match": (
        TOY + "  file: x\n  policy: {matching: {students: [student_number, phone]}}\n",
        "policy.matching.students.1: phone identifies no row of students; there are student_number, email, username",
    ),
    "match of what has no identifier": (
        TOY + "  file: x\n  policy: {matching: {enrollments: [status]}}\n",
        "status identifies no row of enrollments; there are none",
    ),
    "rule for no entity": (
        TOY + "  file: x\n  entities: [students]\n  policy:\n    conflicts:\n      dragons: {'*': manual}\n",
        "line 7: policy.conflicts.dragons: the source feeds no dragons; it feeds students",
    ),
    "rule for no field": (
        TOY + "  file: x\n  entities: [students]\n  policy:\n    conflicts:\n      students: {notes: manual}\n",
        "line 7: policy.conflicts.students.notes: no source fills notes of students; there are given_name, ",
    ),
    "no rule": (
        TOY + "  file: x\n  policy:\n    conflicts:\n      students: {phone: whoever}\n",
        "line 6: policy.conflicts.students.phone: Input should be 'external_wins', 'last_write_wins', 'core_owns', ",
    ),
    "unknown entity": (TOY + "  file: x\n  entities: [dragons]\n", "dragons"),
    "unknown part": (TOY + "  file: x\nsurprise: 1\n", "surprise"),
}


@pytest.mark.parametrize(("text", "reason"), WRONG.values(), ids=WRONG)
def test_a_wrong_source_stands_aside(declared: Any, text: str, reason: str) -> None:
    """A wrong declaration is one asset that says what is wrong and where, and takes no other source down."""
    declared.declare("alpha", "entities: [students]")
    declared.declare("beta", text=text)
    found = declared.definitions().get_repository_def().asset_graph
    assert {key.to_user_string() for key in found.get_all_asset_keys()} == {
        "alpha/external/students",
        "alpha/mapping/students",
        "core/students",
        "operations/overview",
        "operations/alpha",
        "beta/invalid",
    }
    asset = found.get(dg.AssetKey(["beta", "invalid"]))
    assert reason in asset.description
    assert "hunter2" not in asset.description
    assert (asset.group_name, asset.kinds) == ("beta", {"invalid"})
    assert [(one.name, reason in one.reason) for one in validate.invalid_sources(declared.folder)] == [("beta", True)]


@pytest.mark.parametrize("field", [name for name in Timetable.model_fields if name.endswith("cron")])
def test_a_wrong_cron_takes_no_other_source_down(declared: Any, field: str) -> None:
    """A cron that Dagster cannot follow makes its own source invalid, by field and line; all others load."""
    declared.declare("alpha", "entities: [students]")
    declared.declare("beta", "policy: {exports: [users]}", f"schedule: {{{field}: '99 99 * * *'}}")
    [wrong] = build.invalid_sources(declared.folder)
    assert wrong.name == "beta"
    assert wrong.reason.startswith(f"beta/defs.yaml, line 5: schedule.{field}: '99 99 * * *' is no cron expression;")
    repository = declared.definitions().get_repository_def()
    assert {one.name for one in repository.schedule_defs} == {
        "sync_alpha_schedule",
        "full_sync_alpha_schedule",
        "reconcile_alpha_schedule",
        "daily_digest_schedule",
    }
    assert dg.AssetKey(["beta", "invalid"]) in repository.asset_graph.get_all_asset_keys()


def test_every_finding_is_told(declared: Any) -> None:
    """A declaration with several mistakes names all of them, in the order of its lines."""
    declared.declare("beta", text=TOY + "  schedule: {cron: never}\n  fiel: x\n  key: hunter2\n")
    [found] = validate.invalid_sources(declared.folder)
    assert [line.split(":")[0] for line in found.reason.splitlines()] == [
        "beta/defs.yaml, line 2",
        "beta/defs.yaml, line 3",
        "beta/defs.yaml, line 4",
        "beta/defs.yaml, line 5",
    ]


def test_a_policy_travels_with_its_source(declared: Any) -> None:
    """What a source may do to core stands in its declaration, and is the same for Dagster and the command line."""
    season = "{name: new term, from: 2026-08-10, until: 2026-09-05, entities: [students], limits: {created: 5}}"
    guard = f"{{limits: {{absent: 0.05}}, seasons: [{season}]}}"
    declared.declare("alpha", f"policy: {{guard: {guard}, drops: [students], matching: {{students: [email]}}}}")
    [found] = sources.read_all(declared.folder)
    assert isinstance(found, sources.Declaration)
    assert found.source.policy.guard.limits.absent == 0.05
    assert found.source.policy.guard.limits_for("students", date(2026, 9, 5))[0].created == 5.0
    assert (found.source.policy.drops, found.source.policy.matching) == (("students",), {"students": ("email",)})
    assert validate.invalid_sources(declared.folder) == []
    assert "alpha/mapping/students" in {
        key.to_user_string() for key in declared.definitions().get_repository_def().asset_graph.get_all_asset_keys()
    }


@pytest.mark.parametrize("name", ["core", "Big", "9lives", "with-dash"])
def test_names_that_cannot_be(declared: Any, name: str) -> None:
    """A folder whose name cannot name a source is invalid, and says which names can."""
    declared.declare(name)
    [found] = validate.invalid_sources(declared.folder)
    assert f"the folder '{name}' cannot name a source" in found.reason


def test_an_invalid_source_fails_with_its_reason(declared: Any) -> None:
    """Materializing an invalid source turns its check red and fails with the reason."""
    declared.declare("beta", text=TOY + "  file: x\n  fiel: y\n")
    asset = declared.definitions().resolve_assets_def(dg.AssetKey(["beta", "invalid"]))
    result = dg.materialize([asset], instance=declared.instance, raise_on_error=False)
    [failure] = [event.step_failure_data for event in result.all_node_events if event.is_step_failure]
    assert failure.user_failure_data
    assert "fiel is no field" in (failure.user_failure_data.description or "")
    assert [check.passed for check in result.get_asset_check_evaluations()] == [False]


def test_a_secret_stays_a_reference(declared: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The value of a secret is nowhere in the definitions, its variable's name is in the source."""
    monkeypatch.setenv("ALPHA_KEY", "hunter2")
    declared.declare("alpha", 'key: "{{ env.ALPHA_KEY }}"')
    source = sources.declared_source("alpha", declared.folder)
    assert str(source.config.key) == "env:ALPHA_KEY"  # type: ignore[attr-defined]
    assert "hunter2" not in repr(source)
    component = dg.ComponentTree.for_test()
    attributes = {"file": "x", "key": "{{ env.ALPHA_KEY }}"}
    made = components.ToySource.from_attributes_dict(attributes=attributes, context=component.load_context)
    assert "hunter2" not in repr(vars(made))


def test_other_fields_take_the_value() -> None:
    """A reference outside a secret's place is replaced by the variable's value, in lists and within a text, too."""
    model = components.ToySource.connector.config
    values = {
        "file": "/data/{{ env.WHO }}.json",
        "key": "{{ env('KEY') }}",
        "entities": ["{{env.WHAT}}", "{{ env.NO }}"],
    }
    put, unset = put_in(model, values, {"WHO": "alpha", "WHAT": "students", "KEY": "hunter2"})
    assert put == {"file": "/data/alpha.json", "key": "env:KEY", "entities": ["students", ""]}
    assert unset == [Unset(("entities", 1), "NO")]


def test_a_reference_may_have_a_default() -> None:
    """The default of a reference counts where its variable is not set, and a secret has none."""
    model = components.ToySource.connector.config
    values = {
        "file": "/data/{{ env('WHO', 'nobody') }}/{{ env(\"WHERE\", \"here\") }}",
        "key": "{{ env('KEY', 'hunter2') }}",
    }
    put, unset = put_in(model, values, {"WHERE": "there"})
    assert (put["file"], unset) == ("/data/nobody/there", [])
    assert not str(put["key"]).startswith("env:")


def test_secrets_are_not_in_graphql(declared: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that Dagster's API tells about the repository contains a secret's value."""
    from dagster import DagsterInstance
    from dagster._core.remote_representation.external_data import RepositorySnap

    monkeypatch.setenv("ALPHA_KEY", "hunter2")
    declared.declare("alpha", 'key: "{{ env.ALPHA_KEY }}"')
    repository = declared.definitions().get_repository_def()
    assert isinstance(declared.instance, DagsterInstance)
    assert "hunter2" not in repr(RepositorySnap.from_def(repository))


def test_each_connector_has_its_component() -> None:
    """Every connector has a component named after it, whose schema is its config, a schedule, a policy and a switch."""
    assert {"OneRosterSource", "ToySource"} <= set(dir(components))
    schema = components.ToySource.get_model_cls().model_json_schema()
    own = {"file", "key", "entities", "webhook", "needs"}
    assert set(schema["properties"]) == own | {"schedule", "policy", "enabled"}
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["file"]
    assert "{{ env.NAME }}" in json.dumps(schema)
    with pytest.raises(AttributeError, match="NoSource"):
        _ = components.NoSource


def test_an_unknown_source_lists_those_there_are(declared: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking for a source that is not declared, not enabled or not usable says which it is (F11)."""
    declared.declare("alpha")
    declared.declare("beta", text="type: [\n")
    with pytest.raises(ConfigurationError, match="no source 'gamma' is declared; there are: alpha, beta"):
        sources.declared_source("gamma", declared.folder)
    with pytest.raises(ConfigurationError, match="beta is not usable"):
        sources.declared_source("beta", declared.folder)
    monkeypatch.setenv("INTEGRATION_ENABLED_PROVIDERS", "beta")
    settings.cache_clear()
    with pytest.raises(ConfigurationError, match="alpha is not enabled"):
        sources.declared_source("alpha", declared.folder)


def test_the_default_source_must_be_enabled(declared: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A default that is not among the enabled sources is an error, one that is declared is found (F58)."""
    declared.declare("alpha")
    assert sources.default_source(declared.folder) is None
    monkeypatch.setenv("INTEGRATION_DEFAULT_PROVIDER", "alpha")
    settings.cache_clear()
    found = sources.default_source(declared.folder)
    assert found is not None
    assert found.name == "alpha"
    monkeypatch.setenv("INTEGRATION_ENABLED_PROVIDERS", "beta,toy2")
    settings.cache_clear()
    with pytest.raises(ConfigurationError, match="INTEGRATION_DEFAULT_PROVIDER is alpha"):
        declared.definitions()
