"""Writes the shipped JSON Schemas from the tables of keys: run it after a change of the spec or data format."""

from __future__ import annotations

from pathlib import Path

from velo_harness import json_schemas


def main() -> None:
    folder = Path(json_schemas.__file__).parent / "schemas"
    folder.mkdir(exist_ok=True)
    for name in json_schemas.NAMES:
        (folder / json_schemas.file_name(name)).write_text(json_schemas.generated_text(name), encoding="utf-8")


if __name__ == "__main__":
    main()
