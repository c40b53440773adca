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
    try:
        parts = urllib.parse.urlsplit(url)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_url = False
    if "@" in url.partition("://")[2].partition("/")[0]:
        message = f"{option} takes no user and password in its URL"
        hint = "Flink's REST interfaces have no login of their own: name the address behind the proxy that asks for it"
        raise VeloError(ErrorCode.BAD_VALUE, message, hint=hint)
    if not is_url:
        hint = f"such as http://localhost:{8083 if option == '--flink-gateway' else 8081}"
        raise VeloError(ErrorCode.BAD_VALUE, f"{option} needs a URL of HTTP, not {url}", hint=hint)
    return url.rstrip("/")


def unlike_flink(url: str, what: str, problem: Exception | None = None) -> VeloError:
    """The error for an answer from `url` that is not what `what`, such as `a SQL gateway of Flink`, gives."""
    lacks = f": an answer has no {problem.args[0]}" if isinstance(problem, KeyError) else ""
    message = f"{url} does not answer as {what} does{lacks}"
    return VeloError(ErrorCode.INFRASTRUCTURE_MISSING, message, hint="is this its REST address?")


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
        assert isinstance(errors, list)
    except (ValueError, KeyError, TypeError, AssertionError):
        return "it gives no reason" if not body.strip() else "its answer is not one of Flink's"
    lines = [line.strip() for error in errors for line in str(error).splitlines()]
    causes = [line.partition("Caused by: ")[2] for line in lines if line.startswith("Caused by: ")]
    return (causes or lines or ["no reason is given"])[-1 if causes else 0]
