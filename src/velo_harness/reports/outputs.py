"""Which reports a run writes, and where to: formats by name, files by their endings."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from velo_engine.errors import ErrorCode, VeloError, did_you_mean
from velo_harness.reports.standard_output import print_out
from velo_harness.result import RunResult

Reporter: TypeAlias = Callable[[RunResult], str]

TEXT = "text"
_ENDINGS = {".htm": "html", ".html": "html", ".json": "json", ".md": "markdown", ".txt": TEXT, ".xml": "junit"}
_PLOTTED = ("html", "json")
"""Formats that hold what is plotted."""


def _text(run: RunResult) -> str:
    from velo_harness.reports.text import run_text

    return run_text(run)


def _json(run: RunResult) -> str:
    from velo_harness.reports.json_report import run_json

    return run_json(run)


def _junit(run: RunResult) -> str:
    from velo_harness.reports.junit import run_junit

    return run_junit(run)


def _html(run: RunResult) -> str:
    from velo_harness.reports.html import run_html

    return run_html(run)


def _markdown(run: RunResult) -> str:
    from velo_harness.reports.markdown import run_markdown

    return run_markdown(run)


def _github(run: RunResult) -> str:
    from velo_harness.reports.github import run_annotations

    return run_annotations(run)


BUILT_IN: Mapping[str, Reporter] = {
    TEXT: _text,
    "json": _json,
    "junit": _junit,
    "html": _html,
    "markdown": _markdown,
    "github": _github,
}
"""What writes each format. Its modules are imported when it is written."""


@dataclass(frozen=True, slots=True)
class Outputs:
    """The reports that a run is to write."""

    files: tuple[tuple[Path, str], ...] = ()
    """File and format."""
    stdout: str | None = None
    """The format that goes to stdout; None: nothing does."""

    @property
    def plotted(self) -> bool:
        """Whether one of them holds what is plotted: see `RunSettings.profile`."""
        return any(name in _PLOTTED for name in (*(name for _, name in self.files), self.stdout))


def outputs(output: str | None, files: Sequence[Path]) -> Outputs:
    """What `--output` and `--report` ask for.

    A file's ending says its format; where it has none, `output` does, else it is text. `output` goes to stdout unless
    a file has it. Raises VeloError for a format that there is not, and for a file called like a format.
    """
    known = known_formats()
    if output is not None and output not in known:
        hint = did_you_mean(output, known, noun="format")
        raise VeloError(ErrorCode.BAD_VALUE, f'there is no report format "{output}"', hint=hint)
    for path in files:
        _refuse_format_name(path, known)
    chosen = tuple((path, _format_of(path, known) or output or _without_ending(path, known)) for path in files)
    taken = output is None or output == TEXT or output in (name for _, name in chosen)
    return Outputs(chosen, None if taken else output)


def known_formats() -> dict[str, Reporter]:
    """Every format: ours, and those of plugins."""
    from velo_harness.plugins import reporters

    return {**BUILT_IN, **reporters()}


def write_reports(run: RunResult, wanted: Outputs) -> None:
    """Writes the reports. Raises VeloError for a file that cannot be written, once all others are."""
    known = known_formats()
    refused: VeloError | None = None
    for path, name in wanted.files:
        try:
            _write_file(path, known[name](run))
        except VeloError as error:
            refused = refused or error
    if wanted.stdout is not None:
        print_out(_ended(known[wanted.stdout](run)))
    if refused is not None:
        raise refused


def _format_of(path: Path, known: Mapping[str, Reporter]) -> str | None:
    """The format that a file's ending tells: one of ours, or the name of a plugin's."""
    ending = path.suffix.lower()
    return _ENDINGS.get(ending) or (ending[1:] if ending[1:] in known else None)


def _refuse_format_name(path: Path, known: Mapping[str, Reporter]) -> None:
    """`--report html` means the format, and would else write text to a file called html. Raises VeloError."""
    name = str(path)
    if name not in known:
        return
    ending = next((ending for ending, form in reversed(_ENDINGS.items()) if form == name), None)
    to_stdout = f"--output {name} writes it to stdout"
    to_file = f"--report report{ending or f'.{name}'} writes it to a file, --output {name} to stdout"
    message = f'"{name}" is a format of reports, and no file'
    raise VeloError(ErrorCode.BAD_VALUE, message, hint=to_stdout if name == "github" else to_file)


def _without_ending(path: Path, known: Mapping[str, Reporter]) -> str:
    """The format of a file that nothing says: text, unless it has an ending, which then means something else."""
    if not path.suffix:
        return TEXT
    hint = f"known: {', '.join((*_ENDINGS, *(f'.{name}' for name in known if name not in BUILT_IN)))}; or give --output"
    message = f'the ending of "{path}" is that of no report format'
    raise VeloError(ErrorCode.BAD_VALUE, message, hint=hint)


def _ended(text: str) -> str:
    """Text of whole lines."""
    return text.rstrip("\n") + "\n" if text else ""


def _write_file(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_ended(text), encoding="utf-8")
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise VeloError(ErrorCode.FILE_UNREADABLE, f'the report "{path}" cannot be written: {reason}') from None
