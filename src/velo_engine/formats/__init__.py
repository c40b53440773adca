"""Formats: record values to columns and back."""

from velo_engine.formats.base import Decoded, DecodeFailure, Format, open_format

__all__ = ["DecodeFailure", "Decoded", "Format", "open_format"]
