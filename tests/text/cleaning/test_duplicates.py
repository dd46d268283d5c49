"""Exact duplicates, against a set."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from maskwright.text.cleaning.duplicates import digest, duplicates
from maskwright.text.samples import sample

HALVES = [one * 8 + other * 8 for one in (b"\0", b"a") for other in (b"\0", b"a", b"b")]


@given(st.lists(st.binary(min_size=16, max_size=16) | st.sampled_from(HALVES)))
def test_all_but_the_first_of_equal_ones_are_marked(digests: list[bytes]) -> None:
    rows = np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 16)
    expected = [one in digests[:place] for place, one in enumerate(digests)]
    assert duplicates(rows).tolist() == expected
    assert duplicates(rows.view(np.uint64)).tolist() == expected


def test_chapters_have_digests_of_their_own() -> None:
    chapters = [document.sentences for document in (*sample("en"), *sample("zh"))]
    assert len({digest(chapter) for chapter in chapters}) == len(chapters)


def test_setting_does_not_count_and_letters_do() -> None:
    for document in (sample("en")[3], sample("zh")[3]):
        lines = document.sentences
        assert digest(lines) == digest(["  ".join(lines).upper()]) == digest([line + " " for line in lines])
        assert digest(lines) != digest(lines[1:]) and digest(lines) != digest([*lines, "a"])
    assert digest(["ＢＥＲＴ"]) == digest(["bert"]) and len(digest([])) == 16
