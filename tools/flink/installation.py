"""Where the oracle's Flink lives: that of the product. `python tools/flink/installation.py` installs it (`make flink`)."""

from __future__ import annotations

import sys

from velo_harness.flink.installation import (
    FLINK_VERSION,
    FlinkMissingError,
    Installation,
    install,
    installation,
    java_tool,
    main,
    require_installed,
)

__all__ = [
    "FLINK_VERSION",
    "FlinkMissingError",
    "Installation",
    "install",
    "installation",
    "java_tool",
    "require_installed",
]

if __name__ == "__main__":
    sys.exit(main())
