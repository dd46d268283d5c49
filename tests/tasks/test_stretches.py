"""Sliding windows over a context: nothing is lost, and nothing counts twice."""

import pytest

from maskwright.checkpoints.span_settings import SpanSettings
from maskwright.draws import generator
from maskwright.errors import BadInput
from maskwright.tasks.examples import Answer, Question
from maskwright.tasks.stretches import owners, passages, reach, stretches, tokens_of
from maskwright.tokenizers.byte_bpe import ByteBPE
from maskwright.tokenizers.tokenizer import Tokenizer
from maskwright.tokenizers.unigram import Unigram
from tests.checkpoints import made_up

CONTEXT = "The cat  sat on a mat, and the RIVER is long.\n中国人 in Paris ' é"


def tokenizers() -> dict[str, Tokenizer]:
    text = [CONTEXT, "the cats sat on mats , and the river is long ."] * 20
    found = {kind: made_up.tokenizer_for(kind) for kind in ("bert", "xlnet")}
    return found | {"byte_bpe": ByteBPE.train(text, 330), "unigram": Unigram.train(text, 60)}


def bert_stretches(tokens: int, room: int, stride: int) -> list[tuple[int, int]]:
    """What run_squad.py's loop gives."""
    found: list[tuple[int, int]] = []
    start = 0
    while start < tokens:
        length = min(tokens - start, room)
        found.append((start, start + length))
        if start + length == tokens:
            break
        start += min(length, stride)
    return found


def best_stretch(found: list[tuple[int, int]], position: int) -> int:
    """What run_squad.py's rule gives: scored one by one, only a better one takes over."""
    best, best_score = -1, None
    for number, (start, end) in enumerate(found):
        if start <= position < end:
            score = min(position - start, end - 1 - position) + 0.01 * (end - start)
            if best_score is None or score > best_score:
                best, best_score = number, score
    return best


def test_stretches_and_their_owners_are_those_of_run_squad() -> None:
    for tokens in range(1, 40):
        for room in range(1, 12):
            for stride in range(1, 14):
                found = stretches(tokens, room, stride)
                assert found == bert_stretches(tokens, room, stride)
                assert owners(found, tokens).tolist() == [best_stretch(found, i) for i in range(tokens)]
    assert stretches(0, 5, 2) == [(0, 0)]


def test_no_answer_is_lost_and_no_token_is_scored_twice() -> None:
    for room in range(1, 14):
        for answer in range(1, 12):
            for stride in (1, 3, 7, 128):
                step = reach(SpanSettings(stride=stride, answer=answer), room)
                assert 1 <= step <= stride
                for tokens in (1, room - 1, room, room + 1, 2 * room, 3 * room + 2):
                    found = stretches(tokens, room, step)
                    for length in range(1, min(answer, (room + 1) // 2, tokens) + 1):
                        for first in range(tokens - length + 1):
                            assert any(start <= first and first + length <= end for start, end in found)
                    owner = owners(found, tokens).tolist()
                    assert all(found[one][0] <= i < found[one][1] for i, one in enumerate(owner))


def test_a_stride_that_bert_would_take_is_taken() -> None:
    assert reach(SpanSettings(stride=128, answer=30), 384 - 64 - 3) == 128


@pytest.mark.parametrize("kind", ["bert", "xlnet", "byte_bpe", "unigram"])
@pytest.mark.parametrize("length", [16, 24, 200])
def test_windows_hold_the_context_and_the_null_row_holds_none_of_it(kind: str, length: int) -> None:
    tokenizer = tokenizers()[kind]
    settings = SpanSettings(question=6, stride=5, answer=4)
    question = Question("Who sat, and where is the long river?", CONTEXT, (), True, "a.json question 1")
    made = passages([question, question._replace(context="a cat")], tokenizer, settings, length)
    context = tokenizer.sides_of([CONTEXT])[0]
    assert made.cut == {0, 1} and [tuple(row) for row in made.offsets[0].tolist()] == context.offsets
    own = [one for one in made.stretches if one.question == 0]
    scored: list[int] = []
    for one in own:
        assert len(one.encoded.ids) <= length
        inside = slice(one.row, one.row + len(one.own))
        assert one.encoded.ids[inside].tolist() == context.ids[one.first : one.end]
        assert not one.row <= one.null < one.row + len(one.own)
        cls = tokenizer.cls_id
        assert one.encoded.ids[one.null] == (tokenizer.sides_of([question.question])[0].ids[0] if cls is None else cls)
        assert one.null == (len(one.encoded.ids) - 1 if kind == "xlnet" else 0)
        scored += [one.first + i for i, mine in enumerate(one.own.tolist()) if mine]
    assert sorted(scored) == list(range(len(context.ids)))
    assert (len(own) == 1) == (length == 200)


@pytest.mark.parametrize("kind", ["bert", "xlnet", "byte_bpe", "unigram"])
def test_every_stretch_of_characters_is_within_the_tokens_found_for_it(kind: str) -> None:
    tokenizer = tokenizers()[kind]
    offsets = passages([Question("Who?", CONTEXT, (), True, "q")], tokenizer, SpanSettings(), 200).offsets[0]
    rng = generator(0, "characters")
    for _ in range(200):
        start = int(rng.integers(0, len(CONTEXT)))
        end = int(rng.integers(start + 1, len(CONTEXT) + 1))
        found = tokens_of(start, end, offsets)
        characters = {i for i in range(start, end) if not CONTEXT[i].isspace()}
        if found is None:
            assert not characters
            continue
        covered = {i for begin, stop in offsets[found[0] : found[1] + 1].tolist() for i in range(begin, stop)}
        assert characters <= covered
        for edge in found:  # neither is one too many
            assert offsets[edge, 0] < end and offsets[edge, 1] > start


def test_a_token_of_a_words_middle_is_found() -> None:
    offsets = passages([Question("who", "cats sat", (), True, "q")], made_up.tokenizer(), SpanSettings(), 32).offsets[0]
    assert Answer("sat", 5).start == 5 and tokens_of(5, 8, offsets) == (len(offsets) - 1, len(offsets) - 1)


def test_no_room_is_said() -> None:
    question = Question("who", "a cat", (), True, "q")
    with pytest.raises(BadInput, match="sequences of 4 tokens have no room for a question and a context"):
        passages([question], made_up.tokenizer(), SpanSettings(), 4)
