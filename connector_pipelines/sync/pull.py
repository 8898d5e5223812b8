"""Step 1 and 2: read a source's entity, land its pages as they come, accept or dead-letter its rows, stage them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from connector_pipelines.core.entities import entity as core_entity
from connector_pipelines.database import dead_letters, staging
from connector_pipelines.database.tables import unseen_table
from connector_pipelines.errors import SyncError, at
from connector_pipelines.external.surroundings import opened
from connector_pipelines.garbage import few_collections
from connector_pipelines.mapping import fingerprints
from connector_pipelines.mapping.fingerprints import Sieve
from connector_pipelines.mapping.identities import activate
from connector_pipelines.model import Mode, Progress, RunKind, Window
from connector_pipelines.pages import Page, Stability
from connector_pipelines.sync import cursors, records, veil
from connector_pipelines.sync.beside import Beside, short_turns
from connector_pipelines.sync.locks import hold
from connector_pipelines.sync.salt import salt_of
from connector_pipelines.sync.switches import refuse_off

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from connector_pipelines.database.connection import Connection
    from connector_pipelines.external.landing import LandingWriter
    from connector_pipelines.mapping.fingerprints import Known
    from connector_pipelines.model import Read, Source, Stream
    from connector_pipelines.pages import Reading, Rows, Together
    from connector_pipelines.sync.context import Context
    from connector_pipelines.validation.accept import Accepted

BATCH_BYTES = 8 * 1024 * 1024
"""Large records make batches with fewer rows: orders with their lines take kilobytes each."""

LANDING_BYTES = BATCH_BYTES
"""How much may wait to be landed: what a batch holds in memory anyway. With less, reading the next batch waits for
pages that could have been landed while the one before was decoded.
"""


def pull(
    context: Context,
    source: Source,
    entity: str,
    *,
    mode: Mode = Mode.FULL,
    span: Window | None = None,
    dry_run: bool = False,
) -> Read:
    """Read an entity from a source into staging.

    Each page is landed as it came, also one that breaks the read, so that it can be looked at.

    Args:
        context: the run's surroundings.
        source: where to read.
        entity: what to read.
        mode: FULL for everything; INCREMENTAL for what changed in `span`, or since the last applied read.
        span: the days to read, in UTC, or the ids of the records; open without one.
        dry_run: only look: the plan made of it waits for a person, and nobody sees its dead letters before.

    Returns:
        the completed read: rows = staged + known + rejected + skipped.

    Raises:
        ConfigurationError: the source is off; nothing was asked or recorded.
        SyncError: the read failed; its place is named, the run is recorded as failed, nothing will be planned from it.
    """
    connection, stream = context.connection, source.stream(entity)
    refuse_off(connection, source)
    with at(source.name, entity), hold(connection, f"{source.name}/{entity}"):
        activate(connection, source.name)
        window = _window(connection, source, stream, mode, span or Window())
        kind = RunKind.DRY_RUN if dry_run else RunKind.READ
        read = records.start_run(connection, source.name, entity, window, launched_by=context.launched_by, kind=kind)
        try:
            with opened(source) as client:
                return _consume(context, source, read, stream.read(client, window))
        except SyncError as error:
            records.fail_run(connection, read, error.located(source.name, entity))
            raise


def _window(connection: Connection, source: Source, stream: Stream, mode: Mode, span: Window) -> Window:
    """What to ask for; everything where the system can be asked for nothing less."""
    if span.ids:
        return span
    cursor = cursors.current(connection, source.name, stream.entity)
    if stream.counts:
        return cursors.onward(mode, cursor, cursors.position(connection, source.name, stream.entity))
    return cursors.choose(mode, span=span, cursor=cursor) if stream.filters_by_time else Window()


def restage(context: Context, source: Source, read: Read) -> Read:
    """Stage a read again from its landed pages, without HTTP: after the unlogged tables were lost, when what the read
    recognized does not hold any more, or for a replay.

    Returns:
        the read with its rows counted anew; nothing of it is recognized, everything is decoded.

    Raises:
        BrokenPage: a landed page is damaged.
    """
    stream = source.stream(read.entity)
    landed = context.landing.pages(read.source, read.entity, read.landed)
    pages = (Page(page.number, page.url, 200, page.body, page.records(stream.split)) for page in landed)
    with context.connection.transaction():  # a half staged read would look like a whole one
        dead_letters.create(context.connection, read)
        hidden = veil.load(context.connection, source.name).over(stream, pages)
        staged, skipped = _stage(context, source, read, hidden, None)
        staged = replace(staged, baseline=None)
        records.finish_run(context.connection, staged, skipped)
        staging.drop(context.connection, unseen_table(read.id))
    return staged


def _consume(context: Context, source: Source, read: Read, reading: Reading) -> Read:
    """Land, accept and stage all pages. While a batch is copied, the next one is fetched and split already."""
    whole = reading.snapshot and read.window.mode is Mode.FULL
    if whole and reading.fenced and read.entity in source.policy.drops:
        reading = reading.fenced()
    known = fingerprints.load(context.connection, read.source, read.entity) if whole else None
    stream = source.stream(read.entity)
    pages = veil.load(context.connection, source.name).over(stream, reading.pages, known, salt_of(source, stream))
    landing = context.landing.open(read.source, read.entity, read.id, window=read.window)
    landed: Beside[None] = Beside(LANDING_BYTES)
    with landing, landed, few_collections(), short_turns():
        read, skipped = _stage(context, source, read, _landed(landing, landed, pages), known)
        landed.finish()
        baseline = known.settle(context.connection, read) if known else None
        stability, reached = reading.stability(), reading.reached()
        whole = whole and stability is not Stability.UNSTABLE  # what such a read does not hold may well be there
        read = replace(read, complete=True, snapshot=whole, stability=stability, reached=reached, baseline=baseline)
        landing.close(complete=True, snapshot=whole)
    records.finish_run(context.connection, read, skipped)
    return read


def _landed(landing: LandingWriter, beside: Beside[None], pages: Iterable[Page]) -> Iterator[Page]:
    for page in pages:
        beside.start(partial(landing.add, page), weight=len(page.body))
        yield page


def _stage(
    context: Context, source: Source, read: Read, pages: Iterable[Page], known: Known | None
) -> tuple[Read, Counter[str]]:
    """Accept and copy what is not known; the read with its rows counted, and why some were skipped."""
    stream = source.stream(read.entity)
    sieve = Sieve(salt_of(source, stream), known)
    read = replace(read, salt=sieve.salt, staged=0, rejected=0)
    staging.create(context.connection, core_entity(read.entity), read.id)
    skipped: Counter[str] = Counter()
    parents: set[str] = set()
    together = stream.together if read.window.mode is not Mode.FULL else None
    if together:
        pages = _noting(pages, together, parents)
    with Beside[int]() as copied:
        for batch in _batches(_sifted(context, read, sieve, pages), context.chunk_rows):
            accepted = _accept(stream, batch)
            refused = copied.start(partial(_copy, context, read, accepted)) or 0
            skipped.update(accepted.skipped)
            staged, rejected = len(accepted.frame) - refused, len(accepted.rejections) + refused
            read = replace(read, staged=read.staged + staged, rejected=read.rejected + rejected)
        refused = copied.finish() or 0
    staging.analyze(context.connection, read.id)
    if together:
        staging.note_parents(context.connection, read.id, together.reference, parents)
    skipped["repeated"] += sieve.repeated
    skipped[veil.REASON] += sieve.erased
    read = replace(read, pages=sieve.pages, rows=sieve.rows, known=sieve.known)
    return replace(read, staged=read.staged - refused, rejected=read.rejected + refused), +skipped


def _noting(pages: Iterable[Page], together: Together, parents: set[str]) -> Iterator[Page]:
    for page in pages:
        parents.update(together.parents(page.body))
        yield page


def _sifted(context: Context, read: Read, sieve: Sieve, pages: Iterable[Page]) -> Iterator[Rows]:
    """Of each page what is not known, with a word about the progress now and then."""
    told = 0
    for page in pages:
        yield sieve.sift(page)
        if sieve.rows - told >= context.chunk_rows:
            told = sieve.rows
            context.report(Progress(read.source, read.entity, "read", told))
    if sieve.rows > told or not told:
        context.report(Progress(read.source, read.entity, "read", sieve.rows))


def _accept(stream: Stream, parts: Sequence[Rows]) -> Accepted:
    from connector_pipelines.validation.accept import accept

    return accept(stream, parts)


def _copy(context: Context, read: Read, accepted: Accepted) -> int:
    """COPY the accepted rows and keep the others; how many PostgreSQL refused on top."""
    refused = staging.copy_rows(context.connection, core_entity(read.entity), read.id, accepted.frame)
    dead_letters.write(context.connection, read, accepted.rejections + refused)
    return len(refused)


def _batches(parts: Iterable[Rows], most: int) -> Iterator[list[Rows]]:
    """Records that are worth a look, `most` at a time or as many bytes as should be in memory at once; each batch has
    whole pages. Validating costs by the batch: where one record in a hundred changed, a batch is a hundred pages.
    """
    batch: list[Rows] = []
    held = size = 0
    for part in parts:
        if part.raw:
            batch.append(part)
            held, size = held + len(part.raw), size + sum(map(len, part.raw))
        if held >= most or size >= BATCH_BYTES:
            yield batch
            batch, held, size = [], 0, 0
    if batch:
        yield batch
