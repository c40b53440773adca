"""The streaming SQL engine: SQL text, a typed plan, incremental execution, sinks."""

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
