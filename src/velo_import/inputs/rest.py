"""JSON over HTTP as Flink's REST interfaces speak it, with plain words when they do not."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from velo_engine.errors import ErrorCode, VeloError

TIMEOUT_SECONDS = 20.0
_LONGEST = 64 * 1024 * 1024


class RestError(Exception):
    """An answer with an error status; `message` is the first line of what Flink says."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def base_url(url: str, option: str) -> str:
    """The URL without a slash at its end. VeloError BAD_VALUE for what is no URL of HTTP; `option` gave it."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        hint = "such as http://localhost:8081"
        raise VeloError(ErrorCode.BAD_VALUE, f"{option} needs a URL of HTTP, not {url}", hint=hint)
    return url.rstrip("/")


def ask(url: str, body: Any = None, *, method: str | None = None) -> Any:
    """The JSON of an answer. RestError for an error status; VeloError INFRASTRUCTURE_MISSING when nothing answers, or
    not with JSON."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 - base_url has looked
            text = answer.read(_LONGEST)
    except urllib.error.HTTPError as failed:
        raise RestError(failed.code, _message(failed.read(_LONGEST))) from None
    except (OSError, urllib.error.URLError) as problem:
        reason = getattr(problem, "reason", problem)
        hint = "is it running, and is this its REST address?"
        raise VeloError(ErrorCode.INFRASTRUCTURE_MISSING, f"no answer from {url}: {reason}", hint=hint) from None
    try:
        return json.loads(text)
    except ValueError:
        hint = "is this the REST address of Flink?"
        raise VeloError(ErrorCode.INFRASTRUCTURE_MISSING, f"{url} does not answer with JSON", hint=hint) from None


def _message(body: bytes) -> str:
    """What Flink says went wrong: the first line of the cause, without its class and without a stack."""
    try:
        errors = json.loads(body)["errors"]
    except (ValueError, KeyError, TypeError):
        return body[:200].decode("utf-8", "replace") or "no reason is given"
    lines = [line.strip() for error in errors for line in str(error).splitlines()]
    causes = [line.partition("Caused by: ")[2] for line in lines if line.startswith("Caused by: ")]
    return (causes or lines or ["no reason is given"])[-1 if causes else 0]
