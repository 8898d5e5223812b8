"""Which fields a record may have, in each version: what can be filtered, sorted, selected (contracts 1.1, 1.2)."""

from __future__ import annotations

BASE = ("sourcedId", "status", "dateLastModified", "metadata")
FLAGS = (
    "americanIndianOrAlaskaNative",
    "asian",
    "blackOrAfricanAmerican",
    "nativeHawaiianOrOtherPacificIslander",
    "white",
    "demographicRaceTwoOrMoreRaces",
    "hispanicOrLatinoEthnicity",
)
_BIRTH = ("countryOfBirthCode", "stateOfBirthAbbreviation", "cityOfBirth", "publicSchoolResidenceStatus")
_SCORE = ("scoreStatus", "score", "textScore", "scoreDate", "comment", "learningObjectiveSet")
_SCORE_FLAGS = ("inProgress", "incomplete", "late", "missing")
BOOLEANS = {"enabledUser", "primary", *FLAGS, *_SCORE_FLAGS}

_V1P2 = {
    "orgs": "name type identifier parent children",
    "academicSessions": "title startDate endDate type parent children schoolYear",
    "courses": "title schoolYear courseCode grades subjects org subjectCodes resources",
    "classes": "title classCode classType location grades subjects course school terms subjectCodes periods resources",
    "users": "userMasterIdentifier username userIds enabledUser givenName familyName middleName preferredFirstName "
    "preferredMiddleName preferredLastName pronouns roles userProfiles primaryOrg identifier email sms phone agents "
    "grades password resources",
    "demographics": " ".join(("birthDate", "sex", *FLAGS, *_BIRTH)),
    "enrollments": "user class school role primary beginDate endDate",
    "categories": "title weight",
    "lineItems": "title description assignDate dueDate class school category gradingPeriod academicSession scoreScale "
    "resultValueMin resultValueMax learningObjectiveSet",
    "results": " ".join(("lineItem student class scoreScale", *_SCORE, *_SCORE_FLAGS)),
    "scoreScales": "title type course class scoreScaleValue",
    "assessmentLineItems": "title description class parentAssessmentLineItem scoreScale resultValueMin resultValueMax "
    "learningObjectiveSet",
    "assessmentResults": " ".join(
        ("assessmentLineItem student scoreScale scorePercentile", *_SCORE, *_SCORE_FLAGS),
    ),
    "resources": "title roles importance vendorResourceId vendorId applicationId",
}
_V1P1 = _V1P2 | {
    "users": "username userIds enabledUser givenName familyName middleName role identifier email sms phone agents orgs "
    "grades password",
    "categories": "title",
    "lineItems": "title description assignDate dueDate class category gradingPeriod resultValueMin resultValueMax",
    "results": "lineItem student scoreStatus score scoreDate comment",
    "resources": "title role importance vendorResourceId vendorId applicationId",
}
V1P2 = {collection: (*BASE, *names.split()) for collection, names in _V1P2.items()}
V1P1 = {collection: (*BASE, *names.split()) for collection, names in _V1P1.items()}

# Where a filter may look into nested data; the specification permits it, and hardly anyone supports it.
_REFERENCES = (
    "user",
    "class",
    "school",
    "course",
    "org",
    "primaryOrg",
    "parent",
    "lineItem",
    "student",
    "category",
    "terms",
)
NESTED = {"roles.role", "roles.roleType", *(f"{reference}.sourcedId" for reference in _REFERENCES)}
INSTANTS = {"dateLastModified", "assignDate", "dueDate"}
