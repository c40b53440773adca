"""Data schemas of the tables that a converted job reads: from their DDL, from how statements use them, from samples."""

from velo_import.schemas.files import schema_files

__all__ = ["schema_files"]
