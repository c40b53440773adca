"""Client properties as Java programs write them: `.properties` files and JAAS login lines."""

from __future__ import annotations

import re
from collections.abc import Mapping

from velo_engine.errors import ErrorCode, VeloError

_PAIR = re.compile(r"((?:\\.|[^\\=: \t])+)(?:[ \t]*[=:][ \t]*|[ \t]+)?(.*)", re.DOTALL)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_CONTROL = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
_JAAS_OPTION = re.compile(r"(\w+)\s*=\s*(?:\"((?:\\.|[^\"\\])*)\"|([^\s;\"]+))")


def parse_java_properties(text: str) -> dict[str, str]:
    """The pairs of a `.properties` file. Source: java.util.Properties.load."""
    found: dict[str, str] = {}
    held = ""
    for line in [*text.splitlines(), ""]:
        part = line.lstrip(" \t\f")
        if not held and part.startswith(("#", "!")):
            continue
        held += part
        if (len(held) - len(held.rstrip("\\"))) % 2 and line:
            held = held[:-1]
            continue
        pair = _PAIR.fullmatch(held)
        if pair is not None:
            found[_unescaped(pair[1])] = _unescaped(pair[2])
        held = ""
    return found


def without_jaas(properties: Mapping[str, str | int | bool]) -> dict[str, str | int | bool]:
    """The properties with the login of `sasl.jaas.config` as `sasl.username` and `sasl.password`.

    Raises VeloError for a login module other than PLAIN's and SCRAM's.
    """
    found = dict(properties)
    jaas = found.pop("sasl.jaas.config", None)
    if jaas is None:
        return found
    line = str(jaas)
    if "PlainLoginModule" not in line and "ScramLoginModule" not in line:
        module = line.split()[0].rpartition(".")[2] if line.split() else ""
        raise VeloError(
            ErrorCode.BAD_PROPERTY,
            f'sasl.jaas.config: the login module "{module}" is not supported',
            hint="use the properties of librdkafka: sasl.mechanisms, sasl.username, sasl.password, sasl.oauthbearer.*",
        )
    options = {name: _unescaped(quoted) or bare for name, quoted, bare in _JAAS_OPTION.findall(line)}
    for option in ("username", "password"):
        if option in options:
            found.setdefault(f"sasl.{option}", options[option])
    return found


def _unescaped(text: str) -> str:
    def character(match: re.Match[str]) -> str:
        code = match[1]
        return chr(int(code[1:], 16)) if len(code) == 5 else _CONTROL.get(code, code)

    return _ESCAPE.sub(character, text)
