"""Repair of what was decoded wrongly; what was not wrong stays as it is."""

import sys

import pytest

from maskwright.errors import BadInput
from maskwright.text.cleaning.mojibake import repairer
from maskwright.text.samples import sample

SENTENCES = {
    "en": "“It’s a café”, he said — naïvely…",
    "zh": "使用语言模型来预测下一个词。",
    "de": "Übrigens: schöne Grüße aus Köln!",
}


@pytest.mark.parametrize("encoding", ["latin-1", "sloppy-windows-1252"])
@pytest.mark.parametrize("language", SENTENCES)
@pytest.mark.parametrize("times", [1, 2])
def test_utf8_read_as_a_single_byte_encoding_comes_back(encoding: str, language: str, times: int) -> None:
    import ftfy  # registers the sloppy encodings, which decode any byte

    text = broken = SENTENCES[language]
    assert ftfy
    for _ in range(times):
        broken = broken.encode().decode(encoding)
    assert broken != text
    assert repairer()(broken) == text


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_samples_are_left_alone(language: str) -> None:
    repaired = repairer()
    for document in sample(language):
        text = "\n".join(document.sentences)
        assert repaired(text) == text


def test_nothing_but_the_encoding_is_repaired() -> None:
    text = "“curly” ﬁ ＢＥＲＴ &amp; e\u0301 \u200b\x1b[31m 浣犲ソ"
    assert repairer()(text) == text


def test_a_broken_line_among_sound_ones_is_repaired_alone() -> None:
    assert repairer()("Voilà.\nschÃ¶n\n语言。") == "Voilà.\nschön\n语言。"


def test_without_ftfy_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ftfy", None)
    with pytest.raises(BadInput, match=r"pip install 'maskwright\[clean\]'"):
        repairer()
