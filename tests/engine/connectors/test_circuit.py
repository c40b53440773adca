"""The circuit breaker, and trying again."""

from __future__ import annotations

import pytest

from velo_engine.connectors.circuit import CircuitBreaker, CircuitState
from velo_engine.connectors.retry import NO_RETRIES, RetryPolicy, retried, retry_policy
from velo_engine.errors import ErrorCode, VeloError


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Service:
    """Fails as often as it is told."""

    def __init__(self, failures: int, code: ErrorCode = ErrorCode.INFRASTRUCTURE_MISSING) -> None:
        self.failures = failures
        self.code = code
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.calls <= self.failures:
            raise VeloError(self.code, "it is away", hint="start it")
        return "fine"


def failing(breaker: CircuitBreaker, service: Service, times: int) -> None:
    for _ in range(times):
        with pytest.raises(VeloError):
            breaker.call(service)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> CircuitBreaker:
    return CircuitBreaker("the registry", threshold=3, backoff_s=10, longest_s=25, clock_s=clock)


def test_it_opens_after_failures_in_a_row(breaker):
    service = Service(100)
    failing(breaker, service, 2)
    assert breaker.state is CircuitState.CLOSED
    failing(breaker, service, 1)
    assert breaker.state is CircuitState.OPEN

    with pytest.raises(VeloError, match=r"the registry has failed 3 times .* 10 s: it is away") as caught:
        breaker.call(service)

    assert service.calls == 3
    assert caught.value.exit_code == 3
    assert caught.value.hint == "start it"


def test_a_success_between_failures_keeps_it_closed(breaker):
    failing(breaker, Service(2), 2)
    assert breaker.call(lambda: 1) == 1
    failing(breaker, Service(2), 2)
    assert breaker.state is CircuitState.CLOSED


def test_one_call_is_let_through_after_a_while(breaker, clock):
    failing(breaker, Service(3), 3)
    clock.now += 10
    assert breaker.state is CircuitState.HALF_OPEN

    assert breaker.call(lambda: "fine") == "fine"

    assert breaker.state is CircuitState.CLOSED


def test_while_one_is_let_through_others_are_not(breaker, clock):
    failing(breaker, Service(3), 3)
    clock.now += 10

    def within() -> str:
        with pytest.raises(VeloError, match="left alone"):
            breaker.call(lambda: "other")
        return "first"

    assert breaker.call(within) == "first"


def test_it_waits_twice_as_long_after_each_trial_up_to_a_bound(breaker, clock):
    failing(breaker, Service(3), 3)
    for wait in (10, 20, 25, 25):
        clock.now += wait - 0.1
        assert breaker.state is CircuitState.OPEN
        clock.now += 0.1
        assert breaker.state is CircuitState.HALF_OPEN
        failing(breaker, Service(1), 1)
    clock.now += 25
    breaker.call(lambda: None)
    failing(breaker, Service(3), 3)
    clock.now += 10
    assert breaker.state is CircuitState.HALF_OPEN


def test_errors_that_waiting_does_not_mend_do_not_count(breaker):
    failing(breaker, Service(10, ErrorCode.SCHEMA_MISMATCH), 10)

    assert breaker.state is CircuitState.CLOSED


def test_an_interrupted_trial_does_not_block_the_next(breaker, clock):
    def interrupted() -> None:
        raise KeyboardInterrupt

    failing(breaker, Service(3), 3)
    clock.now += 10
    with pytest.raises(KeyboardInterrupt):
        breaker.call(interrupted)

    assert breaker.call(lambda: "fine") == "fine"


# -- trying again


def test_what_waiting_may_mend_is_tried_again_later_and_later():
    waits: list[float] = []
    service = Service(3)

    assert retried(service, RetryPolicy(5, 100), waits.append) == "fine"
    assert waits == [0.1, 0.2, 0.4]


def test_the_last_error_is_raised():
    waits: list[float] = []
    service = Service(9)

    with pytest.raises(VeloError, match="it is away"):
        retried(service, RetryPolicy(2, 100), waits.append)

    assert service.calls == 3
    assert waits == [0.1, 0.2]


def test_other_errors_are_raised_at_once():
    service = Service(1, ErrorCode.BAD_PROPERTY)

    with pytest.raises(VeloError):
        retried(service, RetryPolicy(2, 100), pytest.fail)

    assert service.calls == 1


def test_waits_are_bounded():
    assert max(RetryPolicy(100, 1000).waits_ms()) == 60_000


@pytest.mark.parametrize(
    ("properties", "policy"),
    [
        ({}, NO_RETRIES),
        ({"failure_strategy": "SendToDLQ", "max_retries": "9"}, NO_RETRIES),
        ({"failure_strategy": "RetryWithBackoff"}, RetryPolicy(3, 1000)),
        ({"failure_strategy": "retry_with_backoff", "max_retries": "7", "retry_backoff": "2s"}, RetryPolicy(7, 2000)),
        ({"failure_strategy": "RetryWithBackoff", "retry_backoff": "250"}, RetryPolicy(3, 250)),
    ],
)
def test_what_a_program_says_of_trying_again(properties, policy):
    assert retry_policy(properties) == policy


@pytest.mark.parametrize("wrong", [{"max_retries": "often"}, {"retry_backoff": "soon"}])
def test_values_that_mean_nothing(wrong):
    with pytest.raises(VeloError) as caught:
        retry_policy({"failure_strategy": "RetryWithBackoff", **wrong})

    assert caught.value.code is ErrorCode.BAD_PROPERTY
