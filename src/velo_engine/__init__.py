"""The streaming SQL engine: SQL text, a typed plan, incremental execution, sinks.

The public names are imported when first used, so that `velo_engine.errors` alone costs nothing: every pytest run
imports it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from velo_engine.connectors.topics import Topic, TopicStore
    from velo_engine.engine import Engine
    from velo_engine.errors import ErrorCode, ExitCode, Location, VeloError
    from velo_engine.plan.nodes import PlannedProgram, SourceKind, SourceTable
    from velo_engine.runtime.inputs import TableInput, TopicInput
    from velo_engine.runtime.options import EmitSemantics, FailureStrategy, JobOptions, Progress
    from velo_engine.schema import Column, RowSchema

__all__ = [
    "Column",
    "EmitSemantics",
    "Engine",
    "ErrorCode",
    "ExitCode",
    "FailureStrategy",
    "JobOptions",
    "Location",
    "PlannedProgram",
    "Progress",
    "RowSchema",
    "SourceKind",
    "SourceTable",
    "TableInput",
    "Topic",
    "TopicInput",
    "TopicStore",
    "VeloError",
]

_MODULES = {
    "connectors.topics": ("Topic", "TopicStore"),
    "engine": ("Engine",),
    "errors": ("ErrorCode", "ExitCode", "Location", "VeloError"),
    "plan.nodes": ("PlannedProgram", "SourceKind", "SourceTable"),
    "runtime.inputs": ("TableInput", "TopicInput"),
    "runtime.options": ("EmitSemantics", "FailureStrategy", "JobOptions", "Progress"),
    "schema": ("Column", "RowSchema"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{module}"), name)
