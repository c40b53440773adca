"""What an update writes for one query: the parts of its expectations that do not hold, from what came out.

Whatever is to be written is read back first, as the next run would read it, and compared: what would still not hold is
not written and stays a failure.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from velo_engine.errors import Location, VeloError
from velo_engine.plan.nodes import PlannedProgram
from velo_harness.discovery import PathPolicy
from velo_harness.expectation_loader import expectation
from velo_harness.expectations import ActualOutput, check_expectation, tolerances_of
from velo_harness.keys import read_object
from velo_harness.programs import sink_statement
from velo_harness.result import CheckFailure, Finding
from velo_harness.settings import Update
from velo_harness.spec import ColumnScope, Expectation, Query, Spec
from velo_harness.spec_keys import EXPECT
from velo_harness.updating.expectation_edits import ExpectationEdits, Part, new_expectation
from velo_harness.updating.text_edits import TextEdit, edited
from velo_harness.updating.written import ExpectationUpdate, NewFile, Updated, digest_of, read_exactly
from velo_harness.updating.yaml_spans import mapping_at, mapping_holding, refuse_shared, spans_of
from velo_harness.yaml_source import YamlMapping, YamlNode, YamlSequence, parse_yaml

MOST_ROWS = 500
"""Rows of an expectation that is written into a spec; more belong into a rows_file."""

MOST_NEW_ROWS = 100
"""Rows of a new expectation. A query that has more and other checks is left as it is."""


class QueryUpdate:
    """Updates the expectations of one query."""

    def __init__(self, spec: Spec, query: Query, update: Update, policy: PathPolicy) -> None:
        self._query = query
        self._update = update
        self._policy = policy
        self._file = spec.file.resolve()

    def of_query(self, statement: str, program: PlannedProgram, actual_of: Callable[[str], ActualOutput]) -> Updated:
        """All expectations of the query, whose own statement is `statement`. Errors: as `of`."""
        expected = [
            (sink_statement(output.sink, program, output.location), output.expect)
            for output in self._query.outputs
            if output.expect is not None
        ]
        if self._query.expect is not None:
            expected.insert(0, (statement, self._query.expect))
        if not expected:
            return self.new(actual_of(statement))
        several = [self.of(expect, actual_of(name)) for name, expect in expected]
        return Updated(
            tuple(f for one in several for f in one.failures), tuple(u for one in several for u in one.updates)
        )

    def of(self, expect: Expectation, actual: ActualOutput) -> Updated:
        """An expectation that is written: what of it does not hold becomes what came out.

        Errors: of an expectation that is neither right nor to be written.
        """
        failing = {part: failure for part in Part if (failure := _failure(expect, part, actual)) is not None}
        wanted = [part for part in failing if self._update is Update.ALL or _has_no_file_yet(expect, part)]
        kept = tuple(_as_failure(failure) for part, failure in failing.items() if part not in wanted)
        if not wanted:
            return Updated(kept)
        text = read_exactly(self._file)
        found = mapping_at(spans_of(text), expect.location)
        assert found is not None
        refuse_shared(found, expect.location)
        edits = ExpectationEdits(text, found, expect, actual)
        for part in wanted:
            rows = edits.write(part)
            if rows > MOST_ROWS and not (part is Part.ROWS and expect.rows_file is not None):
                return Updated((*kept, _too_many(expect.location, rows)))
        written = _mapping_at(parse_yaml(edited(text, edits.edits), expect.location.file), expect.location)
        remaining = self._remaining(written, wanted, edits.rows_file, actual)
        if remaining:
            return Updated((*kept, *map(_not_written, remaining)))
        return Updated(kept, (self._update_of(text, tuple(edits.edits), tuple(edits.said), edits.rows_file),))

    def new(self, actual: ActualOutput) -> Updated:
        """A query without expectation: its rows are written."""
        rows = len(actual.final)
        if rows > MOST_NEW_ROWS:
            checked = self._query.assertions or self._query.outputs
            return Updated() if checked else Updated((_too_many(self._query.location, rows),))
        text = read_exactly(self._file)
        found = mapping_holding(spans_of(text), "name", self._query.location)
        assert found is not None
        refuse_shared(found, self._query.location)
        edits = (new_expectation(text, found, actual.final),)
        tree = parse_yaml(edited(text, edits), self._query.location.file)
        query = _mapping_with(tree, "name", self._query.location)
        written = None if query is None else query.get("expect")
        remaining = self._remaining(written, [Part.ROWS], None, actual)
        if remaining:
            return Updated(tuple(map(_not_written, remaining)))
        return Updated((), (self._update_of(text, edits, (f"rows ({rows}, new)",), None),))

    def _update_of(
        self, text: str, edits: tuple[TextEdit, ...], said: tuple[str, ...], file: NewFile | None
    ) -> ExpectationUpdate:
        return ExpectationUpdate(self._file, digest_of(text), self._query.name, said, edits, file)

    def _remaining(
        self, written: YamlNode | None, parts: list[Part], file: NewFile | None, actual: ActualOutput
    ) -> list[CheckFailure]:
        """What of the written parts does not hold when it is read back as a run reads it."""
        assert written is not None
        folder = self._file.parent
        with tempfile.TemporaryDirectory(prefix="velo-") as scratch:
            fields = read_object(written, EXPECT)
            if file is None:
                expect = expectation(fields, folder, self._policy)
            else:
                copy = Path(scratch, file.path.name)
                copy.write_bytes(file.content)
                fields = replace(fields, values={**fields.values, "rows_file": str(copy)})
                expect = expectation(fields, folder, replace(self._policy, allowed=(Path(scratch).resolve(),)))
            failures = [_failure(expect, part, actual) for part in parts]
        return [_as_failure(failure) for failure in failures if failure is not None]


def _failure(expect: Expectation, part: Part, actual: ActualOutput) -> CheckFailure | VeloError | None:
    """Why a part of an expectation does not hold, or cannot even be compared."""
    try:
        return next(check_expectation(_alone(expect, part, actual), actual), None)
    except VeloError as error:
        return error


def _alone(expect: Expectation, part: Part, actual: ActualOutput) -> Expectation:
    """An expectation of one part, with what is said about it."""
    compares_output = not (expect.rows is None and expect.rows_file is None and expect.changelog is None)
    if part is Part.LATE and compares_output:
        # What is said about columns is about the output then, and about late rows as far as they have such columns.
        ignore = tuple(name for name in expect.ignore if actual.late.position(name) is not None)
        tolerance = tolerances_of(expect.tolerance, actual.late)
        expect = replace(expect, key=(), ignore=ignore, tolerance=tolerance, columns=ColumnScope.LISTED)
    return replace(
        expect,
        rows=expect.rows if part is Part.ROWS else None,
        rows_file=expect.rows_file if part is Part.ROWS else None,
        changelog=expect.changelog if part is Part.CHANGELOG else None,
        late=expect.late if part is Part.LATE else None,
    )


def _has_no_file_yet(expect: Expectation, part: Part) -> bool:
    return part is Part.ROWS and expect.rows_file is not None and not expect.rows_file.exists()


def _as_failure(failure: CheckFailure | VeloError) -> CheckFailure:
    """Raises the failure when it is an error."""
    if isinstance(failure, VeloError):
        raise failure
    return failure


def _not_written(failure: CheckFailure) -> CheckFailure:
    note = "it cannot be written so that it reads back equal: nothing of this expectation was updated"
    return replace(failure, finding=replace(failure.finding, notes=(*failure.finding.notes, note)))


def _too_many(location: Location, rows: int) -> CheckFailure:
    note = "name a file under rows_file, and update again"
    finding = Finding(f"at most {MOST_NEW_ROWS} new rows ({MOST_ROWS} in all) in a spec", f"{rows} rows", notes=(note,))
    return CheckFailure("expect.rows", finding, location)


def _mapping_at(node: YamlNode, location: Location) -> YamlMapping | None:
    return next((m for m in _mappings(node) if _same_place(m.location, location)), None)


def _mapping_with(node: YamlNode, key: str, location: Location) -> YamlMapping | None:
    for mapping in _mappings(node):
        value = mapping.get(key)
        if value is not None and _same_place(value.location, location):
            return mapping
    return None


def _same_place(one: Location, other: Location) -> bool:
    return (one.line, one.column) == (other.line, other.column)


def _mappings(node: YamlNode) -> Iterator[YamlMapping]:
    waiting = [node]
    while waiting:
        match waiting.pop():
            case YamlMapping(entries=entries) as mapping:
                yield mapping
                waiting.extend(value for _, value in entries)
            case YamlSequence(items=items):
                waiting.extend(items)
