"""The simulator against the recorded session of a running Moodle: the same requests, in the order they were made.

What differs between two sites is put aside on both sides: `NOT_OURS`. Times are those of the simulator's clock, so
they and pictures are; ids are not: they come in the same order. Everything else is compared byte for byte.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from connector_pipelines.connectors.moodle import wire
from connector_pipelines.connectors.moodle.simulator import Simulator, grading
from connector_pipelines.connectors.moodle.simulator.php import as_json
from connector_pipelines.connectors.moodle.simulator.site import person
from connector_pipelines.simulating.exchange import Call

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DELETED_AT = 1_795_252_685
"""When a user was deleted, whose name has it."""

NOT_OURS = {
    *("timecreated", "timemodified", "gradedategraded", "cacherev", "profileimageurl", "profileimageurlsmall"),
    *("courseimage", "modicon", "contextid", "preferences"),
}
"""Times, and what a site makes of its own theme, files and sessions."""


def put_aside(answer: Any) -> Any:
    """An answer without what differs between two sites."""
    if isinstance(answer, list):
        return [put_aside(one) for one in answer]
    if isinstance(answer, dict):
        return {name: put_aside(value) for name, value in answer.items() if name not in NOT_OURS}
    return answer


def forum(simulator: Simulator) -> None:
    """What Moodle puts into every course, and what somebody put into this one."""
    grading.activity(simulator.site, 2, "Announcements", modname="forum")
    simulator.site.spent["items"] = 1
    grading.assignment(simulator.site, 2, "Homework 1", idnumber="EXT-Homework-1")


def manual(*, on: bool) -> Callable[[Simulator], None]:
    """Somebody switches manual enrolment in a course."""

    def act(simulator: Simulator) -> None:
        simulator.site.put("courses", 2, manual=on)

    return act


def item(**changes: Any) -> Callable[[Simulator], None]:
    """Somebody changes a grade item."""

    def act(simulator: Simulator) -> None:
        simulator.site.put("items", 2, **changes)

    return act


def somebody(simulator: Simulator) -> None:
    """A user that was not made by a recorded request."""
    simulator.site.spent["users"] = 14
    simulator.site.add("users", **person("txt1", "A", "B", "txt1@example.org", idnumber="T"))


def faults(*names: str) -> Callable[[Simulator], None]:
    """Something goes wrong."""
    return lambda simulator: simulator.set_faults(names)


PEOPLE: Sequence[Any] = (
    *("category_create", "category_create_duplicate_idnumber", "category_get_by_idnumber", "category_get_none"),
    *("course_create", "course_create_duplicate_shortname", "course_create_duplicate_idnumber"),
    *("course_create_bad_category", "course_create_bad_dates", "course_by_idnumber", "course_by_field_none"),
    *("course_by_field_bad_field", "users_create", "users_create_duplicate_username", "users_create_rollback_check"),
    *("users_create_duplicate_email", "users_create_duplicate_idnumber", "users_create_uppercase_username"),
    *("users_create_weak_password", "users_create_no_password", "users_create_auth_nologin_no_password"),
    *("users_create_createpassword", "users_create_missing_lastname", "users_create_invalid_email"),
    *("users_create_unknown_field", "users_create_username_space", "users_create_username_email_style"),
    *("users_create_username_unicode", "users_create_lang_bad", "users_create_customfield_unknown"),
    *("users_create_empty_list", "users_create_bad_type", "users_get_by_idnumber", "users_get_by_field_bad"),
    *("users_get_bad_key", "users_get_wildcard"),
    *("users_get_two_criteria", "users_get_username_wildcard", "users_update_suspend", "users_get_suspended"),
    *("users_update_unsuspend", "users_update", "users_update_partial_failure", "users_get_after_partial"),
    *("users_update_admin_forbidden",),
)
PLACES: Sequence[Any] = (
    *("enrol", "enrol_again_idempotent", "enrol_again_without_timeend", "enrol_second_role", "enrol_unknown_user"),
    *("enrol_unknown_course", "enrol_disallowed_role", "course_update", "enrol_suspend", "enrolled_users"),
    *(
        "enrolled_users_limit",
        "enrolled_users_unknown_course",
        "enrolled_users_onlyactive",
        "enrolled_users_onlysuspended",
    ),
    *("enrolled_users_onlyactive_expired", "enrol_unsuspend", "enrolled_users_with_suspended_account"),
    *(manual(on=False), "enrol_manual_disabled", "enrol_no_manual_instance", manual(on=True), "unenrol_not_enrolled"),
    *("unenrol_unknown_user", "group_create", "group_create_dup", "group_create_dup_idnumber", "group_add"),
    *("group_add_again", "group_add_not_enrolled", "group_members", "course_groups"),
)
GRADES: Sequence[Any] = (
    *(forum, "course_contents", "assign_get_assignments", "grade_update_assign", "grade_items_after"),
    *("grade_update_repeat", "grade_update_over_max", "grade_items_over_max", "grade_update_negative"),
    *("grade_items_negative", "grade_update_empty_value", "grade_items_empty_value", "grade_update_comma_decimal"),
    *("grade_items_comma", "grade_update_not_a_number", "grade_update_null_string", "grade_update_not_enrolled"),
    *("grade_update_unknown_user", "grade_items_unknown_user", "grade_update_unknown_activity"),
    *("grade_update_wrong_component", "grade_update_wrong_course", "grade_update_manual_component"),
    *("grade_update_itemname_spaces", lambda s: s.site.spent.update({"items": 3})),
    *("grade_update_itemnumber_new", "grade_items_itemnumber_new", "grade_update_itemnumber_delete"),
    *(item(locked=True), "grade_update_item_locked", item(locked=False), "grade_update_overridden"),
    *("assign_save_grades", "assign_get_grades", "grade_update_after_assign_save", "assign_get_grades_after_push"),
)
AFTERWARDS: Sequence[Any] = (
    *(
        "course_archive",
        "course_unarchive",
        "course_update_hide",
        "course_by_idnumber_hidden",
        "course_update_show",
        "course_update_unknown",
    ),
    *("courses_all", "course_get_unknown_id", "get_method_works", "array_index_gaps"),
    *("array_empty_brackets", "default_format_is_xml", "unenrol_role_only", "enrolled_after_unenrol_role"),
    *("unenrol", "unenrol_suspended_user"),
    *("text_user_padded", "text_user_id_padded", "text_user_email_upper", "text_user_emoji", "text_user_amp"),
    *("text_user_tags", "text_user_firstname_empty", "text_user_read", "user_read_idnumber_trim"),
    *("user_create_email_case_dup", "user_read_email_case", "user_read_uppercase_username", "user_lastname_too_long"),
    *(somebody, "user_update_username_uppercase", "user_clear_idnumber", "users_delete", "users_delete_again"),
    *("enrol_deleted_user", "users_update_deleted", "users_get_deleted"),
    *("text_course_less_than", "text_course_ampersand", "text_course_padded", "text_course_emoji"),
    *("text_course_angle_tag", "text_course_empty", "text_course_too_long", "text_course_read", "text_course_read_raw"),
    *("text_course_read_less_than", "text_course_read_padded", "text_course_get_courses"),
)
ERRORS: Sequence[Any] = (
    *("error_missing_function", "error_unknown_function", "error_missing_param", "error_extra_param"),
    *("error_wrong_type", faults("debug"), "debug_error_missing_param", "debug_error_extra_param"),
    *("debug_error_function_not_in_service", "debug_enrol_unknown_course", "debug_group_add_not_enrolled"),
    *("debug_users_create_duplicate_email", "debug_users_create_duplicate_username"),
    *("debug_users_create_missing_lastname", "debug_users_create_uppercase_username"),
    *(faults("invalid-token"), "error_invalid_token", "error_no_token", "error_no_token_with_function"),
    *(faults("access"), "error_service_disabled", "error_token_expired", "error_function_not_in_service"),
    *(faults("user-suspended"), "error_ws_user_suspended", faults("maintenance"), "outage_maintenance_mode_nonadmin"),
    *(faults("database-down"), "outage_database_down", faults("cli-maintenance"), "outage_cli_maintenance"),
    *(faults("rest-off"), "outage_rest_disabled", "outage_webservices_disabled", faults()),
)


def asked(simulator: Simulator, exchange: Any) -> Any:
    """The simulator's reply to a recorded request."""
    fields = dict(exchange.encoded or {})
    controls = [("wsfunction", exchange.function), ("wstoken", simulator.token)]
    if exchange.name not in {"default_format_is_xml", "error_xml_format"}:
        controls.insert(0, ("moodlewsrestformat", "json"))
    pairs = [*fields.items(), *(pair for pair in controls if pair[0] not in fields)]
    query, body = (pairs, b"") if exchange.method == "GET" else ([], urlencode(pairs).encode())
    return simulator.service.answer(Call("POST", "/webservice/rest/server.php", tuple(query), {}, body))


def test_the_recorded_session_is_answered_alike(exchanges: Any) -> None:
    """Some 150 recorded requests, made in their order, are answered with the recorded bytes and statuses."""
    simulator = Simulator(scenario="empty", clock=lambda: DELETED_AT)
    different = {}
    for step in (*PEOPLE, *PLACES, *GRADES, *AFTERWARDS, *ERRORS):
        if callable(step):
            step(simulator)
            continue
        exchange = exchanges[step]
        reply = asked(simulator, exchange)
        recorded = exchange.body if not isinstance(exchange.response, str) else exchange.response.encode()
        if "json" in exchange.content_type and not isinstance(exchange.response, str):
            got = as_json(put_aside(json.loads(reply.body)))
            recorded = as_json(put_aside(exchange.response))
        else:
            got = reply.body
        if (reply.status, got) != (exchange.status, recorded):
            different[step] = (got.decode()[:1500], recorded.decode()[:1500])
    assert different == {}


LEFT_OUT = {
    "cohort": "cohorts are not simulated; nothing of ours uses them",
    "gradecategory": "nor are grade categories",
    "grade_items_all_users": "shows grade categories",
    "grade_items_after_assign_save": "shows grade categories",
    "grade_items_after_unenrol": "shows grade categories",
    "grade_items_overridden": "shows grade categories",
    "grade_items_before": "shows an activity that no recorded request made",
    "grade_update_lti": "pushes to an activity that no recorded request made",
    "overview_grades": "a function nothing of ours uses",
    "error_capability_missing": "a function nothing of ours uses",
    "course_delete_unknown": "a function nothing of ours uses",
    "users_courses": "answered with the fields we read",
    "site_info": "lists the simulator's functions",
    "ok_after": "lists the simulator's functions",
    "outage_maintenance_mode_admin": "lists the simulator's functions",
    "limit": "below",
    "users_get_lastname_wildcard": "finds people whom no recorded request made",
    "enrol_both": "a repetition",
    "enrol_suspended_user": "a repetition",
    "error_xml_format": "below",
}


def test_every_recording_is_replayed_or_left_out_for_a_reason(exchanges: Any) -> None:
    """No recorded exchange is forgotten."""
    replayed = {step for step in (*PEOPLE, *PLACES, *GRADES, *AFTERWARDS, *ERRORS) if isinstance(step, str)}
    missing = [name for name in exchanges if name not in replayed and not name.startswith(tuple(LEFT_OUT))]
    assert missing == []
    assert replayed <= set(exchanges)


def test_errors_come_as_xml_where_no_format_is_asked_for(exchanges: Any) -> None:
    """Without `moodlewsrestformat` an error is XML, as recorded."""
    simulator = Simulator(scenario="empty", faults=["invalid-token"])
    assert asked(simulator, exchanges["error_xml_format"]).body.decode() == exchanges["error_xml_format"].response


def controls_first(simulator: Simulator, function: str, params: Any) -> Any:
    """The answer to a request whose token comes before everything else."""
    controls = [("moodlewsrestformat", "json"), ("wsfunction", function), ("wstoken", simulator.token)]
    body = urlencode([*controls, *wire.fields(params)]).encode()
    return json.loads(simulator.service.answer(Call("POST", "/webservice/rest/server.php", (), {}, body)).body)


def test_forms_are_cut_where_php_cuts_them(exchanges: Any) -> None:
    """Of 800 users 714 are created, of 3,000 updates 2,499 done, and nothing says so; a token in last place does."""
    simulator = Simulator(scenario="empty")
    simulator.site.spent["users"] = 315
    recorded = exchanges["limit_max_input_vars_exceeded"]
    assert controls_first(simulator, recorded.function, recorded.params) == recorded.response
    strangers = {"users": [{"id": 900_000 + number, "lastname": "x"} for number in range(3_000)]}
    warnings = controls_first(simulator, "core_user_update_users", strangers)["warnings"]
    told = exchanges["limit_truncated_control_first"].response
    assert (len(warnings), warnings[0], warnings[-1]) == (told["warnings_count"], told["first"], told["last"])
    body = wire.form("core_user_update_users", strangers) + b"&wstoken=" + simulator.token.encode()
    reply = simulator.service.answer(Call("POST", "/webservice/rest/server.php", (), {}, body))
    assert reply.body == exchanges["limit_truncated_token_last"].body
