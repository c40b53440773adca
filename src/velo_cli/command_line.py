"""What every command shares: how errors become messages and exit codes, and how options are read."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import typer

from velo_engine.errors import ErrorCode, ExitCode, VeloError
from velo_harness.refusals import refusal
from velo_harness.reports.shown_values import printable_lines

DEBUG_VARIABLE = "VELO_DEBUG"
"""Environment variable that `--debug` sets: defects show their traceback."""


def new_app(help_text: str) -> typer.Typer:
    """An application whose errors are ours to show."""
    return typer.Typer(
        help=help_text,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def run_app(app: typer.Typer) -> None:
    """Runs the command line and leaves the process with its exit code. No traceback reaches a person."""
    _open_closed_streams()
    try:
        app()
    except SystemExit as left:
        if left.code == ExitCode.INTERRUPTED:  # typer's answer to an interrupt
            print("interrupted", file=sys.stderr)
        raise
    except VeloError as error:
        print(printable_lines(str(error)), file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(ExitCode.INTERRUPTED)
    except Exception as defect:
        if os.environ.get(DEBUG_VARIABLE):
            raise
        told = refusal(defect) or _internal(defect)
        print(printable_lines(str(told)), file=sys.stderr)
        sys.exit(told.exit_code)


def _internal(defect: Exception) -> VeloError:
    hint = "a defect of velostream: please report it, with the traceback that --debug shows"
    return VeloError(ErrorCode.INTERNAL, f"{type(defect).__name__}: {defect}", hint=hint)


def _open_closed_streams() -> None:
    """Streams that the caller closed (`2>&-`) are None, and everything asks them: what goes there is dropped."""
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115


def set_debug(debug: bool) -> None:
    """Makes defects show their traceback, in this process."""
    if debug:
        os.environ[DEBUG_VARIABLE] = "1"


def milliseconds(text: str) -> int:
    """A duration such as `10s`. Raises typer.BadParameter."""
    from velo_engine.sql.durations import parse_duration

    try:
        return parse_duration(text)
    except ValueError as problem:
        raise typer.BadParameter(f"{problem}; write one such as 500ms, 10s or 1m") from None


def print_version(wanted: bool) -> None:
    """What `--version` calls: prints the version and leaves."""
    if wanted:
        from importlib.metadata import version

        print(f"velostream {version('velostream')}")
        raise typer.Exit


def key_values(texts: Sequence[str]) -> dict[str, str]:
    """The mapping that options `K=V` give. Raises typer.BadParameter."""
    pairs: dict[str, str] = {}
    for text in texts:
        key, separator, value = text.partition("=")
        if not separator or not key:
            raise typer.BadParameter(f'"{text}" is not of the form NAME=VALUE')
        pairs[key] = value
    return pairs
