from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from velo_engine import types as t
from velo_engine.errors import ErrorCode, Location, VeloError
from velo_harness.templates import TemplateScope, resolve

VARIABLES = {"limit": "12", "rate": "0.5", "who": "x"}
LINE = "      equals: "


def place(text: str) -> Location:
    return Location("orders.test.yaml", 7, len(LINE) + 1, len(text), LINE + text)


@pytest.fixture
def scope(relation) -> TemplateScope:
    trades = relation(
        "trades",
        {
            "id": (t.BIGINT, [2**62, 2**62, None, 3]),
            "price": (t.decimal(10, 2), [Decimal("1.10"), Decimal("2.20"), None, Decimal("3.35")]),
            "ratio": (t.DOUBLE, [0.1, 0.2, 0.3, None]),
            "symbol": (t.STRING, ["B", "A", "B", None]),
        },
    )
    nothing = relation("nothing", {"price": (t.decimal(10, 2), [])})
    return TemplateScope(
        {"trades": trades, "from": trades}, {"none": nothing}, {"limit": "12", "rate": "0.5", "who": "x"}
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{{ inputs.trades.count }}", 4),
        ("{{inputs.trades.count}}", 4),
        ("{{ inputs.from.count }}", 4),
        ("{{ outputs.none.count }}", 0),
        ("{{ outputs.none.sum_price }}", None),
        ("{{ inputs.trades.sum_id }}", 2**63 + 3),
        ("{{ inputs.trades.sum_price }}", Decimal("6.65")),
        ("{{ inputs.trades.avg_price * 3 }}", Decimal("6.6500000000000000000000000000000000001")),
        ("{{ inputs.trades.min_price }}", Decimal("1.10")),
        ("{{ inputs.trades.max_symbol }}", "B"),
        ("{{ inputs.trades.distinct_symbol }}", 2),
        ("{{ inputs.trades.sum_ratio }}", 0.1 + 0.2 + 0.3),
        ("{{ variables.limit / 4 }}", 3),
        ("{{ variables.limit / 5 }}", Decimal("2.4")),
        ("{{ variables.limit * variables.rate }}", Decimal("6.0")),
        ("{{ -(1 + 2) * 3 % 5 }}", -9 % 5),
        ("{{ 0.1 + 0.2 }}", Decimal("0.3")),
        ("{{ inputs.trades.count > 3 and not 1 > 2 }}", True),
        ("{{ 1 < inputs.trades.count <= 3 }}", False),
        ("{{ 'a' == variables.who or false }}", False),
        ("at most {{ variables.limit }} of {{ inputs.trades.count }}", "at most 12 of 4"),
        ("price {{ inputs.trades.max_price }}", "price 3.35"),
    ],
)
def test_value(scope: TemplateScope, text: str, value: object) -> None:
    found = resolve(text, scope, place(text))
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "part", "hint"),
    [
        ("{{ inputs.trade.count }}", "inputs.trade.count", 'did you mean "trades"?'),
        ("{{ 1 + outputs.non.count }}", "outputs.non.count", 'did you mean "none"?'),
        ("{{ inputs.trades.sum_prize }}", "inputs.trades.sum_prize", 'did you mean "price"?'),
        ("{{ inputs.trades.median_price }}", "inputs.trades.median_price", "min_price"),
        ("{{ inputs.trades }}", "inputs.trades", "inputs.trades.count"),
        ("{{ variables.limt }}", "variables.limt", 'did you mean "limit"?'),
        ("{{ input.trades.count }}", "input.trades.count", None),
        ("{{ limit }}", "limit", None),
        ("{{ 1 / 0 }}", "1 / 0", None),
        ("{{ 'a' + 1 }}", "'a' + 1", None),
        ("{{ 'ab' * 1000000000 }}", "'ab' * 1000000000", None),
        ("{{ '%999999999d' % 1 }}", None, None),
        ("{{ 2 ** 9 }}", "2 ** 9", None),
        ("{{ __import__('os') }}", "__import__('os')", None),
        ("{{ [1][0] }}", "[1][0]", None),
        ("{{ (lambda: 1)() }}", None, None),
        ("{{ inputs.trades.count.real }}", None, None),
        ("{{ 1 + }}", "1 +", None),
        ("{{ 1", None, None),
        ("{{ " + "(" * 400 + "1" + ")" * 400 + " }}", None, None),
        ("{{ " + "1 + " * 400 + "1 }}", None, None),
    ],
)
def test_what_means_nothing_is_an_error_at_its_place(scope, text: str, part: str | None, hint: str | None) -> None:
    with pytest.raises(VeloError) as caught:
        resolve(text, scope, place(text))

    error = caught.value
    assert error.code is ErrorCode.UNRESOLVED_TEMPLATE
    assert error.location is not None
    if part is not None:
        underlined = error.location.text[error.location.column - 1 :][: error.location.length]
        assert underlined == part
    if hint is not None:
        assert hint in (error.hint or "")


def test_templates_are_resolved_without_eval(monkeypatch: pytest.MonkeyPatch, scope: TemplateScope) -> None:
    import builtins

    def refuse(*_: object) -> None:
        raise AssertionError("eval")

    monkeypatch.setattr(builtins, "eval", refuse)
    monkeypatch.setattr(builtins, "exec", refuse)
    assert resolve("{{ 1 + 1 }}", scope, place("{{ 1 + 1 }}")) == 2


def test_an_average_is_exact_to_38_digits(relation) -> None:
    thirds = relation("x", {"v": (t.BIGINT, [1, 1, 2])})
    value = resolve("{{ inputs.x.avg_v }}", TemplateScope({"x": thirds}, {}, {}), Location(str(Path("x")), 1))
    assert value == Decimal("1.3333333333333333333333333333333333333")
