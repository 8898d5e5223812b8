"""Reports: asked for with POST, looked after until they are ready, fetched, and deleted.

POST   /api/reports                {"collection": "suppliers"} and whatever the collection could be asked for
GET    /api/reports/<id>           202 and its state while it is made, then 200, its state and where the result is
GET    /api/reports/<id>/result    what the collection would have answered, page by page; or .csv, .jsonl, .gz …
DELETE /api/reports/<id>           forgets it
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from connector_pipelines.simulating.exchange import Reply, as_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from connector_pipelines.simulating.exchange import Call
    from connector_pipelines.simulating.faults import Struck

PATH = re.compile(r"/api/reports(?:/(?P<id>R\d+)(?:/result(?P<ending>[.\w]*))?)?")


@dataclass(slots=True)
class Report:
    """A report that somebody asked for. `looks` is how often it is not ready yet."""

    asked: Mapping[str, str]
    looks: int


@dataclass(slots=True)
class Reports:
    """All reports that were asked for and not deleted.

    Attributes:
        most: so many were held at once.
    """

    held: dict[str, Report] = field(default_factory=dict)
    most: int = 0
    _made: int = 0

    def answer(
        self, call: Call, asked: Mapping[str, str], struck: Struck, listing: Callable[[Call, Struck], Reply]
    ) -> Reply | None:
        """Answer a call about reports; None where there is no such thing.

        Args:
            call: as it came.
            asked: the parameters of its query and body.
            struck: what goes wrong.
            listing: answers a call for a collection.
        """
        found = PATH.fullmatch(call.path)
        if found is None or (found["id"] and found["id"] not in self.held):
            return None
        if found["id"] is None:
            return self._ask(call, asked, struck) if call.method == "POST" else None
        report = self.held[found["id"]]
        if found["ending"] is not None:
            pairs = (*report.asked.items(), *call.pairs)
            return listing(
                replace(call, path=f"/api/{report.asked['collection']}{found['ending']}", pairs=pairs), struck
            )
        if call.method == "DELETE":
            del self.held[found["id"]]
            return Reply(204)
        return self._state(call, found["id"], report, struck)

    def _ask(self, call: Call, asked: Mapping[str, str], struck: Struck) -> Reply:
        self._made += 1
        name = f"R{self._made}"
        self.held[name] = Report(dict(asked), int(struck.get("job-slow", "1")))
        self.most = max(self.most, len(self.held))
        told = {} if "job-nameless" in struck else {"id": name}
        return as_json(
            202, {"job": told | {"state": "QUEUED"}}, (("Location", f"{call.origin}{call.raw_path}/{name}"),)
        )

    def _state(self, call: Call, name: str, report: Report, struck: Struck) -> Reply:
        if "job-failed" in struck:
            told = {"state": "FAILED", "error": {"message": "The report has too many rows"}}
            return as_json(200, {"job": {"id": name} | told})
        if report.looks > 0 or "job-stuck" in struck:
            report.looks -= 1
            return as_json(202, {"job": {"id": name, "state": "RUNNING"}}, (("Retry-After", "2"),))
        host = f"https://{struck['link-other-host']}" if "link-other-host" in struck else call.origin
        result = f"{host}{call.raw_path}/result"
        return Reply(200, json.dumps({"job": {"id": name, "state": "DONE", "result": result}}).encode())
