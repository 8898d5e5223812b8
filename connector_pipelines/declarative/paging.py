"""Where the next page is, and how the end is known: the models of a source's `paging`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from connector_pipelines.declarative.mapping import Strict


class Header(Strict):
    """A place in an answer's headers."""

    header: str = Field(min_length=1, description="The header's name, in any case.")


Place = str | Header
"""Where an answer says something: a JMESPath expression on the body, or a header."""

Into = Literal["query", "body"]


class _Paging(Strict):
    max_pages: int = Field(
        default=100_000, ge=1, description="More pages than this are a mistake: the read fails instead of being cut."
    )
    total: Place | None = Field(
        default=None,
        description="Where the source says how many rows there are in all pages. Only for totals that are exact: the "
        "read ends there, and fails when fewer rows came or the total shrinks in between.",
    )


class SinglePage(_Paging):
    """Everything comes at once."""

    type: Literal["none"] = Field(description="One answer holds everything.")


class Sized(_Paging):
    """Pages whose size may be asked for."""

    size: int = Field(default=100, ge=1, le=100_000, description="Rows to ask for per page; fewer may come.")
    size_param: str | None = Field(default=None, description="The parameter that says how many rows a page has.")
    into: Into = Field(default="query", description="Where the parameters go: the query or the JSON body.")


class _Counted(Sized):
    """Pages that are asked for by a number. They end with an empty page, or sooner as declared."""

    more: Place | None = Field(default=None, description="Where the source says whether there are more pages.")
    short_page_ends: bool = Field(
        default=False, description="A page with fewer rows than `size` is the last. Not for sources that clamp pages."
    )


class PageNumber(_Counted):
    """Pages are numbered."""

    type: Literal["page"] = Field(description="Pages are numbered.")
    param: str = Field(default="page", description="The parameter with the page's number.")
    first: int = Field(default=1, ge=0, description="The number of the first page.")
    pages: Place | None = Field(default=None, description="Where the source says how many pages there are.")


class Offset(_Counted):
    """Pages begin after so many rows."""

    type: Literal["offset"] = Field(description="Pages begin after so many rows.")
    param: str = Field(default="offset", description="The parameter with the number of rows to leave out.")
    size_param: str | None = Field(default="limit", description="The parameter that says how many rows a page has.")
    first: int = Field(default=0, ge=0, description="The offset of the first row.")
    step: Literal["received", "size"] = Field(
        default="received",
        description="The next page begins after the rows that came, or after those that were asked for.",
    )
    fixed_order: bool = Field(
        default=False,
        description="The source lists records in an order in which none ever changes its place, by their key for one; "
        "say so in `params` where it must be asked for. Then reads that are to drop what is gone prove that it is: "
        "each page begins with the last row of the page before.",
    )

    @model_validator(mode="after")
    def _provable(self) -> Self:
        if self.fixed_order and (self.step != "received" or self.size == 1):
            message = "fixed_order needs step: received and pages of more than one row"
            raise ValueError(message)
        return self


class Cursor(Sized):
    """Each page gives a token for the next."""

    type: Literal["cursor"] = Field(description="Each page gives a token for the next.")
    param: str = Field(default="cursor", description="The parameter with the token.")
    next: Place = Field(description="Where the token is. No token, or an empty one, is the end.")
    more: Place | None = Field(
        default=None, description="Where the source says whether there are more pages, if a last page has a token, too."
    )


class LastRecord(Sized):
    """The next page begins after the last record of this one: `since_id`, `starting_after`."""

    type: Literal["last_record"] = Field(description="The next page begins after the last record of this one.")
    param: str = Field(description="The parameter with the last record's key, e.g. since_id.")
    key: str = Field(description="The key's place in a record, by which the source sorts.")
    more: Place | None = Field(default=None, description="Where the source says whether there are more pages.")


class Link(Sized):
    """Each page gives the address of the next."""

    type: Literal["link"] = Field(description="Each page gives the address of the next.")
    next: Place = Field(
        default=Header(header="Link"),
        description="Where the address is; of a Link header that of rel=next. No address is the end.",
    )
    other_host: bool = Field(
        default=False,
        description="The address may name another host, as behind a proxy: only its path and query are used, so that "
        "our credentials stay where they belong. Otherwise such an address is an error.",
    )


Paging = Annotated[
    SinglePage | PageNumber | Offset | Cursor | LastRecord | Link,
    Field(discriminator="type"),
]


class Incremental(Strict):
    """How to ask for what changed. Without it a source is read whole each time, which recognizes unchanged records."""

    since: str | None = Field(default=None, description="The parameter with the beginning of the span, inclusive.")
    until: str | None = Field(default=None, description="The parameter with the end of the span.")
    number: str | None = Field(
        default=None,
        description="The source counts its changes: where a record's own number is, e.g. sequence. Increments ask for "
        "numbers from the highest one on, in `since` or `expression`, instead of times.",
    )
    token: Place | None = Field(
        default=None,
        description="The source marks how far one has read: where an answer says so, e.g. meta.sync_token. The last "
        "one that came is what `since` or `expression` of the next increment gets, whatever it looks like.",
    )
    lookback: int = Field(
        default=100,
        ge=0,
        description="For number: so many are asked for again, since a source gives out numbers before what they stand "
        "for can be read.",
    )
    filter: str | None = Field(
        default=None, description="The parameter with an expression instead; it is written in `expression`."
    )
    expression: str | None = Field(
        default=None, description="The expression; $since and $until stand for the ends, e.g. updated >= '$since'."
    )
    expression_until: str | None = Field(
        default=None,
        description="What is added to the expression where the span has an end, e.g. and updated < '$until'.",
    )
    base64: bool = Field(default=False, description="The expression is sent in base64, as Finale wants it.")
    into: Into = Field(default="query", description="Where the parameters go: the query or the JSON body.")
    format: str = Field(
        default="iso",
        description="How times are written: iso (2026-11-21T14:00:00Z), epoch, epoch_ms, or a strftime format. In UTC.",
    )
    lookback_seconds: int = Field(
        default=0, ge=0, description="Seconds to ask for before the span, for sources that show changes late."
    )
    step_days: int | None = Field(
        default=None, ge=1, description="Days a request may span; a longer span is read in several."
    )
    retention_days: int | None = Field(
        default=None, ge=1, description="Days the source remembers changes; for a longer span everything is read."
    )
    newest_first: bool = Field(
        default=False,
        description="The source cannot filter but sends the newest records first: reading ends at the first page "
        "whose last record is older than the span. Needs `modified`.",
    )

    @model_validator(mode="after")
    def _says_how(self) -> Self:
        ways = [bool(self.since), bool(self.filter), self.newest_first]
        if sum(ways) != 1:
            message = "one of since, filter or newest_first is needed"
            raise ValueError(message)
        if bool(self.filter) != bool(self.expression):
            message = "filter and expression belong together"
            raise ValueError(message)
        self._check_names()
        if self.counts and (self.until or self.expression_until or self.step_days or self.newest_first):
            message = "number and token have no end, no steps of days and no newest_first"
            raise ValueError(message)
        if self.number and self.token is not None:
            message = "number and token are two ways of counting; name one"
            raise ValueError(message)
        if self.step_days and not (self.until or self.expression_until):
            message = "step_days needs until or expression_until"
            raise ValueError(message)
        return self

    @property
    def counts(self) -> bool:
        """Whether increments go on from where the one before ended, in the source's own counting."""
        return self.number is not None or self.token is not None

    @property
    def counted(self) -> str:
        """What is counted, for people, and to know a position again."""
        if self.number is not None:
            return repr(self.number)
        return f"the header {self.token.header!r}" if isinstance(self.token, Header) else repr(self.token)

    def _check_names(self) -> None:
        from string import Template

        for text in filter(None, (self.expression, self.expression_until)):
            template = Template(text)
            strange = sorted({*template.get_identifiers()} - {"since", "until"})
            if not template.is_valid() or strange:
                message = f"{text!r} may name $since and $until alone; $$ is a dollar sign"
                raise ValueError(message)
