"""Schemes of tags: legal orders against all that spans can be written as, and the way there and back."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskwright.errors import BadInput
from maskwright.tasks.schemes import (
    SCHEMES,
    Scheme,
    Span,
    converted,
    detected,
    is_legal,
    lenient_spans,
    refuse_illegal,
    spans_of,
    tags_of,
    tags_of_words,
    words_of_tags,
)

LETTERS: dict[Scheme, str] = {"BIO": "BI", "IOB1": "BI", "BMES": "BMES", "BMESO": "BMES"}
TYPES = ("PER", "LOC")


def all_spans(length: int, begin: int = 0) -> list[list[Span]]:
    """Every set of spans that a sentence can have."""
    if begin >= length:
        return [[]]
    found = all_spans(length, begin + 1)
    for end in range(begin + 1, length + 1):
        found = found + [[Span(begin, end, kind), *rest] for kind in TYPES for rest in all_spans(length, end)]
    return found


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_legal_are_exactly_the_tags_that_spans_can_be_written_as(scheme: Scheme, length: int) -> None:
    every = all_spans(length)
    if scheme == "BMES":
        every = [spans for spans in every if sum(span.end - span.begin for span in spans) == length]
    reachable = {tags_of(spans, length, scheme): spans for spans in every}
    assert len(reachable) == len(every)
    alphabet = [f"{letter}-{kind}" for letter in LETTERS[scheme] for kind in TYPES]
    for tags in product(alphabet + ["O"] * (scheme != "BMES"), repeat=length):
        assert is_legal(tags, scheme) == (tags in reachable)
        if tags in reachable:
            assert spans_of(tags, scheme) == lenient_spans(tags) == reachable[tags]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4), st.sampled_from(TYPES)), max_size=6))
def test_every_scheme_becomes_every_other_and_comes_back(parts: list[tuple[int, int, str]]) -> None:
    spans: list[Span] = []
    end = 0
    for gap, length, kind in parts:
        spans.append(Span(end + gap, end + gap + length, kind))
        end = spans[-1].end
    with_outside: list[Scheme] = ["BIO", "IOB1", "BMESO"]
    for one, other in product(with_outside, repeat=2):
        tags = tags_of(spans, end + 1, one)
        assert converted(converted(tags, one, other), other, one) == tags
        assert spans_of(tags, one) == spans


@given(st.lists(st.text("却说曹操败走", min_size=1, max_size=5), max_size=8))
def test_words_become_tags_of_their_characters_and_come_back(words: list[str]) -> None:
    tags = tags_of_words(words)
    assert words_of_tags("".join(words), tags) == words
    assert not words or is_legal(tags, "BMES")


@given(st.lists(st.sampled_from("BMES"), max_size=8))
def test_any_tags_make_words_of_all_the_characters(tags: list[str]) -> None:
    characters = "却说曹操败走华容"[: len(tags)]
    assert "".join(words_of_tags(characters, tags)) == characters


@pytest.mark.parametrize(
    ("tags", "scheme", "message"),
    [
        (("O", "I-PER"), "BIO", "a.txt line 1: tag 2, I-PER, may not follow O in BIO"),
        (("I-PER",), "BIO", "a.txt line 1: tag 1, I-PER, may not be the first in BIO"),
        (("B-PER", "I-LOC"), "BIO", "tag 2, I-LOC, may not follow B-PER in BIO"),
        (("O", "B-PER"), "IOB1", "tag 2, B-PER, may not follow O in IOB1"),
        (("B", "S"), "BMES", "tag 2, S, may not follow B in BMES"),
        (("B-PER", "M-PER"), "BMESO", "M-PER may not be the last tag of a sentence in BMESO"),
        (("X-PER",), "BIO", "tag 1, 'X-PER', is none of BIO, whose tags are B or B-TYPE, I or I-TYPE, O"),
        (("O",), "BMES", "tag 1, 'O', is none of BMES"),
        (("O-PER",), "BIO", "tag 1, 'O-PER', is none of BIO"),
    ],
)
def test_what_is_illegal_is_named_with_its_place(tags: tuple[str, ...], scheme: Scheme, message: str) -> None:
    with pytest.raises(BadInput) as caught:
        refuse_illegal(tags, scheme, "a.txt line 1")
    assert message in str(caught.value)


def test_the_scheme_of_a_file_is_found() -> None:
    assert detected([("B-PER", "I-PER", "O"), ("O",)], "a") == "BIO"
    assert detected([("I-PER", "I-PER", "O"), ("I-PER", "B-PER")], "a") == "IOB1"
    assert detected([("B", "M", "E"), ("S",)], "a") == "BMES"
    assert detected([("B-PER", "E-PER", "O")], "a") == "BMESO"
    assert detected([("NN", "VBZ"), ("B",)], "a") is None  # parts of speech
    assert detected([("O", "O")], "a") is None
    for tags, message in (
        (("O", "B-PER", "O", "I-PER"), "a has tags of BIO in an order that it does not allow: O then I-PER"),
        (("B", "M", "B"), "a has tags of BMES in an order"),
        (("B-PER", "I-PER", "E-PER"), "a has tags with B, E, I, of no scheme known"),
    ):
        with pytest.raises(BadInput) as caught:
            detected([tags], "a")
        assert message in str(caught.value)


def test_spans_that_overlap_are_refused() -> None:
    for spans, message in (
        ([Span(0, 2, "PER"), Span(1, 3, "PER")], "span 1:3 overlaps another"),
        ([Span(0, 5, "PER")], "lies outside of its 4 words"),
        ([Span(2, 2, "PER")], "span 2:2"),
    ):
        with pytest.raises(BadInput) as caught:
            tags_of(spans, 4, "BIO")
        assert message in str(caught.value)
    with pytest.raises(BadInput, match="word 3 is in no span"):
        tags_of([Span(0, 2, "")], 4, "BMES")
