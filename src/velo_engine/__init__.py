"""The streaming SQL engine: SQL text, a typed plan, incremental execution, sinks."""
