"""Languages: the samples are found to be what they are, Article 1 of the Declaration of Human Rights too."""

import sys

import pytest

from maskwright.errors import BadInput
from maskwright.text.cleaning.language import TOO_SHORT, language_judge
from maskwright.text.samples import sample

OTHERS = {
    "de": "Alle Menschen sind frei und gleich an Würde und Rechten geboren. Sie sind mit Vernunft und Gewissen begabt "
    "und sollen einander im Geist der Brüderlichkeit begegnen.",
    "fr": "Tous les êtres humains naissent libres et égaux en dignité et en droits. Ils sont doués de raison et de "
    "conscience et doivent agir les uns envers les autres dans un esprit de fraternité.",
    "es": "Todos los seres humanos nacen libres e iguales en dignidad y derechos y, dotados como están de razón y "
    "conciencia, deben comportarse fraternalmente los unos con los otros.",
    "nl": "Alle mensen worden vrij en gelijk in waardigheid en rechten geboren. Zij zijn begiftigd met verstand en "
    "geweten, en behoren zich jegens elkander in een geest van broederschap te gedragen.",
    "ru": "Все люди рождаются свободными и равными в своем достоинстве и правах. Они наделены разумом и совестью и "
    "должны поступать в отношении друг друга в духе братства.",
    "ja": "すべての人間は、生れながらにして自由であり、かつ、尊厳と権利とについて平等である。人間は、理性と良心とを"
    "授けられており、互いに同胞の精神をもって行動しなければならない。",
    "ko": "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다. 인간은 천부적으로 이성과 양심을 "
    "부여받았으며 서로 형제애의 정신으로 행동하여야 한다.",
}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_chapter_of_the_samples_is_in_its_language(language: str) -> None:
    judge = language_judge(language)
    assert [document.title for document in sample(language) if judge("\n".join(document.sentences)) is not None] == []


@pytest.mark.parametrize("language", ["en", "zh"])
def test_of_the_lines_that_are_judged_hardly_one_is_lost(language: str) -> None:
    judge = language_judge(language)
    lines = [line for document in sample(language)[::10] for line in document.sentences]
    judged = [line for line in lines if len(line) >= TOO_SHORT[language]]
    assert sum(judge(line) is not None for line in judged) < 0.01 * len(judged)


@pytest.mark.parametrize("found", OTHERS)
@pytest.mark.parametrize("wanted", ["en", "zh"])
def test_other_languages_are_told_apart(found: str, wanted: str) -> None:
    fault = language_judge(wanted)(OTHERS[found])
    assert fault is not None and f"it is {found} " in fault


def test_what_stands_in_the_middle_of_a_document_counts() -> None:
    english = "This eBook is for the use of anyone anywhere at no cost and with almost no restrictions. " * 12
    assert language_judge("en")(english + OTHERS["de"] * 30 + english) is not None


def test_without_py3langid_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "py3langid.langid", None)
    with pytest.raises(BadInput, match=r"pip install 'maskwright\[clean\]'"):
        language_judge("en")
