"""The files of a OneRoster CSV zip and their columns, in the order the binding demands (contract 1.3)."""

from __future__ import annotations

from dataclasses import dataclass

LEADING = ("sourcedId", "status", "dateLastModified")
FLAGS = (
    "americanIndianOrAlaskaNative,asian,blackOrAfricanAmerican,nativeHawaiianOrOtherPacificIslander,white,"
    "demographicRaceTwoOrMoreRaces,hispanicOrLatinoEthnicity"
)


@dataclass(frozen=True, slots=True)
class File:
    """One file: its columns after the leading three, the collection it is filled from, and which part of its records.

    Attributes:
        name: without `.csv`.
        columns: all but sourcedId, status and dateLastModified.
        collection: where the rows come from; None for files a simulated world has nothing for.
        part: list field of a record whose entries are the rows; empty when the record is the row.
    """

    name: str
    columns: tuple[str, ...]
    collection: str | None = None
    part: str = ""

    @property
    def header(self) -> tuple[str, ...]:
        """The whole header row."""
        return (*LEADING, *self.columns)


def _file(name: str, columns: str, collection: str | None = "", part: str = "") -> File:
    return File(name, tuple(columns.replace("\n", "").split(",")), name if collection == "" else collection, part)


_SHARED = (
    _file("academicSessions", "title,type,startDate,endDate,parentSourcedId,schoolYear"),
    _file("orgs", "name,type,identifier,parentSourcedId"),
    _file("courses", "schoolYearSourcedId,title,courseCode,grades,orgSourcedId,subjects,subjectCodes"),
    _file(
        "classes",
        "title,grades,courseSourcedId,classCode,classType,location,schoolSourcedId,termSourcedIds,subjects,"
        "subjectCodes,periods",
    ),
    _file("enrollments", "classSourcedId,schoolSourcedId,userSourcedId,role,primary,beginDate,endDate"),
    _file(
        "demographics",
        f"birthDate,sex,{FLAGS},countryOfBirthCode,stateOfBirthAbbreviation,cityOfBirth,publicSchoolResidenceStatus",
    ),
    _file("resources", "vendorResourceId,title,roles,importance,vendorId,applicationId"),
    _file("classResources", "title,classSourcedId,resourceSourcedId", "classes", "resources"),
    _file("courseResources", "title,courseSourcedId,resourceSourcedId", "courses", "resources"),
)

V1P2 = (
    *_SHARED,
    _file(
        "users",
        "enabledUser,username,userIds,givenName,familyName,middleName,identifier,email,sms,phone,agentSourcedIds,grades,"
        "password,userMasterIdentifier,preferredGivenName,preferredMiddleName,preferredFamilyName,primaryOrgSourcedId,"
        "pronouns",
    ),
    _file("roles", "userSourcedId,roleType,role,beginDate,endDate,orgSourcedId,userProfileSourcedId", "users", "roles"),
    _file(
        "userProfiles",
        "userSourcedId,profileType,vendorId,applicationId,description,credentialType,username,password",
        "users",
        "userProfiles",
    ),
    _file("userResources", "userSourcedId,orgSourcedId,classSourcedId,resourceSourcedId", "users", "resources"),
    _file("categories", "title,weight"),
    _file(
        "lineItems",
        "title,description,assignDate,dueDate,classSourcedId,categorySourcedId,academicSessionSourcedId,resultValueMin,"
        "resultValueMax,schoolSourcedId",
    ),
    _file(
        "results",
        "lineItemSourcedId,studentSourcedId,scoreStatus,score,scoreDate,comment,textScore,classSourcedId,inProgress,"
        "incomplete,late,missing",
    ),
    _file("scoreScales", "title,type,orgSourcedId,courseSourcedId,classSourcedId,scoreScaleValue"),
    _file("lineItemLearningObjectiveIds", "lineItemSourcedId,source,learningObjectiveId", None),
    _file("lineItemScoreScales", "title,lineItemSourcedId,scoreScaleSourcedId", None),
    _file("resultLearningObjectiveIds", "resultSourcedId,source,learningObjectiveId,score,textScore", None),
    _file("resultScoreScales", "title,resultSourcedId,scoreScaleSourcedId", None),
)

V1P1 = (
    *_SHARED,
    _file(
        "users",
        "enabledUser,orgSourcedIds,role,username,userIds,givenName,familyName,middleName,identifier,email,sms,phone,"
        "agentSourcedIds,grades,password",
    ),
    _file("categories", "title"),
    _file(
        "lineItems",
        "title,description,assignDate,dueDate,classSourcedId,categorySourcedId,gradingPeriodSourcedId,resultValueMin,"
        "resultValueMax",
    ),
    _file("results", "lineItemSourcedId,studentSourcedId,scoreStatus,score,scoreDate,comment"),
)

FILES = {"1.1": V1P1, "1.2": V1P2}
GRADEBOOK = {"categories", "lineItems", "results", "scoreScales"}
EVOLVING = {"users", "classes", "enrollments"}

# What a public sample zip got wrong (contract 1.3, traps): header names, and a file under another name.
TYPOS = {"dateLastModified": "dataLastModified", "preferredGivenName": "prefferedGivenName"}
MISNAMED = {"userProfiles": "userprofiles"}
