"""Our formats against the recorded answers of Flink 2.3's own (flink_2.3.0.jsonl, made by recorder/record.py).

Everything that Flink reads has the same value here, everything it refuses is refused, but for the differences listed in
this file, each with its hand-written outcome.
"""

import base64
import json
import re
from pathlib import Path

import numpy as np
import pytest

from velo_engine import types
from velo_engine.formats import open_format
from velo_engine.schema import RowSchema
from velo_engine.types import SqlType, TypeName

RECORDED = [json.loads(line) for line in (Path(__file__).parent / "flink_2.3.0.jsonl").read_text().splitlines()]

NESTED_TYPES = {
    "ARRAY<INT>": types.array(types.INT),
    "ARRAY<DECIMAL(5, 2)>": types.array(types.decimal(5, 2)),
    "ARRAY<ARRAY<STRING>>": types.array(types.array(types.STRING)),
    "MAP<STRING, INT>": types.map_of(types.STRING, types.INT),
    "ROW<a INT, b STRING>": types.row(("a", types.INT), ("b", types.STRING)),
    "ROW<r ROW<d DECIMAL(6, 3)>, t TIMESTAMP(3)>": types.row(
        ("r", types.row(("d", types.decimal(6, 3)))), ("t", types.timestamp(3))
    ),
    "MULTISET<STRING>": SqlType(TypeName.MULTISET, element=types.STRING),
}


def sql_type(text: str) -> SqlType:
    if text in NESTED_TYPES:
        return NESTED_TYPES[text]
    name, first, second = re.fullmatch(r"(\w+)(?:\((\d+)(?:, (\d+))?\))?", text).groups()
    match name:
        case "DECIMAL":
            return types.decimal(int(first), int(second))
        case "TIME" | "TIMESTAMP" | "TIMESTAMP_LTZ" | "CHAR" | "VARCHAR":
            return getattr(types, name.lower())(int(first))
        case _:
            return getattr(types, name)


TIMESTAMP_FORMS = {
    "2024-01-01T00:00:00Z": "2024-01-01 00:00:00",
    "2024-01-01 00:00:00Z": "2024-01-01 00:00:00",
    "2024-01-01 00:00:00.5Z": "2024-01-01 00:00:00.5",
    "2024-01-01T00:00:00+02:00": "2023-12-31 22:00:00",
    "2024-01-01 00:00:00+02:00": "2023-12-31 22:00:00",
    "2023-02-29T00:00:00Z": "2023-02-28 00:00:00",
    "2023-02-29 00:00:00Z": "2023-02-28 00:00:00",
    "2024-01-01 24:00:00Z": "2024-01-02 00:00:00",
    "2024-01-01T24:00:00Z": "2024-01-02 00:00:00",
    "+2024-01-01 00:00:00": "2024-01-01 00:00:00",
}
"""Timestamps with a zone (and a plus sign) that are read whatever the standard, as UTC."""

LOCAL_FORMS = {
    "2024-01-01 00:00:00": "2024-01-01 00:00:00",
    "2024-01-01 00:00:00.": "2024-01-01 00:00:00",
    "2024-01-01 00:00:00.1": "2024-01-01 00:00:00.1",
    "2024-01-01 00:00:00.123": "2024-01-01 00:00:00.123",
    "2024-01-01 00:00:00.123456": "2024-01-01 00:00:00.123456",
    "2024-01-01 00:00:00.123456789": "2024-01-01 00:00:00.123456",
    "2024-01-01T00:00:00": "2024-01-01 00:00:00",
    "2024-01-01T00:00:00.123": "2024-01-01 00:00:00.123",
    "2024-01-01T00:00": "2024-01-01 00:00:00",
    "2024-01-01T00:00:00.": "2024-01-01 00:00:00",
    "2024-01-01t00:00:00": "2024-01-01 00:00:00",
    "2023-02-29 00:00:00": "2023-02-28 00:00:00",
    "2023-02-30 00:00:00": "2023-02-28 00:00:00",
    "2024-02-30 12:00:00.5": "2024-02-29 12:00:00.5",
    "2024-01-01 24:00:00": "2024-01-02 00:00:00",
    "0001-01-01 00:00:00": "0001-01-01 00:00:00",
    "-0001-01-01 00:00:00": "-0001-01-01 00:00:00",
    "+10000-01-01 00:00:00": "+10000-01-01 00:00:00",
    "9999-12-31 23:59:59.999999": "9999-12-31 23:59:59.999999",
    "1969-12-31 23:59:59.999": "1969-12-31 23:59:59.999",
    "1900-01-01 00:00:00.001": "1900-01-01 00:00:00.001",
}
"""Timestamps without zone that Flink reads under one standard only and we under both."""

READ_BEYOND_FLINK = {
    ("json", "DATE", '"2024-1-1"'): '"2024-01-01"',
    **{("json", f"TIME({p})", '"01:00"'): '"01:00:00"' for p in (0, 3)},
    ("csv", "DATE", " 2024-01-01"): '"2024-01-01"',
    ("csv", "DATE", "+10000-01-01"): '"+10000-01-01"',
    ("csv", "DATE", "-0001-01-01"): '"-0001-01-01"',
    ("csv", "DECIMAL(10, 2)", " 5 "): "5.00",
    ("csv", "DECIMAL(10, 2)", " 12.345 "): "12.35",
    **{("csv", f"TIME({p})", "24:00:00"): '"00:00:00"' for p in (0, 3)},
}
"""What Flink refuses and we read, because its meaning is certain."""

READ_OTHERWISE = {
    **{("json", kind, "-0"): "0.0" for kind in ("DOUBLE", "FLOAT")},  # Flink: -0.0
    ("json", "BOOLEAN", "{}"): "refused",  # Flink reads false and loses its place in the message
    ("csv", "DATE", "2023-02-29"): "refused",  # Flink: 2023-03-01
    ("csv", "DATE", "1582-10-10"): '"1582-10-10"',  # Flink's CSV goes through the Julian calendar
    ("csv", "DATE", "0000-01-01"): '"0000-01-01"',
    **{("csv", f"TIME({p})", "23:59:59.999"): '"23:59:59.999"' for p in (0, 3)},
    **{("csv", f"TIME({p})", "23:59:59.123456789"): '"23:59:59.123"' for p in (0, 3)},
}

MESSAGES_READ_OTHERWISE = {
    b'{"v":1,"v":2,"n":3}': '{"v":2,"n":3}',  # Flink stops reading after as many fields as there are columns
    b'{"v":1,"n":2} x': "refused",
    b'{"v":1,"n":2}}': "refused",
    b'{"v":1,"n":2}{"v":3}': "refused",
    b'{"v":"a","n":1}\x00': "refused",
    b'[{"v":1}]': "refused",
    b"[]": "refused",
    b'[{"v":1},{"v":2}]': "refused",
    b"": "refused",
    b'{"v":"\\ud800","n":1}': '{"v":"?","n":1}',  # "?" in Flink's row too, but it keeps the Java string beside it
    b'{"v":"\xed\xa0\x80","n":1}': "refused",
    b'{"v":"a","x":"\xff","n":1}': '{"v":"a","n":1}',
    b'\xff\xfe{\x00"\x00v\x00"\x00:\x001\x00}\x00': "refused",  # UTF-16
    b'"a" ,1': "refused",
    b",1": '{"v":null,"n":1}',  # an empty unquoted field is NULL; Flink: an empty string, or refused for a number
    b"a,": '{"v":"a","n":null}',
    b",": '{"v":null,"n":null}',
}


def ours(case: dict, message: bytes) -> str:
    schema = RowSchema.of(("v", sql_type(case["type"])), ("n", types.INT))
    decoded = open_format(case["format"], schema, {}).decode([message])
    assert len(decoded.failures) + decoded.table.num_rows == 1
    if decoded.failures:
        return "refused"
    standard = {"json.timestamp-format.standard": case["standard"].replace("_", "-")}
    return open_format("json", schema, standard).encode(decoded.table)[0].decode()


def value_text(case: dict, message: bytes) -> str:
    """The text of `v` in the message."""
    if case["format"] == "csv":
        return message.decode(errors="replace").removesuffix(",1")
    return message.decode(errors="replace").removeprefix('{"v":').removesuffix(',"n":1}')


def expected(case: dict, message: bytes) -> str:
    if message in MESSAGES_READ_OTHERWISE:
        return MESSAGES_READ_OTHERWISE[message]
    text = value_text(case, message)
    key = (case["format"], case["type"], text)
    if key in READ_OTHERWISE or ("error" in case and key in READ_BEYOND_FLINK):
        value = READ_OTHERWISE.get(key) or READ_BEYOND_FLINK[key]
        return value if value == "refused" else f'{{"v":{value},"n":1}}'
    if "error" in case:
        return timestamp_beyond_flink(case, text)
    if message.count(b"[") > 200:
        return "refused"
    return cut_to_precision(case["type"], case["json_plain"])


def timestamp_beyond_flink(case: dict, text: str) -> str:
    kind = case["type"].partition("(")[0]
    bare = text.strip('"') if case["format"] == "json" else text.strip()
    forms = {"TIMESTAMP": LOCAL_FORMS | TIMESTAMP_FORMS, "TIMESTAMP_LTZ": TIMESTAMP_FORMS}.get(kind, {})
    if bare not in forms or (kind == "TIMESTAMP_LTZ" and bare.startswith("+")):
        if case["type"].startswith("ROW<r") and '"t"' in text and '"r":{"d":1.0005}' in text:
            return '{"v":{"r":{"d":1.001},"t":"2024-01-01T00:00:00"},"n":1}'
        return "refused"
    value = forms[bare].replace(" ", "T" if case["standard"] == "ISO_8601" else " ")
    zone = "Z" if kind == "TIMESTAMP_LTZ" else ""
    return cut_to_precision(case["type"], f'{{"v":"{value}{zone}","n":1}}')


def cut_to_precision(kind: str, text: str) -> str:
    """Flink keeps digits beyond a timestamp's precision until it next serializes the row; we cut them at once."""
    found = re.fullmatch(r"TIMESTAMP(?:_LTZ)?\((\d)\)", kind)
    if found is None:
        return text
    precision = int(found[1])
    return re.sub(r"(:\d\d)\.(\d+)", lambda m: (m[1] + "." + m[2][:precision].rstrip("0")).rstrip("."), text)


def test_the_record_is_large_enough_to_mean_something():
    assert len(RECORDED) > 1700
    assert sum("error" in case for case in RECORDED) > 600


@pytest.mark.parametrize("kind", sorted({case["type"] for case in RECORDED}))
def test_formats_read_as_flink_does(kind):
    differences = []
    for case in RECORDED:
        if case["type"] != kind:
            continue
        message = base64.b64decode(case["message"])
        got, want = ours(case, message), expected(case, message)
        if not same(kind, got, want):
            differences.append((case["format"], case["standard"], message, got, want))
    assert differences == []


def same(kind: str, got: str, want: str) -> bool:
    if "refused" in (got, want):
        return got == want
    if kind == "FLOAT":
        # JDK 17 does not always print the fewest digits of a float.
        floats = [np.float32(json.loads(text)["v"]) for text in (got, want)]
        return bool(np.array_equal(*floats, equal_nan=True))
    if kind == "STRING":
        # Flink escapes characters beyond the basic plane.
        return json.loads(got) == json.loads(want)
    return got == want


def test_decimals_are_written_as_flink_writes_plain_numbers():
    recorded = [c for c in RECORDED if c["type"].startswith("DECIMAL") and c.get("json_plain") != c.get("json")]
    assert len(recorded) > 20
    # Without `decimal-as-plain-number` Flink writes 1E+2 for 100.00: the same number.
    for case in recorded:
        assert float(json.loads(case["json"])["v"]) == float(json.loads(case["json_plain"])["v"])
