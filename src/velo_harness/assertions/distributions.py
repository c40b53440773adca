"""Assertions about how the values of a column are distributed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.types import INTEGERS, NUMERICS
from velo_harness import goodness_of_fit as fit
from velo_harness.assertion_tables.values import PERCENTILES
from velo_harness.assertions.comparison import column_holds, described
from velo_harness.assertions.context import CheckContext, missing_field, offending
from velo_harness.assertions.operands import operand_value
from velo_harness.constraints import Distribution, Shape
from velo_harness.counted import counted
from velo_harness.relation import Relation, python_value
from velo_harness.result import SHOWN_ROWS, Finding
from velo_harness.spec import AssertionSpec
from velo_harness.templates import as_text
from velo_harness.yaml_source import YamlScalar


@dataclass(frozen=True, slots=True)
class _Model:
    """A distribution, and between which values everything lies."""

    cdf: fit.Cdf
    low: float
    high: float
    lowest: float = -math.inf
    """No value is smaller."""
    highest: float = math.inf


def distribution(assertion: AssertionSpec, context: CheckContext) -> Finding | None:
    """The values fit the distribution: such values are not too unlikely. NULLs do not count."""
    output, name = context.output, assertion.parameters["field"]
    position = output.position(name)
    if position is None:
        return missing_field(output, name)
    known = output.column(position).drop_null()
    if len(known) < fit.LEAST_VALUES:
        return Finding(f"at least {fit.LEAST_VALUES} values of {name} to judge by", counted(len(known), "value"))
    if assertion.parameters["shares"]:
        return _shares(assertion, context, position)
    kind = output.type(position)
    if kind.name not in NUMERICS:
        place = assertion.parameter_locations["field"]
        hint = "give shares for values that are no numbers"
        raise VeloError(ErrorCode.TYPE_MISMATCH, f"{name} is {kind}, not a number", location=place, hint=hint)
    return _numbers(assertion, context, position, whole=kind.name in INTEGERS)


def _numbers(assertion: AssertionSpec, context: CheckContext, position: int, *, whole: bool) -> Finding | None:
    output, wanted = context.output, assertion.parameters
    shape: Distribution = wanted["distribution"]
    values = output.column(position).cast("float64").drop_null().to_numpy()
    whole = whole or shape.shape is Shape.ZIPF
    model = _model(shape, wanted["min"], wanted["max"], whole=whole)
    outside = _outside(output, position, model)
    if outside.any():
        count, examples = offending(output, outside)
        expected = f"{wanted['field']} {_text(shape)}: from {model.lowest:g} to {model.highest:g}"
        return Finding(expected, f"{counted(count, 'value')} outside", count, len(output), examples)
    test = wanted["test"] or ("chi_square" if whole else "kolmogorov_smirnov")
    if test == "kolmogorov_smirnov":
        return _judged(assertion, fit.kolmogorov_smirnov(values, model.cdf), len(values), ())
    bounds = fit.cells_of(model.cdf, len(values), model.low, model.high, whole=whole)
    shares, counts = fit.shares_between(model.cdf, bounds), fit.counts_between(values, bounds)
    expected_counts = [share * len(values) for share in shares]
    labels = [f"({low:g}, {high:g}]" for low, high in zip([-math.inf, *bounds], [*bounds, math.inf], strict=True)]
    found = fit.chi_square(counts, expected_counts)
    return _judged(assertion, found, len(values), _worst(labels, counts, expected_counts))


def _outside(output: Relation, position: int, model: _Model) -> Any:
    column = output.column(position)
    values = column.cast("float64").fill_null(model.low).to_numpy()
    wrong = ~((values >= model.lowest) & (values <= model.highest))
    return wrong & column.is_valid().to_numpy()


def _model(given: Distribution, low: Any, high: Any, *, whole: bool) -> _Model:
    """The distribution that is stated. A whole number stands for all that rounds to it."""
    match given.shape:
        case Shape.UNIFORM:
            start, end = float(low), float(high)
            edge = 0.5 if whole else 0.0
            return _Model(fit.uniform_cdf(start - edge, end + edge), start - edge, end + edge, start, end)
        case Shape.NORMAL:
            mean, deviation = float(given.mean or 0), float(given.std_dev or 0)
            return _Model(fit.normal_cdf(mean, deviation), mean - 40 * deviation, mean + 40 * deviation)
        case Shape.LOG_NORMAL:
            mu, sigma = float(given.mu or 0), float(given.sigma or 0)
            return _Model(fit.log_normal_cdf(mu, sigma), 0.0, math.exp(min(mu + 40 * sigma, 700)), 0.0)
        case Shape.EXPONENTIAL:
            rate = given.rate if given.rate is not None else 1 / float(given.mean or 1)
            return _Model(fit.exponential_cdf(rate), 0.0, 745 / rate, 0.0)
        case _:
            return _zipf(math.ceil(low), math.floor(high), float(given.exponent or 0))


def _zipf(low: int, high: int, exponent: float) -> _Model:
    weights = np.arange(1, high - low + 2, dtype=float) ** -exponent
    reached = np.cumsum(weights / weights.sum())

    def cdf(x: float) -> float:
        rank = math.floor(x) - low + 1
        return 0.0 if rank < 1 else float(reached[min(rank, len(reached)) - 1])

    return _Model(cdf, low - 1, high, low, high)


def _shares(assertion: AssertionSpec, context: CheckContext, position: int) -> Finding | None:
    output, wanted = context.output, assertion.parameters
    kind, name = output.type(position), wanted["field"]
    place = assertion.parameter_locations["shares"]
    values = {
        text: operand_value(YamlScalar(text, plain=False, location=place), kind, context.scope, context.time_zone)
        for text in wanted["shares"]
    }
    column = output.column(position)
    held = dict(zip(*_value_counts(column), strict=True))
    other = [value for value in held if value not in values.values()]
    if other:
        import pyarrow as pa
        import pyarrow.compute as pc

        mask = pc.is_in(column, pa.array(other, column.type)).to_numpy()
        count, examples = offending(output, mask)
        shown = ", ".join(as_text(value) for value in other[:SHOWN_ROWS])
        expected = f"{name} one of {', '.join(wanted['shares'])}"
        return Finding(expected, f"{count} other values, such as {shown}", count, len(output), examples)
    total, weight = sum(held.values()), sum(wanted["shares"].values())
    counts = [held.get(values[text], 0) for text in wanted["shares"]]
    never = [t for t, n in zip(wanted["shares"], counts, strict=True) if n and not wanted["shares"][t]]
    if never:
        return Finding(f"no {name} {', '.join(never)}", "its share is 0, and it is there")
    expected_counts = [float(share / weight) * total for share in wanted["shares"].values()]
    found = fit.chi_square(counts, expected_counts)
    return _judged(assertion, found, total, _worst(list(wanted["shares"]), counts, expected_counts))


def _value_counts(column: Any) -> tuple[list[Any], list[int]]:
    found = column.drop_null().combine_chunks().value_counts()
    return [python_value(value) for value in found.field("values")], found.field("counts").to_pylist()


def _worst(labels: list[str], counts: list[int], expected: list[float]) -> tuple[dict[str, Any], ...]:
    """The cells that are furthest off, in their order."""
    off = [(n - e) ** 2 / e if e else 0.0 for n, e in zip(counts, expected, strict=True)]
    chosen = sorted(np.argsort(off, kind="stable")[::-1][:SHOWN_ROWS].tolist())
    return tuple({"values": labels[i], "expected": round(expected[i], 1), "actual": counts[i]} for i in chosen)


def _judged(
    assertion: AssertionSpec, found: fit.Fit | None, count: int, cells: tuple[dict[str, Any], ...]
) -> Finding | None:
    wanted = assertion.parameters
    what = _text(wanted["distribution"]) if wanted["distribution"] is not None else "in the shares stated"
    if found is None:
        return Finding(f"enough values of {wanted['field']} for two cells", counted(count, "value"))
    if found.p_value >= float(wanted["significance"]):
        return None
    expected = f"{wanted['field']} {what} (p of at least {wanted['significance']})"
    return Finding(expected, f"{found} of {count} values", 0, None, cells)


def _text(given: Distribution) -> str:
    names = ("mean", "std_dev", "mu", "sigma", "exponent", "rate")
    parts = [f"{name} {getattr(given, name):g}" for name in names if getattr(given, name) is not None]
    return f"distributed {given.shape}" + (f" ({', '.join(parts)})" if parts else "")


def percentile(assertion: AssertionSpec, context: CheckContext) -> Finding | None:
    """Each percentile stated compares so: the smallest value that at least so many do not exceed (nearest rank).

    NULLs do not count.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    output, name = context.output, assertion.parameters["field"]
    position = output.position(name)
    if position is None:
        return missing_field(output, name)
    known = output.column(position).drop_null()
    if not len(known):
        return Finding(f"a {name} that is not NULL", counted(len(output), "NULL"), len(output), len(output))
    try:
        order = pc.sort_indices(known)
    except pa.ArrowNotImplementedError:
        message = f"values of {output.type(position)} have no order"
        raise VeloError(ErrorCode.TYPE_MISMATCH, message, location=assertion.location) from None
    for key, text in PERCENTILES.items():
        comparison = assertion.parameters[key]
        if comparison is None:
            continue
        rank = math.ceil(_share(key) * len(known))
        one = known.take(order.slice(rank - 1, 1))
        relation = Relation(name, output.schema.select([position]), pa.table([one], names=[name]))
        if not column_holds(relation, 0, comparison, context.scope, context.time_zone).all():
            expected = f"the {text} of {name} {described(comparison, context.scope)}"
            return Finding(expected, as_text(python_value(one[0])), total=len(known))
    return None


def _share(key: str) -> Fraction:
    """p999 is 99.9 percent."""
    digits = key.removeprefix("p")
    return Fraction(int(digits), 10 ** max(len(digits), 2))
