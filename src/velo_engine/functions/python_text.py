"""Strings computed in Python, where Flink's rules differ from the kernel's.

Flink holds strings as UTF-8 and counts code points, but some functions go through Java's String and count UTF-16
units; those say so. A half of a character that such a function leaves behind is written as `?`.
Source: Flink's SqlFunctionUtils and BinaryStringDataUtil, held by recorded answers.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from urllib.parse import quote_plus, unquote_to_bytes

import pyarrow as pa

from velo_engine.functions.python_function import PythonFunction, row_function
from velo_engine.functions.python_numbers import parse_double


def is_digit(text: str) -> bool:
    """Whether there are characters and each is a decimal digit of some script (Character.isDigit)."""
    return bool(text) and all(c.isdecimal() for c in text)


def is_alpha(text: str) -> bool:
    """Whether there are characters and each is a letter (Character.isLetter)."""
    return bool(text) and all(c.isalpha() and ord(c) < 0x10000 for c in text)


def is_decimal(text: str) -> bool:
    """Whether the string is a number to Java: digits of some script, or what Double.parseDouble reads."""
    return is_digit(text) or parse_double(text) is not None


def decode(data: bytes) -> str:
    """UTF-8, with U+FFFD for what is not."""
    return data.decode("utf-8", "replace")


def fit_bytes(data: bytes, length: int, pad: bool) -> bytes:
    """Bytes cut to `length`, filled up with zero bytes when `pad`."""
    return data[:length].ljust(length, b"\0") if pad else data[:length]


def units(text: str) -> str:
    """The UTF-16 units of a string, each as one character."""
    if text.isascii() or all(c < "\U00010000" for c in text):
        return text
    data = text.encode("utf-16-le", "surrogatepass")
    return "".join(chr(int.from_bytes(data[i : i + 2], "little")) for i in range(0, len(data), 2))


def text_of_units(joined: str) -> str:
    """The string of UTF-16 units; a half without its other half becomes `?`."""
    if joined.isascii():
        return joined
    text = joined.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    return re.sub("[\ud800-\udfff]", "?", text)


def upper(text: str) -> str:
    """Upper case by Unicode's full mapping."""
    return text.upper()


def lower(text: str) -> str:
    """Lower case by Unicode's full mapping."""
    return text.lower()


def reverse(text: str) -> str:
    """Code points in the opposite order."""
    return text[::-1]


def initcap(text: str) -> str:
    """The first letter of each run of ASCII letters and digits in upper case, the others in lower case."""
    return re.sub(r"[0-9A-Za-z]+", lambda run: run[0][0].upper() + run[0][1:].lower(), text)


def replace_empty(text: str, replacement: str) -> str:
    """REPLACE of the empty string: the replacement before every UTF-16 unit and at the end."""
    return text_of_units(units(replacement).join(["", *units(text), ""]))


def pad(text: str, length: int, filler: str, left: bool) -> str | None:
    """LPAD and RPAD, in UTF-16 units; None for a negative length and for nothing to fill with."""
    if length < 0 or not filler:
        return None
    body, fill = units(text)[:length], units(filler)
    missing = length - len(body)
    filling = (fill * (missing // len(fill) + 1))[:missing]
    return text_of_units(filling + body if left else body + filling)


def overlay(text: str, replacement: str, start: int, length: int) -> str:
    """OVERLAY, in UTF-16 units; a start outside the text changes nothing, a length of zero or less ends the text."""
    body = units(text)
    if start <= 0 or start > len(body):
        return text
    rest = body[start - 1 + length :] if length > 0 and start + length <= len(body) else ""
    return text_of_units(body[: start - 1] + units(replacement) + rest)


def instr(text: str, part: str, start: int, nth: int) -> int | None:
    """The position of the nth appearance from `start`, backwards from a negative one; 0 when there is none."""
    if nth <= 0:
        return None
    if start == 0:
        return 0
    if start < 0:
        mirrored = instr(text[::-1], part[::-1], -start, nth)
        return len(text) + 2 - mirrored - len(part) if mirrored else 0
    found = 0
    for _ in range(nth):
        found = text.find(part, start - 1) + 1 if part else 1
        if found == 0:
            return 0
        start = found + 1
    return found


def split_blank(text: str, index: int) -> str | None:
    """The part at `index` between single white space characters, as commons-lang splits without a separator."""
    if not text or index < 0:
        return None
    parts = re.split(r"[\s\x1c-\x1f]", text)
    return parts[index] if index < len(parts) else None


def split_units(text: str) -> list[str]:
    """The UTF-16 units of a string, each as a string."""
    return [text_of_units(unit) for unit in units(text)]


def array_join(values: list[str | None], separator: str) -> str:
    """The values that are not NULL, with a separator between them."""
    return separator.join(value for value in values if value is not None)


def url_encode(text: str) -> str:
    """application/x-www-form-urlencoded, UTF-8."""
    return quote_plus(text, safe="*-._").replace("~", "%7E")


def url_decode(text: str) -> str | None:
    """The text of application/x-www-form-urlencoded; None when a % is not followed by two hexadecimal digits."""
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        return None
    return unquote_to_bytes(text.replace("+", " ")).decode("utf-8", "replace")


def to_base64(data: bytes) -> str:
    """Base64 with padding."""
    return base64.b64encode(data).decode("ascii")


def from_base64(text: str) -> str | None:
    """The UTF-8 text of Base64, padding optional; None when it is not Base64."""
    if not re.fullmatch(r"[A-Za-z0-9+/]*={0,2}", text):
        return None
    body = text.rstrip("=")
    padding = len(text) - len(body)
    if len(body) % 4 == 1 or (padding and (len(body) + padding) % 4 != 0):
        return None
    try:
        return base64.b64decode(body + "=" * (-len(body) % 4), validate=True).decode("utf-8", "replace")
    except binascii.Error:
        return None


def unhex(text: str) -> bytes | None:
    """Bytes of hexadecimal digits; None when they are not. Of an odd number the first counts as zero [recorded]."""
    if not re.fullmatch(r"[0-9A-Fa-f]*", text):
        return None
    return bytes.fromhex("00" + text[1:] if len(text) % 2 else text)


def digest(data: bytes, algorithm: str) -> str:
    """The hexadecimal digest of bytes."""
    return hashlib.new(algorithm, data, usedforsecurity=False).hexdigest()


def encode(text: str, charset: str) -> bytes | None:
    """Bytes of a string; what the character set lacks is `?`."""
    return text.encode(CHARSETS[charset.upper()], "replace") if charset.upper() in CHARSETS else None


def decode_charset(data: bytes, charset: str) -> str | None:
    """The string of bytes; what is not of the character set is U+FFFD."""
    return data.decode(CHARSETS[charset.upper()], "replace") if charset.upper() in CHARSETS else None


CHARSETS = {
    "UTF-8": "utf-8",
    "US-ASCII": "ascii",
    "ISO-8859-1": "latin-1",
    "UTF-16BE": "utf-16-be",
    "UTF-16LE": "utf-16-le",
}
"""The character sets of ENCODE and DECODE that Python and Java agree on."""


def first_byte(text: str) -> int:
    """The first byte in UTF-8 as Java's signed byte; 0 of nothing."""
    data = text[:1].encode("utf-8")
    return int.from_bytes(data[:1], "big", signed=True)


def chr_latin(number: int) -> str:
    """The ISO-8859-1 character of a number's low byte; nothing for a negative number."""
    return "" if number < 0 else chr(number & 0xFF)


_TEXT, _INT, _BLOB, _FLAG = "VARCHAR", "INTEGER", "BLOB", "BOOLEAN"

KERNEL_FUNCTIONS: tuple[PythonFunction, ...] = (
    row_function("velo_is_digit", (_TEXT,), _FLAG, pa.bool_(), is_digit),
    row_function("velo_is_alpha", (_TEXT,), _FLAG, pa.bool_(), is_alpha),
    row_function("velo_is_decimal", (_TEXT,), _FLAG, pa.bool_(), is_decimal),
    row_function("velo_decode", (_BLOB,), _TEXT, pa.string(), decode),
    row_function("velo_fit_bytes", (_BLOB, _INT, _FLAG), _BLOB, pa.binary(), fit_bytes),
    row_function("velo_upper", (_TEXT,), _TEXT, pa.string(), upper),
    row_function("velo_lower", (_TEXT,), _TEXT, pa.string(), lower),
    row_function("velo_reverse", (_TEXT,), _TEXT, pa.string(), reverse),
    row_function("velo_initcap", (_TEXT,), _TEXT, pa.string(), initcap),
    row_function("velo_replace_empty", (_TEXT, _TEXT), _TEXT, pa.string(), replace_empty),
    row_function("velo_pad", (_TEXT, _INT, _TEXT, _FLAG), _TEXT, pa.string(), pad),
    row_function("velo_overlay", (_TEXT, _TEXT, "BIGINT", "BIGINT"), _TEXT, pa.string(), overlay),
    row_function("velo_instr", (_TEXT, _TEXT, _INT, _INT), _INT, pa.int32(), instr),
    row_function("velo_split_blank", (_TEXT, _INT), _TEXT, pa.string(), split_blank),
    row_function("velo_array_join", ("VARCHAR[]", _TEXT), _TEXT, pa.string(), array_join),
    row_function("velo_split_units", (_TEXT,), "VARCHAR[]", pa.list_(pa.string()), split_units),
    row_function("velo_url_encode", (_TEXT,), _TEXT, pa.string(), url_encode),
    row_function("velo_url_decode", (_TEXT,), _TEXT, pa.string(), url_decode),
    row_function("velo_to_base64", (_BLOB,), _TEXT, pa.string(), to_base64),
    row_function("velo_from_base64", (_TEXT,), _TEXT, pa.string(), from_base64),
    row_function("velo_unhex", (_TEXT,), _BLOB, pa.binary(), unhex),
    row_function("velo_digest", (_BLOB, _TEXT), _TEXT, pa.string(), digest),
    row_function("velo_encode", (_TEXT, _TEXT), _BLOB, pa.binary(), encode),
    row_function("velo_decode_charset", (_BLOB, _TEXT), _TEXT, pa.string(), decode_charset),
    row_function("velo_ascii", (_TEXT,), _INT, pa.int32(), first_byte),
    row_function("velo_chr", ("BIGINT",), _TEXT, pa.string(), chr_latin),
)
