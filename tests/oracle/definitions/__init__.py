"""The cases to record, by subject. Every module gives its `CASES`."""

from __future__ import annotations

from tests.oracle.case import Definition
from tests.oracle.definitions import group_by, scalar, windows

ALL: tuple[Definition, ...] = (*scalar.CASES, *group_by.CASES, *windows.CASES)
