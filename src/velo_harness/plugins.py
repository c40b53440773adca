"""What installed packages can add: assertion types and report formats, as pluggy hooks of the entry-point group `velo`.

Provisional until 1.0. A package declares `[project.entry-points.velo]` with a module that has functions marked
`hookimpl`:

    from velo_harness.plugins import NewAssertionType, hookimpl

    @hookimpl
    def velo_assertion_types():
        return [NewAssertionType(format=AssertionType(…), kind=AssertionKind(…))]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import pluggy

from velo_engine.errors import ErrorCode, VeloError
from velo_harness.assertion_types import ASSERTION_TYPES, AssertionType
from velo_harness.assertions.context import AssertionKind
from velo_harness.assertions.registry import register
from velo_harness.result import RunResult

GROUP = "velo"
"""The entry-point group, and the name of the hooks' project."""

hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


@dataclass(frozen=True, slots=True)
class NewAssertionType:
    """An assertion type of a plugin: what may be written, and how it is evaluated. Both have the same name."""

    format: AssertionType
    kind: AssertionKind


class VeloHooks:
    """The hooks."""

    @hookspec
    def velo_assertion_types(self) -> Sequence[NewAssertionType]:
        """Assertion types that specs may use."""
        raise NotImplementedError

    @hookspec
    def velo_reporters(self) -> Mapping[str, Callable[[RunResult], str]]:
        """Report formats for `velo-test run --output`: a name, and what writes the report."""
        raise NotImplementedError


@cache
def plugin_manager() -> pluggy.PluginManager:
    """The installed plugins, loaded once, their assertion types registered.

    Errors: BAD_VALUE for one that does not load.
    """
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(VeloHooks)
    try:
        manager.load_setuptools_entrypoints(GROUP)
        for types in manager.hook.velo_assertion_types():
            for new in types:
                _add(new)
    except Exception as error:
        message = f"an installed plugin of velostream cannot be used: {type(error).__name__}: {error}"
        raise VeloError(ErrorCode.BAD_VALUE, message, hint="mend it or uninstall it") from error
    return manager


def reporters() -> dict[str, Callable[[RunResult], str]]:
    """The report formats of plugins."""
    found: dict[str, Callable[[RunResult], str]] = {}
    for formats in plugin_manager().hook.velo_reporters():
        found.update(formats)
    return found


def _add(new: NewAssertionType) -> None:
    if new.format.name != new.kind.name:
        raise ValueError(f'the assertion type "{new.format.name}" is evaluated as "{new.kind.name}"')
    register(new.kind)
    ASSERTION_TYPES[new.format.name] = new.format
