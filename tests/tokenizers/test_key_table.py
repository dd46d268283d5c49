"""The table against a Python dict: drawn strings, none of which may be taken for another."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskwright.draws import generator
from maskwright.tokenizers.key_table import LONGEST, Keys, KeyTable

Marked = tuple[bytes, bool]


def keys_of(strings: list[Marked]) -> Keys:
    ends = np.cumsum([len(string) for string, _ in strings])
    at = ends - [len(string) for string, _ in strings]
    return Keys.of(b"".join(string for string, _ in strings), at, ends, np.array([mark for _, mark in strings]))


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=LONGEST), st.booleans()), min_size=1, unique=True))
def test_different_strings_have_different_keys(strings: list[Marked]) -> None:
    keys = keys_of(strings)
    assert len(set(zip(keys.first.tolist(), keys.last.tolist(), strict=True))) == len(strings)


def test_a_nul_is_a_byte_like_any_other() -> None:
    strings = [(bytes(n), mark) for n in range(1, LONGEST + 1) for mark in (False, True)]
    table = KeyTable()
    table.add(keys_of(strings), np.arange(len(strings)))
    assert table.find(keys_of(strings)).tolist() == list(range(len(strings)))


@pytest.mark.parametrize("alike", [False, True], ids=["hashed", "all in one slot"])
def test_finds_what_a_dict_finds(alike: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if alike:
        monkeypatch.setattr(KeyTable, "_slots", lambda self, keys: np.full(len(keys), 4095 & len(self._values) - 1))
    draw, table, known = generator(0, "key table"), KeyTable(), dict[Marked, int]()
    for _ in range(4 if alike else 40):
        sizes = draw.integers(1, LONGEST + 1, 300)
        strings = [(draw.integers(0, 4, size).astype(np.uint8).tobytes(), bool(size % 2)) for size in sizes]
        assert table.find(keys_of(strings)).tolist() == [known.get(string, -1) for string in strings]
        new = sorted(set(strings) - set(known))
        known.update((string, len(known) + i) for i, string in enumerate(new))
        table.add(keys_of(new), np.array([known[string] for string in new]))
        assert table.find(keys_of(strings)).tolist() == [known[string] for string in strings]
    assert len(known) > (500 if alike else 5000)


def test_keys_are_read_at_any_place_up_to_the_last_byte() -> None:
    text = bytes(range(1, 200))
    at = np.arange(len(text))
    ends = np.minimum(at + 1 + at % LONGEST, len(text))
    keys = Keys.of(text, at, ends)
    for i, (begin, end) in enumerate(zip(at.tolist(), ends.tolist(), strict=True)):
        alone = Keys.of(text[begin:end], np.array([0]), np.array([end - begin]))
        assert (alone.first[0], alone.last[0]) == (keys.first[i], keys.last[i])
