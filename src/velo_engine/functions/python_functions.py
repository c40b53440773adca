"""All kernel functions that are computed in Python; the kernel registers them when it opens."""

from __future__ import annotations

from velo_engine.functions import (
    python_dates,
    python_json,
    python_numbers,
    python_patterns,
    python_text,
    python_time,
    python_urls,
)
from velo_engine.functions.python_function import PythonFunction

KERNEL_FUNCTIONS: tuple[PythonFunction, ...] = (
    *python_numbers.KERNEL_FUNCTIONS,
    *python_json.KERNEL_FUNCTIONS,
    *python_patterns.KERNEL_FUNCTIONS,
    *python_text.KERNEL_FUNCTIONS,
    *python_dates.KERNEL_FUNCTIONS,
    *python_time.KERNEL_FUNCTIONS,
    *python_urls.KERNEL_FUNCTIONS,
)
