"""Sentences against cases judged by hand, and the promises that hold for any text."""

import re
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskwright.errors import BadInput
from maskwright.text import sentences
from maskwright.text.samples import sample
from maskwright.text.sentences import split_sentences


def cases(name: str, mark: str, joint: str) -> list[tuple[str, list[str]]]:
    lines = Path(__file__).with_name(name).read_text(encoding="utf-8").splitlines()
    parts = [line.split(mark) for line in lines if line and not line.startswith("#")]
    return [(joint.join(part), [sentence.strip() for sentence in part]) for part in parts]


ENGLISH = cases("english_sentences.txt", " | ", " ")
CHINESE = cases("chinese_sentences.txt", "|", "")


def test_there_are_enough_cases() -> None:
    assert len(ENGLISH) >= 60 and len(CHINESE) >= 40


@pytest.mark.parametrize(("text", "expected"), ENGLISH)
def test_english(text: str, expected: list[str]) -> None:
    assert split_sentences(text, "en") == expected


@pytest.mark.parametrize(("text", "expected"), CHINESE)
def test_chinese(text: str, expected: list[str]) -> None:
    assert split_sentences(text, "zh") == expected


def test_an_empty_line_ends_a_sentence_and_a_single_break_does_not() -> None:
    assert split_sentences("a heading\n \nIt rained\nall day.\r\n\r\nEnd", "en") == [
        "a heading",
        "It rained\nall day.",
        "End",
    ]


@pytest.mark.parametrize("blank", ["", " ", "\n\n \t\u3000\n"])
def test_nothing_has_no_sentences(blank: str) -> None:
    assert split_sentences(blank, "en") == []


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(BadInput, match="'fr' is not known.* en and zh"):
        split_sentences("Bonjour.", "fr")


PIECES = st.sampled_from(
    [
        "Mr.",
        "No",
        "U.S.",
        "e.g.",
        "said",
        "He",
        "I",
        "5",
        "3.14",
        "他",
        "走了",
        "a",
        "A",
        " ",
        "  ",
        "\n",
        "\n\n",
        "\u3000",
    ]
    + list(".!?…。！？；：，、,;:\"'“”‘’()（）[]《》「」『』-—_*·$é１．")
)


@given(st.one_of(st.text(), st.lists(PIECES).map("".join)), st.sampled_from(["en", "zh"]))
def test_only_white_space_between_sentences_is_lost(text: str, language: str) -> None:
    found = split_sentences(text, language)
    assert "".join("".join(found).split()) == "".join(text.split())
    at = 0
    for sentence in found:
        assert sentence and sentence == sentence.strip()
        begin = text.index(sentence, at)
        assert not text[at:begin].strip()
        at = begin + len(sentence)
    assert not text[at:].strip()


@given(st.lists(PIECES).map("".join), st.sampled_from(["en", "zh"]))
def test_paragraphs_are_split_each_for_itself(text: str, language: str) -> None:
    alone = [sentence for part in re.split(r"\n\s*\n", text) for sentence in split_sentences(part, language)]
    assert split_sentences(text, language) == alone


@pytest.mark.parametrize(
    "unit",
    ["."]
    + [". ", "A. ", "A.--", ".-", "《", "《a！", "。”", '."', '"(', "\n ", " .\n", "Mr. A", "…」", "?!", "a.b", "．１"],
)
def test_the_work_grows_as_the_text_does(unit: str) -> None:
    """Bytecode lines run are counted, not time; the scanner is held by finishing at all on megabytes of one mark."""
    run = 0

    def count(frame: object, event: str, argument: object) -> object:
        nonlocal run
        run += event == "line"
        return count

    work: list[int] = []
    for times in (200, 400, 800):
        run = 0
        previous = sys.gettrace()
        sys.settrace(count)  # type: ignore[arg-type]
        try:
            sentences._split_paragraph(unit * times)
        finally:
            sys.settrace(previous)
        work.append(run)
    assert work[2] - work[1] <= 2.2 * (work[1] - work[0]) + 100
    assert "".join("".join(split_sentences(unit * 300_000, "en")).split()) == "".join((unit * 300_000).split())


def test_ten_megabytes_of_dots_are_one_sentence() -> None:
    dots = "." * 10_000_000
    assert split_sentences(dots, "en") == [dots]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_samples_are_split_as_this_splitter_splits(language: str) -> None:
    """A sentence of the samples is not split further: their paragraphs were cut by these very rules.

    What was cut at the end of a paragraph can look unfinished, but never holds an end inside.
    """
    for document in sample(language):
        for sentence in document.sentences:
            assert split_sentences(sentence, language) == [sentence]
