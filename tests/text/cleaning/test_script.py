"""Traditional and simplified, there and back on a real book."""

import sys

import pytest

from maskwright.errors import BadInput
from maskwright.text.cleaning.script import converter
from maskwright.text.samples import sample

TEXT = "".join("".join(document.sentences) for document in sample("zh")[:5])


def changed(one: str, other: str) -> float:
    return sum(a != b for a, b in zip(one, other, strict=True)) / len(one)


def test_a_simplified_book_stays_as_it_is_but_for_a_few_names() -> None:
    """Those of people, such as 綝, and 乾, which is simplified in some of its meanings only."""
    assert changed(TEXT, converter("simplified")(TEXT)) < 0.002


def test_there_and_back_is_nearly_the_same_book() -> None:
    traditional = converter("traditional")(TEXT)
    assert changed(TEXT, traditional) > 0.1
    assert changed(TEXT, converter("simplified")(traditional)) < 0.002


def test_one_simplified_character_has_several_traditional_ones() -> None:
    assert converter("traditional")("头发 发现 皇后 以后 干燥 干部") == "頭髮 發現 皇后 以後 乾燥 幹部"


def test_other_text_stays() -> None:
    text = "Mask 15 % of it. Voilà! プログラム\n第二行"
    assert converter("simplified")(text) == text


def test_halves_of_surrogate_pairs_and_nul_stay_where_they_are() -> None:
    assert converter("simplified")("語\ud800言\udfff\udfff\0語") == "语\ud800言\udfff\udfff\0语"


def test_without_opencc_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opencc", None)
    with pytest.raises(BadInput, match=r"pip install 'maskwright\[clean\]'"):
        converter("simplified")
