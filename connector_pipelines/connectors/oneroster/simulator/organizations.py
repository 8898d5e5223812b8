"""Records of organizations and academic sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from connector_pipelines.connectors.oneroster.simulator.hashing import Indices, one
from connector_pipelines.connectors.oneroster.simulator.identifiers import Record, identify
from connector_pipelines.connectors.oneroster.simulator.names import PLACES

if TYPE_CHECKING:
    from connector_pipelines.connectors.oneroster.simulator.world import World

DISTRICT = 0
DEPARTMENT = 1
FIRST_SCHOOL = 2


def stamps(instants: Indices) -> list[str]:
    """Instants in milliseconds as OneRoster writes them: 2026-01-01T00:01:00.000Z."""
    texts = np.datetime_as_string(instants.astype("datetime64[ms]"), unit="ms").tolist()
    return [f"{text}Z" for text in texts]


def orgs(world: World, indices: Indices) -> list[Record]:
    """The district, a department that is no school, and the schools."""
    modified = stamps(world.timeline("orgs", indices).modified)
    return [_org(world, index, stamp) for index, stamp in zip(indices.tolist(), modified, strict=True)]


def _org(world: World, index: int, stamp: str) -> Record:
    record: Record = {
        "sourcedId": identify("orgs", index),
        "status": "active",
        "dateLastModified": stamp,
        "name": org_name(world, index),
        "type": {DISTRICT: "district", DEPARTMENT: "department"}.get(index, "school"),
        "identifier": f"{index * 37 + 12:06d}",  # leading zeros, as state school numbers have
    }
    if index == DISTRICT:
        last = FIRST_SCHOOL + len(world.shape.schools)
        record["children"] = [world.links.org(child) for child in range(DEPARTMENT, last)]
    else:
        record["parent"] = world.links.org(DISTRICT)
    return record


def org_name(world: World, index: int) -> str:
    """The name of an organization; a place that comes again gets a number."""
    first = one(world.key("places"), 0, len(PLACES))
    if index == DISTRICT:
        return f"{PLACES[first]} Unified School District"
    if index == DEPARTMENT:
        return "Transportation Department"
    number = index - FIRST_SCHOOL
    again, place = divmod(number, len(PLACES))
    title = world.shape.schools[number].level.title
    return f"{PLACES[(first + place) % len(PLACES)]} {title}" + (f" No. {again + 1}" if again else "")


def academic_sessions(world: World, indices: Indices) -> list[Record]:
    """School years, semesters, terms and grading periods, each knowing its parent and its children."""
    modified = stamps(world.timeline("academicSessions", indices).modified)
    return [_session(world, index, stamp) for index, stamp in zip(indices.tolist(), modified, strict=True)]


def _session(world: World, index: int, stamp: str) -> Record:
    session = world.sessions[index]
    record: Record = {
        "sourcedId": identify("academicSessions", index),
        "status": "active",
        "dateLastModified": stamp,
        "title": session.title,
        "startDate": session.start.isoformat(),
        "endDate": session.end.isoformat(),
        "type": session.kind,
        "schoolYear": str(session.school_year),
    }
    if session.parent is not None:
        record["parent"] = world.links.session(session.parent)
    if session.children:
        record["children"] = [world.links.session(child) for child in session.children]
    return record
