"""Reading `fault_injection`."""

from __future__ import annotations

from velo_engine.errors import ErrorCode, VeloError
from velo_harness.faults.model import (
    BrokerFaults,
    Duplicates,
    FaultPlan,
    FieldCorruption,
    MalformedRecords,
    OutOfOrder,
    SlowProcessing,
)
from velo_harness.keys import Fields, bad_value


def fault_plan(fields: Fields | None) -> FaultPlan | None:
    """The plan as the model has it. Errors: BAD_VALUE, MISSING_KEY."""
    if fields is None:
        return None
    if not fields.locations.keys() - {"seed"}:
        raise bad_value("this injects nothing", fields.location, hint="give malformed_records, duplicates, …")
    return FaultPlan(
        location=fields.location,
        seed=fields["seed"],
        enable_dlq=fields["enable_dlq"],
        dlq_max_size=fields["dlq_max_size"],
        malformed=_malformed(_enabled(fields["malformed_records"])),
        duplicates=_duplicates(_enabled(fields["duplicates"])),
        out_of_order=_out_of_order(_enabled(fields["out_of_order"])),
        corruption=_corruption(_enabled(fields["field_corruption"])),
        slow=_slow(_enabled(fields["slow_processing"])),
        broker=_broker(_enabled(fields["broker"])),
    )


def _enabled(fields: Fields | None) -> Fields | None:
    return fields if fields is not None and fields["enabled"] else None


def _malformed(fields: Fields | None) -> MalformedRecords | None:
    return None if fields is None else MalformedRecords(float(fields["rate"]), fields["types"], fields.location)


def _duplicates(fields: Fields | None) -> Duplicates | None:
    if fields is None:
        return None
    return Duplicates(float(fields["rate"]), fields["max_duplicates"], fields["delay_ms"], fields.location)


def _out_of_order(fields: Fields | None) -> OutOfOrder | None:
    if fields is None:
        return None
    if fields["max_delay_ms"] is None and fields["window_size"] is None:
        message = "this does not say how far records are moved"
        hint = "give max_delay_ms, window_size, or both"
        raise VeloError(ErrorCode.MISSING_KEY, message, location=fields.location, hint=hint)
    return OutOfOrder(float(fields["rate"]), fields["max_delay_ms"], fields["window_size"], fields.location)


def _corruption(fields: Fields | None) -> FieldCorruption | None:
    if fields is None:
        return None
    return FieldCorruption(
        float(fields["rate"]), fields["fields"] or (), fields["corruption_types"], fields.at("fields")
    )


def _slow(fields: Fields | None) -> SlowProcessing | None:
    if fields is None:
        return None
    if fields["min_delay_ms"] > fields["max_delay_ms"]:
        raise bad_value("min_delay_ms is greater than max_delay_ms", fields.at("min_delay_ms"))
    return SlowProcessing(float(fields["rate"]), fields["min_delay_ms"], fields["max_delay_ms"], fields.location)


def _broker(fields: Fields | None) -> BrokerFaults | None:
    if fields is None:
        return None
    drops = int(fields["drop_connections"])
    if fields["restart_after"] is None and not drops:
        message, hint = "nothing happens to the broker", "give restart_after or drop_connections"
        raise VeloError(ErrorCode.MISSING_KEY, message, location=fields.location, hint=hint)
    return BrokerFaults(fields["restart_after"], drops, fields.location)
