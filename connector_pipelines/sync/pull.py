"""Step 1 and 2: read a source's entity, land its pages as they come, accept or dead-letter its rows, stage them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from connector_pipelines.core.entities import entity as core_entity
from connector_pipelines.database import dead_letters, staging
from connector_pipelines.errors import SyncError, at
from connector_pipelines.mapping.identities import activate
from connector_pipelines.model import Mode, Page, Progress, Window
from connector_pipelines.sync import cursors, records
from connector_pipelines.sync.beside import Beside, few_collections
from connector_pipelines.sync.locks import hold

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from connector_pipelines.external.landing import LandingWriter
    from connector_pipelines.model import Read, Reading, Source, Stream
    from connector_pipelines.sync.context import Context
    from connector_pipelines.validation.accept import Accepted


def pull(context: Context, source: Source, entity: str, *, mode: Mode = Mode.FULL, span: Window | None = None) -> Read:
    """Read an entity from a source into staging.

    Each page is landed as it came, also one that breaks the read, so that it can be looked at.

    Args:
        context: the run's surroundings.
        source: where to read.
        entity: what to read.
        mode: FULL for everything; INCREMENTAL for what changed in `span`, or since the last applied read.
        span: the days to read, in UTC; open without one.

    Returns:
        the completed read: rows = staged + rejected + skipped.

    Raises:
        SyncError: the read failed; its place is named, the run is recorded as failed, nothing will be planned from it.
    """
    connection, stream = context.connection, source.stream(entity)
    with at(source.name, entity), hold(connection, f"{source.name}/{entity}"):
        activate(connection, source.name)
        cursor = cursors.current(connection, source.name, entity)
        window = cursors.choose(mode, span=span or Window(), cursor=cursor) if stream.filters_by_time else Window()
        read = records.start_run(connection, source.name, entity, window, launched_by=context.launched_by)
        try:
            with source.connector.open(source.config) as client:
                return _consume(context, stream, read, stream.read(client, window))
        except SyncError as error:
            records.fail_run(connection, read, error.located(source.name, entity))
            raise


def restage(context: Context, source: Source, read: Read) -> None:
    """Stage a read again from its landed pages, without HTTP: after the unlogged tables were lost, or for a replay.

    Raises:
        BrokenPage: a landed page is damaged.
    """
    from connector_pipelines.validation.accept import accept

    stream = source.stream(read.entity)
    landed = context.landing.pages(read.source, read.entity, read.id)
    pages = (Page(page.number, page.url, 200, page.body, stream.decode(page.body)) for page in landed)
    with context.connection.transaction():  # a half staged read would look like a whole one
        staging.create(context.connection, core_entity(read.entity), read.id)
        for batch in _batches(pages, context.chunk_rows):
            _copy(context, read, accept(stream, batch))


def _consume(context: Context, stream: Stream, read: Read, reading: Reading) -> Read:
    """Land, accept and stage all pages. While a batch is copied, the next one is fetched and decoded already."""
    from connector_pipelines.validation.accept import accept

    staging.create(context.connection, core_entity(stream.entity), read.id)
    skipped: Counter[str] = Counter()
    landing = context.landing.open(read.source, read.entity, read.id, window=read.window)
    landed: Beside[None] = Beside()
    copied: Beside[int] = Beside()
    with landing, landed, copied, few_collections():
        for batch in _batches(_landed(landing, landed, reading.pages), context.chunk_rows):
            accepted = accept(stream, batch)
            refused = copied.start(_copy, context, read, accepted) or 0
            skipped.update(accepted.skipped)
            read = replace(
                read,
                pages=read.pages + len(batch),
                rows=read.rows + sum(page.decoded.rows for page in batch),
                staged=read.staged + len(accepted.frame) - refused,
                rejected=read.rejected + len(accepted.rejections) + refused,
            )
            context.report(Progress(read.source, read.entity, "read", read.rows))
        landed.finish()
        refused = copied.finish() or 0
        read = replace(read, staged=read.staged - refused, rejected=read.rejected + refused)
        snapshot = reading.snapshot and read.window.mode is Mode.FULL
        read = replace(read, complete=True, snapshot=snapshot)
        landing.close(complete=True, snapshot=snapshot)
    records.finish_run(context.connection, read, skipped)
    return read


def _landed(landing: LandingWriter, beside: Beside[None], pages: Iterable[Page]) -> Iterator[Page]:
    for page in pages:
        beside.start(landing.add, page)
        yield page


def _copy(context: Context, read: Read, accepted: Accepted) -> int:
    """COPY the accepted rows and keep the others; how many PostgreSQL refused on top."""
    refused = staging.copy_rows(context.connection, core_entity(read.entity), read.id, accepted.frame)
    dead_letters.write(context.connection, read, accepted.rejections + refused)
    return len(refused)


def _batches(pages: Iterable[Page], rows: int) -> Iterator[list[Page]]:
    """Consecutive pages with together at least `rows` rows, the last batch with fewer."""
    batch: list[Page] = []
    held = 0
    for page in pages:
        batch.append(page)
        held += page.decoded.rows
        if held >= rows:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch
