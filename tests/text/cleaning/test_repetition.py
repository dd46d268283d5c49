"""Gopher's shares, against a plain reading of the rules, one word after the other, and against datatrove's filter."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskwright.text.cleaning.ngrams import ngram_hashes, units
from maskwright.text.cleaning.repetition import (
    REPEATED_NGRAMS,
    TOP_NGRAM,
    Words,
    covered,
    lines_that_stood_before,
    repeated_ngrams,
    stood_before,
    too_repetitive,
    top_ngram,
)
from maskwright.text.samples import sample

WORDS = st.lists(st.sampled_from(["a", "bb", "ccc", "一", "二"]), max_size=60)
SIZES = st.sampled_from([*TOP_NGRAM, *REPEATED_NGRAMS])


def joined(words: list[str], n: int, joint: str) -> list[str]:
    return [joint.join(words[begin : begin + n]) for begin in range(len(words) - n + 1)]


@given(WORDS, SIZES)
def test_the_ngram_that_occurs_most(words: list[str], n: int) -> None:
    counts = Counter(tuple(words[begin : begin + n]) for begin in range(len(words) - n + 1))
    if not counts:
        return
    gram, count = counts.most_common(1)[0]
    found = Words.of(words)
    for blanks, joint in ((True, " "), (False, "")):
        characters = top_ngram(ngram_hashes(found.hashes, n), found.lengths, n, blanks=blanks)
        assert characters == (len(joint.join(gram)) * count if count > 1 else 0)


@given(WORDS, SIZES)
def test_ngrams_that_stood_before(words: list[str], n: int) -> None:
    met: set[tuple[str, ...]] = set()
    expected = place = 0
    while place + n <= len(words):
        gram = tuple(words[place : place + n])
        if gram in met:
            expected += len("".join(gram))
            place += n
        else:
            met.add(gram)
            place += 1
    found = Words.of(words)
    grams = ngram_hashes(found.hashes, n)
    again = stood_before(grams)
    assert repeated_ngrams(grams, again, found.lengths, n) == expected <= covered(again, found.lengths, n)
    longer = ngram_hashes(found.hashes, n + 1)
    assert covered(stood_before(longer), found.lengths, n + 1) <= covered(again, found.lengths, n)


@given(st.lists(st.sampled_from(["one", "two", "three", "四"]), min_size=1))
def test_lines_that_stood_before(lines: list[str]) -> None:
    again = [line for place, line in enumerate(lines) if line in lines[:place]]
    assert lines_that_stood_before(lines) == (len(again), sum(map(len, again)))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_chapter_of_the_samples_is_repetitive(language: str) -> None:
    assert [document.title for document in sample(language) if too_repetitive(document.sentences, language)] == []


@pytest.mark.parametrize(
    ("lines", "language", "fault"),
    [
        (["Home", "About", "It rained all day."] * 3, "en", "of the lines stood before"),
        (["x" * 300, "Short.", "One more.", "And more.", "x" * 300], "en", "lines that stood before"),
        (["buy now and " * 9 + "it will be there by tomorrow morning"], "en", "the 2-gram that occurs most"),
        (["买一送一" * 9 + "，先到先得。"], "zh", "the 4-gram that occurs most"),
        (
            [
                " ".join(f"w{i} x{i} y{i} z{i} terms and conditions of sale apply to all orders" for i in range(9)),
            ],
            "en",
            "-gram",
        ),
    ],
)
def test_repetitive_documents_are_named(lines: list[str], language: str, fault: str) -> None:
    assert fault in (too_repetitive(lines, language) or "")


@pytest.mark.parametrize("lines", [["One."], ["It rained."], ["好。"], ["预测下一个词。"]])
def test_a_short_document_is_not_repetitive(lines: list[str]) -> None:
    assert too_repetitive(lines, "en") is None


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_shares_are_datatroves(language: str) -> None:
    """Its own functions on our words, for chapters with a passage pasted in again and again."""
    theirs = pytest.importorskip("datatrove.pipeline.filters.gopher_repetition_filter")
    for number, document in enumerate(sample(language)[::12]):
        passage = "\n".join(document.sentences[:40])
        words = units("\n".join([passage] + [passage[: 50 * number]] * 3))
        found = Words.of(words)
        for n in TOP_NGRAM:
            characters = top_ngram(ngram_hashes(found.hashes, n), found.lengths, n, blanks=True)
            assert characters == theirs.find_top_duplicate(theirs.get_n_grams(words, n))
        for n in REPEATED_NGRAMS:
            grams = ngram_hashes(found.hashes, n)
            assert repeated_ngrams(grams, stood_before(grams), found.lengths, n) == theirs.find_all_duplicate(words, n)
        assert lines_that_stood_before(document.sentences) == theirs.find_duplicates(list(document.sentences))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_documents_are_dropped_as_datatrove_drops_them(language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a passage repeated more and more often, and phrases of all lengths said again after each sentence."""
    theirs = pytest.importorskip("datatrove.pipeline.filters.gopher_repetition_filter")
    data = pytest.importorskip("datatrove.data")
    monkeypatch.setattr(theirs, "split_into_words", lambda text, language: units(text))
    gopher = theirs.GopherRepetitionFilter()
    faults = Counter[str | None]()
    for number, document in enumerate(sample(language)[::6]):
        phrase = units(document.sentences[-1])[: 2 + number % 12]
        joint = "" if language == "zh" else " "
        lines = [line + joint + joint.join(phrase) * (number % 3) for line in document.sentences[:60]]
        lines += lines[: number % 25]
        answer = gopher.filter(data.Document(text="\n".join(lines), id="1"))
        fault = too_repetitive(lines, "en")  # datatrove: blanks between words, and a unit a word, in every language
        assert (fault is None) == (answer is True)
        faults[fault and fault.split(" ")[-1]] += 1
    assert len(faults) >= 4, faults


def test_equal_words_have_equal_hashes_and_others_have_not() -> None:
    words = units(" ".join(document.sentences[0] for document in sample("en")))
    hashes = Words.of(words).hashes
    assert len(np.unique(hashes)) == len(set(words))
