"""One request on its way through the broker: header, body, and its answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from velo_harness.kafka.embedded.protocol import SUPPORTED, Api
from velo_harness.kafka.embedded.wire import CompactReader, CompactWriter, Reader, Writer

Schedule = Callable[[float, Callable[[], None]], Callable[[], None]]
"""Calls something after so many seconds; gives what calls it off."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the broker is for a client."""

    host: str
    port: int


class HangUpError(Exception):
    """A request that only closing the connection answers, as Kafka does: of a kind or version that is not known, or
    one that wants no answer and failed.
    """


class Request:
    """A request. Its handler answers by `reply`, at once or later, or leaves it unanswered by `drop`."""

    def __init__(
        self, frame: memoryview, *, client_host: str, broker: Address, schedule: Schedule, answered: Callable[[], None]
    ) -> None:
        header = Reader(frame)
        number, self.version, self.correlation_id = header.int16(), header.int16(), header.int32()
        self.client_id = header.nullable_string() or ""
        self.client_host = client_host
        self.broker = broker
        self.schedule = schedule
        self.answer: list[bytes | bytearray] | None = None
        """The whole answer with its length; empty when there is none to send; None as long as it is not known."""
        self._answered = answered
        self.api, self.version_supported = _checked_api(number, self.version)
        self._compact = self.version >= SUPPORTED[self.api].first_compact
        self.body = header
        if self._compact and self.version_supported:
            self.body = CompactReader(frame, header.position)  # the client id before it is a classic string always
            self.body.tags()

    def writer(self) -> Writer:
        """An empty answer in the request's encoding."""
        return CompactWriter() if self._compact and self.version_supported else Writer()

    def reply(self, body: Writer) -> None:
        """Answers. Answers leave a connection in the order of its requests."""
        chunks = body.chunks()
        header = Writer().int32(self.correlation_id)
        # ApiVersions answers with a classic header always: the client does not know yet what the broker speaks.
        if self._compact and self.api is not Api.API_VERSIONS:
            header.int8(0)
        (head,) = header.chunks()
        length = len(head) + sum(map(len, chunks))
        self.answer = [length.to_bytes(4, "big") + bytes(head), *chunks]
        self._answered()

    def drop(self) -> None:
        """Leaves the request unanswered, as a producer with acks=0 asks for."""
        self.answer = []
        self._answered()


def _checked_api(number: int, version: int) -> tuple[Api, bool]:
    try:
        api = Api(number)
    except ValueError:
        raise HangUpError(f"request {number}, version {version}") from None
    supported = SUPPORTED[api].lowest <= version <= SUPPORTED[api].highest
    if not supported and api is not Api.API_VERSIONS:
        raise HangUpError(f"{api.name}, version {version}")
    return api, supported
