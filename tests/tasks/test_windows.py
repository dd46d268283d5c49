"""Windows of tagged words: every word once, at its first piece, whatever the tokenizer."""

import pytest

from maskwright.errors import BadInput
from maskwright.tasks.examples import Tagged
from maskwright.tasks.windows import tags_of, windows
from maskwright.tokenizers.byte_bpe import ByteBPE
from maskwright.tokenizers.tokenizer import Tokenizer
from maskwright.tokenizers.unigram import Unigram
from tests.checkpoints import made_up

ENGLISH = Tagged(tuple("the cats sat on mats , and the river is long .".split()), None, "a.txt line 1")
CHINESE = Tagged(tuple("中国人中国人x中"), None, "a.txt line 9", joined=True)
TEXT = ["the cats sat on mats , and the river is long ."] * 20 + ["中国人中国人x中"] * 20


def tokenizers() -> dict[str, Tokenizer]:
    return {
        "wordpiece": made_up.tokenizer(),
        "byte_bpe": ByteBPE.train(TEXT, 330),
        "unigram": Unigram.train(TEXT, 40),
    }


@pytest.mark.parametrize("kind", ["wordpiece", "byte_bpe", "unigram"])
@pytest.mark.parametrize("length", [10, 64])
def test_every_word_is_in_one_window_at_its_first_piece(kind: str, length: int) -> None:
    tokenizer = tokenizers()[kind]
    made = windows([ENGLISH, CHINESE], tokenizer, length)
    for number, example in enumerate((ENGLISH, CHINESE)):
        own = [window for window in made if window.sentence == number]
        assert [word for window in own for word in window.words.tolist()] == list(range(len(example.words)))
        assert all(len(window.encoded.ids) <= length for window in own)
        assert (len(own) > 1) == (len(tokenizer.encode_pair(("" if number else " ").join(example.words)).ids) > length)
        for window in own:
            for row, word in zip(window.rows.tolist(), window.words.tolist(), strict=True):
                piece = window.encoded.tokens[row].strip("#Ġ▁")
                if piece.isascii() and kind == "wordpiece":
                    assert example.words[word].startswith(piece)
    names = [[f"{window.sentence}-{word}" for word in window.words.tolist()] for window in made]
    assert tags_of([ENGLISH, CHINESE], made, names)[1] == [f"1-{i}" for i in range(len(CHINESE.words))]


def test_a_word_without_a_piece_is_outside_and_one_too_long_is_refused() -> None:
    tokenizer = made_up.tokenizer()
    odd = Tagged(("the", "\u200b", "cat"), None, "a.txt line 3")
    (window,) = windows([odd], tokenizer, 16)
    assert window.words.tolist() == [0, 2]
    assert tags_of([odd], [window], [["B", "B"]]) == [["B", "O", "B"]]
    with pytest.raises(BadInput, match="a.txt line 5 has a word of 12 pieces, and a sequence has room for 6"):
        windows([Tagged(("zzzzzzzzzzzz", "a"), None, "a.txt line 5")], tokenizer, 8)


def test_each_chinese_character_has_a_row_of_its_own_in_wordpiece() -> None:
    tokenizer = made_up.tokenizer()
    text = "中12人cat"  # `12` and `cat` would be pieces of several characters
    (window,) = windows([Tagged(tuple(text), None, "a.txt line 1", joined=True)], tokenizer, 32)
    assert len(set(window.rows.tolist())) == len(window.words) == len(text)
