"""The text that a plan is made from: places for errors, and how a piece of it is bound or refused."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from velo_engine.errors import ErrorCode, Location, VeloError
from velo_engine.plan.expressions import Expression
from velo_engine.sql.expression_binder import Scope, bind_condition, bind_expression
from velo_engine.sql.locate import locate
from velo_engine.types import TypeName


@dataclass(frozen=True, slots=True)
class ProgramText:
    """A SQL text and its file name."""

    file: str
    text: str

    def locate(self, node: exp.Expr) -> Location | None:
        """Where `node` stands."""
        assert isinstance(node, exp.Expression), "every node of a parsed query is one"
        return locate(node, self.text, self.file)

    def bind(self, node: exp.Expr, scope: Scope) -> Expression:
        """The typed expression of `node`, where names mean what `scope` says."""
        assert isinstance(node, exp.Expression), "every node of a parsed query is one"
        return bind_expression(node, scope, text=self.text, file=self.file)

    def bind_column(self, node: exp.Expr, scope: Scope) -> Expression:
        """As `bind`, for a value that becomes a column: NULL alone has no type."""
        expression = self.bind(node, scope)
        if expression.type.name is TypeName.NULL:
            hint = "write CAST(NULL AS type)"
            raise self.error(ErrorCode.TYPE_MISMATCH, "cannot tell the type of NULL", node, hint)
        return expression

    def condition(self, node: exp.Expr, scope: Scope, clause: str) -> Expression:
        """The typed BOOLEAN expression of `node` in `clause`."""
        assert isinstance(node, exp.Expression), "every node of a parsed query is one"
        return bind_condition(node, scope, clause=clause, text=self.text, file=self.file)

    def error(
        self, code: ErrorCode, message: str, at: exp.Expr | Location | None, hint: str | None = None
    ) -> VeloError:
        """An error that points at a piece of the text."""
        location = self.locate(at) if isinstance(at, exp.Expr) else at
        return VeloError(code, message, location=location, hint=hint)

    def unsupported(self, what: str, at: exp.Expr | Location | None, hint: str | None = None) -> VeloError:
        """The refusal of a construct, by its name."""
        return self.error(ErrorCode.SQL_UNSUPPORTED, f"{what} is not supported", at, hint)
