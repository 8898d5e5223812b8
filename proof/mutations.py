"""Makes mutants of a source file: small changes of its Python and of the SQL in its strings, one at a time.

Half of the engine is SQL, and a mutant of Python alone never touches it: comparisons, AND and OR, removed conditions,
removed assignments, inner for outer joins, constants. A mutant that PostgreSQL or Python cannot even read is no mutant;
the runner leaves it out.
"""

from __future__ import annotations

import ast
import io
import itertools
import re
import tokenize
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change.

    Attributes:
        line: of the file, from 1.
        old, new: the words that change; `new` is empty for something removed.
        source: the whole file, changed.
    """

    line: int
    old: str
    new: str
    source: str

    def __str__(self) -> str:
        return f"line {self.line}: {_one_line(self.old)!r} → {_one_line(self.new)!r}"


Edit = tuple[int, int, str]  # from, to, and what stands there instead


def mutants(source: str) -> list[Mutant]:
    """All mutants of a file, in its order, each once."""
    edits = {*_of_python(source), *_of_sql(source)}
    made = [
        Mutant(source.count("\n", 0, start) + 1, source[start:end], new, source[:start] + new + source[end:])
        for start, end, new in sorted(edits)
    ]
    return [mutant for mutant in made if _compiles(mutant.source)]


def _compiles(source: str) -> bool:
    try:
        compile(source, "mutant", "exec")
    except SyntaxError:
        return False
    return True


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text)


class _Places:
    """Turns lines and columns into offsets."""

    def __init__(self, source: str) -> None:
        self._lines = source.splitlines(keepends=True)
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line))

    def characters(self, line: int, column: int) -> int:
        return self._starts[line - 1] + column

    def octets(self, line: int, column: int) -> int:
        """`ast` counts bytes."""
        return self._starts[line - 1] + len(self._lines[line - 1].encode()[:column].decode())

    def span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        return self.octets(node.lineno, node.col_offset), self.octets(node.end_lineno or 0, node.end_col_offset or 0)


_COMPARED: dict[type[ast.cmpop], tuple[str, str]] = {
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
    ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
}
_COMPUTED: dict[type[ast.operator], tuple[str, str]] = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "+"),
    ast.FloorDiv: ("//", "*"),
}


def _of_python(source: str) -> Iterator[Edit]:
    tree = ast.parse(source)
    places = _Places(source)
    for node in _executed(tree):
        yield from _of_node(node, source, places)


def _executed(tree: ast.AST) -> Iterator[ast.AST]:
    """Nodes that do something: no imports, annotations, docstrings, messages, nor what only type checkers see."""
    if isinstance(tree, ast.If) and ast.unparse(tree.test) == "TYPE_CHECKING":
        return
    if isinstance(tree, (ast.Import, ast.ImportFrom, ast.JoinedStr, ast.arg)):
        return
    if isinstance(tree, ast.Expr) and isinstance(tree.value, ast.Constant):
        return
    if isinstance(tree, ast.Call) and ast.unparse(tree.func) == "cast":
        tree = tree.args[1]
    yield tree
    for name, value in ast.iter_fields(tree):
        if name not in {"returns", "annotation", "decorator_list"} and not (
            isinstance(tree, ast.Dict) and name == "keys"
        ):
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from _executed(child)


def _of_node(node: ast.AST, source: str, places: _Places) -> Iterator[Edit]:
    yield from _of_operator(node, source, places)
    yield from _of_value(node, source, places)


def _of_operator(node: ast.AST, source: str, places: _Places) -> Iterator[Edit]:
    match node:
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            yield from _between(left, right, _COMPARED[type(op)], source, places)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _COMPUTED:
            yield from _between(left, right, _COMPUTED[type(op)], source, places)
        case ast.BoolOp(op=op, values=values):
            swap = ("and", "or") if isinstance(op, ast.And) else ("or", "and")
            for left, right in itertools.pairwise(values):
                yield from _between(left, right, swap, source, places)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield (*places.span(node), source[slice(*places.span(operand))])
        case ast.AugAssign(op=ast.Add()):
            start, end = places.span(node)
            yield (start, end, source[start:end].replace("+=", "-=", 1))


def _of_value(node: ast.AST, source: str, places: _Places) -> Iterator[Edit]:
    match node:
        case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test):
            yield (*places.span(test), f"not ({source[slice(*places.span(test))]})")
        case ast.Constant(value=bool() as value):
            yield (*places.span(node), str(not value))
        case ast.Constant(value=int() as value):
            yield (*places.span(node), str(value + 1))
        case ast.Constant(value=str() as value) if re.fullmatch(r"[a-z_]{3,}", value):
            yield (*places.span(node), repr(value + "_x"))
        case ast.Expr(value=ast.Call()) | ast.Raise():
            yield (*places.span(node), "pass")
        case ast.Return(value=ast.expr() as value):
            yield (*places.span(value), "None")


def _between(left: ast.expr, right: ast.expr, swap: tuple[str, str], source: str, places: _Places) -> Iterator[Edit]:
    """The operator between two operands, swapped."""
    start, end = places.span(left)[1], places.span(right)[0]
    found = re.search(rf"(?<![\w<>=!]){re.escape(swap[0])}(?![\w<>=])", source[start:end])
    if found:
        yield (start + found.start(), start + found.end(), swap[1])


_SQL = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE|FROM|JOIN|WHERE|WHEN|SET|ON CONFLICT|VALUES|IS NULL|CREATE)\b")
_SWAPS: tuple[tuple[str, str], ...] = (
    (r"\bIS NOT NULL\b", "IS NULL"),
    (r"\bIS NULL\b", "IS NOT NULL"),
    (r"\bIS DISTINCT FROM\b", "IS NOT DISTINCT FROM"),
    (r"(?<!IF )\bNOT EXISTS\b", "EXISTS"),
    (r"(?<!NOT )(?<!IF )\bEXISTS\b", "NOT EXISTS"),
    (r"(?<=WHERE )NOT |(?<=AND )NOT (?!EXISTS)", ""),
    (r"\bAND\b", "OR"),
    (r"\bOR\b", "AND"),
    (r" <> ", " = "),
    (r" = (?!ANY)", " <> "),
    (r" <= ", " < "),
    (r" >= ", " > "),
    (r" < ", " <= "),
    (r" > ", " >= "),
    (r"\bLEFT JOIN(?! LATERAL)", "JOIN"),
    (r"\bmin\(", "max("),
    (r"\bmax\(", "min("),
    (r"\bbool_and\(", "bool_or("),
    (r"(?<=SELECT )DISTINCT (?!ON)", ""),
    (r" DESC\b", ""),
    (r" ON CONFLICT DO NOTHING", ""),
    (r"\bnow\(\)", "to_timestamp(0)"),
    (r"(?<= )\+ (?=\d|\()", "- "),
    (r"\btrue\b", "false"),
    (r"\bfalse\b", "true"),
    (r"'-infinity'", "'infinity'"),
    (r"'infinity'", "'-infinity'"),
    (r"(?<=')[a-z_]{3,}(?=')", "unheard_of"),
)
_NUMBER = re.compile(r"(?<![\w%$.'])\d+(?![\w.'])")
_ENDS = re.compile(
    r"\b(AND|OR|GROUP BY|ORDER BY|RETURNING|ON CONFLICT|DO UPDATE|LIMIT|UNION|WINDOW|THEN|WHERE|FROM|ELSE|END|HAVING"
    r"|LEFT JOIN|JOIN|SET)\b"
)
_AFTER_SET = re.compile(r"\b(WHERE|FROM)\b")


def _of_sql(source: str) -> Iterator[Edit]:
    places = _Places(source)
    docstrings = {
        node.lineno for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Expr) and _is_text(node.value)
    }
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.STRING and token.start[0] not in docstrings and _SQL.search(token.string):
            start = places.characters(*token.start)
            for first, last, new in _of_statement(token.string):
                yield (start + first, start + last, new)


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _of_statement(text: str) -> Iterator[Edit]:
    text = text.replace("BETWEEN %s AND %s", "BETWEEN %s and %s")  # one condition; the edits are made to the original
    assigned = {place for start, end in _assignments(text) for place in range(start, end)}
    for pattern, new in _SWAPS:
        for found in re.finditer(pattern, text):
            if not (pattern.startswith(" = ") and found.start() in assigned):
                yield (found.start(), found.end(), new)
    for found in _NUMBER.finditer(text):
        yield (found.start(), found.end(), str(int(found[0]) + 1))
    yield from _without_conditions(text)
    for items in _set_lists(text):
        for number, (first, last) in enumerate(items):
            if len(items) > 1:
                yield (first - 1, last, "") if number else (first, items[1][0], "")


def _without_conditions(text: str) -> Iterator[Edit]:
    """Each condition of a conjunction, taken out with its AND."""
    for found in re.finditer(r" AND ", text):
        yield (found.start(), _end_of_condition(text, found.end()), "")
    for found in re.finditer(r"\bWHERE |\bON (?!CONFLICT|COMMIT)", text):
        end = _end_of_condition(text, found.end())
        if text.startswith("AND ", end + 1) or text.startswith("AND ", end):
            yield (found.end(), text.index("AND ", end) + 4, "")


def _end_of_condition(text: str, start: int) -> int:
    """Where the condition that begins here ends, on its own level of parentheses."""
    depth = 0
    for place in range(start, len(text)):
        depth += (text[place] == "(") - (text[place] == ")")
        if depth < 0 or (depth == 0 and (text[place] in '"\n' or _ENDS.match(text, place))):
            return len(text[:place].rstrip())
    return len(text)


def _set_lists(text: str) -> Iterator[list[tuple[int, int]]]:
    """The items of each SET list."""
    for found in re.finditer(r"\bSET ", text):
        depth, begin, items = 0, found.end(), []
        for place in range(found.end(), len(text)):
            depth += (text[place] == "(") - (text[place] == ")")
            ends = depth < 0 or (depth == 0 and (text[place] == '"' or _AFTER_SET.match(text, place) is not None))
            if ends or (depth == 0 and text[place] == ","):
                items.append((begin, place))
                begin = place + 1
            if ends:
                break
        yield items


def _assignments(text: str) -> Iterator[tuple[int, int]]:
    """Where an equals sign assigns: the first one of each item of a SET list."""
    for items in _set_lists(text):
        for first, last in items:
            sign = text.find(" = ", first, last)
            if sign >= 0:
                yield sign, sign + 1
