"""Annotations: `-- @name: value` lines, of the application or of the statement that follows them.

Comments before the first statement are the head of the file. There the application's own annotations (`@app`,
`@version`, …) belong to the application; those about how a job runs (`@job_mode`, …) do when a blank line or another
annotation of the application stands between them and the statement; all others belong to the statement. Further down
every annotation belongs to the next statement. A value goes on in the next line when that is a comment indented deeper
than the `@`, or when its own line ends with a backslash. Quotes around a whole value are no part of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from velo_engine.errors import Location, nearest
from velo_engine.sql.program import Property, Warning
from velo_engine.sql.source_text import Segment, SegmentKind, SourceText, segments
from velo_engine.sql.variables import expand

APPLICATION = frozenset(
    {"app", "application", "version", "description", "phase", "depends_on", "data_retention", "compliance", "author"}
    | {"udf"}
)
JOB = frozenset({"name", "job_name", "job_mode", "batch_size", "num_partitions", "partitioning_strategy"})
METRIC = frozenset(
    {"metric", "metric_type", "metric_help", "metric_labels", "metric_field", "metric_condition", "metric_buckets"}
    | {"metric_sample_rate", "metric_window", "alert", "alert_name", "alert_severity"}
)
KNOWN = APPLICATION | JOB | METRIC
APPLICATION_GROUPS = ("sla.", "observability.", "deployment.", "data.")
"""Beginnings of further annotations of the application."""

_ANNOTATION = re.compile(r"--(?P<indent>\s*)@(?P<name>[A-Za-z_][\w.-]*)\s*(?::\s*|\s+|\Z)(?P<value>.*)\Z", re.DOTALL)
_CONTINUATION = re.compile(r"--(?P<indent>\s+)(?P<text>[^\s@].*)\Z")


@dataclass(frozen=True, slots=True)
class Annotation:
    """One annotation as written."""

    name: str
    property: Property
    start: int
    """The offset of its `--`."""
    end: int


@dataclass(frozen=True, slots=True)
class Annotated:
    """Who has which annotations."""

    application: tuple[tuple[str, Property], ...]
    statements: tuple[tuple[tuple[str, Property], ...], ...]
    warnings: tuple[Warning, ...]


def read_annotations(source: SourceText, variables: Mapping[str, str]) -> list[Annotation]:
    """All annotations of the text, in order, with variables replaced."""
    comments = [segment for segment in segments(source) if segment.kind is SegmentKind.LINE_COMMENT]
    found: list[Annotation] = []
    index = 0
    while index < len(comments):
        match = _ANNOTATION.match(source.text[comments[index].start : comments[index].end].rstrip())
        index += 1
        if match is None:
            continue
        first = index - 1
        parts = [match["value"].strip()]
        while index < len(comments) and _continues(source, comments[index - 1], comments[index], match, parts[-1]):
            text = source.text[comments[index].start + 2 : comments[index].end].strip()
            parts[-1] = parts[-1].removesuffix("\\").rstrip()
            parts.append(text)
            index += 1
        found.append(_annotation(source, comments[first], comments[index - 1], match, parts, variables))
    return found


def _continues(source: SourceText, line: Segment, following: Segment, opening: re.Match[str], last: str) -> bool:
    between = source.text[line.end : following.start]
    if between.strip() or between.count("\n") != 1:
        return False
    comment = source.text[following.start : following.end].rstrip()
    if _ANNOTATION.match(comment) is not None:
        return False
    if last.endswith("\\"):
        return True
    match = _CONTINUATION.match(comment)
    return match is not None and len(match["indent"]) >= len(opening["indent"]) + 2


def _annotation(
    source: SourceText,
    first: Segment,
    last: Segment,
    match: re.Match[str],
    parts: Sequence[str],
    variables: Mapping[str, str],
) -> Annotation:
    name_start = first.start + match.start("name") - 1
    value_start = first.start + match.start("value")
    name_location = source.location(name_start, first.start + match.end("name"))
    location = source.location(value_start, first.end) if match["value"] else name_location
    value = expand(" ".join(part for part in parts if part), variables, lambda _start, _end: location)
    if len(value) > 1 and value[0] in "\"'" and value[0] == value[-1] and value.count(value[0]) == 2:
        value = value[1:-1]
    return Annotation(match["name"], Property(value, location, name_location), first.start, last.end)


def assign_annotations(
    source: SourceText, annotations: Iterable[Annotation], extents: Sequence[tuple[int, int]]
) -> Annotated:
    """The owner of each annotation. `extents` are the statements' first and last offsets, in order."""
    application: list[tuple[str, Property]] = []
    statements: list[list[tuple[str, Property]]] = [[] for _ in extents]
    warnings: list[Warning] = []
    for annotation in annotations:
        entry = (annotation.name, annotation.property)
        if not is_known(annotation.name):
            warnings.append(_unknown(annotation))
        owner = next((i for i, (_, end) in enumerate(extents) if annotation.start <= end), None)
        if owner is not None and annotation.start > extents[owner][0]:
            warnings.append(_misplaced(annotation, "stands inside a statement", "write it before the statement"))
        elif (owner is None or owner == 0) and _is_applications(source, annotation, extents):
            application.append(entry)
        elif owner is None:
            warnings.append(_misplaced(annotation, "has no statement after it", "write it before a statement"))
        else:
            statements[owner].append(entry)
    return Annotated(tuple(application), tuple(tuple(entries) for entries in statements), tuple(warnings))


def is_known(name: str) -> bool:
    """Whether an annotation of this name has a meaning."""
    return name in KNOWN or name.startswith(APPLICATION_GROUPS)


def _is_applications(source: SourceText, annotation: Annotation, extents: Sequence[tuple[int, int]]) -> bool:
    if annotation.name in APPLICATION or annotation.name.startswith(APPLICATION_GROUPS):
        return True
    if annotation.name not in JOB:
        return False
    following = source.text[annotation.end : extents[0][0]] if extents else ""
    return re.search(r"\n[ \t]*\r?\n", following) is not None or any(
        f"@{name}" in following for name in ("app", "version", "description")
    )


def _unknown(annotation: Annotation) -> Warning:
    close = nearest(annotation.name, KNOWN)
    hint = f"did you mean @{close}?" if close is not None else None
    return Warning(f"the annotation @{annotation.name} has no meaning", _place(annotation), hint)


def _misplaced(annotation: Annotation, problem: str, hint: str) -> Warning:
    return Warning(f"the annotation @{annotation.name} {problem} and is not used", _place(annotation), hint)


def _place(annotation: Annotation) -> Location:
    return annotation.property.name_location or annotation.property.location
