"""What the name of a column says about its values: one table, the first rule that fits holds.

A name is read in lower case with `_` between its words. A rule holds for names that its regular expression finds, and
for types of its family.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from velo_engine.types import FLOATS, INTEGERS, STRINGS, SqlType, TypeName

TEXT: Final = STRINGS
WHOLE: Final = INTEGERS
FRACTION: Final = FLOATS | {TypeName.DECIMAL}
NUMBER: Final = WHOLE | FRACTION
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+")


@dataclass(frozen=True, slots=True)
class NameRule:
    """Values of columns that are called so."""

    name: str
    """A regular expression over whole words at the name's end."""
    types: frozenset[TypeName]
    meaning: str
    """What such a column holds: the comment in schemas."""
    constraint: str
    few: tuple[str, ...] = ()
    """Values for columns that rows are grouped by or joined on; none: the constraint has few values, or is no key."""
    longest: int = 0
    """TEXT: the longest value; a shorter column does not follow the rule."""
    greatest: int = 0
    """NUMBER: a type that does not reach it does not follow the rule."""


def _enum(*values: str) -> str:
    return f"enum: [{', '.join(values)}]"


def _text(name: str, meaning: str, constraint: str, longest: int, *few: str) -> NameRule:
    return NameRule(name, TEXT, meaning, constraint, few, longest)


def _among(name: str, meaning: str, *values: str) -> NameRule:
    return NameRule(name, TEXT, meaning, _enum(*values), (), max(map(len, values)))


def _numbers(name: str, types: frozenset[TypeName], meaning: str, low: str, high: str) -> NameRule:
    return NameRule(name, types, meaning, f"range: {{ min: {low}, max: {high} }}", (), 0, int(Decimal(high)))


_HEX = "[0-9a-f]"
_UUID = f'pattern: "{_HEX}{{8}}-{_HEX}{{4}}-4{_HEX}{{3}}-[89ab]{_HEX}{{3}}-{_HEX}{{12}}"'
RULES: Final[tuple[NameRule, ...]] = (
    _text("uuid|guid", "a UUID", _UUID, 36),
    _text("e?mail|email_address", "an e-mail address", "faker: email", 60, "ann@example.com", "bob@example.org"),
    _text("ip_?v6", "an IPv6 address", 'pattern: "2001:db8(:[0-9a-f]{1,4}){6}"', 40),
    _text("ip|ip_?v4|ip_addr(ess)?", "an IP address", 'pattern: "10\\\\.[0-9]{1,2}\\\\.[0-9]{1,2}\\\\.[0-9]{1,2}"', 15,
          "10.0.0.1", "10.0.0.2", "10.0.0.3"),
    _text("mac|mac_address", "a MAC address", 'pattern: "02(:[0-9a-f]{2}){5}"', 17),
    _text("url|uri|link|page|page_url|website", "a URL", 'pattern: "https://example\\\\.com/[a-z]{3,8}"', 28,
          "https://example.com/a", "https://example.com/b"),
    _text("user_?agent", "a browser", "faker: user_agent", 255, "Mozilla/5.0", "curl/8.5"),
    _text("phone|mobile|telephone|tel|phone_number", "a telephone number", 'pattern: "\\\\+1555[0-9]{7}"', 12),
    _text("zip|zip_?code|postal_?code|postcode", "a postal code", 'pattern: "[0-9]{5}"', 5, '"10115"', '"75001"'),
    _text("first_?name|given_name|fname", "a first name", "faker: first_name", 30, "Ann", "Bob", "Cleo"),
    _text("last_?name|family_name|surname|lname", "a last name", "faker: last_name", 30, "Ames", "Berg", "Cole"),
    _text("full_?name|customer_name|person|person_name|contact_name", "a person's name", "faker: name", 60,
          "Ann Ames", "Bob Berg", "Cleo Cole"),
    _text("user_?name|login|nick_?name", "a user's name", "faker: user_name", 30, "ann", "bob", "cleo"),
    _text("company|company_name|vendor|vendor_name|merchant|merchant_name", "a company", "faker: company", 60,
          "Acme", "Globex", "Initech"),
    _text("street|address|street_address", "an address", "faker: street_address", 60, "Main St 1", "Main St 2"),
    _among("country_name", "a country", "Germany", "France", "Japan", "Brazil", "Kenya"),
    _among("country|country_code|nation", "a country's code", "DE", "FR", "JP", "BR", "KE"),
    _among("currency|currency_code|ccy", "a currency", "EUR", "USD", "GBP", "JPY"),
    _among("language|lang|locale", "a language", "en", "de", "fr", "ja"),
    _among("city|town", "a city", "Berlin", "Paris", "Tokyo", "Nairobi", "Recife"),
    _among("region|area|zone", "a region", "north", "south", "east", "west"),
    _among("time_?zone|tz", "a time zone", "UTC", "Europe/Berlin", "Asia/Tokyo"),
    _among("gender|sex", "a sex", "F", "M"),
    _among("http_method|method|verb", "a method of HTTP", "GET", "POST", "PUT"),
    _among("level|severity|log_level|priority", "a level", "LOW", "MEDIUM", "HIGH"),
    _among("status|state", "a status", "new", "open", "closed"),
    _among("colou?r", "a colour", "red", "green", "blue"),
    _among("symbol|ticker|stock", "a symbol", "ACME", "GLOBEX", "INITECH"),
    _among("browser", "a browser", "chrome", "firefox", "safari"),
    _among("device_type|platform|os|channel", "a kind of device", "web", "ios", "android"),
    _among("type|kind|category|class|tier|segment|plan", "a kind", "basic", "premium", "trial"),
    _text("md5|hash|checksum|digest|fingerprint", "a hash", f'pattern: "{_HEX}{{32}}"', 32),
    _numbers("year", WHOLE, "a year", "2020", "2029"),
    _numbers("month", WHOLE, "a month", "1", "12"),
    _numbers("day|day_of_month", WHOLE, "a day of a month", "1", "28"),
    _numbers("week", WHOLE, "a week of a year", "1", "52"),
    _numbers("hour", WHOLE, "an hour", "0", "23"),
    _numbers("minute", WHOLE, "a minute", "0", "59"),
    _numbers("age", WHOLE, "an age in years", "18", "90"),
    _numbers("rating|stars|rank", NUMBER, "a rating", "1", "5"),
    _numbers("port", WHOLE, "a port", "1024", "65535"),
    NameRule("status_code|http_status|http_code|response_code", WHOLE, "a status of HTTP", _enum("200", "404", "500"),
             (), 0, 599),
    _numbers("latitude|lat", NUMBER, "a latitude in degrees", "-90", "90"),
    _numbers("longitude|lon|lng|long", NUMBER, "a longitude in degrees", "-180", "180"),
    _numbers("percent|percentage|pct", NUMBER, "a percentage", "0", "100"),
    _numbers("ratio|probability|share|fraction|discount|tax_rate|confidence", FRACTION, "a share", "0", "1"),
    _numbers("exchange_rate|conversion_rate|rate", FRACTION, "a rate", "0.5", "2"),
    _numbers("temperature|temp", NUMBER, "a temperature in °C", "-10", "40"),
    _numbers("humidity|score|battery|battery_level|soc", NUMBER, "a score", "0", "100"),
    _numbers("speed|velocity", NUMBER, "a speed", "0", "120"),
    _numbers("quantity|qty|pieces|units|items|item_count", NUMBER, "a quantity", "1", "10"),
    _numbers("count|cnt|num|number_of_.*", WHOLE, "a count", "0", "20"),
    _numbers(
        "amount|price|cost|total|revenue|salary|fare|balance|fee|money|value|payment|income|budget|sales|unit_price",
        NUMBER, "an amount of money", "1", "1000",
    ),
    _numbers("duration|latency|duration_ms|latency_ms|elapsed|elapsed_ms", NUMBER, "a duration", "1", "5000"),
    _numbers("weight|size|length|height|width|distance", NUMBER, "a size", "1", "500"),
)  # fmt: skip
"""More special names come before more general ones."""

TIME_NAME = re.compile(r"(?:^|_)(?:ts|time|timestamp|datetime|at|date|dt)(?:_ms|_millis)?$")
"""Names of texts and whole numbers that are times."""
PERSONAL_NAME = re.compile(
    r"(?:^|_)(?:e?mail|email_address|phone|phone_number|mobile|tel|telephone|address|street|zip|postcode|postal_code|name|first_name"
    r"|last_name|full_name|firstname|lastname|fullname|surname|user_name|username|login|nickname|person|birth(?:day|date)?"
    r"|date_of_birth|dob|ssn|iban|account|account_number|card|card_number|credit_card|passport|license|ip|ip_address|lat"
    r"|latitude|lon|lng|longitude|user_id|customer_id|client_id|patient_id|member_id|password|token|secret|device_id"
    r"|salary|gender|sex|age|religion|nationality|diagnosis|comment|message|note|notes|text|body)$"
)
"""Names of columns that may say something about a person: values of a sample are never written for them."""


def words(name: str) -> str:
    """The name in lower case with `_` between its words."""
    return "_".join(part.lower() for part in _WORDS.split(name) if part)


def is_time(name: str) -> bool:
    """Whether a text or a whole number that is called so is a time."""
    return TIME_NAME.search(words(name)) is not None


def is_personal(name: str) -> bool:
    """Whether a column that is called so may hold what is personal."""
    return PERSONAL_NAME.search(words(name)) is not None


def rule_of(name: str, kind: SqlType) -> NameRule | None:
    """The rule for a column; None: its name says nothing."""
    spelt = words(name)
    return next((rule for rule in RULES if _fits(rule, kind) and re.search(rf"(?:^|_)(?:{rule.name})$", spelt)), None)


def _fits(rule: NameRule, kind: SqlType) -> bool:
    if kind.name not in rule.types:
        return False
    if kind.name in STRINGS:
        return kind.length >= rule.longest
    if kind.name is TypeName.DECIMAL:
        return rule.greatest < int(10 ** (kind.precision - kind.scale))
    return rule.greatest < 128 or kind.name is not TypeName.TINYINT
