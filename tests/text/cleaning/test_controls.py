"""What is dropped, against Unicode's own categories and BERT's normalizer."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st
from tokenizers import normalizers

from maskwright.text.cleaning.controls import DROPPED, without_controls, without_replacements

EVERY_CHARACTER = "".join(map(chr, range(0x110000)))
DROPPED_CHARACTERS = {chr(point) for first, last in DROPPED for point in range(first, last + 1)}


def test_the_unseen_categories_go_and_nothing_else() -> None:
    """Unassigned (Cn) here may be Cf in the newer Unicode that the table was made of."""
    for character in EVERY_CHARACTER:
        unseen = unicodedata.category(character) in ("Cc", "Cf", "Co", "Cs") and not character.isspace()
        if unicodedata.category(character) != "Cn":
            assert (character in DROPPED_CHARACTERS) == unseen, hex(ord(character))
    assert len([c for c in DROPPED_CHARACTERS if unicodedata.category(c) == "Cn"]) < 32


def test_as_berts_cleaning_but_for_white_space_and_unassigned_characters() -> None:
    bert = normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    scalars = [c for c in EVERY_CHARACTER if unicodedata.category(c) not in ("Cs", "Cn")]
    differ = {
        c
        for c in scalars
        if " ".join(bert.normalize_str(f"a{c}b").split())
        != " ".join(without_controls(without_replacements(f"a{c}b")).split())
    }
    assert not {c for c in differ if not c.isspace() and unicodedata.category(c) != "Cf"}
    assert {hex(ord(c)) for c in differ if c.isspace()} <= {"0xb", "0xc", "0x1c", "0x1d", "0x1e", "0x1f", "0x85"}


@given(st.text())
def test_line_breaks_and_all_that_is_seen_stay(text: str) -> None:
    cleaned = without_controls(text)
    assert cleaned.count("\n") == text.count("\n")
    assert [c for c in cleaned if not c.isspace()] == [
        c for c in text if c not in DROPPED_CHARACTERS and not c.isspace()
    ]
    assert without_controls(cleaned) == cleaned
