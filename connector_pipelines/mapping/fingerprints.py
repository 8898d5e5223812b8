"""Fingerprints of raw records: what core is known to hold is recognized by its bytes, and is not even decoded.

A fingerprint is the 128-bit XXH3 hash of a record as it came, salted with all that decides what becomes of it. It
stands in the record's mapping. A full read loads those of all records that are in core, unchanged and present; a record
with such a fingerprint is unchanged, whatever else it may be. Everything else takes the long way.

What a read recognized holds only as long as the mappings stay what they were when it began. So the read notes their
number and checksum, and planning looks again (`still_hold`). When they moved, the pages are staged anew, and whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from psycopg import sql

from connector_pipelines.database.connection import Connection, comma, query, scalar
from connector_pipelines.database.tables import mappings_table, rows_table, unseen_table
from connector_pipelines.pages import Baseline, Rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_pipelines.model import Read
    from connector_pipelines.pages import Page

_ROW = [("fields", ">i2"), ("length", ">i4"), ("high", ">u8"), ("low", ">u8")]
_HEADER, _TRAILER = 19, 2  # of PostgreSQL's binary COPY, without extensions


class Known:
    """The fingerprints of what core holds of a source's entity when a read begins, and which of them came.

    Kept as two sorted columns of 64 bits: 16 bytes for each record.
    """

    def __init__(self, high: Any, low: Any, baseline: Baseline) -> None:
        import numpy as np

        order = np.argsort(high, kind="stable")
        self._high, self._low = high[order], low[order]
        self._seen = np.zeros(len(high), dtype=bool)
        self._baseline = baseline

    def __len__(self) -> int:
        return len(self._high)

    def recognize(self, digests: bytes) -> tuple[Any, int]:
        """Mark what came.

        Args:
            digests: 16 bytes for each record.

        Returns:
            the positions of records that are not known, and how many of the known ones came once more.
        """
        import numpy as np

        words = np.frombuffer(digests, dtype=">u8").astype(np.uint64).reshape(-1, 2)
        if not len(self):
            return np.arange(len(words)), 0
        at, found = self._found(words)
        hits = at[found]
        first = np.unique(hits)
        fresh = int(np.count_nonzero(~self._seen[first]))
        self._seen[first] = True
        return np.flatnonzero(~found), len(hits) - fresh

    def holds(self, digests: bytes) -> Any:
        """Which of these records core holds as they are, as a mask; marks nothing."""
        import numpy as np

        words = np.frombuffer(digests, dtype=">u8").astype(np.uint64).reshape(-1, 2)
        return self._found(words)[1] if len(self) else np.zeros(len(words), dtype=bool)

    def _found(self, words: Any) -> tuple[Any, Any]:
        """Where each would stand, and whether it does."""
        import numpy as np

        at = np.minimum(np.searchsorted(self._high, words[:, 0]), len(self) - 1)
        return at, (self._high[at] == words[:, 0]) & (self._low[at] == words[:, 1])

    def settle(self, connection: Connection, read: Read) -> Baseline | None:
        """Stage what did not come, in the unlogged table `unseen_<read>`.

        Returns:
            what the read relies on; None where nothing was recognized.
        """
        if not self._seen.any():
            return None
        table = unseen_table(read.id)
        high, low = self._high[~self._seen], self._low[~self._seen]
        with connection.transaction():
            connection.execute(query("DROP TABLE IF EXISTS {t}", t=table))
            connection.execute(query("CREATE UNLOGGED TABLE {t} (fingerprint uuid)", t=table))
            if len(high):
                with connection.cursor() as cursor, cursor.copy(query("COPY {t} FROM STDIN BINARY", t=table)) as copy:
                    copy.write(_packed(high, low))
        return Baseline(self._baseline.count, self._baseline.checksum, len(high))


class Sieve:
    """Lets only records through that are not known.

    Args:
        salt: of the fingerprints.
        known: what core holds; None lets everything through.
    """

    def __init__(self, salt: int, known: Known | None) -> None:
        self.salt = salt
        self.pages = 0
        self.rows = 0
        self.known = 0
        self.repeated = 0
        self.erased = 0
        self._known = known or None

    def sift(self, page: Page) -> Rows:
        """The records of a page that are worth a look; the others are counted as known, as repeated, or as erased."""
        import xxhash

        self.pages += 1
        self.rows += len(page.rows)
        there: Sequence[int] = range(len(page.rows))
        if not all(page.rows):
            there = [at for at in there if page.rows[at]]
            self.erased += len(page.rows) - len(there)
        if self._known is None:
            raw = [page.rows[at] for at in there]
            return Rows(page.number, there, raw, [xxhash.xxh3_128_hexdigest(row, self.salt) for row in raw])
        digests = {at: xxhash.xxh3_128_digest(page.rows[at], self.salt) for at in there}
        left, repeated = self._known.recognize(b"".join(digests.values()))
        self.repeated += repeated
        self.known += len(digests) - len(left) - repeated
        places = [there[at] for at in left.tolist()]
        raw = [bytes(page.rows[at]) for at in places]  # copies: a slice would keep the whole page in memory
        return Rows(page.number, places, raw, [digests[at].hex() for at in places])


def load(connection: Connection, source: str, entity: str) -> Known:
    """The fingerprints of the records that core holds as the source last sent them.

    They come as one value of 16 bytes a record: row by row, fetching them took ten times as long as reading the table.
    """
    import numpy as np

    every = query("coalesce(string_agg(uuid_send(fingerprint), ''), '')")
    with connection.cursor(binary=True) as cursor:
        row = cursor.execute(_held_of(source, entity, every)).fetchone()
    count, checksum, data = cast("tuple[int, str, bytes]", row)
    words = np.frombuffer(data, dtype=">u8").astype(np.uint64).reshape(-1, 2)
    return Known(words[:, 0], words[:, 1], Baseline(count, checksum, 0))


def forget(connection: Connection, source: str, entities: Sequence[str]) -> None:
    """Let every record of these entities be compared with core when it comes again, also one that looks unchanged."""
    connection.execute(
        query(
            "UPDATE {mappings} SET row_hash = NULL, fingerprint = NULL"
            " WHERE entity_type = ANY(%s) AND (row_hash IS NOT NULL OR fingerprint IS NOT NULL)",
            mappings=mappings_table(source),
        ),
        [list(entities)],
    )


def still_hold(connection: Connection, read: Read) -> bool:
    """Whether what a read recognized is still true: the mappings are those it began with, and no record that it
    recognized came with other content, too.
    """
    if read.baseline is None:
        return True
    unseen = unseen_table(read.id)
    if scalar(connection, "SELECT to_regclass(%s)", unseen.as_string(connection)) is None:
        return False
    noted = cast("int", scalar(connection, query("SELECT count(*) FROM {t}", t=unseen)))
    if _baseline(connection, read.source, read.entity, unseen=noted) != read.baseline:
        return False
    if not read.staged:
        return True
    twice = query(
        "SELECT 1 FROM {rows} s JOIN {m} m ON m.external_id = s.external_id WHERE {held} AND NOT {gone} LIMIT 1",
        rows=rows_table(read.id),
        m=mappings_table(read.source),
        held=held(read.entity),
        gone=unseen_of(read),
    )
    return connection.execute(twice).fetchone() is None


def held(entity: str) -> sql.Composed:
    """A condition on mappings `m`: core holds the record as its source last sent it, and knows its fingerprint."""
    return query(
        "(m.entity_type = {entity} AND m.sync_status = 'synced' AND m.absent_since IS NULL"
        " AND m.fingerprint IS NOT NULL)",
        entity=sql.Literal(entity),
    )


def unseen_of(read: Read) -> sql.Composed:
    """A condition on mappings `m`: the record's fingerprint did not come with the read."""
    return query("(m.fingerprint IN (SELECT fingerprint FROM {t}))", t=unseen_table(read.id))


def _baseline(connection: Connection, source: str, entity: str, *, unseen: int) -> Baseline:
    row = connection.execute(_held_of(source, entity)).fetchone()
    count, checksum = cast("tuple[int, str]", row)
    return Baseline(count, checksum, unseen)


def _held_of(source: str, entity: str, *more: sql.Composable) -> sql.Composed:
    """Asks for the number and the checksum of the fingerprints that are held, and for more of them."""
    wanted = [query("count(*)"), query("coalesce(sum(uuid_hash_extended(fingerprint, 0)), 0)::text"), *more]
    return query(
        "SELECT {wanted} FROM {m} m WHERE {held}", wanted=comma(wanted), m=mappings_table(source), held=held(entity)
    )


def _packed(high: Any, low: Any) -> bytes:
    """The rows in the format of PostgreSQL's binary COPY."""
    import numpy as np

    rows = np.empty(len(high), dtype=np.dtype(_ROW))
    rows["fields"], rows["length"], rows["high"], rows["low"] = 1, 16, high, low
    return b"PGCOPY\n\xff\r\n\x00" + bytes(8) + rows.tobytes() + b"\xff\xff"
