"""What is to be done in the courses of a site, what was handed in, and what was given for it."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from connector_pipelines.connectors.canvas.simulator import rubrics

if TYPE_CHECKING:
    from datetime import datetime

    from connector_pipelines.connectors.canvas.simulator.world import Record, World

KINDS = (("Essay", "online_text_entry"), ("Quiz", "online_quiz"), ("Debate", "discussion_topic"))
LETTERS = {90: "A", 80: "B", 70: "C", 60: "D", 0: "F"}
EXCUSED_PERCENT, GRADED_PERCENT, HANDED_IN_PERCENT = 5, 55, 80


def begin(world: World) -> None:
    """Homework in every course, and what became of it. Every other piece is given letters beside points.

    One rubric in five lost a criterion after people were assessed by it.
    """
    dice, by_rubric = random.Random(f"{world.seed}:work"), random.Random(f"{world.seed}:rubrics")
    for course in list(world.rows("courses")):
        students = {one["user_id"]: None for one in world.rows("enrollments") if _learns(one, course)}
        for number, (title, kind) in enumerate(KINDS[: 1 + course["id"] % 3]):
            piece = _assignment(world, course, f"{title} {number + 1}", kind)
            for user in students:
                done = _done(dice, piece, world.start - timedelta(hours=dice.randrange(1, 200)))
                one = world.put("submissions", assignment_id=piece["id"], user_id=user, _course=course["id"], **done)
                world.put("submissions", id=one["id"], **rubrics.assess(by_rubric, piece, one))
            if piece["id"] % 5 == 1:
                rubrics.lose_criterion(world, piece)


def go_on(world: World, percent: float) -> None:
    """Some hand in again, or are graded, now. Others are assessed anew by a rubric alone."""
    dice, by_rubric = (random.Random(f"{world.seed}:{name}:{world.version}") for name in ("work", "rubrics"))
    rows = list(world.rows("submissions"))
    for one in dice.sample(rows, round(len(rows) * percent / 100)):
        piece = world.tables["assignments"][one["assignment_id"]]
        done = _done(dice, piece, world.now - timedelta(minutes=1))
        world.put("submissions", id=one["id"], **done | {"attempt": (one["attempt"] or 0) + 1})
    for one in by_rubric.sample(rows, round(len(rows) * percent / 100)):
        now, piece = world.tables["submissions"][one["id"]], world.tables["assignments"][one["assignment_id"]]
        world.put("submissions", id=one["id"], **rubrics.assess(by_rubric, piece, now))


def _learns(enrollment: Record, course: Record) -> bool:
    states = enrollment["enrollment_state"] in {"active", "completed", "inactive"}
    return bool(states and enrollment["type"] == "StudentEnrollment" and enrollment["course_id"] == course["id"])


def _assignment(world: World, course: Record, name: str, kind: str) -> Record:
    piece = world.put(
        "assignments",
        course_id=course["id"],
        name=name,
        due_at=_stamp(world.start + timedelta(days=14)) if kind != "discussion_topic" else None,
        unlock_at=None,
        lock_at=None,
        points_possible=20.0 if kind == "online_quiz" else 100.0,
        grading_type="letter_grade" if course["id"] % 2 else "points",
        submission_types=[kind],
        workflow_state="unpublished" if course["workflow_state"] == "unpublished" else "published",
        created_at=_stamp(world.start - timedelta(days=20)),
        updated_at=_stamp(world.start - timedelta(days=19)),
    )
    return world.put("assignments", id=piece["id"], **rubrics.rubric_of(piece))


def _done(dice: random.Random, piece: Record, at: datetime) -> dict[str, Any]:
    """What somebody did for a piece, and was given for it."""
    drawn, nothing = dice.randrange(100), {"score": None, "grade": None, "graded_at": None, "grader_id": None}
    handed = drawn < HANDED_IN_PERCENT
    done = nothing | {
        "submission_type": piece["submission_types"][0] if handed else None,
        "submitted_at": _stamp(at - timedelta(minutes=30)) if handed else None,
        "attempt": 1 if handed else None,
        "workflow_state": "submitted" if handed else "unsubmitted",
        "excused": drawn < EXCUSED_PERCENT,
        "redo_request": EXCUSED_PERCENT + GRADED_PERCENT <= drawn < EXCUSED_PERCENT + GRADED_PERCENT + 3,
        "late": False,
        "missing": False,
    }
    if drawn >= EXCUSED_PERCENT + GRADED_PERCENT and drawn % 9:
        return done
    score = None if done["excused"] else round(piece["points_possible"] * dice.randrange(0, 1001) / 1000, 2)
    given = {"score": score, "grade": _grade(piece, score), "graded_at": _stamp(at), "grader_id": 1}
    return done | given | {"workflow_state": "graded"}


def _grade(piece: Record, score: float | None) -> str | None:
    if score is None:
        return None
    if piece["grading_type"] == "points":
        return f"{score:g}"
    return next(letter for least, letter in LETTERS.items() if score / piece["points_possible"] * 100 >= least)


def _stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
