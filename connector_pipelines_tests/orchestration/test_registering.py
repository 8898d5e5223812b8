"""A source that is added by a job or a command instead of an editor (requirement E17)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest
import yaml
from typer.testing import CliRunner

from connector_pipelines.cli import app
from connector_pipelines.connectors import connectors
from connector_pipelines.database.connection import connect
from connector_pipelines.errors import ConfigurationError
from connector_pipelines.external import vault
from connector_pipelines.orchestration import registering, sources, validate
from connector_pipelines.orchestration.launchpad import attributes
from connector_pipelines.settings import settings

if TYPE_CHECKING:
    from pathlib import Path

VERSIONS = (
    "SELECT i.name, i.connector, c.version, c.configuration ->> 'key' FROM connector.integrations i"
    " JOIN connector.integration_configurations c ON c.integration_id = i.id"
)
AUDITED = (
    "SELECT who, source, detail FROM connector.integration_audit_logs WHERE action = 'source registered' ORDER BY id"
)
FINALE = {"base_url": "https://app.finale.example", "account": "shop", "auth": {"type": "api_key"}}


def launch(project: Any, source: str, said: dict[str, Any], *, apply: bool = True) -> Any:
    """The job, as its launchpad is filled in."""
    config = {"source": source, "connector": {"toy": said}, "apply": apply, "who": "ada"}
    return project.run("register_source", run_config={"ops": {"add": {"config": config}}})


def why(done: Any) -> str:
    """What a failed run says."""
    return str(done.get_step_failure_events()[0].event_specific_data.error_display_string)


def shown(done: Any) -> dict[str, Any]:
    """What the run shows."""
    [output] = [event for event in done.all_events if event.event_type is dg.DagsterEventType.STEP_OUTPUT]
    return {name: value.value for name, value in output.event_specific_data.metadata.items()}


def test_a_source_is_looked_at_and_then_added(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without `apply` the run shows file and missing secrets and writes nothing; with it, the source is there."""
    monkeypatch.delenv("TOY_KEY", raising=False)
    project.send("alpha")
    said = {"file": str(project._pages("alpha")), "key": "{{ env.TOY_KEY }}", "entities": ["students"]}
    looked = shown(launch(project, "alpha", said, apply=False))
    assert not list(project.folder.iterdir())
    assert project.rows(VERSIONS) == []
    assert project.rows(AUDITED) == []
    assert looked["secrets that are not set here yet"] == "env:TOY_KEY"
    assert looked["feeds"] == "students"
    added = shown(launch(project, "alpha", said))
    text = (project.folder / "alpha" / "defs.yaml").read_text()
    assert added["defs.yaml"] == looked["defs.yaml"] == f"```yaml\n{text}```"
    assert yaml.safe_load(text) == {
        "type": "connector_pipelines.orchestration.components.ToySource",
        "attributes": said,
        "requirements": {"env": ["TOY_KEY"]},
    }
    assert [path.name for path in project.folder.iterdir()] == ["alpha"]
    assert project.rows(VERSIONS) == [("alpha", "toy", 1, "env:TOY_KEY")]
    assert project.rows(AUDITED) == [("ada", "alpha", {"connector": "toy", "version": 1})]
    assert validate.invalid_sources(project.folder) == []
    assert project.run("test_connection_alpha").success
    assert project.rows(VERSIONS) == [("alpha", "toy", 1, "env:TOY_KEY")]


WRONG = {
    "a literal secret": ({"key": "hunter2"}, "key: a secret is written {{ env.NAME }}, or vault:NAME"),
    "an unknown entity": ({"entities": ["dragons"]}, "dragons"),
    "a cron only Dagster can judge": ({"schedule": {"cron": "0 99 * * *"}}, "schedule.cron: '0 99 * * *' is no cron"),
    "an unset variable": ({"file": "{{ env.NOT_SET_ANYWHERE }}"}, "file names NOT_SET_ANYWHERE, which is not set"),
}


@pytest.mark.parametrize(("said", "reason"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_told_before_anything_is_written(project: Any, said: dict[str, Any], reason: str) -> None:
    """A wrong declaration ends the run with line and field and without any secret's value, and leaves no trace."""
    told = why(launch(project, "alpha", {"file": "x"} | said))
    assert (
        "alpha cannot be registered: alpha/defs.yaml, line" in told or "alpha cannot be registered: defs.yaml" in told
    )
    assert reason in told
    assert "hunter2" not in told
    assert not list(project.folder.iterdir())
    assert project.rows(VERSIONS) == []
    assert project.rows(AUDITED) == []


def test_a_password_in_an_address_is_refused(here: Any) -> None:
    """A password that is hidden in an address is refused like any other that is typed, and shown nowhere."""
    done = command("shop", "json_api", "--set", "base_url=https://ada:hunter2@api.example", "--apply")
    assert "an address with a user or a password would be kept as it is" in str(done.exception)
    assert "hunter2" not in f"{done.exception} {done.output}"
    assert not list(here.folder.iterdir())


@pytest.mark.parametrize("name", ["Alpha", "core", "../alpha", "al-pha"])
def test_names_that_cannot_be(project: Any, name: str) -> None:
    """What cannot name a source is refused with the form that can, and no folder is made anywhere."""
    assert "cannot name a source; use lower-case letters" in why(launch(project, name, {"file": "x"}))
    assert not list(project.folder.iterdir())


def test_the_same_source_is_not_added_twice(project: Any) -> None:
    """A name that is declared, one whose records are known, and a configuration that another source has are refused."""
    said = {"file": str(project._pages("alpha"))}
    assert launch(project, "alpha", said).success
    assert "a source alpha is declared already. What to do: Choose another name" in why(
        launch(project, "alpha", said | {"entities": ["students"]})
    )
    assert "alpha is configured in just the same way" in why(launch(project, "beta", said))
    (project.folder / "alpha").rename(project.folder.parent / "put away")
    assert "the database knows a source alpha (Toy, since 20" in why(launch(project, "alpha", said))
    assert project.rows(VERSIONS) == [("alpha", "toy", 1, None)]


def test_who_comes_second_is_refused(project: Any) -> None:
    """Of two people who looked at the same name at once, the second one's words change nothing."""
    with connect(project.url) as connection:
        one, other = (
            registering.draft(connection, "alpha", "toy", {"file": file}, project.folder) for file in ("one", "other")
        )
        registering.register(connection, one, who="ada")
        with pytest.raises(ConfigurationError, match="a source alpha is declared already"):
            registering.register(connection, other, who="ben")
    assert project.rows(AUDITED) == [("ada", "alpha", {"connector": "toy", "version": 1})]
    assert "file: one" in (project.folder / "alpha" / "defs.yaml").read_text()


def test_a_folder_that_cannot_be_written_leaves_no_trace(project: Any, tmp_path: Path) -> None:
    """Where sources are deployed from elsewhere, the error says where to put the text, and nothing is noted."""
    away = tmp_path / "nowhere" / "defs"
    with connect(project.url) as connection:
        new = registering.draft(connection, "alpha", "toy", {"file": "x"}, away)
        with pytest.raises(ConfigurationError, match=r"cannot be written.*Put the text that is shown into alpha/defs"):
            registering.register(connection, new, who="ada")
    assert project.rows(VERSIONS) == []


def test_one_that_the_environment_leaves_out_says_so(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that INTEGRATION_ENABLED_PROVIDERS does not name can be added; the run says that it is left out."""
    monkeypatch.setenv("INTEGRATION_ENABLED_PROVIDERS", "springfield")
    settings.cache_clear()
    told = shown(launch(project, "alpha", {"file": "x", "enabled": False}, apply=False))
    assert told["left out"] == "INTEGRATION_ENABLED_PROVIDERS does not name it"
    assert told["off"] == "its defs.yaml says enabled: false"


@pytest.mark.parametrize("connector", sorted(connectors()))
def test_the_launchpad_knows_every_field(connector: str) -> None:
    """Each connector's fields stand in the launchpad with their meaning, and required ones are required there."""
    fields, config = attributes(connectors()[connector]), connectors()[connector].config.model_fields
    assert set(config) < set(fields)
    assert {"schedule", "policy", "enabled"} < set(fields)
    assert [name for name, field in fields.items() if not field.description] == []
    assert {n for n, f in fields.items() if f.is_required} == {n for n, f in config.items() if f.is_required()}


@pytest.mark.parametrize("wrong", [{}, {"file": 7}, {"file": "x", "fiel": "y"}, {"file": "x", "webhook": "yes"}])
def test_the_launchpad_refuses_wrong_types(declared: Any, wrong: dict[str, Any]) -> None:
    """A missing or unknown field, and a value of another type, are refused before a run begins."""
    with pytest.raises(dg.DagsterInvalidConfigError):
        launch(declared, "alpha", wrong)


@pytest.fixture
def here(project: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The command line's environment is this project."""
    monkeypatch.setattr(sources, "DEFS", project.folder)
    monkeypatch.setenv("CONNECTOR_PIPELINES_DATABASE_URL", project.url)
    monkeypatch.setenv("CONNECTOR_PIPELINES_LOCAL_DIR", str(tmp_path))
    monkeypatch.setenv("CONNECTOR_PIPELINES_SECRET_KEYS", vault.new_key())
    settings.cache_clear()
    return project


def command(*words: str) -> Any:
    """`connector-pipelines register-source` with these words."""
    return CliRunner().invoke(app, ["register-source", *words])


def test_the_command_does_the_same(here: Any) -> None:
    """The command shows the file, and with --apply writes it with nested fields; a kept secret is found."""
    with connect(here.url) as connection:
        vault.put(connection, "finale.secret", "value", who="ada")
    words = ["shop", "finale"]
    for setting in (
        "base_url=https://app.finale.example",
        "account=shop",
        "auth.type=api_key",
        "auth.key={{ env.SHOP_KEY }}",
        "auth.secret=vault:finale.secret",
        "entities=[vendors]",
    ):
        words += ["--set", setting]
    looked = command(*words)
    assert looked.exit_code == 0, looked.output
    assert "secrets that are not set here yet: env:SHOP_KEY\n" in looked.output
    assert "nothing is written" in looked.output
    assert here.rows(VERSIONS) == []
    assert command(*words, "--apply").exit_code == 0
    written = yaml.safe_load((here.folder / "shop" / "defs.yaml").read_text())
    secrets = {"key": "{{ env.SHOP_KEY }}", "secret": "vault:finale.secret"}
    assert written["attributes"] == FINALE | {"auth": {"type": "api_key", **secrets}, "entities": ["vendors"]}
    assert written["requirements"] == {"env": ["SHOP_KEY"]}
    assert [row[:3] for row in here.rows(VERSIONS)] == [("shop", "finale", 1)]


@pytest.mark.parametrize(
    ("settings_", "reason"),
    [(["auth"], "write field=value"), (["a=1", "a.b=2"], "is a value already"), (["a=[1"], "is no YAML")],
)
def test_the_command_refuses_what_it_cannot_read(settings_: list[str], reason: str) -> None:
    """A setting that is no field=value ends the command with what to write."""
    done = command("shop", "finale", *(word for one in settings_ for word in ("--set", one)))
    assert done.exit_code == 2
    assert reason in done.output
