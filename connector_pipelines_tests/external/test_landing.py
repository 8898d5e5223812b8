from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from connector_pipelines.errors import BrokenPage, ConfigurationError
from connector_pipelines.external.landing import Landing
from connector_pipelines.model import Window
from connector_pipelines.pages import Page

if TYPE_CHECKING:
    from pathlib import Path

BODIES = [b'{"users": [{"sourcedId": "1"}]}', b"<html>\xff\x00", b""]


def pages() -> list[Page]:
    """Pages as they come, readable or not."""
    return [Page(n, f"https://x.example/users?page={n}", 200, body, [b"{}"]) for n, body in enumerate(BODIES, 1)]


@pytest.fixture(params=["disk", "object store"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where to land: a folder, or an object store (fsspec's own, in memory)."""
    return str(tmp_path / "landing") if request.param == "disk" else f"memory://landing-{tmp_path.name}"


def landed(root: str, *, window: Window | None = None) -> Landing:
    """A landing with one complete read."""
    landing = Landing(root)
    with landing.open("sis", "students", 7, window=window) as writer:
        for page in pages():
            writer.add(page)
        writer.close(complete=True, snapshot=True)
    return landing


def test_pages_come_back_byte_by_byte(root: str) -> None:
    """What was landed is what is read, in order, whatever bytes it was."""
    found = list(landed(root).pages("sis", "students", 7))
    assert [page.body for page in found] == BODIES
    assert [(page.number, page.rows) for page in found] == [(1, 1), (2, 1), (3, 1)]
    assert found[0].url == "https://x.example/users?page=1"
    assert found[0].sha256 == sha256(BODIES[0]).hexdigest()


def test_one_page_is_found_by_number(root: str) -> None:
    """A dead letter names a page; that page can be looked at alone."""
    landing = landed(root)
    assert landing.page("sis", "students", 7, 2).body == BODIES[1]
    with pytest.raises(BrokenPage, match="no page 9"):
        landing.page("sis", "students", 7, 9)


def test_manifest_says_what_the_pages_are(root: str) -> None:
    """The manifest names read, source, entity, window, counts, and whether it was complete."""
    noted = landed(root, window=Window()).manifest("sis", "students", 7)
    assert {k: noted[k] for k in ("read", "source", "entity", "window", "pages", "rows", "complete", "snapshot")} == {
        "read": 7,
        "source": "sis",
        "entity": "students",
        "window": "everything",
        "pages": 3,
        "rows": 3,
        "complete": True,
        "snapshot": True,
    }
    assert noted["started_at"] <= noted["finished_at"]


def test_read_that_broke_off_is_not_complete(root: str) -> None:
    """Leaving without `close`, as an error does, keeps the pages so far and notes that there should be more."""
    landing = Landing(root)
    with landing.open("sis", "students", 7) as writer:
        writer.add(pages()[0])
    assert landing.manifest("sis", "students", 7)["complete"] is False
    assert [page.body for page in landing.pages("sis", "students", 7)] == BODIES[:1]


def test_page_is_on_disk_before_the_read_ends(tmp_path: Path) -> None:
    """On disk each page and its line can be read while later pages are still to come."""
    landing = Landing(str(tmp_path))
    with landing.open("sis", "students", 7) as writer:
        writer.add(pages()[0])
        assert [page.body for page in landing.pages("sis", "students", 7)] == BODIES[:1]


@pytest.mark.parametrize("damage", ["cut", "flipped", "gone", "empty"])
def test_damage_is_noticed(tmp_path: Path, damage: str) -> None:
    """A landed page that is cut, altered or gone is an error that names its file, and its neighbors are fine."""
    landing = landed(str(tmp_path))
    file = tmp_path / "sis/students/7/page-000001.zst"
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    file.write_bytes({"cut": bytes(raw[:9]), "empty": b"", "flipped": bytes(raw)}.get(damage, b""))
    if damage == "gone":
        file.unlink()
    with pytest.raises(BrokenPage, match=r"page-000001\.zst"):
        next(landing.pages("sis", "students", 7))
    assert landing.page("sis", "students", 7, 2).body == BODIES[1]


def test_exchanged_page_is_noticed(tmp_path: Path) -> None:
    """A page that can be decompressed but is another one is refused by its checksum."""
    landing = landed(str(tmp_path))
    lines = (tmp_path / "sis/students/7/manifest.jsonl").read_text().splitlines()
    other = json.loads(lines[0]) | {"sha256": "0" * 64}
    (tmp_path / "sis/students/7/manifest.jsonl").write_text("\n".join([json.dumps(other), *lines[1:]]))
    with pytest.raises(BrokenPage, match="not what was landed"):
        next(landing.pages("sis", "students", 7))


def test_what_was_never_landed_is_not_empty(root: str) -> None:
    """Asking for a read that is not there is an error, not an empty read."""
    with pytest.raises(BrokenPage, match="nothing was landed"):
        list(Landing(root).pages("sis", "students", 1))
    with pytest.raises(BrokenPage, match=r"manifest\.json"):
        Landing(root).manifest("sis", "students", 1)


def test_earlier_try_is_forgotten(root: str) -> None:
    """Opening a read again starts anew; pages of the first try do not show up in the second."""
    landing = landed(root)
    with landing.open("sis", "students", 7) as writer:
        writer.add(pages()[0])
        writer.close(complete=True)
    assert len(list(landing.pages("sis", "students", 7))) == 1


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".hidden", "a\x00b"])
def test_names_cannot_leave_the_root(tmp_path: Path, name: str) -> None:
    """A source's name is one folder below the root and nothing else."""
    with pytest.raises(ConfigurationError, match="cannot name a folder"):
        Landing(str(tmp_path)).open(name, "students", 1)


def test_removed_pages_say_that_they_were(root: str) -> None:
    """A read is removed whole, wherever it lies; asking for it names the removal, and landing it again works."""
    landing = landed(root)
    assert landing.reads("sis", "students") == [7]
    landing.remove("sis", "students", 7)
    assert landing.reads("sis", "students") == []
    with pytest.raises(BrokenPage, match="the pages of read 7 were removed by retention"):
        landing.page("sis", "students", 7, 1)
    assert landed(root).page("sis", "students", 7, 1).body == BODIES[0]
    assert Landing(root).reads("sis", "courses") == []
