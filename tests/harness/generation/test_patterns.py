"""Texts drawn from a regular expression match it, and every part of it comes."""

import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from velo_engine.errors import ErrorCode, VeloError
from velo_harness.generation.patterns import matching

PATTERNS = [
    "CUST-[0-9]{6}",
    "[A-Z]{3,5}",
    "a*b+c?",
    "(foo|bar|)-x",
    "^\\d{4}-\\w+\\s.$",
    "[^abc]{10}",
    "[^\\d]x",
    "(?:ab){2,3}?",
    "(?P<year>19|20)[0-9]{2}",
    "[äöü]{2}ß",
    "\\$[1-9]\\d{0,3}\\.\\d\\d",
    "(a(b(c|d)){2}){0,2}",
    "[\\w.-]+@[a-z]+\\.(com|org)",
    "\\S\\D\\W",
    "x{3}",
    "",
    "(?:)",
    ".{0,20}",
    "a++b",
    "(?>ab)c",
    "[\\u4e00-\\u4e20]{3}",
]


def draw(pattern, n=300, seed=1):
    return matching(np.random.default_rng(seed), n, pattern).to_pylist()


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_text_matches(pattern):
    texts = draw(pattern)
    assert len(texts) == 300
    assert [text for text in texts if not re.fullmatch(pattern, text)] == []


def test_every_alternative_and_repetition_comes():
    assert set(draw("(a|b){0,2}")) == {"", "a", "b", "aa", "ab", "ba", "bb"}
    assert {len(text) for text in draw("x{2,5}")} == {2, 3, 4, 5}


def test_classes_are_even_whatever_their_spelling():
    counts = Counter(draw("[aab-d]", 40_000))
    assert set(counts) == set("abcd")
    assert sum((count - 10_000) ** 2 / 10_000 for count in counts.values()) < 16.3


def test_no_texts():
    assert draw("[a-z]+", 0) == []


@pytest.mark.parametrize("pattern", ["(a)\\1", "a(?=b)", "a(?!b)", "\\bword", "(a)?(?(1)b|c)"])
def test_what_cannot_be_generated_is_refused(pattern):
    with pytest.raises(VeloError) as caught:
        draw(pattern)
    assert caught.value.code is ErrorCode.NOT_YET_SUPPORTED
    assert pattern in caught.value.message


def test_a_pattern_that_explodes_is_refused():
    with pytest.raises(VeloError, match="the most"):
        draw("(((a{100}){100}){100}){100}")


parts = st.recursive(
    st.sampled_from(["a", "[0-9]", "\\d", "\\w", ".", "[^x]", "-", "\\.", "é"]),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]}|{pair[1]})"),
        st.tuples(inner, st.sampled_from(["?", "*", "+", "{2}", "{1,3}"])).map(lambda pair: f"(?:{pair[0]}){pair[1]}"),
    ),
    max_leaves=4,
)


@settings(max_examples=100, deadline=None)
@given(parts, st.integers(0, 2**32))
def test_any_expression_of_the_supported_parts_is_matched(pattern, seed):
    assert all(re.fullmatch(pattern, text) for text in draw(pattern, 20, seed))
