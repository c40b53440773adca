"""The plugin's options, and the settings of a run that they make."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_velo import coverage, kafka, reports, updates

if TYPE_CHECKING:
    from velo_harness.settings import RunSettings


def add_options(parser: pytest.Parser) -> None:
    """Declares every option; all are spelt `--velo-…`."""
    group = parser.getgroup("velo", "velostream: streaming SQL specs")
    group.addoption("--velo-seed", type=int, metavar="N", help="seed of all generated data, instead of the specs' own")
    group.addoption(
        "--velo-query",
        action="append",
        default=[],
        metavar="NAME",
        help="run only the queries called NAME (repeatable)",
    )
    group.addoption(
        "--velo-timeout-ms", type=_positive, metavar="MS", help="time limit of a query, instead of the specs' own"
    )
    group.addoption("--velo-batch-size", type=_positive, metavar="N", help="most events the engine handles at once")
    group.addoption(
        "--velo-var",
        action="append",
        default=[],
        type=_variable,
        metavar="NAME=VALUE",
        help="a value for ${NAME} (repeatable)",
    )
    group.addoption(
        "--velo-permute", type=_positive, default=0, metavar="N", help="try N other orders of arrival of each query"
    )
    group.addoption(
        "--velo-runner",
        choices=["engine", "flink", "recorded"],
        help="what runs the queries, instead of the specs' own runners",
    )
    group.addoption(
        "--velo-record", action="store_true", help="ask a real Flink for the answers that the runner recorded replays"
    )
    group.addoption("--velo-realtime", action="store_true", help="keep to the rates and waits of specs in real time")
    group.addoption("--velo-strict", action="store_true", help="what would be a warning is an error")
    group.addoption("--velo-debug", action="store_true", help="show the traceback of a defect of velostream itself")
    coverage.add_options(group)
    updates.add_options(group)
    reports.add_options(group)
    kafka.add_options(group)
    parser.addini("velo_paths", "folders and files whose specs are collected whatever they contain", type="paths")


def run_settings(config: pytest.Config) -> RunSettings:
    """The settings that the command line asks for."""
    from velo_harness.settings import RunSettings
    from velo_harness.spec import Runner

    return RunSettings(
        seed=config.getoption("velo_seed"),
        timeout_ms=config.getoption("velo_timeout_ms"),
        batch_size=config.getoption("velo_batch_size"),
        runner=Runner(runner) if (runner := config.getoption("velo_runner")) is not None else None,
        record=config.getoption("velo_record"),
        realtime=config.getoption("velo_realtime"),
        strict=config.getoption("velo_strict"),
        debug=config.getoption("velo_debug"),
        variables=dict(config.getoption("velo_var")),
        permute=config.getoption("velo_permute"),
        coverage=coverage.wanted(config),
        profile=reports.is_plotted(config),
        update=updates.wanted(config),
    )


def listed_paths(config: pytest.Config) -> list[Path]:
    """The ini setting `velo_paths`, absolute."""
    paths: list[Path] = config.getini("velo_paths")
    return paths


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {number}")
    return number


def _variable(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise argparse.ArgumentTypeError(f'"{text}" is not of the form NAME=VALUE')
    return name, value
