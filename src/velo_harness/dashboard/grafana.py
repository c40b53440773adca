"""A dashboard's way into a Grafana: its HTTP API, https://grafana.com/docs/grafana/latest/developers/http_api/dashboard/.

Credentials come from the environment and go into one header; no message has them, and no redirect takes them elsewhere.
"""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit
from urllib.request import HTTPRedirectHandler, HTTPSHandler, Request, build_opener

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.observability.server import is_loopback

TIMEOUT_S = 15.0
MOST_BYTES = 16 * 1024 * 1024
"""Of an answer."""
TOKEN, USER, PASSWORD = "GRAFANA_TOKEN", "GRAFANA_USER", "GRAFANA_PASSWORD"
_HOW_TO_LOG_IN = f"set {TOKEN} to the token of a service account with the role Editor, or {USER} and {PASSWORD}"
_LONGEST_MESSAGE = 300


@dataclass(frozen=True, slots=True)
class Uploaded:
    """What Grafana made of a dashboard."""

    url: str
    version: int | None
    datasource: str
    """The name of the Prometheus that it shows."""


class Grafana:
    """One Grafana, by the address that a browser has for it."""

    def __init__(self, url: str, environment: Mapping[str, str], timeout_s: float = TIMEOUT_S) -> None:
        """`environment` has the credentials; proxies are those of the process' environment.

        Raises VeloError BAD_VALUE for what is no address, or one with a password in it.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise VeloError(
                ErrorCode.BAD_VALUE,
                "this is no address of a Grafana" if parts.password else f'"{url}" is no address of a Grafana',
                hint="it is one such as https://grafana.example.com or http://localhost:3000",
            )
        if parts.username is not None:
            raise VeloError(ErrorCode.BAD_VALUE, "the address of the Grafana has a user in it", hint=_HOW_TO_LOG_IN)
        self.url = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        self.in_clear = parts.scheme == "http" and not is_loopback(parts.hostname) and bool(_login(environment))
        """Credentials would cross a network unencrypted."""
        self._login = _login(environment)
        self._timeout_s = timeout_s
        self._open = build_opener(_NoRedirects(), HTTPSHandler(context=ssl.create_default_context())).open

    def upload(self, document: Mapping[str, Any], message: str, folder: str | None = None) -> Uploaded:
        """Make the dashboard, or bring it up to date; `message` stands in its history, `folder` is made if need be.

        Errors: INFRASTRUCTURE_MISSING when there is no Grafana, no Prometheus in it, or it does not let us.
        """
        name, uid = self._prometheus()
        body = {"dashboard": _with_datasource(document, name, uid), "overwrite": True, "message": message}
        if folder is not None:
            body["folderUid"] = self._folder(folder)
        answer = self._asked("POST", "/api/dashboards/db", body, "to write dashboards")
        if not isinstance(answer, dict) or not isinstance(answer.get("url"), str):
            raise self._refusal("answers something else than a Grafana does")
        version = answer.get("version")
        return Uploaded(f"{self._root()}{answer['url']}", version if isinstance(version, int) else None, name)

    def _root(self) -> str:
        """Where paths in answers begin, which have a path of the address in them."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    def _prometheus(self) -> tuple[str, str]:
        """Name and uid of the data source, the default one first."""
        found = self._asked("GET", "/api/datasources", None, "to read data sources")
        sources = [s for s in found if isinstance(s, dict)] if isinstance(found, list) else []
        fitting = [s for s in sources if s.get("type") == "prometheus" and isinstance(s.get("uid"), str)]
        if not fitting:
            raise self._refusal(
                "has no Prometheus among its data sources",
                "add one under Connections; it scrapes the job at the port of velo run --metrics-port",
            )
        chosen = next((s for s in fitting if s.get("isDefault") is True), fitting[0])
        return str(chosen.get("name", chosen["uid"])), chosen["uid"]

    def _folder(self, title: str) -> str:
        """The uid of the folder with this title."""
        found = self._asked("GET", "/api/folders?limit=1000", None, "to read folders")
        for folder in found if isinstance(found, list) else []:
            if isinstance(folder, dict) and folder.get("title") == title and isinstance(folder.get("uid"), str):
                return str(folder["uid"])
        made = self._asked("POST", "/api/folders", {"title": title}, "to make folders")
        if not isinstance(made, dict) or not isinstance(made.get("uid"), str):
            raise self._refusal("made no folder")
        return str(made["uid"])

    def _asked(self, method: str, path: str, body: object, right: str) -> object:
        """What it answers. `right` is what a person needs to be allowed to, for the message of 403."""
        headers = {"Accept": "application/json", "Content-Type": "application/json", **self._login}
        data = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        request = Request(self.url + quote(path, safe="/?=&"), data, headers, method=method)  # noqa: S310 - http or https
        try:
            with self._open(request, timeout=self._timeout_s) as answer:
                text = answer.read(MOST_BYTES)
        except HTTPError as refused:
            with refused:
                raise self._refused(refused, right) from None
        except (URLError, HTTPException, OSError, ValueError) as problem:
            reason = getattr(problem, "reason", None) or problem
            raise self._refusal(f"does not answer: {_one_line(str(reason))}") from None
        try:
            return json.loads(text)
        except ValueError:
            raise self._refusal(
                "answers something else than a Grafana does", "give the address of its start page"
            ) from None

    def _refused(self, refused: HTTPError, right: str) -> VeloError:
        said = _said(refused)
        match refused.code:
            case HTTPStatus.UNAUTHORIZED:
                what = "does not know these credentials" if self._login else "wants credentials"
                return self._refusal(what, _HOW_TO_LOG_IN)
            case HTTPStatus.FORBIDDEN:
                return self._refusal(f"does not allow {right}{said}", _HOW_TO_LOG_IN)
            case HTTPStatus.NOT_FOUND:
                hint = "is there a path in front of it, such as https://example.com/grafana?"
                return self._refusal(f"has not what was asked for{said}", hint)
            case HTTPStatus.PRECONDITION_FAILED:
                hint = "rename the dashboard there or here, or give another folder"
                return self._refusal(f"has another dashboard in its place{said}", hint)
            case code if 300 <= code < 400:
                where = urlsplit(refused.headers.get("Location", ""))
                to = f" to {where.scheme}://{where.hostname}" if where.hostname else ""
                return self._refusal(f"sends its callers on{to}", "give that address")
            case code if code >= HTTPStatus.INTERNAL_SERVER_ERROR:
                return self._refusal(f"fails with {code}{said}", "try again; its log says more")
            case code:
                return self._refusal(f"refuses the dashboard with {code}{said}")

    def _refusal(self, text: str, hint: str | None = None) -> VeloError:
        return VeloError(ErrorCode.INFRASTRUCTURE_MISSING, f"Grafana at {self.url} {text}", hint=hint)


class _NoRedirects(HTTPRedirectHandler):
    """A redirect is an answer: following it would take the credentials to another host, and turn POST into GET."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _login(environment: Mapping[str, str]) -> dict[str, str]:
    token, user = environment.get(TOKEN, "").strip(), environment.get(USER, "")
    if token:
        return {"Authorization": f"Bearer {token}"}
    if user:
        pair = f"{user}:{environment.get(PASSWORD, '')}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    return {}


def _said(refused: HTTPError) -> str:
    """What a refusal says of its reason."""
    try:
        answer = json.loads(refused.read(MOST_BYTES))
    except (ValueError, OSError, HTTPException):
        return ""
    message = answer.get("message") if isinstance(answer, dict) else None
    return f": {_one_line(message)}" if isinstance(message, str) and message.strip() else ""


def _one_line(text: str) -> str:
    return " ".join(text.split())[:_LONGEST_MESSAGE]


def _with_datasource(document: Mapping[str, Any], name: str, uid: str) -> dict[str, Any]:
    """The dashboard without what an import by hand asks for: the data source is chosen."""
    inputs = [
        i.get("name") for i in document.get("__inputs", ()) if isinstance(i, dict) and i.get("type") == "datasource"
    ]
    kept = {key: value for key, value in document.items() if not key.startswith("__")} | {"id": None}
    filled: dict[str, Any] = _filled(kept, [f"${{{one}}}" for one in inputs], uid)
    for variable in filled.get("templating", {}).get("list", ()):
        if isinstance(variable, dict) and (variable.get("type"), variable.get("query")) == ("datasource", "prometheus"):
            variable["current"] = {"selected": True, "text": name, "value": uid}
    return filled


def _filled(value: Any, placeholders: Sequence[str], uid: str) -> Any:
    """Without the placeholders of a file that is imported by hand; a variable of that name keeps its name."""
    if isinstance(value, dict):
        return {key: _filled(inner, placeholders, uid) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, placeholders, uid) for inner in value]
    return uid if value in placeholders else value
