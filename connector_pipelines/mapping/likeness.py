"""Whether two rows are the same person or thing: the rules, as SQL conditions over two rows. Pure.

Built from what the entity says of its columns: `identifiers`, the best one first (for a student: number, e-mail,
username), and for persons `names`. Case, surrounding blanks and the way a letter is composed make no difference; names
are compared without accents, blanks and punctuation, and in either order, because people correct all of these.

What must pass: a marriage (family name, e-mail and username change; number and given name stay), a corrected typo, a
first e-mail, a new e-mail domain, a new number. What must not: another person under an id that we know (S8).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, LiteralString

from psycopg import sql

from connector_pipelines.database.connection import comma, query

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_pipelines.model import Entity


def _composed(row: str, column: str, form: LiteralString) -> sql.Composed:
    """A text in one of Unicode's normal forms. ASCII is in all of them, and finding that out costs next to nothing:
    where every value went through `normalize`, looking for twins in a first read took most of its planning.
    """
    return query(
        "CASE WHEN octet_length({r}.{c}) = char_length({r}.{c}) THEN {r}.{c} ELSE normalize({r}.{c}, {form}) END",
        r=row,
        c=column,
        form=sql.SQL(form),
    )


def key(row: str, column: str) -> sql.Composed:
    """What identifiers are compared by; null where the row has none."""
    return query("nullif(lower(btrim({composed}, E' \\t\\r\\n')), '')", composed=_composed(row, column, "NFC"))


def name(row: str, column: str) -> sql.Composed:
    """What names are compared by."""
    marks = sql.Literal("[\u0300-\u036f\u2019[:space:][:punct:]]")
    return query("lower(regexp_replace({c}, {marks}, '', 'g'))", c=_composed(row, column, "NFKD"), marks=marks)


@dataclass(frozen=True, slots=True)
class Likeness:
    """Two rows of one entity.

    Attributes:
        entity: says by which columns they are compared.
        one, other: the aliases of the rows in the query.
        external_id: an SQL expression for the external id, where both rows have had the same: a number that was made
            from it agrees always and says nothing.
    """

    entity: Entity
    one: str
    other: str
    external_id: sql.Composable = field(default_factory=lambda: sql.SQL("NULL"))

    def differs(self, column: str) -> sql.Composed:
        """Both rows have the identifier, and not the same one."""
        return query("coalesce({a} <> {b}, false)", a=key(self.one, column), b=key(self.other, column))

    def agrees(self, column: str) -> sql.Composed:
        """Both rows have the same identifier, and it is not just the external id once more."""
        return query(
            "coalesce({a} = {b} AND {a} IS DISTINCT FROM lower({id}), false)",
            a=key(self.one, column),
            b=key(self.other, column),
            id=self.external_id,
        )

    @property
    def some_name_differs(self) -> sql.Composed:
        """The rows do not have the same names."""
        ours, theirs = self._names(self.one), self._names(self.other)
        return query("NOT ({a} @> {b} AND {a} <@ {b})", a=ours, b=theirs)

    @property
    def every_name_differs(self) -> sql.Composed:
        """The rows have no name in common."""
        return query("NOT ({a} && {b})", a=self._names(self.one), b=self._names(self.other))

    @property
    def first_name_differs(self) -> sql.Composed:
        """The first of the names differs, and is not only in another place: so brothers differ, and not the married."""
        first = self.entity.names[0]
        return query(
            "({a} <> {b} AND {s})", a=name(self.one, first), b=name(self.other, first), s=self.some_name_differs
        )

    @property
    def another_person(self) -> sql.Composed:
        """One id, two persons: a name and the number differ, or where no number tells, every name does.

        In either case no identifier agrees.
        """
        number = self.entity.identifiers[0]
        return query(
            "(NOT {agree} AND CASE WHEN {number_differs} THEN {some} ELSE {every} END)",
            agree=self._any_agrees(self.entity.identifiers),
            number_differs=self.differs(number),
            some=self.some_name_differs,
            every=self.every_name_differs,
        )

    @property
    def another_after_a_break(self) -> sql.Composed:
        """The same for an id that had been gone: a name differs, and nothing speaks for the same person."""
        agree = self._any_agrees(self.entity.identifiers)
        return query("(NOT {agree} AND {some})", agree=agree, some=self.some_name_differs)

    @property
    def same_person(self) -> sql.Composed:
        """Two ids, one person: the number agrees, or where one has none, another identifier and all names."""
        number, *others = self.entity.identifiers
        return query(
            "({number} OR ({a} IS NULL OR {b} IS NULL) AND {others} AND NOT {some})",
            number=self.agrees(number),
            a=key(self.one, number),
            b=key(self.other, number),
            others=self._any_agrees(others),
            some=self.some_name_differs,
        )

    @property
    def evidence(self) -> sql.Composed:
        """As text: which fields agree and which differ, never what is in them."""
        fields = [(n.replace("_", " "), name(self.one, n), name(self.other, n)) for n in self.entity.names]
        fields += [(n.replace("_", " "), key(self.one, n), key(self.other, n)) for n in self.entity.identifiers]
        alike, unlike = (
            comma(
                [
                    query("CASE WHEN {a} {is} {b} THEN {n} END", **{"is": sign}, a=a, b=b, n=sql.Literal(label))
                    for label, a, b in fields
                ]
            )
            for sign in (sql.SQL("="), sql.SQL("<>"))
        )
        return query(
            "'agree: ' || coalesce(nullif(concat_ws(', ', {alike}), ''), 'nothing')"
            " || '; differ: ' || coalesce(nullif(concat_ws(', ', {unlike}), ''), 'nothing')",
            alike=alike,
            unlike=unlike,
        )

    def _names(self, row: str) -> sql.Composed:
        return query("ARRAY[{names}]", names=comma([name(row, n) for n in self.entity.names]))

    def _any_agrees(self, columns: Sequence[str]) -> sql.Composed:
        return query("({any})", any=sql.SQL(" OR ").join([self.agrees(column) for column in columns]))
