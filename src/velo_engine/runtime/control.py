"""Talking to a running job: a socket beside its checkpoint, and those who ask.

One request and one answer per connection, each a line of JSON: `{"ask": "savepoint", "path": …, "stop": …}`,
`{"ask": "status"}`, `{"ask": "stop"}`; the answer is `{"ok": …}` or `{"error": …}`. Only the owner of the
process can reach the socket.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import socket
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.runtime.live_job import LiveJob

PATIENCE_S = 60.0
"""How long a savepoint is waited for."""

_POINTER = "control"
"""The file in a checkpoint folder that says where the socket is: its own path may be too long for one."""


class JobControl:
    """Answers for a job while it runs."""

    def __init__(self, job: LiveJob, folder: Path, stop: threading.Event) -> None:
        self._job = job
        self._stop = stop
        self._pointer = folder / _POINTER
        self._place = Path(tempfile.mkdtemp(prefix="velo-"))
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(self._place / "socket"))
        self._socket.listen()
        self._pointer.write_text(str(self._place / "socket"))
        self._thread = threading.Thread(target=self._serve, name="velo job control", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Answers nobody any more."""
        self._pointer.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()
        shutil.rmtree(self._place, ignore_errors=True)

    def __enter__(self) -> JobControl:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:  # closed
                return
            with connection, contextlib.suppress(OSError), connection.makefile("rw") as stream:
                stream.write(json.dumps(self._answer(stream.readline())) + "\n")

    def _answer(self, line: str) -> dict[str, Any]:
        try:
            request = json.loads(line)
            match request["ask"]:
                case "savepoint":
                    self._job.request_savepoint(Path(request["path"]), stop=request["stop"]).wait(PATIENCE_S)
                    return {"ok": request["path"]}
                case "status":
                    return {"ok": dataclasses.asdict(self._job.statistics())}
                case "stop":
                    self._stop.set()
                    return {"ok": "stopping"}
        except VeloError as error:
            return {"error": error.message, "code": error.code.name}
        except (ValueError, KeyError, TypeError) as error:
            return {"error": f"not a request: {error}", "code": ErrorCode.BAD_VALUE.name}
        return {"error": f"nothing is called {request['ask']}", "code": ErrorCode.BAD_VALUE.name}


def ask(folder: Path, **request: object) -> Any:
    """What the job of a checkpoint folder answers. Raises VeloError: no job runs there, or it refuses."""
    try:
        address = (folder / _POINTER).read_text()
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE_S + 5)
            connection.connect(address)
            with connection.makefile("rw") as stream:
                stream.write(json.dumps(request) + "\n")
                stream.flush()
                line = stream.readline()
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
        line = ""
    except OSError as problem:
        reason = os.strerror(problem.errno) if problem.errno else str(problem)
        raise VeloError(ErrorCode.JOB_FAILED, f"the job of {folder} does not answer: {reason}") from None
    if not line:
        raise VeloError(
            ErrorCode.INFRASTRUCTURE_MISSING,
            f"no job runs with the checkpoint folder {folder}",
            hint="give the folder that `velo run --checkpoint-dir` was started with",
        )
    answer = json.loads(line)
    if "error" in answer:
        raise VeloError(ErrorCode[answer["code"]], answer["error"])
    return answer["ok"]
