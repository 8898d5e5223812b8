"""What the proof sees of a site that core is exported to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from connector_pipelines.connectors.moodle import client
from connector_pipelines.connectors.moodle.config import MoodleConfig
from connector_pipelines.database.connection import connect
from proof import campus
from proof.agreement import differences
from proof.school import CREDENTIALS

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> Iterator[campus.Destination]:
    """An empty site."""
    monkeypatch.setenv("PROOF_TOKEN", CREDENTIALS["PROOF_TOKEN"])
    with campus.Destination() as running:
        yield running


def test_what_is_done_twice_is_noticed(there: campus.Destination) -> None:
    """A write that changes nothing was done before, and one that does is a change."""
    there.site.add("categories", name="Fall", idnumber="terms/1", parent=0)
    config = MoodleConfig.model_validate(campus.job(there, "", "").config)
    with client.connect(config) as moodle:
        for _ in range(2):
            list(client.update_categories(moodle, [{"id": 2, "name": "Spring"}]))
    assert [change.function for change in there.changes] == ["core_course_update_categories"]
    assert len(there.idle) == 1


def test_the_site_is_compared_with_core(there: campus.Destination, database: str) -> None:
    """What stands there for nobody, what is missing, and what says something else is told; what agrees is not."""
    row = there.site.add("categories", name="Fall", idnumber="terms/1", parent=0)
    wanted, stands = {"name": "Spring", "parent": None}, {"name": "Fall", "parent": None}
    with connect(database) as connection:
        connection.execute("INSERT INTO core.terms (id, title, status) VALUES (1, 'Spring', 'active')")
        stranger, lost = differences(connection, there.site)
        assert stranger[:2] == ("categories", str(row["id"]))
        assert lost == ("categories", "terms/1", None, wanted)
        connection.execute(
            "INSERT INTO connector.exports (source, entity, key, external_id, state)"
            " VALUES (%s, 'categories', 'terms/1', %s, 'sent')",
            [campus.SOURCE, str(row["id"])],
        )
        assert differences(connection, there.site) == [("categories", "terms/1", stands, wanted)]
        there.site.put("categories", row["id"], name="Spring")
        assert differences(connection, there.site) == []
