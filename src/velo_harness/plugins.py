"""What plugins add: assertion types, generators, record formats, Kafka providers, reports. Provisional until 1.0.

A plugin is a module with functions called as the hooks below. It is

* a module of an installed package that declares it in the entry-point group `velo`, or
* a `conftest.py`: see `plugin_files`.

docs/extending.md has an example of each hook. Whatever a plugin does wrong is an error that names it.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial, wraps
from importlib.metadata import entry_points
from typing import Any

import pluggy

from velo_engine.connectors.kafka.client import KafkaCluster
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.formats.added import FormatFactory, add_format, remove_format
from velo_harness.assertion_types import ASSERTION_TYPES, AssertionType
from velo_harness.assertions.context import AssertionKind, Check, CheckContext, View, missing_field
from velo_harness.assertions.registry import register, unregister
from velo_harness.generation.custom import Generator, add_generator, remove_generator
from velo_harness.kafka.providers import ProviderFactory, TopicRules, add_provider, remove_provider
from velo_harness.keys import Key
from velo_harness.kinds import Boolean, Choice, Integer, Number, Text
from velo_harness.plugin_guard import guarded, guarded_format, plugin_error
from velo_harness.result import Finding, RunResult
from velo_harness.spec import AssertionSpec

__all__ = [
    "AssertionKind",
    "AssertionType",
    "Boolean",
    "Choice",
    "Finding",
    "Integer",
    "KafkaCluster",
    "Key",
    "NewAssertionType",
    "Number",
    "RunResult",
    "Text",
    "TopicRules",
    "View",
    "hookimpl",
    "missing_field",
]
"""What plugins need."""

GROUP = "velo"
"""The entry-point group, and the name of the hooks' project."""

hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)
"""Marks a hook, where pluggy's options are wanted; without it the name is enough."""


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
    def velo_generators(self) -> Mapping[str, Generator]:
        """Generators for `constraints: {generator: NAME}`: a name, and what gives so many values."""
        raise NotImplementedError

    @hookspec
    def velo_formats(self) -> Mapping[str, FormatFactory]:
        """Record formats for sources and sinks: a name, and what makes the format for a schema."""
        raise NotImplementedError

    @hookspec
    def velo_kafka_providers(self) -> Mapping[str, ProviderFactory]:
        """Providers for `--kafka NAME`: a name, and what makes the provider."""
        raise NotImplementedError

    @hookspec
    def velo_reporters(self) -> Mapping[str, Callable[[RunResult], str]]:
        """Report formats for `--output NAME` and `--report FILE.NAME`: a name, and what writes the report."""
        raise NotImplementedError


HOOKS = tuple(name for name in vars(VeloHooks) if name.startswith("velo_"))
"""The names of the hooks."""


class _Manager(pluggy.PluginManager):
    """Takes functions by their names, as pytest does."""

    def parse_hookimpl_opts(self, plugin: object, name: str) -> pluggy.HookimplOpts | None:
        options = super().parse_hookimpl_opts(plugin, name)
        if options is None and name in HOOKS and inspect.isroutine(getattr(plugin, name, None)):
            return pluggy.HookimplOpts(
                wrapper=False, hookwrapper=False, optionalhook=False, tryfirst=False, trylast=False, specname=None
            )
        return options


_reporters: dict[str, Callable[[RunResult], str]] = {}
_undo: dict[int, list[Callable[[], None]]] = {}
"""By the identity of a plugin: what takes back everything it added."""


@cache
def plugin_manager() -> pluggy.PluginManager:
    """The plugins, those of installed packages loaded once.

    Errors: PLUGIN_FAILED for one that does not load.
    """
    manager = _Manager(GROUP)
    manager.add_hookspecs(VeloHooks)
    for entry in sorted(entry_points(group=GROUP), key=lambda e: e.name):
        name = f"{entry.name} of {entry.dist.name}" if entry.dist is not None else entry.name
        try:
            module = entry.load()
        except (Exception, SystemExit) as error:
            raise plugin_error(name, "cannot be imported", error, None) from error
        _add(manager, module, name)
    return manager


def add_plugin(plugin: object, name: str) -> None:
    """Takes in what a plugin adds; `name` is what errors call it. One that is there already stays as it is.

    Errors: PLUGIN_FAILED.
    """
    manager = plugin_manager()
    if not manager.is_registered(plugin):
        _add(manager, plugin, name)


def remove_plugin(plugin: object, manager: pluggy.PluginManager | None = None) -> None:
    """Takes back what a plugin added."""
    manager = manager or plugin_manager()
    if manager.is_registered(plugin):
        manager.unregister(plugin)
        for undo in _undo.pop(id(plugin), []):
            undo()


def reporters() -> dict[str, Callable[[RunResult], str]]:
    """The report formats of plugins."""
    plugin_manager()
    return dict(_reporters)


def is_plugin(candidate: object) -> bool:
    """Whether an object has functions that are called as hooks of ours, or nearly."""
    return any(means_hook(name) and inspect.isfunction(value) for name, value in vars(candidate).items())


def means_hook(name: str) -> bool:
    """Whether a name is that of a hook, or nearly: then someone meant one."""
    return _meant_hook(name) is not None


def _meant_hook(name: str) -> str | None:
    """The hook that a function of this name is, or was meant to be."""
    if not name.startswith(_PREFIX):
        return None
    words = {hook.removeprefix(_PREFIX): hook for hook in HOOKS}
    close = difflib.get_close_matches(name.removeprefix(_PREFIX), words, n=1, cutoff=0.75)
    return words[close[0]] if close else None


_PREFIX = "velo_"


def _add(manager: pluggy.PluginManager, plugin: object, name: str) -> None:
    _refuse_misspelt(plugin, name)
    manager.register(plugin, name)
    undo = _undo.setdefault(id(plugin), [])
    try:
        for caller in manager.get_hookcallers(plugin) or []:
            for implementation in caller.get_hookimpls():
                if implementation.plugin is plugin:
                    _TAKE[caller.name](implementation.function(), name, undo)
    except (Exception, SystemExit) as error:
        remove_plugin(plugin, manager)
        if isinstance(error, VeloError):
            raise
        raise plugin_error(name, "cannot be used", error, getattr(plugin, "__file__", None)) from error


def _refuse_misspelt(plugin: object, name: str) -> None:
    """A function that is nearly called as a hook would never be called: an error."""
    for attribute, value in vars(plugin).items() if hasattr(plugin, "__dict__") else ():
        if attribute not in HOOKS and means_hook(attribute) and inspect.isfunction(value):
            message = f'the plugin {name} has a function "{attribute}", which is no hook'
            hint = f'did you mean "{_meant_hook(attribute)}"?'
            raise VeloError(ErrorCode.PLUGIN_FAILED, message, hint=hint)


def _take_assertion_types(types: Sequence[NewAssertionType], plugin: str, undo: list[Callable[[], None]]) -> None:
    for new in types:
        called = new.format.name
        if called != new.kind.name:
            raise ValueError(f'the assertion type "{called}" is evaluated as "{new.kind.name}"')
        check = guarded(_answering(new.kind.check), plugin, f'assertion type "{called}"')
        register(replace(new.kind, check=check))
        ASSERTION_TYPES[called] = new.format
        undo.append(partial(_forget_assertion_type, called))


def _answering(check: Check) -> Check:
    """A check whose answer is looked at: one that gives True or text would else be taken for a defect of ours."""

    @wraps(check)
    def call(assertion: AssertionSpec, context: CheckContext) -> Finding | None:
        found: object = check(assertion, context)
        if found is None or isinstance(found, Finding):
            return found
        raise TypeError(f"a check returns None when it holds, else a Finding, not {found!r}")

    return call


def _forget_assertion_type(name: str) -> None:
    unregister(name)
    ASSERTION_TYPES.pop(name, None)


def _take_generators(found: Mapping[str, Generator], plugin: str, undo: list[Callable[[], None]]) -> None:
    for name, generator in found.items():
        add_generator(name, guarded(generator, plugin, f'generator "{name}"'))
        undo.append(partial(remove_generator, name))


def _take_formats(found: Mapping[str, FormatFactory], plugin: str, undo: list[Callable[[], None]]) -> None:
    for name, factory in found.items():
        add_format(name, guarded_format(factory, plugin, name))
        undo.append(partial(remove_format, name))


def _take_providers(found: Mapping[str, ProviderFactory], plugin: str, undo: list[Callable[[], None]]) -> None:
    for name, factory in found.items():
        add_provider(name, guarded(factory, plugin, f'Kafka provider "{name}"'))
        undo.append(partial(remove_provider, name))


def _take_reporters(
    found: Mapping[str, Callable[[RunResult], str]], plugin: str, undo: list[Callable[[], None]]
) -> None:
    from velo_harness.reports.outputs import BUILT_IN

    for name, write in found.items():
        if name in BUILT_IN or name in _reporters:
            raise ValueError(f'there is already a report format "{name}"')
        _reporters[name] = guarded(write, plugin, f'report format "{name}"')
        undo.append(partial(_forget_reporter, name))


def _forget_reporter(name: str) -> None:
    _reporters.pop(name, None)


_TAKE: dict[str, Callable[[Any, str, list[Callable[[], None]]], None]] = {
    "velo_assertion_types": _take_assertion_types,
    "velo_generators": _take_generators,
    "velo_formats": _take_formats,
    "velo_kafka_providers": _take_providers,
    "velo_reporters": _take_reporters,
}
