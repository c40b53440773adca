"""The grammar of MATCH_RECOGNIZE: partition, order, measures, skip strategy, pattern, time bound, definitions.

Source: https://nightlies.apache.org/flink/flink-docs-release-2.3/docs/sql/reference/queries/match_recognize/
"""

from __future__ import annotations

from typing import Any

from sqlglot import exp
from sqlglot.tokenizer_core import Token, TokenType

from velo_engine.sql.failures import SyntaxFailure
from velo_engine.sql.match_syntax import AfterMatch, MatchRecognize, PatternVariable, Semantics
from velo_engine.sql.window_parser import WindowParser

_QUANTIFIERS = {TokenType.STAR: ("*", 0, None), TokenType.PLUS: ("+", 1, None), TokenType.PLACEHOLDER: ("?", 0, 1)}
_ANCHORS = {"^": "the start", "$": "the end"}


class MatchParser(WindowParser):
    """`MATCH_RECOGNIZE (…)` behind a relation."""

    def _parse_matching(self, relation: Any) -> Any:
        """`relation`, or what is matched in it when MATCH_RECOGNIZE follows."""
        start = self._curr
        if self._word() != "MATCH_RECOGNIZE" or self._next.token_type != TokenType.L_PAREN:
            return relation
        self._advance(2)
        node = MatchRecognize(this=relation).update_positions(start)
        node.set("partition_by", self._parse_partition_by())
        node.set("order", self._parse_order())
        if self._match_text_seq("MEASURES"):
            node.set("measures", self._parse_csv(self._parse_measure))
        self._parse_rows_per_match()
        node.set("after", self._parse_after_match())
        node.set("pattern", self._parse_pattern_clause())
        if self._match_text_seq("WITHIN"):
            node.set("within_ms", self._parse_fixed_length())
        if self._word() == "SUBSET":
            self.refuse("SUBSET is not supported", self._curr, "name the variables one by one")
        self._require_word("DEFINE")
        node.set("define", self._parse_csv(self._parse_definition))
        self._match_r_paren()
        node.set("alias", self._parse_table_alias())
        return node

    def _parse_measure(self) -> exp.Alias:
        value = self._require_expression()
        self._require(TokenType.ALIAS, "AS")
        name: Any = self._parse_id_var(any_token=True)
        if name is None:
            self.fail("a name")
        return exp.Alias(this=value, alias=name)

    def _parse_rows_per_match(self) -> None:
        start = self._curr
        if self._match_text_seq("ONE", "ROW", "PER", "MATCH"):
            return
        if self._match(TokenType.ALL):
            self._require_word("ROWS", "PER", "MATCH")
            self.refuse("ALL ROWS PER MATCH is not supported", self._span_from(start), "write ONE ROW PER MATCH")

    def _parse_after_match(self) -> AfterMatch | None:
        start = self._curr
        if not self._match_text_seq("AFTER"):
            return None
        self._require_word("MATCH", "SKIP")
        if self._match_text_seq("PAST"):
            self._require_word("LAST", "ROW")
            return AfterMatch(kind="past_last_row").update_positions(start)
        self._require_word("TO")
        if self._match_text_seq("NEXT", "ROW"):
            return AfterMatch(kind="next_row").update_positions(start)
        kind = "last"
        if self._word() in ("FIRST", "LAST") and self._word(self._next) != "PATTERN":
            kind = self._word().lower()
            self._advance()
        return AfterMatch(kind=kind, this=self._parse_pattern_name()).update_positions(start)

    def _parse_pattern_clause(self) -> list[PatternVariable]:
        self._require_word("PATTERN")
        self._require(TokenType.L_PAREN, "(")
        return self._parse_pattern_group()

    def _parse_pattern_group(self) -> list[PatternVariable]:
        """The variables up to the closing parenthesis, which is taken too."""
        variables: list[PatternVariable] = []
        while not self._match(TokenType.R_PAREN):
            variables += self._parse_pattern_factor()
        if not variables:
            raise SyntaxFailure("a pattern needs a variable", self._prev)
        return variables

    def _parse_pattern_factor(self) -> list[PatternVariable]:
        """One variable or a group in parentheses, with its quantifier."""
        token = self._curr
        self._refuse_pattern_operator(token)
        if self._match(TokenType.L_PAREN):
            variables = self._parse_pattern_group()
        else:
            name = self._parse_pattern_name()
            variables = [PatternVariable(this=name, quantifier="", minimum=1, maximum=1).update_positions(token)]
        start = self._curr
        quantifier = self._parse_quantifier()
        if quantifier is None:
            return variables
        if len(variables) > 1 or variables[0].args["quantifier"]:
            self.refuse("a quantifier of a group of pattern variables is not supported", self._span_from(start))
        written, minimum, maximum = quantifier
        variables[0].set("quantifier", written)
        variables[0].set("minimum", minimum)
        variables[0].set("maximum", maximum)
        variables[0].set("reluctant", self._match(TokenType.PLACEHOLDER))
        return variables

    def _parse_pattern_name(self) -> exp.Identifier:
        name: Any = self._parse_id_var(any_token=False)
        if name is None:
            self.fail("a pattern variable")
        return name  # type: ignore[no-any-return]

    def _parse_quantifier(self) -> tuple[str, int, int | None] | None:
        for token, meaning in _QUANTIFIERS.items():
            if self._match(token):
                return meaning
        start = self._curr
        if start.token_type == TokenType.L_BRACE and self._next.token_type == TokenType.DASH:
            self._refuse_pattern_operator(start)
        if not self._match(TokenType.L_BRACE):
            return None
        minimum = self._parse_count()
        maximum = minimum
        if self._match(TokenType.COMMA):
            if minimum is None:
                self.refuse("a quantifier without a least number of rows is not supported", start, "write {0,n}")
            maximum = self._parse_count()
        elif minimum is None:
            self.fail("a number of rows")
        self._require(TokenType.R_BRACE, "}")
        assert minimum is not None, "both ways without one were refused"
        if maximum is not None and (maximum < max(minimum, 1)):
            self.refuse("this quantifier takes no rows", self._span_from(start), "it needs a greatest number above 0")
        written = f"{{{minimum}}}" if minimum == maximum else f"{{{minimum},{'' if maximum is None else maximum}}}"
        return written, minimum, maximum

    def _parse_count(self) -> int | None:
        token = self._curr
        if not self._match(TokenType.NUMBER):
            return None
        if not token.text.isdecimal():
            raise SyntaxFailure("a number of rows is a whole number", token)
        return int(token.text)

    def _refuse_pattern_operator(self, token: Token) -> None:
        """Everything of the standard's pattern language that Flink does not run either, by its name."""
        if token.token_type in (TokenType.PIPE, TokenType.DPIPE):
            self.refuse("alternatives ( | ) in PATTERN are not supported", token)
        if token.token_type == TokenType.L_BRACE:
            self.refuse("exclusions ( {- -} ) in PATTERN are not supported", token)
        if token.text in _ANCHORS:
            self.refuse(f"anchoring a pattern at {_ANCHORS[token.text]} ( {token.text} ) is not supported", token)
        if self._word(token) == "PERMUTE" and self._next.token_type == TokenType.L_PAREN:
            self.refuse("PERMUTE in PATTERN is not supported", token)

    def _parse_definition(self) -> exp.Alias:
        name = self._parse_pattern_name()
        self._require(TokenType.ALIAS, "AS")
        return exp.Alias(this=self._require_expression(), alias=name)

    def _parse_type(self, parse_interval: bool = True, fallback_to_identifier: bool = False) -> Any:
        start, word = self._curr, self._word()
        if word in ("FINAL", "RUNNING") and self._next.token_type == TokenType.VAR and self._calls_at(self._index + 1):
            self._advance()
            call = super()._parse_type(parse_interval, fallback_to_identifier)
            return Semantics(kind=word, this=call).update_positions(start)
        return super()._parse_type(parse_interval, fallback_to_identifier)

    def _calls_at(self, index: int) -> bool:
        """Whether the word at `index` is followed by a parenthesis."""
        return index + 1 < self._tokens_size and self._tokens[index + 1].token_type == TokenType.L_PAREN
