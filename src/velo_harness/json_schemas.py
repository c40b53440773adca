"""The JSON Schemas of test specs and data schemas: made from the same tables that the strict reader uses, and shipped.

Editors complete and check by them (`velo schema spec|data` prints them). They say what keys and values may be; what
depends on several keys at once only the reader knows.
"""

from __future__ import annotations

import json
from importlib.resources import files

from velo_harness.data_schema import DATA_SCHEMA
from velo_harness.keys import JsonSchema, ObjectFormat
from velo_harness.shadow_keys import SHADOW_CONFIG
from velo_harness.spec_keys import SPEC

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_FORMATS: dict[str, tuple[str, ObjectFormat, list[JsonSchema]]] = {
    "spec": (
        "Velostream test spec",
        SPEC,
        [{"oneOf": [{"required": ["application"]}, {"required": ["test_suite"]}]}],
    ),
    "data": (
        "Velostream data schema",
        DATA_SCHEMA,
        [
            {"anyOf": [{"required": ["name"]}, {"required": ["schema"]}]},
            {"anyOf": [{"required": ["fields"]}, {"required": ["schema"]}]},
        ],
    ),
    "shadow-config": ("Velostream shadow config", SHADOW_CONFIG, []),
}

NAMES = tuple(_FORMATS)
"""The schemas there are: spec, data, shadow-config."""


def file_name(name: str) -> str:
    """The shipped file of a schema, in the package's folder `schemas`."""
    return f"{name.replace('-', '_')}.schema.json"


def shipped_text(name: str) -> str:
    """The text of a shipped schema."""
    return files("velo_harness").joinpath("schemas", file_name(name)).read_text(encoding="utf-8")


def generated_text(name: str) -> str:
    """The text that the shipped file must have: what the tables say."""
    return json.dumps(generated(name), indent=2, ensure_ascii=False) + "\n"


def generated(name: str) -> JsonSchema:
    """A schema as the tables say it."""
    title, table, rules = _FORMATS[name]
    definitions: dict[str, JsonSchema] = {}
    body = table.json_schema(definitions)
    all_of = [*body.get("allOf", []), *rules]
    return {
        "$schema": DIALECT,
        "title": title,
        **body,
        **({"allOf": all_of} if all_of else {}),
        "$defs": dict(sorted(definitions.items())),
    }
