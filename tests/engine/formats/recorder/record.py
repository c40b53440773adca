"""Records flink_2.3.0.jsonl: what Flink's JSON and CSV formats answer to some 1 700 single messages.

    python tests/engine/formats/recorder/record.py <folder of Flink 2.3 jars>

Needs a JDK 17 (javac and java on the path) and Flink's lib/ folder, as `make flink` provides them.
"""

import base64
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
RECORDED = HERE.parent / "flink_2.3.0.jsonl"

# fmt: off
INTEGERS = ['0','1','-1','127','128','-129','32768','2147483647','2147483648','-2147483649','9223372036854775807','9223372036854775808','1.0','1.5','-1.9','1e2','1E3','1e30','1.7976931348623157e308','-0','-0.0','1e-400','1e400','"5"','" 5 "','"+5"','"-5"','"5.0"','"1e2"','"abc"','""','" "','true','false','null','[]','{}','[1]','{"a":1}','"0x10"','"1_000"','"\\u0035"','"٣"','"2147483648"']
DOUBLES = [*INTEGERS,'"NaN"','"Infinity"','"-Infinity"','NaN','"nan"','"inf"','"1.5d"','"1f"','"0x1p3"','0.1','123456789012345678901234567890','1.0E10','1e-7','0.001','1e7','12345678.9','100','"1e400"']
DECIMALS = [*INTEGERS,'123.45','123.455','-123.455','123.445','0.005','-0.005','0.004999','99999999.99','99999999.995','99999999.994','100000000','1e7','1e8','1E-10','1.10','"12.345"','" 12.345 "','".5"','"5."','"1e2"','"+1.5"','"NaN"','"Infinity"','NaN','"-"','"1,000"','12345678901234567890123456789012345678901234567890','"1 2"','1e999999','"1E+2"','"0.00"','-0.00']
DATES = ['"2024-02-29"','"2023-02-29"','"2024-1-1"','"0001-01-01"','"9999-12-31"','"+10000-01-01"','"2024-01-01 00:00:00"','"2024-01-01T00:00:00"','"-0001-01-01"','"20240101"','" 2024-01-01"','19000','null','""','"1582-10-10"','"0000-01-01"','"1970-01-01"']
TIMES = ['"00:00:00"','"23:59:59"','"23:59:59.999"','"23:59:59.123456789"','"24:00:00"','"1:00:00"','"01:00"','"01:00:00Z"','3600','"01:00:00."','null']
TIMESTAMPS = ['"2024-01-01 00:00:00"','"2024-01-01 00:00:00.1"','"2024-01-01 00:00:00.123"','"2024-01-01 00:00:00.123456"','"2024-01-01 00:00:00.123456789"','"2024-01-01 00:00:00.1234567891"','"2024-01-01T00:00:00"','"2024-01-01T00:00:00.123"','"2024-01-01T00:00"','"2024-01-01 00:00"','"2024-01-01T00:00:00Z"','"2024-01-01 00:00:00Z"','"2024-01-01 00:00:00.5Z"','"2024-01-01T00:00:00+02:00"','"2024-01-01 00:00:00+02:00"','"2024-01-01"','"2023-02-29 00:00:00"','"2024-01-01 24:00:00"','"2024-01-01 23:59:60"','"0001-01-01 00:00:00"','"9999-12-31 23:59:59.999999"','"1969-12-31 23:59:59.999"','1704067200000','1704067200','"1704067200000"','null','""','" 2024-01-01 00:00:00"','"2024-01-01 00:00:00 "','"2024-01-01 00:00:00."','"2024-1-1 0:0:0"','"10000-01-01 00:00:00"','"+10000-01-01 00:00:00"','"2024-01-01t00:00:00"','"2024-01-01T00:00:00z"','"1900-01-01 00:00:00.001"','"2023-02-29T00:00:00"','"2024-01-01T24:00:00"','"2024-01-01T24:00:00Z"','"2024-01-01T00:00:00."','"2023-02-29T00:00:00Z"','"2023-02-29 00:00:00Z"','"2024-01-01 24:00:00Z"','"2023-02-30 00:00:00"','"2023-02-32 00:00:00"','"2023-13-01 00:00:00"','"2024-01-01 00:60:00"','"2024-02-30 12:00:00.5"','"+2024-01-01 00:00:00"','"-0001-01-01 00:00:00"']
STRINGS = ['"a"','""','" a "','5','5.0','1e3','1E+3','-0.0','true','false','null','[1, 2]','{"a": 1.50, "b" :[true,null]}','"\\u00e9\\ud83d\\ude00"','"\\ud800"','"a\\nb"','"a\nb"','"a\tb"','"\\u0000"','{"a":"é\\u0041"}','123456789012345678901234567890','{"a":12345678901234567890.1234567890}','[]','{}','1.10','{"b":1e400}', '{"b":1.5e300}','[1.0,2.50,1E5]','{"a":1,"a":2}']
BYTES = ['"aGVsbG8="','"aGVsbG8"','"aGVs bG8="','"!!"','""','5','null','"_-8="','"/+8="','[]','"aGVs\\nbG8="','true']

VALUES = {
    **dict.fromkeys(["TINYINT", "SMALLINT", "INT", "BIGINT"], INTEGERS),
    "DOUBLE": DOUBLES,
    "FLOAT": [*DOUBLES, "3.4e38", "3.5e38", "1e-50", "16777217", "0.1"],
    "BOOLEAN": ['true','false','1','0','"true"','"TRUE"','" True "','"false"','"yes"','"1"','""','null','[]','{}','1.5'],
    "DECIMAL(10, 2)": DECIMALS,
    "DECIMAL(38, 18)": ['1','0.123456789012345678','0.1234567890123456785','0.0000000000000000001','99999999999999999999.999999999999999999','100000000000000000000','1e-18','123.45'],
    "DECIMAL(38, 0)": ['99999999999999999999999999999999999999','100000000000000000000000000000000000000','1.5','-1.5','2.5','1e37','1e38','100'],
    "DECIMAL(5, 5)": ['0.5', '1', '0.999999', '0.999994'],
    "STRING": STRINGS,
    "CHAR(3)": ['"a"', '"abcd"', '5'],
    "VARCHAR(3)": ['"a"', '"abcd"', '12345'],
    "BYTES": BYTES,
    "DATE": DATES,
    "TIME(0)": TIMES,
    "TIME(3)": TIMES,
    **dict.fromkeys(["TIMESTAMP(3)", "TIMESTAMP(6)", "TIMESTAMP(0)", "TIMESTAMP_LTZ(3)", "TIMESTAMP_LTZ(6)"], TIMESTAMPS),
    "ARRAY<INT>": ['[1,2,3]','[]','[null,1]','null','"[1]"','[1,"2"]','[1,"x"]','1','{}','[1.5]'],
    "ARRAY<DECIMAL(5, 2)>": ['[1.005,2]', '[1000,1]', '["1.1"]'],
    "ARRAY<ARRAY<STRING>>": ['[["a"],[],null]', '[1]'],
    "MAP<STRING, INT>": ['{"a":1,"b":null}','{}','null','[]','{"a":"5"}','{"a":"x"}','{"a":1,"a":2}'],
    "ROW<a INT, b STRING>": ['{"a":1,"b":"x"}','{"a":1}','{}','null','[]','{"a":"x"}','{"a":1,"b":"x","c":5}','{"A":1}','"x"','{"b":5,"a":"7"}'],
    "ROW<r ROW<d DECIMAL(6, 3)>, t TIMESTAMP(3)>": ['{"r":{"d":1.0005},"t":"2024-01-01 00:00:00"}','{"r":null}','{"r":{"d":"1e2"}}'],
    "MULTISET<STRING>": ['{"a":2}'],
}
"""The text of field `v` in `{"v":…,"n":1}`, by its type."""

OBJECTS = ['{"v":1,"n":2}','{"n":2}','{}','{"v":1,"v":2}','{"v":1,"v":2,"n":3}','{"v":1,"n":2} x','{"v":1,"n":2}}','{"v":1,"n":2}{"v":3}','{"v":1','{"v":1,}','{"v":}','','   ','null','[]','[{"v":1}]','[{"v":1},{"v":2}]','5','"x"','\ufeff{"v":1,"n":2}','{"V":1}','{"v":1,"x":{"y":[1,2,{"z":null}]},"n":2}','{"x":nul,"v":1,"n":2}','{"v":1,"n":2,"x":nul}','{v:1}',"{'v':1}",'{"v":01}','{"v":+1}','{"v":.5}','{"v":1 "n":2}','/*c*/{"v":1}','{"v":1,"n":"x"}','{"n":5,"v":"x"}','{"v":NaN}']
"""Whole messages, read with a BIGINT `v`."""

BYTE_STRINGS = [b'{"v":"\xff","n":1}', b'{"v":"a","x":"\xff","n":1}', b'{"v":"\xed\xa0\x80","n":1}', b'{"v":"\xc3","n":1}', b'\xff\xfe{\x00"\x00v\x00"\x00:\x001\x00}\x00', b'{"v":"a","n":1}\x00']
"""Whole messages, read with a STRING `v`."""

CSV_RECORDS = ['a,1','"a",1','"",1',',1','a','a,1,2','"a""b",1','"a\nb",1',' a ,1','" a ",1','"a,1','a"b,1','"a"b,1','null,1','a,',',','','a,1\n','a,1\r\n','"a" ,1',' "a",1','\\,1','a\\,b,1']
# fmt: on

NESTED = ("ARRAY", "MAP", "ROW", "MULTISET")


def cases() -> Iterator[tuple[str, str, str, bytes]]:
    """Format, timestamp standard, type of `v`, message."""
    for kind, values in VALUES.items():
        for value in values:
            message = f'{{"v":{value},"n":1}}'.encode()
            yield "json", "SQL", kind, message
            if "TIMESTAMP" in kind:
                yield "json", "ISO_8601", kind, message
    yield from (("json", "SQL", "BIGINT", message.encode()) for message in OBJECTS)
    yield from (("json", "SQL", "STRING", message) for message in BYTE_STRINGS)
    for depth in (100, 900, 990, 999, 1000, 1001, 1100, 5000):
        yield "json", "SQL", "BIGINT", f'{{"v":1,"x":{"[" * depth}{"]" * depth},"n":1}}'.encode()
    for kind, values in VALUES.items():
        if not kind.startswith(NESTED):
            for value in values:
                if (text := csv_text(value)) is not None:
                    yield "csv", "SQL", kind, f"{text},1".encode()
    yield from (("csv", "SQL", "STRING", record.encode()) for record in CSV_RECORDS)


def csv_text(value: str) -> str | None:
    """The JSON scalar as a CSV field, where it has one."""
    if "\\" in value or value[0] in "[{" or value == "null":
        return None
    text = value[1:-1] if value.startswith('"') else value
    return f'"{text}"' if "\n" in text or "," in text else text


def main(jars: str) -> None:
    lines = "".join("\t".join([*case[:3], base64.b64encode(case[3]).decode()]) + "\n" for case in cases())
    with tempfile.TemporaryDirectory() as classes:
        subprocess.run(
            ["javac", "-nowarn", "-d", classes, "-cp", f"{jars}/*", str(HERE / "FlinkFormats.java")], check=True
        )
        answers = subprocess.run(
            ["java", "-cp", f"{classes}:{jars}/*", "FlinkFormats"],
            input=lines.encode(),
            check=True,
            stdout=subprocess.PIPE,
        )
    RECORDED.write_bytes(answers.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
