"""Every mutation operator: how a statement may be wrong by one slip.

An operator reads the syntax tree of a statement and gives mutants as edits of the text. A mutant need not plan: one
that the engine refuses is not counted. Each says what would notice it, for whoever has to write the missing test.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from decimal import Decimal, InvalidOperation
from itertools import pairwise

from sqlglot import exp
from sqlglot.tokenizer_core import Token

from velo_engine.sql.durations import parse_duration
from velo_engine.sql.node_spans import Span, SpannedStatement
from velo_engine.sql.syntax import TypedLiteral
from velo_harness.mutation.edits import Edit, Mutant

Found = Iterator[tuple[tuple[Edit, ...], str]]
Operator = Callable[["Subject"], Found]


class Subject:
    """A statement to be mutated: its nodes and tokens with their places in `text`."""

    def __init__(self, statement: SpannedStatement, text: str) -> None:
        self.statement = statement
        self.text = text
        own = statement.statement
        roots = [own.query, *(column.expression for column in own.columns)]
        self.nodes = [node for root in roots if isinstance(root, exp.Expr) for node in root.walk()]
        self.nodes.sort(key=lambda node: (span.start, -span.end) if (span := statement.span(node)) else (0, 0))

    def all(self, *kinds: type[exp.Expr]) -> Iterator[exp.Expr]:
        """The nodes of these kinds, as the text has them."""
        return (node for node in self.nodes if isinstance(node, kinds))

    def span(self, node: exp.Expr) -> Span:
        """Where a node stands that is known to stand somewhere."""
        found = self.statement.span(node)
        assert found is not None
        return found

    def of(self, node: exp.Expr) -> str:
        """The text of a node."""
        span = self.span(node)
        return self.text[span.start : span.end]

    def tokens(self, start: int, end: int) -> tuple[Token, ...]:
        """The tokens between two offsets."""
        return self.statement.tokens_in(Span(start, end))

    def words(self, start: int, end: int) -> Iterator[tuple[str, Span]]:
        """The tokens between two offsets, in upper case, with their places."""
        return ((t.text.upper(), Span(t.start, t.end + 1)) for t in self.tokens(start, end))

    def between(self, left: exp.Expr, right: exp.Expr, *texts: str) -> Span | None:
        """The operator between two operands."""
        a, b = self.statement.span(left), self.statement.span(right)
        if a is None or b is None:
            return None
        return next((span for word, span in self.words(a.end, b.start) if word in texts), None)


_COMPARISONS: dict[type[exp.Expr], tuple[tuple[str, ...], tuple[str, ...]]] = {
    exp.LT: (("<",), ("<=", ">")),
    exp.LTE: (("<=",), ("<", ">=")),
    exp.GT: ((">",), (">=", "<")),
    exp.GTE: ((">=",), (">", "<=")),
    exp.EQ: (("=",), ("<>",)),
    exp.NEQ: (("<>", "!="), ("=",)),
}


def comparisons(subject: Subject) -> Found:
    """`<` becomes `<=` and `>`, `=` becomes `<>`."""
    for node in subject.all(*_COMPARISONS):
        written, others = _COMPARISONS[type(node)]
        span = subject.between(node.this, node.expression, *written)
        left, right = subject.of(node.this), subject.of(node.expression)
        for other in others if span is not None else ():
            assert span is not None
            boundary = f"a row where {left} = {right} exactly, and a check of what becomes of it"
            differs = f"a row for which {subject.of(node)} is true, and a check that needs it"
            yield (Edit(span, other),), boundary if "=" in other + written[0] and other != "<>" else differs


def _conjuncts(subject: Subject, node: exp.Expr) -> list[exp.Expr]:
    """The operands of a chain of ANDs or of ORs."""
    kind = type(node)
    return [
        part
        for side in (node.this, node.expression)
        for part in (_conjuncts(subject, side) if type(side) is kind else [side])
    ]


def dropped_predicates(subject: Subject) -> Found:
    """A WHERE, HAVING or FILTER goes, or one operand of an AND or OR."""
    for node in subject.all(exp.Where, exp.Having):
        span = subject.span(node)
        if subject.text[span.start : span.end].upper().startswith(("WHERE", "HAVING")):
            kill = f"a row for which {subject.of(node.this)} is not true, and a check that it is not in the result"
            yield (Edit(span, ""),), kill
    for node in subject.all(exp.And, exp.Or):
        if type(node.parent) is type(node):
            continue
        spans = [(subject.of(part), subject.span(part)) for part in _conjuncts(subject, node)]
        wanted = "false while the rest of the condition is true" if isinstance(node, exp.And) else "the only true one"
        for i, (text, span) in enumerate(spans):
            gone = Span(span.start, spans[i + 1][1].start) if i == 0 else Span(spans[i - 1][1].end, span.end)
            yield (Edit(gone, ""),), f"a row for which {text} is {wanted}, and a check of what becomes of it"


def connectors(subject: Subject) -> Found:
    """AND becomes OR, OR becomes AND."""
    for node in subject.all(exp.And, exp.Or):
        word, other = ("AND", "OR") if isinstance(node, exp.And) else ("OR", "AND")
        span = subject.between(node.this, node.expression, word)
        if span is not None:
            kill = f"a row for which just one of {subject.of(node.this)} and {subject.of(node.expression)} is true"
            yield (Edit(span, other),), kill


def negations(subject: Subject) -> Found:
    """NOT goes; IN, LIKE, BETWEEN and EXISTS get one; IS NULL becomes IS NOT NULL and the other way round."""
    for node in subject.all(exp.Not, exp.In, exp.Like, exp.RegexpLike, exp.Between, exp.Exists, exp.Is):
        if node.parent is not None and isinstance(node.parent, exp.Not) and not isinstance(node, exp.Not):
            continue
        span = subject.span(node)
        kill = f"a row for which {subject.of(node)} is true and one for which it is false"
        if isinstance(node, exp.Not):
            written = next((place for word, place in subject.words(span.start, span.end) if word == "NOT"), None)
            if written is not None:
                after = written.end + (subject.text[written.end : written.end + 1] == " ")
                yield (Edit(Span(written.start, after), ""),), kill
        elif isinstance(node, exp.Exists):
            yield (Edit(Span(span.start, span.start), "NOT "),), kill
        else:
            left = subject.span(node.this)
            word = next(((w, s) for w, s in subject.words(left.end, span.end) if w not in ("(", ")")), None)
            if word is not None and isinstance(node, exp.Is):
                yield (Edit(Span(word[1].end, word[1].end), " NOT"),), kill
            elif word is not None:
                yield (Edit(Span(word[1].start, word[1].start), "NOT "),), kill


def _is_data(node: exp.Expr) -> bool:
    """Whether a literal is compared, computed or given out; not a pattern, a format, a path, a length or a limit."""
    parent = node.parent
    while isinstance(parent, exp.Paren | exp.Neg | exp.Tuple):
        parent = parent.parent
    if isinstance(parent, exp.Interval | TypedLiteral | exp.DataTypeParam | exp.Limit | exp.Offset | exp.JSONPath):
        return False
    if node.is_string:
        return isinstance(parent, exp.Binary | exp.In | exp.Between | exp.If | exp.Case | exp.Coalesce | exp.Alias)
    return True


def literals(subject: Subject) -> Found:
    """A number becomes one more and one less, a string another one, TRUE becomes FALSE."""
    for node in subject.all(exp.Boolean):
        if subject.statement.span(node) is not None:
            kill = f"a row whose result depends on {subject.of(node)}, and a check of it"
            yield (Edit(subject.span(node), "FALSE" if node.this else "TRUE"),), kill
    for node in subject.all(exp.Literal):
        if not _is_data(node) or subject.statement.span(node) is None:
            continue
        written = subject.of(node)
        kill = f"a row whose result changes when {written} changes: one on each side of it, and a check of the value"
        if node.is_string:
            kill = f"a row whose result is {written} or depends on it, and a check of that result"
            other = f"{written[:-1]}~'" if written.endswith("'") else f"'{node.name}~'"  # a variable may hold it
            yield (Edit(subject.span(node), other),), kill
            continue
        for step in (1, -1):
            try:
                value = Decimal(node.name) + step
            except InvalidOperation:
                continue
            yield (Edit(subject.span(node), f"({value})" if value < 0 else str(value)),), kill


_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")


def _changed_length(text: str) -> Iterator[str]:
    """A length of time as written, twice and half as long."""
    number = _NUMBER.search(text)
    if number is None or text.strip("'").strip().count(" ") > 3:
        return
    value = Decimal(number.group())
    yield text[: number.start()] + f"{value * 2:f}" + text[number.end() :]
    half = value / 2
    if half == half.to_integral_value():
        yield text[: number.start()] + f"{half:f}" + text[number.end() :]
    elif not text.upper().startswith("INTERVAL"):
        yield f"INTERVAL '{Decimal(parse_duration(text.strip(chr(39)))) / 2000:f}' SECOND"
    else:
        yield text[: number.start()] + f"{half:f}" + text[number.end() :]


def windows(subject: Subject) -> Found:
    """A window's size, slide or gap, a WITHIN or an EXPIRE AFTER is twice or half as long."""
    for span in subject.statement.lengths:
        written = subject.text[span.start : span.end]
        kill = f"rows at times that are further apart than {written} and nearer than that, and a check of their windows"
        for other in _changed_length(written):
            yield (Edit(span, other),), kill


def intervals(subject: Subject) -> Found:
    """An interval of an expression is longer or shorter by one unit."""
    for node in subject.all(exp.Interval):
        span = subject.statement.span(node)
        if span is None:
            continue
        written = subject.text[span.start : span.end]
        number = _NUMBER.search(written)
        if number is None or "." in number.group() or " " in str(node.this.this).strip():
            continue
        kill = f"rows whose times differ by exactly {written}, and by one unit more, and a check of which count"
        for step in (1, -1):
            value = int(number.group()) + step
            yield (Edit(span, written[: number.start()] + str(value) + written[number.end() :]),), kill


_DELAYS = (".watermark.max_out_of_orderness", "allowed.lateness")


def watermarks(subject: Subject) -> Found:
    """Late rows are waited for twice as long, or not at all."""
    kill = "a row that comes later than others but within the delay, and one later than that, and a check of both"
    own = subject.statement.statement
    if own.watermark is not None:
        for node in own.watermark.expression.find_all(exp.Interval):
            span = subject.span(node)
            written = subject.text[span.start : span.end]
            number = _NUMBER.search(written)
            if number is not None:
                for value in (Decimal(number.group()) * 2, 0):
                    yield (Edit(span, written[: number.start()] + f"{value}" + written[number.end() :]),), kill
    for key, found in own.properties.items():
        if not key.endswith(_DELAYS):
            continue
        token = next((t for t in subject.statement.tokens if (t.line, t.col) == _place(found.location)), None)
        if token is not None and (number := _NUMBER.search(found.value)) is not None:
            for value in (Decimal(number.group()) * 2, 0):
                text = found.value[: number.start()] + f"{value}" + found.value[number.end() :]
                if text != found.value:
                    yield (Edit(Span(token.start, token.end + 1), f"'{text}'"),), kill


def _place(location: object) -> tuple[int, int]:
    return getattr(location, "line", 0), getattr(location, "column", 0)


_JOINS = {"": ("LEFT",), "INNER": ("LEFT",), "LEFT": ("",), "RIGHT": ("",), "FULL": ("LEFT", "RIGHT")}


def join_kinds(subject: Subject) -> Found:
    """INNER becomes LEFT; LEFT and RIGHT become INNER; FULL becomes LEFT and RIGHT."""
    for node in subject.all(exp.Join):
        span = subject.span(node)
        head = []
        for word, place in subject.words(span.start, span.end):
            head.append((word, place))
            if word == "JOIN":
                break
        kind = " ".join(word for word, _ in head if word not in ("JOIN", "OUTER"))
        if not head or head[-1][0] != "JOIN" or not (node.args.get("on") or node.args.get("using")):
            continue
        kill = {
            "LEFT": "a row of the right side",
            "RIGHT": "a row of the left side",
        }
        for other in _JOINS.get(kind, ()):
            text = f"{other} JOIN" if other else "JOIN"
            side = "the left side" if kind != "RIGHT" else "the right side"
            lost = kill.get(other, f"a row of {side}") if kind == "FULL" else f"a row of {side}"
            place = Span(head[0][1].start, head[-1][1].end)
            yield (Edit(place, text),), f"{lost} that has no partner, and a check of whether it is in the result"


_AGGREGATES = {
    "SUM": ("MAX",), "MAX": ("MIN", "SUM"), "MIN": ("MAX",), "AVG": ("SUM", "MAX"), "COUNT": (),
    "FIRST_VALUE": ("LAST_VALUE",), "LAST_VALUE": ("FIRST_VALUE",),
    "STDDEV_POP": ("STDDEV_SAMP",), "STDDEV_SAMP": ("STDDEV_POP",), "VAR_POP": ("VAR_SAMP",), "VAR_SAMP": ("VAR_POP",),
    "LAG": ("LEAD",), "LEAD": ("LAG",), "ROW_NUMBER": ("RANK",), "RANK": ("DENSE_RANK",), "DENSE_RANK": ("RANK",),
}  # fmt: skip


def aggregates(subject: Subject) -> Found:
    """SUM becomes MAX, MIN becomes MAX, COUNT(x) becomes COUNT(*), DISTINCT goes."""
    for node in subject.all(exp.Anonymous):
        name = node.name.upper()
        if name not in _AGGREGATES or subject.statement.span(node) is None:
            continue
        span = subject.span(node)
        tokens = list(subject.words(span.start, span.end))
        if not tokens or tokens[0][0] != name:
            continue
        for other in _AGGREGATES[name]:
            kill = f"a group with several rows of different values, and a check of {subject.of(node)}"
            yield (Edit(tokens[0][1], other),), kill
        distinct = next((place for word, place in tokens[:3] if word == "DISTINCT"), None)
        if distinct is not None:
            kill = "a group in which a value comes twice, and a check of the aggregate"
            yield (Edit(Span(distinct.start, distinct.end + 1), ""),), kill
        elif name == "COUNT" and len(tokens) > 3 and tokens[2][0] != "*":
            argument = Span(tokens[2][1].start, tokens[-1][1].start)
            yield (Edit(argument, "*"),), f"a row in which {subject.text[argument.start : argument.end]} is NULL"


def distinct_rows(subject: Subject) -> Found:
    """SELECT DISTINCT becomes SELECT."""
    for node in subject.all(exp.Select):
        if node.args.get("distinct") is None:
            continue
        span = subject.span(node)
        words = list(subject.words(span.start, span.end))
        for (word, _), (following, place) in pairwise(words):
            if word == "SELECT" and following == "DISTINCT":
                yield (
                    (Edit(Span(place.start, place.end + 1), ""),),
                    "two equal rows, and a check that only one comes out",
                )
                break


def _without(subject: Subject, items: list[exp.Expr], i: int) -> Edit:
    """A list without its item `i` and one comma."""
    spans = [subject.span(item) for item in items]
    if i == 0:
        return Edit(Span(spans[0].start, spans[1].start), "")
    return Edit(Span(spans[i - 1].end, spans[i].end), "")


def grouping_keys(subject: Subject) -> Found:
    """A key of GROUP BY or PARTITION BY goes."""
    for node in subject.all(exp.Group):
        items = [item for item in node.expressions if subject.statement.span(item) is not None]
        for i, item in enumerate(items) if len(items) > 1 and len(items) == len(node.expressions) else ():
            kill = f"two groups that differ in {subject.of(item)} only, and a check of both"
            yield (_without(subject, items, i),), kill
    for node in subject.all(exp.Window):
        keys = node.args.get("partition_by") or []
        for i, key in enumerate(keys):
            kill = f"rows that differ in {subject.of(key)} only, and a check of {subject.of(node.this)}"
            if len(keys) > 1:
                yield (_without(subject, keys, i),), kill
                continue
            before = [place for _, place in subject.words(subject.span(node).start, subject.span(key).start)]
            if before and subject.text[before[-1].start : before[-1].end].upper().startswith("PARTITION"):
                yield (Edit(Span(before[-1].start, subject.span(key).end), ""),), kill


def case_branches(subject: Subject) -> Found:
    """A WHEN goes, two results change places, ELSE goes."""
    for node in subject.all(exp.Case):
        span, ifs, default = subject.span(node), node.args["ifs"], node.args.get("default")
        results = [branch.args["true"] for branch in ifs] + ([default] if default is not None else [])
        for left, right in pairwise(results):
            if subject.of(left) != subject.of(right):
                edits = (Edit(subject.span(left), subject.of(right)), Edit(subject.span(right), subject.of(left)))
                yield edits, f"a row for each of the branches {subject.of(left)} and {subject.of(right)}"
        for branch in ifs if len(ifs) > 1 else ():
            start, end = subject.span(branch.this).start, subject.span(branch.args["true"]).end
            before = [p for w, p in subject.words(span.start, start) if w == "WHEN"]
            kill = f"a row that takes the branch WHEN {subject.of(branch.this)}, and a check of its value"
            yield (Edit(Span(before[-1].start, end), ""),), kill
        if default is not None:
            end = subject.span(default).end
            before = [p for w, p in subject.words(subject.span(results[-2]).end, end) if w == "ELSE"]
            yield (Edit(Span(before[0].start, end), ""),), "a row that takes no WHEN, and a check of its value"


def defaults(subject: Subject) -> Found:
    """COALESCE(a, b) becomes a; NULLIF(a, b) becomes a."""
    for node in subject.all(exp.Coalesce, exp.Anonymous):
        if isinstance(node, exp.Anonymous) and node.name.upper() not in ("NULLIF", "IFNULL"):
            continue
        first = node.this if isinstance(node, exp.Coalesce) else node.expressions[0]
        value = "NULL" if isinstance(node, exp.Coalesce) or node.name.upper() == "IFNULL" else "the second argument"
        kill = f"a row in which {subject.of(first)} is {value}, and a check of the result"
        yield (Edit(subject.span(node), subject.of(first)),), kill


def orders(subject: Subject) -> Found:
    """ORDER BY ascending becomes descending and the other way round."""
    for node in subject.all(exp.Ordered):
        span = subject.span(node)
        words = dict(subject.words(subject.span(node.this).end, span.end))
        kill = f"two rows with different {subject.of(node.this)}, and a check of which comes first"
        if "DESC" in words:
            yield (Edit(words["DESC"], "ASC"),), kill
        elif "ASC" in words:
            yield (Edit(words["ASC"], "DESC"),), kill
        else:
            end = subject.span(node.this).end
            yield (Edit(Span(end, end), " DESC"),), kill


def limits(subject: Subject) -> Found:
    """LIMIT is one more or one less."""
    for node in subject.all(exp.Limit, exp.Offset):
        literal = node.expression
        if isinstance(literal, exp.Literal) and subject.statement.span(literal) is not None:
            for step in (1, -1):
                value = int(literal.name) + step
                if value >= 0:
                    kill = f"more than {subject.of(literal)} rows, and a check of all that come out"
                    yield (Edit(subject.span(literal), str(value)),), kill


_ARITHMETIC: dict[type[exp.Expr], tuple[str, str]] = {
    exp.Add: ("+", "-"), exp.Sub: ("-", "+"), exp.Mul: ("*", "/"), exp.Div: ("/", "*"), exp.Mod: ("%", "*"),
}  # fmt: skip


def arithmetic(subject: Subject) -> Found:
    """`+` becomes `-`, `*` becomes `/`, and the other way round."""
    for node in subject.all(*_ARITHMETIC):
        written, other = _ARITHMETIC[type(node)]
        span = subject.between(node.this, node.expression, written)
        if span is not None:
            kill = f"a row for which {subject.of(node)} is not the same with {other}, and a check of the value"
            spaced = subject.text[span.start - 1].isspace() and subject.text[span.end].isspace()
            yield (Edit(span, other if spaced else f" {other} "),), kill  # two dashes would begin a comment


def emissions(subject: Subject) -> Found:
    """EMIT FINAL becomes EMIT CHANGES and the other way round."""
    for (word, _), (following, place) in pairwise(subject.words(0, len(subject.text))):
        if word == "EMIT" and following in ("FINAL", "CHANGES"):
            kill = "several rows in one group, and a check of the changelog (expect.changelog) or of record_count"
            yield (Edit(place, "CHANGES" if following == "FINAL" else "FINAL"),), kill


def set_operations(subject: Subject) -> Found:
    """UNION ALL becomes UNION and the other way round; INTERSECT becomes EXCEPT and the other way round."""
    for node in subject.all(exp.Union, exp.Intersect, exp.Except):
        left, right = subject.statement.span(node.this), subject.statement.span(node.expression)
        if left is None or right is None:
            continue
        words = dict(subject.words(left.end, right.start))
        if "UNION" in words and "ALL" in words:
            kill = "a row that both sides have, and a check that it comes out twice"
            yield (Edit(Span(words["UNION"].end, words["ALL"].end), ""),), kill
        elif "UNION" in words:
            place = words["UNION"].end
            yield (Edit(Span(place, place), " ALL"),), "a row that both sides have, and a check that it comes out once"
        for word, other in (("INTERSECT", "EXCEPT"), ("EXCEPT", "INTERSECT")):
            if word in words:
                yield (Edit(words[word], other),), "a row that both sides have, one that only the left side has"


def members(subject: Subject) -> Found:
    """A value goes from an IN list."""
    for node in subject.all(exp.In):
        items = node.expressions
        for i, item in enumerate(items) if len(items) > 1 else ():
            kill = f"a row in which {subject.of(node.this)} is {subject.of(item)}, and a check of what becomes of it"
            yield (_without(subject, items, i),), kill


OPERATORS: dict[str, Operator] = {
    "comparison": comparisons,
    "predicate": dropped_predicates,
    "connector": connectors,
    "negation": negations,
    "literal": literals,
    "window": windows,
    "interval": intervals,
    "watermark": watermarks,
    "join": join_kinds,
    "aggregate": aggregates,
    "distinct": distinct_rows,
    "grouping": grouping_keys,
    "case": case_branches,
    "default": defaults,
    "order": orders,
    "limit": limits,
    "arithmetic": arithmetic,
    "emit": emissions,
    "set": set_operations,
    "member": members,
}
"""All operators, by the names that `--operators` takes."""


def _repeated(subject: Subject) -> list[list[Span]]:
    """The places of each expression that stands in GROUP BY and in the same words in the select list or in HAVING.

    To change one of them alone would never plan; they are changed together.
    """
    found: list[list[Span]] = []
    for select in subject.all(exp.Select):
        group = select.args.get("group")
        for key in group.expressions if group is not None else ():
            if isinstance(key, exp.Column) or subject.statement.span(key) is None:
                continue
            written = subject.of(key)
            places = [subject.span(key)]
            for node in select.walk():
                span = subject.statement.span(node) if node == key and node is not key else None
                if span is not None and subject.text[span.start : span.end] == written:
                    places.append(span)
            found.append(list(dict.fromkeys(places)))
    return found


def _everywhere(edits: tuple[Edit, ...], repeated: list[list[Span]]) -> tuple[Edit, ...]:
    """The edits, in every repetition of the expression they change."""
    for places in repeated:
        home = next((p for p in places if all(p.start <= e.span.start and e.span.end <= p.end for e in edits)), None)
        if home is not None and any(edit.span != home for edit in edits):
            return tuple(
                Edit(
                    Span(edit.span.start + place.start - home.start, edit.span.end + place.start - home.start),
                    edit.text,
                )
                for place in places
                for edit in edits
            )
    return edits


def mutants_of(statement: SpannedStatement, text: str, operators: tuple[str, ...]) -> list[Mutant]:
    """The mutants of one statement by `operators`, in the order of the text; none twice."""
    subject = Subject(statement, text)
    repeated = _repeated(subject)
    found: dict[tuple[Edit, ...], Mutant] = {}
    for name in operators:
        for edits, kill in OPERATORS[name](subject):
            ordered = tuple(sorted(_everywhere(edits, repeated), key=lambda edit: edit.span.start))
            found.setdefault(ordered, Mutant(name, statement.statement.name, ordered, " ".join(kill.split())))
    return sorted(found.values(), key=lambda mutant: (mutant.edits[0].span.start, mutant.operator))
