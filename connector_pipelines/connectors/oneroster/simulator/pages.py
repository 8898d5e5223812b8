"""Collections and single records as answers: rows, envelope, totals and links (contract 1.1, response headers)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from connector_pipelines.connectors.oneroster.simulator import fields, query, relations, routes, spoil, v1p1
from connector_pipelines.connectors.oneroster.simulator.filters import Clause, Filter
from connector_pipelines.connectors.oneroster.simulator.refusals import not_found, status_info
from connector_pipelines.simulating.exchange import as_json

if TYPE_CHECKING:
    from connector_pipelines.connectors.oneroster.simulator.identifiers import Record
    from connector_pipelines.connectors.oneroster.simulator.store import Rows, Store
    from connector_pipelines.simulating.exchange import Call, Reply
    from connector_pipelines.simulating.faults import Struck

MAX_LIMIT = 10_000
TIMEBACK_MAX_LIMIT = 3_000


@dataclass(frozen=True, slots=True)
class Reading:
    """A GET that was let in."""

    store: Store
    call: Call
    target: routes.Target
    listing: routes.Listing
    struck: Struck
    timeback: bool

    @property
    def table(self) -> query.Table:
        """The collection as this version of the API shows it."""
        name = self.listing.collection
        if self.target.old:
            return query.Table(self.store, name, fields.V1P1[name], lambda record: v1p1.convert(name, record))
        return query.Table(self.store, name, fields.V1P2[name], _as_it_is)

    @property
    def envelope(self) -> str:
        """The key of the answer's body."""
        return routes.envelope(self.target, self.listing.collection, timeback=self.timeback)


def _as_it_is(record: Record) -> Record:
    return record


def single(reading: Reading) -> Reply:
    """One record.

    Raises:
        RefusedError: 404, no such record under this name; 400, a blank selection.
    """
    name, sourced_id = reading.target.names[0], reading.target.ids[0]
    collection = reading.listing.collection
    relations.parent(reading.store, name, sourced_id)
    asked = query.read([pair for pair in reading.call.pairs if pair[0] == "fields"], reading.table.known)
    row = reading.store.find(collection, sourced_id)
    if row is None:
        raise not_found(name, sourced_id)
    records = spoil.rows(reading.table.records([row]), reading.struck, reading.store.world.seed, row)
    return as_json(200, {reading.envelope: query.chosen(records[0], asked.fields)}, rows=1)


def collection(reading: Reading) -> Reply:
    """One page of a collection.

    Raises:
        RefusedError: 400, a parameter cannot be understood; 404, the path leads through an unknown record.
    """
    asked = _asked(reading)
    rows = _rows(reading, asked)
    offset = 0 if "repeat-page" in reading.struck else asked.offset
    page = rows[offset : offset + asked.limit]
    spoilt = spoil.rows(reading.table.records(page), reading.struck, reading.store.world.seed, offset)
    records = [query.chosen(record, asked.fields) for record in spoilt]
    body = spoil.envelope(reading.envelope, records, reading.struck)
    total = _told_total(reading.struck, len(rows))
    if reading.timeback and "no-total" not in reading.struck:
        body |= _totals(total, asked)
    if asked.warnings and "warnings-in-body" in reading.struck:
        body["statusInfoSet"] = [status_info(minor, text, severity="warning") for minor, text in asked.warnings]
    return as_json(200, body, _headers(reading, asked, total), len(records))


def _asked(reading: Reading) -> query.Query:
    struck = reading.struck
    nested = not (reading.timeback or "no-dot-filter" in struck)
    asked = query.read(reading.call.pairs, reading.table.known, nested=nested)
    limit = min(asked.limit, TIMEBACK_MAX_LIMIT if reading.timeback else MAX_LIMIT)
    if "clamp" in struck:
        limit = min(limit, struck.number("clamp"))
    asked = replace(asked, limit=limit, search=asked.search if reading.timeback else None)
    if "ignore-filter" in struck:
        asked = replace(asked, filter=None)
    if "ignore-sort" in struck:
        asked = replace(asked, sort=None, descending=False)
    if "strict-greater" in struck and asked.filter:
        asked = replace(asked, filter=_strict(asked.filter))
    return asked


def _strict(parsed: Filter) -> Filter:
    clauses = (
        replace(clause, op=">") if (clause.field, clause.op) == ("dateLastModified", ">=") else clause
        for clause in parsed.clauses
    )
    return replace(parsed, clauses=tuple(clauses))


def _rows(reading: Reading, asked: query.Query) -> Rows:
    """The rows of the whole selection; remembered, because a client comes back for its other pages."""
    target = reading.target
    question = (target, asked.filter, asked.sort, asked.descending, asked.search, tuple(reading.struck))

    def answer() -> Rows:
        relation, wanted = reading.listing.relation, asked
        rows = relation(reading.store, list(target.ids)) if relation else reading.store.rows(reading.listing.collection)
        if "hide-deleted" in reading.struck:
            active = replace(asked, filter=Filter((Clause("status", "=", "active"),)), sort=None, descending=False)
            rows = query.select(reading.table, rows, active)
        return query.select(reading.table, rows, wanted)

    return reading.store.remembered(question, answer)


def _told_total(struck: Struck, total: int) -> int:
    return total * (100 + struck.number("total-estimate")) // 100 if "total-estimate" in struck else total


def _totals(total: int, asked: query.Query) -> dict[str, Any]:
    """What TimeBack sends beside the records (contract 1.4)."""
    return {
        "totalCount": total,
        "pageCount": -(-total // asked.limit),
        "pageNumber": asked.offset // asked.limit + 1,
        "offset": asked.offset,
        "limit": asked.limit,
    }


def _headers(reading: Reading, asked: query.Query, total: int) -> tuple[tuple[str, str], ...]:
    headers = []
    if "no-total" not in reading.struck:
        headers.append(("X-Total-Count", str(total)))
    if "no-link" not in reading.struck:
        headers.append(("Link", _links(reading, asked, total)))
    if "warnings-in-body" not in reading.struck:
        headers += [("Warning", f'299 - "{minor}: {_one_line(text)}"') for minor, text in asked.warnings]
    return tuple(headers)


def _one_line(text: str) -> str:
    """What the client sent may hold line breaks, a header field may not."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _links(reading: Reading, asked: query.Query, total: int) -> str:
    """RFC 8288 links, absolute, with the request's own parameters."""
    origin, struck = reading.call.origin, reading.struck
    if "link-other-host" in struck:
        origin = f"http://{struck['link-other-host']}"
    others = [(name, value) for name, value in reading.call.pairs if name not in {"limit", "offset"}]
    last = max(0, (total - 1) // asked.limit * asked.limit)
    offsets = {"first": 0, "last": last}
    if asked.offset + asked.limit < total:
        offsets["next"] = asked.offset + asked.limit
    if asked.offset > 0:
        offsets["prev"] = max(0, asked.offset - asked.limit)
    address = f"{origin}{reading.call.raw_path}"
    pages = {rel: urlencode([*others, ("limit", asked.limit), ("offset", offset)]) for rel, offset in offsets.items()}
    return ", ".join(f'<{address}?{page}>; rel="{rel}"' for rel, page in pages.items())
