"""A run with faults: the job is watched, the broker is harmed, and at the end all of it is counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from velo_engine import JobOptions
from velo_engine.runtime.options import FailureStrategy
from velo_harness.faults.broker import BrokerHarm, embedded_provider
from velo_harness.faults.fates import FaultTracker
from velo_harness.inputs import RunInputs

if TYPE_CHECKING:
    from velo_harness.execution import Execution
    from velo_harness.kafka.session import KafkaSession


@contextmanager
def run_with_faults(
    inputs: RunInputs,
    options: JobOptions,
    kafka: KafkaSession | None,
    run: Callable[[JobOptions], AbstractContextManager[Execution]],
) -> Iterator[Execution]:
    """What `run` gives with options that have the faults of the inputs in them; its `faults` say what happened.

    Raises VeloError: as `run`, and INFRASTRUCTURE_MISSING where there is no broker that may be stopped.
    """
    faults = inputs.faults
    if faults is None:
        with run(options) as execution:
            yield execution
        return
    wanted = faults.plan.broker
    harm = None
    if wanted is not None:
        harm = BrokerHarm(wanted, embedded_provider(wanted, kafka), sum(inputs.records.values()))
        options = harm.watching(options)
    if faults.plan.enable_dlq is not None:
        strategy = FailureStrategy.DEAD_LETTER if faults.plan.enable_dlq else FailureStrategy.FAIL
        options = replace(options, failure_strategy=strategy)
    tracker = FaultTracker(faults)
    with run(tracker.watching(options)) as execution:
        counts = (*tracker.counts(), *(() if harm is None else harm.counts()))
        yield replace(execution, faults=counts)
