"""Expressions of a program that put a text together: literals, what stands between them, and what is called on them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from velo_import.inputs.programs.literals import Hole, Known, Part, fields, joined, parts_of, printf
from velo_import.inputs.programs.tokens import Language, tokens_of

_SAME = frozenset({"strip", "trim", "stripMargin", "stripIndent", "strip_indent", "toString", "encode"})
"""Methods that leave the meaning of SQL as it is."""
_NAME = re.compile(r"[^\W\d]\w*(?:\s*\.\s*[^\W\d]\w*)*\Z")
_DEEPEST = 50
"""Brackets within brackets that are looked into for text."""
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?\Z")


@dataclass(frozen=True, slots=True)
class Chain:
    """Operands that are joined, as the indices `start` to `end` (exclusive) of a program's tokens."""

    start: int
    end: int
    operands: tuple[tuple[int, int], ...]
    has_literal: bool


class Program:
    """A program, and the texts that are put together in it."""

    def __init__(self, text: str, language: Language) -> None:
        self.text = text
        self.language = language
        self.tokens = tokens_of(text, language)
        self.used: set[str] = set()
        """Constants whose text became a part of another one."""
        self._constants = self._assigned()
        self._open: set[str] = set()

    def chains(self) -> Iterator[Chain]:
        """The longest expressions with a literal in them, in order; those in arguments of calls, too."""
        index = 0
        while index < len(self.tokens):
            chain = self._chain(index) if self._may_start(index) else None
            if chain is not None and chain.has_literal:
                yield chain
            index += 1

    def is_in_place(self, name: str) -> bool:
        """Whether pieces are added to the text of a variable later."""
        return bool(re.search(rf"\b{re.escape(name)}\s*(?:\+=|\.\s*append\b)", self.text))

    def name_of(self, chain: Chain) -> str | None:
        """The variable that an expression is assigned to."""
        at = chain.start - 1
        while at > 0 and self.tokens[at].text == "(" and self.tokens[at - 1].text in ("=", "+=", "("):
            at -= 1
        if at < 1 or self.tokens[at].text not in ("=", "+="):
            return None
        return self._target(at)

    def callees(self, chain: Chain) -> Iterator[str]:
        """The names of the functions in whose arguments an expression stands, the innermost first."""
        depth = self.tokens[chain.start].depth
        for at in range(chain.start - 1, 0, -1):
            token = self.tokens[at]
            if token.text in (";", "{", "}"):
                return
            if token.text in ("(", "[") and token.depth < depth:
                depth = token.depth
                if token.text == "(" and self.tokens[at - 1].kind == "name":
                    yield self.tokens[at - 1].text
            if depth == 0:
                return

    def parts(self, chain: Chain, *, has_margin: bool = False) -> list[Part]:
        """The text that an expression makes. `has_margin`: Scala's stripMargin is called on it."""
        found: list[Part] = []
        for start, end in chain.operands:
            found += self._operand(start, end, has_margin=has_margin)
        return joined(self._formatted(chain, found))

    def values_of(self, written: str, at: int) -> list[Part]:
        """What an expression stands for: the text of a constant, or a hole."""
        written = written.strip()
        if _NUMBER.match(written):
            return [Known(written, (at,) * len(written))]
        if _NAME.match(written):
            owner, _, name = re.sub(r"\s", "", written).rpartition(".")
            if not owner or owner in ("this", "self", "cls") or owner[0].isupper():
                known = self._constant(name)
                if known is not None:
                    self.used.add(name)
                    return [Known(known, (at,) * len(known))]
        return [Hole(written, at)]

    # --- reading ---

    def _may_start(self, index: int) -> bool:
        token, before = self.tokens[index], self.tokens[index - 1] if index else None
        if token.kind == "mark":
            is_call = before is not None and (before.kind == "name" or before.text in (")", "]"))
            return token.text == "(" and not is_call
        if before is not None and before.text in (".", "+"):
            return False
        return not (self._is_adjacent(index) and token.kind == "literal")

    def _is_adjacent(self, index: int) -> bool:
        """Whether a literal of Python stands before, which is one with what stands here."""
        return self.language is Language.PYTHON and index > 0 and self.tokens[index - 1].kind == "literal"

    def _chain(self, index: int) -> Chain | None:
        operands: list[tuple[int, int]] = []
        end = index
        while end < len(self.tokens):
            after = self._operand_end(end)
            if after is None:
                break
            operands.append((end, after))
            end = after
            if end >= len(self.tokens) or self.tokens[end].text != "+":
                break
            end += 1
        if not operands:
            return None
        has_literal = any(self.tokens[at].kind == "literal" or self._bracketed(at) for at, _ in operands)
        return Chain(index, operands[-1][1], tuple(operands), has_literal)

    def _bracketed(self, index: int) -> Chain | None:
        """The chain with literals that fills the brackets that open here."""
        opening = self.tokens[index]
        if opening.text != "(" or opening.closing is None or opening.depth > _DEEPEST:
            return None
        chain = self._chain(index + 1)
        return chain if chain is not None and chain.has_literal and chain.end == opening.closing else None

    def _operand_end(self, index: int) -> int | None:
        """Behind an operand, with what is called on it."""
        token = self.tokens[index]
        end = index + 1
        if token.kind == "mark":
            if token.text != "(" or token.closing is None:
                return None
            end = token.closing + 1
        while token.kind == "literal" and end < len(self.tokens) and self.tokens[end].kind == "literal":
            if not self._is_adjacent(end):
                break
            end += 1
        while end < len(self.tokens):
            mark = self.tokens[end]
            if mark.kind != "mark":
                break
            if mark.text == "." and end + 1 < len(self.tokens) and self.tokens[end + 1].kind == "name":
                end += 2
            elif mark.text in ("(", "[") and mark.closing is not None and self.tokens[end - 1].kind != "literal":
                end = mark.closing + 1
            else:
                break
        return end

    def _operand(self, start: int, end: int, *, has_margin: bool) -> list[Part]:
        """The parts of one operand."""
        token = self.tokens[start]
        inner = self._bracketed(start)
        if token.kind != "literal" and inner is None:
            written = self.text[token.start : self.tokens[end - 1].end]
            return self.values_of(" ".join(written.split()), token.start)
        at = start + 1 if inner is None else inner.end + 1
        while inner is None and at < end and self.tokens[at].kind == "literal":
            at += 1
        has_margin |= any(one.text == "stripMargin" for one in self.tokens[at:end])
        parts: list[Part] = []
        if inner is not None:
            parts = self.parts(inner, has_margin=has_margin)
        else:
            for literal in self.tokens[start:at]:
                parts += self._filled(parts_of(literal, self.text, self.language, has_margin=has_margin))
        return self._called_on(parts, at, end)

    def _called_on(self, parts: list[Part], at: int, end: int) -> list[Part]:
        """A text after the methods that are called on it."""
        while at < end:
            if self.tokens[at].text != ".":
                return [
                    *parts,
                    Hole(self.text[self.tokens[at].start : self.tokens[end - 1].end], self.tokens[at].start),
                ]
            name = self.tokens[at + 1]
            opening = at + 2 if at + 2 < end and self.tokens[at + 2].text == "(" else None
            closing = self.tokens[opening].closing if opening is not None else None
            if name.text in ("format", "formatted") and opening is not None and closing is not None:
                parts = self._with_arguments(parts, self._arguments(opening + 1, closing), name.text)
            elif name.text not in _SAME:
                parts = [*parts, Hole(f".{name.text}(…)", name.start)]
            at = closing + 1 if closing is not None else at + 2
        return parts

    def _filled(self, parts: list[Part]) -> list[Part]:
        """With the texts of constants in place of their names."""
        return [
            one
            for part in parts
            for one in (self.values_of(part.written, part.at) if isinstance(part, Hole) else [part])
        ]

    def _with_arguments(self, parts: list[Part], arguments: dict[str, str], method: str) -> list[Part]:
        def values(key: str, at: int) -> list[Part] | None:
            return self._of(arguments, key, at)

        if method == "format" and self.language is Language.PYTHON:
            return fields(parts, values)
        return printf(parts, values, python=self.language is Language.PYTHON)

    def _value(self, written: str, at: int) -> list[Part]:
        """What an argument stands for; a literal is text."""
        inner = Program(written, self.language) if written[:1] in "\"'" else None
        if inner is not None and len(inner.tokens) == 1 and inner.tokens[0].kind == "literal":
            read = joined(parts_of(inner.tokens[0], written, self.language, has_margin=False))
            return [Known(one.text, (at,) * len(one.text)) for one in read if isinstance(one, Known)]
        return self.values_of(written, at)

    def _formatted(self, chain: Chain, parts: list[Part]) -> list[Part]:
        """With the values of `String.format(…, a, b)`, and of `… % (a, b)` in Python."""
        before = [token.text for token in self.tokens[max(chain.start - 2, 0) : chain.start]]
        following = self.tokens[chain.end] if chain.end < len(self.tokens) else None
        if before == ["format", "("] and self.language is not Language.PYTHON:
            closing = self.tokens[chain.start - 1].closing
            if closing is not None:
                arguments = self._arguments(chain.end + 1, closing) if chain.end < closing else {}
                return printf(parts, lambda key, at: self._of(arguments, key, at), python=False)
        if self.language is Language.PYTHON and following is not None and following.text == "%":
            arguments = self._operands_of_percent(chain.end + 1)
            return printf(parts, lambda key, at: self._of(arguments, key, at), python=True)
        return parts

    def _of(self, arguments: dict[str, str], key: str, at: int) -> list[Part] | None:
        return self._value(arguments[key], at) if key in arguments else None

    def _operands_of_percent(self, index: int) -> dict[str, str]:
        if index >= len(self.tokens):
            return {}
        opening = self.tokens[index]
        if opening.text == "(" and opening.closing is not None:
            return self._arguments(index + 1, opening.closing)
        if opening.text == "{" and opening.closing is not None:
            return self._arguments(index + 1, opening.closing, mark=":")
        end = self._operand_end(index)
        return {} if end is None else {"0": self.text[opening.start : self.tokens[end - 1].end]}

    def _arguments(self, start: int, end: int, *, mark: str = "=") -> dict[str, str]:
        """The arguments that stand between two tokens, by number or by name."""
        found: dict[str, str] = {}
        first = start
        index = start
        while index <= end:
            token = self.tokens[index]
            if index == end or (token.kind == "mark" and token.text == ","):
                if first < index:
                    named = index - first > 2 and self.tokens[first + 1].text == mark
                    key = self.tokens[first].text.strip("\"'") if named else str(len(found))
                    at = self.tokens[first + 2 if named else first].start
                    found[key] = self.text[at : self.tokens[index - 1].end]
                first = index + 1
            elif token.closing is not None:
                index = token.closing
            index += 1
        return found

    # --- constants ---

    def _assigned(self) -> dict[str, int | None]:
        """Names to the tokens of their only values; None for those that are assigned twice, or are parameters, too."""
        found: dict[str, int | None] = {}
        for at, token in enumerate(self.tokens):
            if token.kind != "mark" or token.text not in ("=", "+=") or token.depth or at + 1 >= len(self.tokens):
                continue
            name = self._target(at)
            if name is not None:
                found[name] = at + 1 if name not in found and token.text == "=" else None
        return {name: at if not self._is_parameter(name) else None for name, at in found.items()}

    def _target(self, at: int) -> str | None:
        """The name that stands before an equals sign, also with its type behind a colon."""
        name = self.tokens[at - 1] if at else None
        if at > 2 and self.tokens[at - 2].text == ":":
            name = self.tokens[at - 3]
        return name.text if name is not None and name.kind == "name" else None

    def _is_parameter(self, name: str) -> bool:
        word = re.escape(name)
        if self.language is Language.PYTHON:
            pattern = rf"\bdef\s+\w+\s*\([^)]*\b{word}\b|\bfor\s+[^:\n]*\b{word}\b[^:\n]*\bin\b|\bas\s+{word}\b"
        elif self.language is Language.SCALA:
            pattern = rf"[(,]\s*{word}\s*:"
        else:
            pattern = rf"[\w>\]]\s+{word}\s*[,):]"
        return re.search(pattern, self.text) is not None

    def _constant(self, name: str) -> str | None:
        """The text of a constant; None when it is not known."""
        at = self._constants.get(name)
        if at is None or name in self._open:
            return None
        if self.tokens[at].kind == "number":
            number = self.tokens[at].text.rstrip("LlFfDd").replace("_", "")
            return number if _NUMBER.match(number) and self._ends(at + 1) else None
        chain = self._chain(at)
        if chain is None or not chain.has_literal or not self._ends(chain.end):
            return None
        self._open.add(name)
        try:
            parts = self.parts(chain)
        finally:
            self._open.discard(name)
        return parts[0].text if len(parts) == 1 and isinstance(parts[0], Known) else None

    def _ends(self, index: int) -> bool:
        """Whether an expression ends before a token: with a semicolon, or with its line."""
        if index >= len(self.tokens):
            return True
        token = self.tokens[index]
        between = self.text[self.tokens[index - 1].end : token.start]
        return token.text in (";", "}") or ("\n" in between and token.text not in (".", "+", "?", "%"))
