"""Expressions of the faker connector (`#{number.numberBetween '1','9'}`) as constraints of data schemas.

Source: the README of flink-faker and the providers of datafaker that it calls. A provider that is not among them has no
constraint: its columns are made by name and type.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation

from velo_engine.types import FLOATS, INTEGERS, STRINGS, TIMESTAMPS, SqlType, TypeName
from velo_harness.drafting.field_values import FieldValues
from velo_harness.drafting.yaml_text import scalar_text

_CALL = re.compile(r"#\{\s*(?P<name>[A-Za-z_]+(?:\.[A-Za-z_0-9]+)?)\s*(?P<args>(?:'(?:[^']|'')*'|[^{}'])*)\}")
_ARGUMENT = re.compile(r"'((?:[^']|'')*)'")
_CHOICES = re.compile(r"\(([^()\[\]{}*+?]+)\)(?:\{1\})?\Z")
_UNITS = {"MILLISECONDS": "ms", "SECONDS": "s", "MINUTES": "m", "HOURS": "h", "DAYS": "d"}
_FEW = 1000
_MOST_CHOICES = 50
"""Numbers that are written out one by one."""

FAKERS = {
    "name.fullname": "name",
    "name.name": "name",
    "name.firstname": "first_name",
    "name.lastname": "last_name",
    "name.username": "user_name",
    "internet.emailaddress": "email",
    "internet.safeemailaddress": "safe_email",
    "internet.domainname": "domain_name",
    "internet.url": "url",
    "internet.ipv6address": "ipv6",
    "internet.useragentany": "user_agent",
    "internet.useragent": "user_agent",
    "internet.macaddress": "mac_address",
    "address.city": "city",
    "address.cityname": "city",
    "address.country": "country",
    "address.countrycode": "country_code",
    "address.fulladdress": "address",
    "address.streetaddress": "street_address",
    "address.streetname": "street_name",
    "address.state": "state",
    "address.zipcode": "zipcode",
    "phonenumber.phonenumber": "phone_number",
    "phonenumber.cellphone": "phone_number",
    "company.name": "company",
    "company.industry": "bs",
    "company.catchphrase": "catch_phrase",
    "job.title": "job",
    "color.name": "color_name",
    "lorem.word": "word",
    "lorem.sentence": "sentence",
    "lorem.paragraph": "paragraph",
    "currency.code": "currency_code",
    "currency.name": "currency_name",
    "file.filename": "file_name",
    "file.mimetype": "mime_type",
    "finance.creditcard": "credit_card_number",
    "finance.iban": "iban",
    "finance.bic": "swift",
}
"""Providers of datafaker, without case, to those of Python's Faker."""
PATTERNS = {
    "internet.uuid": "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
    "internet.publicipv4address": "8\\.[0-9]{1,2}\\.[0-9]{1,2}\\.[0-9]{1,2}",
    "internet.ipv4address": "10\\.[0-9]{1,2}\\.[0-9]{1,2}\\.[0-9]{1,2}",
    "commerce.productname": "(Small|Sleek|Heavy) (Steel|Wooden|Cotton) (Chair|Lamp|Shirt|Table)",
    "commerce.department": "(Books|Games|Garden|Music|Sports|Toys)",
    "commerce.price": "[1-9][0-9]{0,2}\\.[0-9]{2}",
    "harry_potter.character": "(Harry Potter|Hermione Granger|Ron Weasley|Albus Dumbledore|Severus Snape)",
    "harry_potter.characters": "(Harry Potter|Hermione Granger|Ron Weasley|Albus Dumbledore|Severus Snape)",
    "harry_potter.spell": "(Accio|Alohomora|Expelliarmus|Lumos|Stupefy)",
    "harry_potter.spells": "(Accio|Alohomora|Expelliarmus|Lumos|Stupefy)",
    "harry_potter.location": "(Hogwarts|Hogsmeade|Azkaban|Diagon Alley)",
    "greekphilosopher.name": "(Socrates|Plato|Aristotle|Zeno|Thales)",
    "food.vegetables": "(Carrot|Leek|Onion|Spinach)",
    "food.fruits": "(Apple|Banana|Cherry|Pear)",
    "beer.name": "(Pale Ale|Stout|Porter|Pilsner)",
    "bool.bool": "(true|false)",
}


def faker_values(expression: str, kind: SqlType) -> FieldValues | None:
    """The values of a column of type `kind` with this expression; None: it cannot be said."""
    calls = list(_CALL.finditer(expression))
    if not calls:
        return _options([expression], kind, "faker: one value")
    whole = len(calls) == 1 and calls[0][0] == expression.strip()
    if not whole:
        return _joined(expression, kind)
    name, arguments = calls[0]["name"].lower(), _arguments(calls[0]["args"])
    maker = _MAKERS.get(name)
    if maker is not None:
        return maker(arguments, kind)
    if not _text(kind):
        return None
    if name in FAKERS:
        return FieldValues((f"faker: {FAKERS[name]}",), f"faker: {calls[0]['name']}")
    if name in PATTERNS:
        return _of_pattern(PATTERNS[name], kind, f"faker: {calls[0]['name']}")
    return None


def _text(kind: SqlType) -> bool:
    return kind.name in STRINGS


def _arguments(text: str) -> list[str]:
    return [found.replace("''", "'") for found in _ARGUMENT.findall(text)]


def _joined(expression: str, kind: SqlType) -> FieldValues | None:
    """Several calls and texts between them: one pattern, when each has one."""
    if not _text(kind):
        return None
    parts, at = [], 0
    for call in _CALL.finditer(expression):
        pattern = _pattern_of(call["name"].lower(), _arguments(call["args"]))
        if pattern is None:
            return None
        parts += [re.escape(expression[at : call.start()]), pattern]
        at = call.end()
    parts.append(re.escape(expression[at:]))
    return _of_pattern("".join(parts), kind, "faker: its expression")


def _pattern_of(name: str, arguments: list[str]) -> str | None:
    if name == "regexify" and arguments:
        return _readable(arguments[0])
    if name in ("numerify", "letterify", "bothify") and arguments:
        return _template(arguments[0], name)
    if name == "options.option" and arguments:
        return "(" + "|".join(map(re.escape, arguments)) + ")"
    if name == "number.numberbetween" and len(arguments) == 2 and all(argument.isdigit() for argument in arguments):
        low, high = map(int, arguments)
        if 0 < high - low <= _MOST_CHOICES:
            return "(" + "|".join(map(str, range(low, high))) + ")"
        return f"[1-9][0-9]{{0,{max(len(str(high)) - 2, 0)}}}"
    return PATTERNS.get(name)


def _readable(pattern: str) -> str | None:
    pattern = pattern.replace("\\/", "/")
    try:
        re.compile(pattern)
    except re.error:
        return None
    return pattern


def _template(text: str, name: str) -> str:
    digits = name in ("numerify", "bothify")
    letters = name in ("letterify", "bothify")
    return "".join("[0-9]" if c == "#" and digits else "[a-z]" if c == "?" and letters else re.escape(c) for c in text)


def _of_pattern(pattern: str, kind: SqlType, why: str) -> FieldValues | None:
    """One of a few texts as an enum, which may be a number too, else the pattern."""
    choices = _CHOICES.fullmatch(pattern)
    if choices is not None:
        return _options([re.sub(r"\\(.)", r"\1", one) for one in choices[1].split("|")], kind, why)
    if not _text(kind):
        return None
    digits = len(re.findall(r"\[0-9\]", pattern))
    few = "{" not in pattern and "*" not in pattern and "+" not in pattern and digits <= 2
    return FieldValues((f"pattern: {json.dumps(pattern, ensure_ascii=False)}",), why, few=few)


def _options(values: list[str], kind: SqlType, why: str = "faker: its options") -> FieldValues | None:
    if _text(kind):
        counted = dict.fromkeys(values)
        shown = ", ".join(map(scalar_text, counted))
        if len(counted) == len(values):
            return FieldValues((f"enum: [{shown}]",), why, few=True)
        weights = ", ".join(str(values.count(value)) for value in counted)
        return FieldValues((f"enum: {{ values: [{shown}], weights: [{weights}] }}",), why, few=True)
    numbers = [number for value in values if (number := _number(value)) is not None]
    if len(numbers) != len(values) or not _is_number(kind):
        return None
    return FieldValues((f"enum: [{', '.join(f'{number:f}' for number in numbers)}]",), why, few=True)


def _is_number(kind: SqlType) -> bool:
    return kind.name in INTEGERS or kind.name in FLOATS or kind.name is TypeName.DECIMAL


def _number(text: str) -> Decimal | None:
    try:
        found = Decimal(text.strip())
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def _between(arguments: list[str], kind: SqlType) -> FieldValues | None:
    """numberBetween 'min','max', the greatest excluded; randomDouble 'digits','min','max'."""
    numbers = [_number(argument) for argument in arguments[-2:]]
    if len(numbers) != 2 or None in numbers:
        return None
    low, high = (number for number in numbers if number is not None)
    if len(arguments) == 2 and high > low:
        high -= 1
    few = high - low < _FEW
    if _is_number(kind):
        return FieldValues((f"range: {{ min: {low:f}, max: {high:f} }}",), "faker: its range", few=few)
    if kind.name in TIMESTAMPS or not _text(kind):
        return None
    if high - low < _MOST_CHOICES and low == int(low):
        return _options([str(i) for i in range(int(low), int(high) + 1)], kind, "faker: its range")
    if low < 0 or len(arguments) != 2:
        return None
    pattern = f"[1-9][0-9]{{0,{max(len(str(int(high))) - 2, 0)}}}"
    return FieldValues((f'pattern: "{pattern}"',), "faker: numbers as long as its range", few=high < _FEW)


def _past(arguments: list[str], kind: SqlType) -> FieldValues | None:
    """date.past 'at most'[,'at least'],'unit': rows come as they happen."""
    return _times(arguments, kind, past=True)


def _future(arguments: list[str], kind: SqlType) -> FieldValues | None:
    return _times(arguments, kind, past=False)


def _times(arguments: list[str], kind: SqlType, *, past: bool) -> FieldValues | None:
    unit = _UNITS.get(arguments[-1].upper()) if arguments else None
    amounts = [int(a) for a in arguments[:-1] if a.isdigit()]
    is_time = kind.name in TIMESTAMPS or kind.name is TypeName.DATE
    if unit is None or not amounts or not (is_time or _text(kind)):
        return None
    far, near = max(amounts), min(amounts) if len(amounts) > 1 else 0
    if past:
        start, end = f"-{far}{unit}", f"-{near}{unit}" if 0 < near < far else "now"
    else:
        start, end = f"+{near}{unit}" if 0 < near < far else "now", f"+{far}{unit}"
    parts = [f'start: "{start}"', f'end: "{end}"']
    if _text(kind):
        parts.append('format: "yyyy-MM-dd HH:mm:ss"')
    if not past:
        parts.append("sequential: false")
    return FieldValues(tuple(parts), "faker: its range of times")


_MAKERS: dict[str, Callable[[list[str], SqlType], FieldValues | None]] = {
    "number.numberbetween": _between,
    "number.randomdouble": _between,
    "date.past": _past,
    "date.future": _future,
    "options.option": _options,
    "regexify": lambda a, kind: _of_pattern(p, kind, "faker: its pattern") if a and (p := _readable(a[0])) else None,
    "numerify": lambda a, kind: _of_pattern(_template(a[0], "numerify"), kind, "faker: its pattern") if a else None,
    "letterify": lambda a, kind: _of_pattern(_template(a[0], "letterify"), kind, "faker: its pattern") if a else None,
    "bothify": lambda a, kind: _of_pattern(_template(a[0], "bothify"), kind, "faker: its pattern") if a else None,
    "bool.bool": lambda _, kind: FieldValues(("probability: 0.5",), "faker") if kind.name is TypeName.BOOLEAN else None,
}
