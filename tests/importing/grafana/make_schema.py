"""A JSON Schema of Grafana's dashboards, from the models that Grafana Labs generate of their own definitions.

By hand, in an environment of its own: `pip install grafana-foundation-sdk==1769699998!10.1.0`, then
`python make_schema.py > dashboard.schema.json`. Unknown keys are errors: Grafana drops them without a word.
"""

from __future__ import annotations

import enum
import importlib
import inspect
import json
import re
import sys
import types
import typing
from typing import Any

PANELS = ("timeseries", "stat", "gauge", "barchart", "heatmap", "table")
SCALARS = {str: "string", int: "integer", float: "number", bool: "boolean"}
definitions: dict[str, Any] = {}


def model(name: str) -> Any:
    return importlib.import_module(f"grafana_foundation_sdk.models.{name}")


def keys(kind: type) -> dict[str, str]:
    """Names of attributes by the keys of JSON."""
    text = inspect.getsource(kind.from_json)  # type: ignore[attr-defined]
    return dict(re.findall(r'if "([^"]+)" in data:(?:(?!\n\s+if ").)*?args\["(\w+)"\]', text, re.DOTALL))


def schema_of(kind: Any) -> Any:
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any or kind is object:
        return True
    if kind is type(None):
        return {"type": "null"}
    if kind in SCALARS:
        return {"type": SCALARS[kind]}
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [schema_of(part) for part in parts]}
    if origin is typing.Literal:
        return {"enum": list(parts)}
    if origin is list:
        return {"type": "array", "items": schema_of(parts[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": schema_of(parts[1])}
    if inspect.isclass(kind) and issubclass(kind, enum.Enum):
        return {"enum": [member.value for member in kind]}
    if inspect.isclass(kind) and kind.__name__ == "Dataquery" and kind.__module__.endswith("variants"):
        return schema_of(model("prometheus").Dataquery)
    if inspect.isclass(kind) and hasattr(kind, "from_json"):
        name = f"{kind.__module__.rpartition('.')[2]}.{kind.__name__}"
        if name not in definitions:
            definitions[name] = {}
            definitions[name] = of_class(kind)
        return {"$ref": f"#/$defs/{name}"}
    raise TypeError(f"{kind!r} is not known")


def of_class(kind: type) -> Any:
    hints = typing.get_type_hints(kind, vars(sys.modules[kind.__module__]))
    properties = {key: schema_of(hints[name]) for key, name in keys(kind).items()}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def main() -> None:
    schema_of(model("dashboard").Dashboard)
    dashboard = definitions.pop("dashboard.Dashboard")
    by_type = []
    for name in PANELS:
        own: dict[str, Any] = {}
        if hasattr(model(name), "Options"):
            own["options"] = schema_of(model(name).Options)
        if hasattr(model(name), "FieldConfig"):
            custom = schema_of(model(name).FieldConfig)
            inner = {"properties": {"custom": custom}}
            own["fieldConfig"] = {"properties": {"defaults": inner}}
        by_type.append({"if": {"properties": {"type": {"const": name}}}, "then": {"properties": own}})
    definitions["dashboard.Panel"]["allOf"] = by_type
    definitions["dashboard.Panel"]["required"] = ["type", "id", "gridPos", "title", "targets", "datasource"]
    definitions["dashboard.RowPanel"]["properties"]["type"] = {"const": "row"}
    is_row = {"properties": {"type": {"const": "row"}}}
    row, panel = ({"$ref": f"#/$defs/dashboard.{name}"} for name in ("RowPanel", "Panel"))
    dashboard["properties"]["panels"] = {"type": "array", "items": {"if": is_row, "then": row, "else": panel}}
    found = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": "Made of grafana-foundation-sdk 10.1.0 (Grafana Labs, Apache-2.0) by make_schema.py",
        **dashboard,
        "$defs": definitions,
    }
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
