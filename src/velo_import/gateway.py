"""A session of Flink's SQL gateway over its REST interface: statements, their results, the jobs that they start.

Source: https://nightlies.apache.org/flink/flink-docs-release-2.3/docs/dev/table/sql-gateway/rest/
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import HTTPHandler, HTTPSHandler, OpenerDirector, ProxyHandler, Request, build_opener

from velo_engine.errors import ErrorCode, VeloError
from velo_import.inputs.rest import base_url, unlike_flink

KNOWN_VERSIONS = ("V4", "V3", "V2", "V1")
"""Versions of the interface that are spoken here, the best first."""
REQUEST_SECONDS = 30.0
"""How long one answer may take."""
STATEMENT_SECONDS = 180.0
"""How long a statement may take until its job runs or its first result is there."""
ENDED = frozenset({"FINISHED", "FAILED", "CANCELED", "SUSPENDED"})
"""States in which a job does no more."""

_NO_OBJECT = "what it answers is no JSON object"
_RUNNING = frozenset({"INITIALIZED", "PENDING", "RUNNING"})
_POLL_SECONDS = (0.05, 1.0)
"""Between two questions: at first, and at most."""
_CAUSE = re.compile(r"^(?:Caused by: )?(?:[\w$]+\.)+(?P<kind>[\w$]+(?:Exception|Error)): (?P<message>.*)", re.MULTILINE)
_OF_JOBS = re.compile(r"\b(?:JobExecutionException|JobException|TaskException)\b|Failed to fetch next result")
_KINDS = {"INSERT": "+I", "UPDATE_BEFORE": "-U", "UPDATE_AFTER": "+U", "DELETE": "-D"}


class StatementFailedError(Exception):
    """Flink refuses a statement, or its job failed; the message is Flink's."""

    def __init__(self, message: str, *, ran: bool = False) -> None:
        super().__init__(message)
        self.ran = ran
        """Whether Flink took it and it failed while it ran."""


@dataclass(frozen=True, slots=True)
class ResultPage:
    """A part of a statement's result."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Any, ...]], ...]
    """Kind (`+I`, `-U`, `+U`, `-D`) and values."""
    job: str | None
    """The job that makes it."""
    is_query: bool


@dataclass(frozen=True, slots=True)
class JobState:
    """A job of the cluster."""

    id: str
    name: str
    status: str


class GatewaySession:
    """An open session; a context manager that closes it. `sleep` and `clock` are for tests.

    VeloError INFRASTRUCTURE_MISSING when no gateway answers at `url`, BAD_VALUE when it is no address of one.
    """

    def __init__(
        self,
        url: str,
        name: str = "velo",
        *,
        request_seconds: float = REQUEST_SECONDS,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = base_url(url, "--flink-gateway")
        self._request_seconds = request_seconds
        self._sleep = sleep
        self._clock = clock
        self._opener = _opener()
        self.product = self._product()
        self.version = self._negotiated()
        """Of the interface: `v4`."""
        try:
            opened = self._call("POST", f"/{self.version}/sessions", {"sessionName": name, "properties": {}})
        except StatementFailedError as problem:
            message = f"the SQL gateway at {self._url} opens no session: {problem}"
            raise VeloError(ErrorCode.INFRASTRUCTURE_MISSING, message) from None
        self._session = f"/{self.version}/sessions/{self._of(opened, 'sessionHandle')}"

    def __enter__(self) -> GatewaySession:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the session; its jobs go on."""
        try:
            self._call("DELETE", self._session)
        except (VeloError, StatementFailedError):
            # The gateway is gone, and the session with it.
            return

    def submit(self, sql: str) -> str:
        """Hands a statement over; its operation."""
        body = {"statement": sql}
        return str(self._of(self._call("POST", f"{self._session}/statements", body), "operationHandle"))

    def cancel(self, operation: str) -> str:
        """Cancels an operation; its status."""
        return str(self._call("POST", f"{self._session}/operations/{operation}/cancel").get("status", "CANCELED"))

    def wait(self, operation: str, seconds: float = STATEMENT_SECONDS) -> None:
        """Until the operation has a result. StatementFailedError; VeloError TIMEOUT, then it is cancelled."""
        if not self.settled(operation, seconds):
            for _ in self.pages(operation):
                pass
            raise unexplained()

    def settled(self, operation: str, seconds: float = STATEMENT_SECONDS) -> bool:
        """Waits until the operation has ended or has a result; False: it failed, and its pages say why.

        StatementFailedError when somebody else ended it; VeloError TIMEOUT, then it is cancelled.
        """
        until = self._clock() + seconds
        pause, longest = _POLL_SECONDS
        while True:
            status = str(self._of(self._call("GET", f"{self._session}/operations/{operation}/status"), "status"))
            if status not in _RUNNING:
                break
            if self._clock() >= until:
                self.cancel(operation)
                message = f"the SQL gateway had no answer after {seconds:g} seconds; the statement is cancelled"
                raise VeloError(ErrorCode.TIMEOUT, message)
            self._sleep(pause)
            pause = min(pause * 1.5, longest)
        if status not in ("ERROR", "FINISHED"):
            raise StatementFailedError(f"the operation is {status}")
        return status == "FINISHED"

    def pages(self, operation: str) -> Iterator[ResultPage]:
        """The result, part by part, until it ends. StatementFailedError."""
        form = "" if self.version == "v1" else "?rowFormat=JSON"
        uri: str | None = f"{self._session}/operations/{operation}/result/0{form}"
        pause, longest = _POLL_SECONDS
        while uri:
            found = self._call("GET", uri)
            uri = None if found.get("resultType") == "EOS" else found.get("nextResultUri")
            page = self._page(found)
            if page.rows or found.get("resultType") == "PAYLOAD":
                yield page
            pause = _POLL_SECONDS[0] if page.rows else min(pause * 1.5, longest)
            if uri and not page.rows:
                self._sleep(pause)

    def execute(self, sql: str, seconds: float = STATEMENT_SECONDS) -> tuple[ResultPage, ...]:
        """The whole result of a statement that ends by itself. Raises as `wait`."""
        operation = self.submit(sql)
        self.wait(operation, seconds)
        return tuple(self.pages(operation))

    def job(self, job: str) -> JobState | None:
        """A job of the cluster; None when it does not know it any more. StatementFailedError."""
        for page in self.execute("SHOW JOBS"):
            for _, row in page.rows:
                if row and row[0] == job:
                    return JobState(job, str(row[1]), str(row[2]).upper())
        return None

    def stop(self, job: str) -> None:
        """Cancels a job. StatementFailedError."""
        self.execute(f"STOP JOB '{job}'")

    def cause_of_failure(self, job: str) -> str | None:
        """Why a job failed, from the cluster that the gateway speaks to; None when it cannot be asked."""
        try:
            properties = self._call("GET", self._session)["properties"]
            cluster = f"http://{properties['rest.address']}:{properties['rest.port']}"
            with self._opener.open(f"{cluster}/jobs/{job}/exceptions", timeout=self._request_seconds) as answer:
                found = json.loads(answer.read())
            entries = found["exceptionHistory"]["entries"]
            return root_cause([entries[0]["stacktrace"]]) if entries else None
        except (VeloError, OSError, ValueError, KeyError, IndexError, TypeError):
            return None

    def _of(self, found: Mapping[str, Any], key: str) -> Any:
        """What an answer has to say. VeloError INFRASTRUCTURE_MISSING when it does not."""
        if found.get(key) is None:
            raise unlike_flink(self._url, "a SQL gateway of Flink", KeyError(key))
        return found[key]

    def _page(self, found: Mapping[str, Any]) -> ResultPage:
        try:
            return _page(found)
        except (KeyError, TypeError, AttributeError, IndexError) as problem:
            raise unlike_flink(self._url, "a SQL gateway of Flink", problem) from None

    def _product(self) -> str:
        try:
            found = self._call("GET", "/info")
        except StatementFailedError as problem:
            message = f"what answers at {self._url} is no SQL gateway of Flink: {problem}"
            raise VeloError(ErrorCode.INFRASTRUCTURE_MISSING, message, hint="its port is 8083 by default") from None
        return f"{self._of(found, 'productName')} {found.get('version', '')}".strip()

    def _negotiated(self) -> str:
        try:
            versions = self._of(self._call("GET", "/api_versions"), "versions")
            offered = {str(version).upper() for version in versions} if isinstance(versions, list) else set()
        except StatementFailedError:
            offered = {"V1"}  # the first version of the interface did not say it
        if not offered:
            raise unlike_flink(self._url, "a SQL gateway of Flink")
        best = next((version for version in KNOWN_VERSIONS if version in offered), None)
        if best is None:
            raise VeloError(
                ErrorCode.INFRASTRUCTURE_MISSING,
                f"the SQL gateway at {self._url} speaks {', '.join(sorted(offered))}, none of which is known here",
                hint=f"known are {', '.join(KNOWN_VERSIONS)}",
            )
        return best.lower()

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        data = None if body is None and method != "POST" else json.dumps(body or {}).encode()
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        request = Request(self._url + path, data=data, headers=headers, method=method)  # noqa: S310 - http(s), checked
        try:
            with self._opener.open(request, timeout=self._request_seconds) as answer:
                return _object(answer.read())
        except HTTPError as error:
            with error:
                raise _said(error.read(), error.code) from None
        except (URLError, OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            message = f"no SQL gateway of Flink answers at {self._url}: {reason}"
            hint = "start one with Flink's bin/sql-gateway.sh start, and name its address with --flink-gateway"
            raise VeloError(ErrorCode.INFRASTRUCTURE_MISSING, message, hint=hint) from None


def root_cause(errors: Sequence[str]) -> str:
    """What of Flink's stack traces says why: the last cause, with what encloses it when that says where."""
    text = "\n".join(errors)
    found = [match["message"].strip() for match in _CAUSE.finditer(text)]
    if not found:
        first = next((line.strip() for line in text.splitlines() if line.strip()), "")
        return first or "it failed, and Flink does not say why"
    return found[-1] or next((message for message in reversed(found) if message), "it failed")


def unexplained() -> StatementFailedError:
    """The error of a statement that failed without a word."""
    return StatementFailedError("it failed, and Flink does not say why", ran=True)


def _said(body: bytes, status: int) -> StatementFailedError:
    try:
        errors = _object(body).get("errors") or []
    except ValueError:
        errors = []
    if not isinstance(errors, list) or not errors:
        return StatementFailedError(f"the gateway answers {status}")
    texts = [str(one) for one in errors]
    return StatementFailedError(root_cause(texts), ran=any(_OF_JOBS.search(text) for text in texts))


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        raise ValueError(_NO_OBJECT) from None
    if not isinstance(found, dict):
        raise ValueError(_NO_OBJECT)
    return found


def _page(found: Mapping[str, Any]) -> ResultPage:
    results = found.get("results") or {}
    columns = tuple(str(column["name"]) for column in results.get("columns") or ())
    rows = tuple((_KINDS.get(row.get("kind"), "+I"), tuple(row["fields"])) for row in results.get("data") or ())
    # The first version of the interface says the job only in the result of an INSERT.
    named = rows[0][1][0] if columns == ("job id",) and rows else None
    return ResultPage(columns, rows, found.get("jobID") or named, bool(found.get("isQueryResult")))


def _opener() -> OpenerDirector:
    """Opens http and https only, past no proxy: a gateway is within one's own network."""
    return build_opener(ProxyHandler({}), HTTPHandler(), HTTPSHandler())
