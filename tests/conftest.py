"""What all tests share."""

from __future__ import annotations

import os

from hypothesis import settings

# A property is about results, not about how busy the machine is. In CI the examples are the same every time.
settings.register_profile("local", deadline=None, print_blob=True)
settings.register_profile("ci", deadline=None, print_blob=True, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")
