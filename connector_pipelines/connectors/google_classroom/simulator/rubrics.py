"""Rubrics of course work, and what submissions were given by them: everything follows from course, work and student.

Teachers may give points that no level has, points and no level, a level and no points, and leave criteria open or the
whole rubric aside. A criterion or a level that was removed since is still named by what was given for it.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

from connector_pipelines.connectors.google_classroom.simulator.instants import stamp

Record = dict[str, Any]

_CRITERIA = ("Thesis", "Évidence", "Style \u201cand\u201d grammar")
_LEVELS = ("Not yet", "Almost", "There", "Beyond")
_SHARE_WITHOUT, _SHARE_OPEN, _SHARE_REMOVED = 0.2, 0.2, 0.1


def rubrics_of(course_work: Record, seed: int) -> list[Record]:
    """The rubric of a course work, if it has one: of three in a row one has points, one has none, one is missing."""
    place = f"{course_work['courseId']}:{course_work['id']}"
    kind = (int(course_work["courseId"]) // 7 + int(course_work["id"])) % 3
    if kind == 2:  # noqa: PLR2004 -- the last of three
        return []
    scored, made = kind == 0, datetime.fromisoformat(course_work["creationTime"])
    dice = random.Random(f"{seed}:rubric:{place}")
    record = {
        "courseId": course_work["courseId"],
        "courseWorkId": course_work["id"],
        "id": f"r{dice.randrange(10**9):09x}",
        "creationTime": stamp(made),
        "updateTime": stamp(made + timedelta(hours=1)),
        "criteria": [_criterion(title, number, dice, scored=scored) for number, title in enumerate(_CRITERIA)],
    }
    return [record]


def _criterion(title: str, number: int, dice: random.Random, *, scored: bool) -> Record:
    levels: list[Record] = []
    for step, name in enumerate(_LEVELS[: 2 + number]):
        level: Record = {"id": f"L{dice.randrange(10**9):09x}", "title": name, "description": f"{name}: {title}"}
        if scored:
            level["points"] = step * 2.5
            if step == 1:
                del level["title"]  # with points it needs none
        levels.append(level)
    return {"id": f"N{dice.randrange(10**9):09x}", "title": title, "levels": levels[::-1]}


def given(rubric: Record, person: str, seed: int) -> dict[str, Record]:
    """What somebody was given, by criterion."""
    whole = random.Random(f"{seed}:{rubric['id']}:{person}")
    if whole.random() < _SHARE_WITHOUT:
        return {}
    found = {one["id"]: _grade(one, random.Random(f"{seed}:{one['id']}:{person}")) for one in rubric["criteria"]}
    if whole.random() < _SHARE_REMOVED:
        found["Nremoved"] = {"criterionId": "Nremoved", "levelId": "Lremoved"}
    return {key: grade for key, grade in found.items() if len(grade) > 1}


def _grade(criterion: Record, dice: random.Random) -> Record:
    """A level with its points, now and then with others or without one; nothing but the criterion where it is open."""
    grade: Record = {"criterionId": criterion["id"]}
    if dice.random() < _SHARE_OPEN:
        return grade
    level = dice.choice(criterion["levels"])
    if "points" not in level:
        return grade | {"levelId": "Lremoved" if dice.random() < _SHARE_REMOVED else level["id"]}
    points = dice.choice((level["points"], level["points"], 9.99))  # beyond what any level has
    return grade | ({"points": points} if dice.random() < _SHARE_OPEN else {"levelId": level["id"], "points": points})
