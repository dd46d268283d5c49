"""Widths, against Unicode's compatibility mappings."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskwright.text.cleaning.width import one_width

BLOCK = [chr(point) for point in range(0xFF00, 0xFFF0) if unicodedata.category(chr(point)) != "Cn"]
# NFKC takes these further apart: a macron into a space and a mark, old Hangul letters into new ones.
TAKEN_APART = {"\uffe3"} | {c for c in BLOCK if "\uffa0" <= c <= "\uffdc"}


@pytest.mark.parametrize("character", BLOCK)
def test_all_is_nfkc_in_this_block(character: str) -> None:
    if character not in TAKEN_APART:
        assert one_width("all")(character) == unicodedata.normalize("NFKC", character)
    else:
        assert unicodedata.normalize("NFKC", one_width("all")(character)) == unicodedata.normalize("NFKC", character)


@pytest.mark.parametrize("character", BLOCK)
def test_letters_leaves_chinese_marks_and_nothing_else(character: str) -> None:
    expected = character if character in "！（），：；？［］｛｝～" else one_width("all")(character)
    assert one_width("letters")(character) == expected


def test_kana_and_their_sound_marks_become_one_character() -> None:
    halves = "ｶﾞｷﾞﾊﾟﾋﾟｳﾞｱｲｳ"
    assert one_width("letters")(halves) == unicodedata.normalize("NFKC", halves) == "ガギパピヴアイウ"


@pytest.mark.parametrize("mode", ["letters", "all"])
def test_chinese_punctuation_that_is_no_form_of_ascii_stays(mode: str) -> None:
    text = "。、《》“”…—「」·【】"
    assert one_width(mode)(text) == text  # type: ignore[arg-type]


@given(st.text(st.sampled_from("ＡｂC１2，。！ｶﾞﾊﾟ～\n语")), st.sampled_from(["letters", "all"]))
def test_doing_it_twice_changes_nothing_more(text: str, mode: str) -> None:
    once = one_width(mode)(text)  # type: ignore[arg-type]
    assert one_width(mode)(once) == once  # type: ignore[arg-type]
