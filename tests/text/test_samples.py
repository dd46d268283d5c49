"""The sample texts: the books are whole, clean, and what their names say."""

import re
from collections import Counter
from importlib.resources import files

import pytest

from maskwright.errors import BadInput
from maskwright.text.samples import sample

CHAPTERS = {
    "Sense and Sensibility": 50,
    "Pride and Prejudice": 61,
    "Mansfield Park": 48,
    "Emma": 55,
    "Northanger Abbey": 31,
    "Persuasion": 24,
}


def test_six_novels_with_all_their_chapters() -> None:
    documents = sample("en")
    assert Counter(document.part for document in documents) == CHAPTERS
    assert len({document.title for document in documents}) == sum(CHAPTERS.values())
    assert "Emma, Volume I, Chapter I" in {document.title for document in documents}
    assert all(document.title.startswith(document.part + ", ") for document in documents)


def test_the_romance_has_120_chapters_in_six_parts() -> None:
    documents = sample("zh")
    assert list(Counter(document.part for document in documents).values()) == [20] * 6
    assert [document.title for document in documents[::119]] == [
        "第一回 宴桃园豪杰三结义 斩黄巾英雄首立功",
        "第一百二十回 荐杜预老将献新谋 降孙皓三分归一统",
    ]


def test_well_known_beginnings_and_endings() -> None:
    by_title = {document.title: document.sentences for document in sample("en")}
    assert by_title["Pride and Prejudice, Chapter 1"][0] == (
        "It is a truth universally acknowledged, that a single man in possession of a good fortune, must be in want "
        "of a wife."
    )
    assert by_title["Emma, Volume I, Chapter I"][0].startswith("Emma Woodhouse, handsome, clever, and rich,")
    assert by_title["Northanger Abbey, Chapter 1"][0].startswith("No one who had ever seen Catherine Morland")
    assert by_title["Northanger Abbey, Chapter 31"][-1].endswith("or reward filial disobedience.")
    assert by_title["Persuasion, Chapter 24"][-1].endswith("than in its national importance.")
    romance = sample("zh")
    assert romance[0].sentences[6] == "话说天下大势，分久必合，合久必分。"
    assert romance[119].sentences[-1].endswith("后人凭吊空牢骚。")


@pytest.mark.parametrize(
    ("language", "odd"), [("en", r"[_*~<>{}|\\^]|CHAPTER|  |FINIS"), ("zh", r"[a-zA-Z\[\]【】□?.\s]")]
)
def test_text_is_clean(language: str, odd: str) -> None:
    sentences = [sentence for document in sample(language) for sentence in document.sentences]
    assert [sentence for sentence in sentences if re.search(odd, sentence)] == []
    assert all(sentence == sentence.strip() and sentence.isprintable() for sentence in sentences)
    assert len(sentences) > 32_000
    assert max(map(len, sentences)) < {"en": 1300, "zh": 140}[language]


def test_the_samples_are_small() -> None:
    folder = files("maskwright.text").joinpath("samples")
    assert sum(len(file.read_bytes()) for file in folder.iterdir() if file.name.endswith(".xz")) <= 3_000_000


def test_another_language_has_no_sample() -> None:
    with pytest.raises(BadInput, match="no sample text in 'fr'"):
        sample("fr")
