"""Rubrics of assignments, and who was assessed by them: as Canvas sends it, beside what was meant.

A submission has `rubric_assessment`, as it is sent, and `_scores`, the truth: the criterion, the rating that was
chosen, points and comment. The words stand in the rubric, which may lose a criterion that somebody was assessed in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from connector_pipelines.connectors.canvas.simulator.world import Record, World

CRITERIA = ("Argument", "Evidence & Sources", "Sprache & Stil", "Form")
RATINGS = (("Excellent", 10.0), ("Good", 7.5), ("Emerging", 3.0), ("No Marks", 0.0))
COMMENTS = ("See the second page.", "Bien vu, Zoë!", 'Was "meant" <b>so</b>?', "Better than last time")
ASSESSED_PERCENT = 80


def rubric_of(piece: Record) -> dict[str, Any]:
    """The fields of an assignment that has a rubric; none of a quiz, and of a third of the courses.

    That of a debate shows no points, and is not used for grading. Ids of ratings are only unique in their criterion.
    """
    kind = piece["submission_types"][0]
    if kind == "online_quiz" or piece["course_id"] % 3 == 0:
        return {}
    shown, form = kind == "online_text_entry", "_{}" if piece["id"] % 2 else "crit{}"
    criteria = [
        {
            "id": form.format(piece["id"] * 10 + place),
            "points": 10.0,
            "description": name,
            "long_description": f"{name}, at length",
            "ignore_for_scoring": False,
            "criterion_use_range": shown and place == 1,
            "ratings": [
                {
                    "id": "blank" if rank == 0 else f"_{rank}",
                    "points": points,
                    "description": said,
                    "long_description": "",
                }
                for rank, (said, points) in enumerate(RATINGS)
            ],
        }
        for place, name in enumerate(CRITERIA)
    ]
    settings = {
        "id": 700 + piece["id"],
        "title": f"Rubric of {piece['name']}",
        "points_possible": 10.0 * len(criteria),
        "free_form_criterion_comments": False,
        "hide_score_total": False,
        "hide_points": not shown,
    }
    more = {"use_rubric_for_grading": shown, "free_form_criterion_comments": False}
    return more | {"rubric": criteria, "rubric_settings": settings}


def lose_criterion(world: World, piece: Record) -> None:
    """Take the last criterion out of a rubric; who was assessed in it stays so."""
    if len(piece.get("rubric", ())) > 1:
        world.put("assignments", id=piece["id"], rubric=piece["rubric"][:-1])


def assess(dice: random.Random, piece: Record, submission: Record) -> dict[str, Any]:
    """What a submission has of an assessment, which may be none."""
    if "rubric" not in piece:
        return {}
    if dice.randrange(100) >= ASSESSED_PERCENT or submission["workflow_state"] == "unsubmitted":
        return {"rubric_assessment": dice.choice(({}, None)), "_scores": ()}
    both = [_given(dice, criterion) for criterion in piece["rubric"]]
    told = {criterion["id"]: given for criterion, (given, _) in zip(piece["rubric"], both, strict=True)}
    return {"rubric_assessment": told, "_scores": tuple(truth for _, truth in both if truth)}


def shown(submission: Record, *, asked: bool) -> Record:
    """A submission with its assessment, where that is asked for. Without one it is empty, null or left out."""
    told = submission.get("rubric_assessment")
    if asked and (told is not None or submission["id"] % 2):
        return submission | {"rubric_assessment": told}
    return {name: value for name, value in submission.items() if name != "rubric_assessment"}


def scores(world: World, submission: Record) -> Iterator[Record]:
    """What somebody reached, in the words of the rubric as it is now."""
    piece = world.tables["assignments"][submission["assignment_id"]]
    hidden = piece.get("rubric_settings", {}).get("hide_points")
    criteria = {one["id"]: one for one in piece.get("rubric", ())}
    for score in submission.get("_scores", ()):
        if score["criterion"] not in criteria:
            continue
        criterion = criteria[score["criterion"]]
        levels = {one["id"]: one["description"] for one in criterion["ratings"]}
        yield {
            "submission_id": submission["id"],
            "criterion_id": criterion["id"],
            "user_id": submission["user_id"],
            "assignment_id": submission["assignment_id"],
            "graded_at": submission["graded_at"],
            "criterion": criterion["description"],
            "level": levels.get(score["level"]),
            "points": None if hidden else score["points"],
            "max_points": None if hidden else criterion["points"],
            "comment": score["comment"],
        }


def _given(dice: random.Random, criterion: Record) -> tuple[Record, Record | None]:
    """What is sent for a criterion, and what was meant.

    One that is left open is sent without points, and with the rating of no points, which nobody chose.
    """
    none, drawn = criterion["ratings"][-1]["id"], dice.randrange(10)
    comment = dice.choice(COMMENTS) if dice.randrange(3) == 0 else None
    match drawn:
        case 0:
            return {"rating_id": none, "comments": ""}, None
        case 1:
            said = comment or COMMENTS[0]
            return {"rating_id": none, "comments": said}, _meant(criterion, None, None, said)
        case 2:
            some = round(0.25 * dice.randrange(1, 40), 2)
            between = _meant(criterion, None, some, comment or COMMENTS[1])
            return {"rating_id": None, "comments": comment or COMMENTS[1], "points": some}, between
    rating = dice.choice(criterion["ratings"])
    given = {"rating_id": rating["id"], "comments": comment or "", "points": rating["points"]}
    return given, _meant(criterion, rating["id"], rating["points"], comment)


def _meant(criterion: Record, level: str | None, points: float | None, comment: str | None) -> Record:
    return {"criterion": criterion["id"], "level": level, "points": points, "comment": comment}
