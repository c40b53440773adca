"""Data schemas inferred from SQL, data files, Avro schemas and topics."""

from velo_harness.inference.sources import InferredSchema, inferred_from_file, inferred_from_topic

__all__ = ["InferredSchema", "inferred_from_file", "inferred_from_topic"]
