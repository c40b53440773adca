"""Secrets among the options of tables: `***` where people read them, variables where the program needs them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

HIDDEN = "***"
_KEY = re.compile(
    r"password|passwd|secret|token|credential|jaas|user-?info|access-?key|api-?key|private-?key", re.IGNORECASE
)
_USER_INFO = re.compile(r"(?P<before>://[^\s/@:'\"]*:)(?P<secret>[^\s/'\"]+)(?=@)")
_THIN = re.compile(r"(?P<before>:thin:[^\s/@]+/)(?P<secret>[^\s@]+)(?=@)")
_NAMES = r"(?:\w*(?:password|passwd|pwd|secret|token|api_?key|access_?key|credential)\w*)"
_PARAMETER = re.compile(rf"(?P<before>(?<!\w){_NAMES}\s*=\s*)(?P<secret>\"[^\"]*\"|[^\s&;,)'\"]+)", re.IGNORECASE)
_REFERENCE = re.compile(r"\$\{[^{}]*\}\Z")
_CLIENT = "properties."
_CLIENTS_WORDS = ("sasl.jaas.config", "sasl.password", "password")


def is_secret(key: str) -> bool:
    """Whether the value of an option is one by its key."""
    return _KEY.search(key) is not None and not key.endswith((".endpoint.url", "-uri"))


def masked(value: str) -> str:
    """A value without the passwords that stand in it: of URLs (`//user:…@`, `?password=…`) and of logins."""
    for pattern in (_USER_INFO, _THIN, _PARAMETER):
        value = pattern.sub(lambda found: found[0] if _is_reference(found) else found["before"] + HIDDEN, value)
    return value


def _is_reference(found: re.Match[str]) -> bool:
    return _REFERENCE.match(found["secret"].strip('"')) is not None


def shown(options: Mapping[str, str]) -> dict[str, str]:
    """Options for files that people read: secrets are not among them, references to variables are."""
    return {
        key: HIDDEN if is_secret(key) and value and _REFERENCE.match(value) is None else masked(value)
        for key, value in options.items()
    }


def plain_secrets(options: Mapping[str, str]) -> list[str]:
    """The keys of options whose values hold a secret as it is."""
    return [key for key, value in shown(options).items() if value != options[key]]


@dataclass(slots=True)
class SecretNames:
    """The variables of a job that stand for its secrets: the same one for the same secret."""

    _taken: dict[str, str] = field(default_factory=dict)
    """Secret by name."""

    def referred(self, options: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
        """The options with `${NAME}` for each secret, and the names, each once."""
        names: list[str] = []
        found = {}
        for key, value in options.items():
            found[key] = value
            if value and _REFERENCE.match(value) is None:
                found[key] = self._referred(key, value, names)
        return found, tuple(dict.fromkeys(names))

    def _referred(self, key: str, value: str, names: list[str]) -> str:
        def variable(secret: str) -> str:
            name = self._name(_wanted(key), secret)
            names.append(name)
            return f"${{{name}}}"

        def replaced(found: re.Match[str]) -> str:
            if _is_reference(found):
                return found[0]
            quote = '"' if found["secret"][:1] == '"' else ""
            return found["before"] + quote + variable(found["secret"].strip('"')) + quote

        if key.endswith((".url", "registry.url")) and masked(value) != value:
            return variable(value)
        changed = value
        for pattern in (_USER_INFO, _THIN, _PARAMETER):
            changed = pattern.sub(replaced, changed)
        return variable(value) if changed == value and is_secret(key) and "${" not in value else changed

    def _name(self, wanted: str, secret: str) -> str:
        name, number = wanted, 1
        while self._taken.setdefault(name, secret) != secret:
            number += 1
            name = f"{wanted}_{number}"
        return name


def _wanted(key: str) -> str:
    """The name of the variable for the secret of an option."""
    if key.startswith(_CLIENT):
        own = key.removeprefix(_CLIENT)
        own = "password" if own in _CLIENTS_WORDS else own
        return "KAFKA_" + _word(own)
    if key.endswith(".url"):
        return "SCHEMA_REGISTRY_URL"
    _, registry, own = key.rpartition("avro-confluent.")
    return ("SCHEMA_REGISTRY_" if registry else "") + _word(own)


def _word(text: str) -> str:
    return re.sub(r"\W+", "_", text).strip("_").upper()
