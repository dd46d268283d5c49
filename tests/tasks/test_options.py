"""Options as sequences: cut where most is, joined as the benchmarks join them, blanks kept."""

import pytest

from maskwright.draws import generator
from maskwright.errors import BadInput
from maskwright.tasks.examples import Choice
from maskwright.tasks.options import cut_lengths, options
from maskwright.tasks.reading.chid import BLANK
from tests.checkpoints import made_up

FIRST = "the cat sat on a mat and the river is long ."


def test_lengths_are_those_of_cutting_token_by_token() -> None:
    rng = generator(0, "lengths")
    for _ in range(300):
        lengths = rng.integers(1, 12, int(rng.integers(1, 5))).tolist()
        room = int(rng.integers(len(lengths), 30))
        slow = list(lengths)
        while sum(slow) > room:
            slow[max(i for i, size in enumerate(slow) if size == max(slow))] -= 1
        assert cut_lengths(lengths, room) == slow


@pytest.mark.parametrize("kind", ["bert", "roberta", "xlnet", "albert"])
def test_an_option_of_one_text_is_the_pair_that_the_tokenizer_makes(kind: str) -> None:
    tokenizer = made_up.tokenizer_for(kind)
    endings = ("paris is a river .", "blue", "the capital of france is paris and a cat is on it .")
    made, cut = options([Choice(FIRST, tuple((one,) for one in endings), 0, "a.csv line 2")], tokenizer, 200)
    expected = tokenizer.encode_pairs([(FIRST, one) for one in endings])
    for one, other in zip(made, expected, strict=True):
        assert one.ids.tolist() == other.ids.tolist() and one.type_ids.tolist() == other.type_ids.tolist()
    assert cut == 0
    short, cut = options([Choice(FIRST, tuple((one,) for one in endings), 0, "a.csv line 2")], tokenizer, 12)
    assert cut == 1 and max(len(one.ids) for one in short) == 12


def test_a_question_and_its_answer_have_a_mark_between_them_as_in_c3() -> None:
    tokenizer = made_up.tokenizer()
    (one, _), _ = options([Choice("中国人", (("人 ?", "中"), ("人 ?", "国")), 0, "c3")], tokenizer, 32)
    assert " ".join(one.tokens) == "[CLS] 中 国 人 [SEP] 人 ? [SEP] 中 [SEP]"
    assert one.type_ids.tolist() == [0] * 5 + [1] * 5


def test_a_blank_is_never_cut_away() -> None:
    tokenizer = made_up.tokenizer()
    for before in (0, 5, 40):
        text = "中" * before + BLANK + "国" * (40 - before)
        (one, _), cut = options([Choice(text, (("人",), ("中",)), 0, "train.json line 1")], tokenizer, 20)
        assert cut == 1 and len(one.ids) == 20 and "[UNK]" in one.tokens  # the marks of a blank are unknown here
        assert one.tokens.count("[UNK]") == len(tokenizer.encode_pair(BLANK).ids) - 2


def test_no_room_is_said() -> None:
    with pytest.raises(BadInput, match=r"sequences of 4 tokens have no room for a.csv line 7: take more"):
        options([Choice("a", (("cat",), ("mat",)), 0, "a.csv line 7")], made_up.tokenizer(), 4)
