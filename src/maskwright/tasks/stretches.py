"""A question with stretches of its context: sliding windows in which no answer is lost and none counts twice.

BERT's run_squad.py: [CLS] question [SEP] stretch [SEP]. Stretches begin `stride` tokens apart and each has as many
tokens as fit, so they overlap; a token is scored in the one where it has the most context, which is the most of the
smaller of what stands before and behind it. Here a stride never parts stretches so far that an answer of the length
that is given would lie in none of them whole. A network whose [CLS] stands at the end (XLNet) reads the context first,
as XLNet's run_squad.py has it.

That there is no answer, in a stretch or at all, is said at [CLS]; where a tokenizer has none (GPT-2), at the first
token, which belongs to the question and so is never an answer's.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from maskwright.batch import Booleans, Integers
from maskwright.checkpoints.span_settings import SpanSettings
from maskwright.errors import BadInput
from maskwright.tasks.examples import Question
from maskwright.tokenizers.pairs import A, B, EncodedPair, Side, Slot, assembled
from maskwright.tokenizers.tokenizer import Tokenizer

_LENGTH = 0.01  # what a token of a stretch's length is worth beside one of context, in run_squad.py


class Stretch(NamedTuple):
    """One sequence: a question with some tokens of its context.

    question   which
    first      the first of the context's tokens that it has
    row        where that stands in the sequence
    null       the row at which it is said that there is no answer
    own        (count,) of its tokens those that are scored here
    """

    encoded: EncodedPair
    question: int
    first: int
    row: int
    null: int
    own: Booleans

    @property
    def end(self) -> int:
        """Behind its last token, among those of the context."""
        return self.first + len(self.own)


class Passages(NamedTuple):
    """All questions as sequences.

    stretches   question by question
    offsets     of each question (n, 2), where each token of its context begins and ends, in characters
    cut         the questions whose own end is not read
    """

    stretches: list[Stretch]
    offsets: list[Integers]
    cut: set[int]


def passages(examples: Sequence[Question], tokenizer: Tokenizer, settings: SpanSettings, length: int) -> Passages:
    """All questions in sequences of at most `length` tokens. BadInput where that leaves no room for a context."""
    asked = tokenizer.sides_of([one.question for one in examples])
    contexts = list(dict.fromkeys(one.context for one in examples))
    sides = dict(zip(contexts, tokenizer.sides_of(contexts), strict=True))
    offsets = {context: np.array(side.offsets, np.int64).reshape(-1, 2) for context, side in sides.items()}
    slots, null_last = tokenizer.layout.pair, cls_is_last(tokenizer)
    around = len(slots) - 2
    if length < around + 2:
        raise BadInput(f"sequences of {length} tokens have no room for a question and a context: take more")
    found, cut = list[Stretch](), set[int]()
    for number, (example, question) in enumerate(zip(examples, asked, strict=True)):
        most = min(settings.question, (length - around) // 2)
        if len(question.ids) > most:
            cut.add(number)
        question, context = question.cut(most), sides[example.context]
        room = length - around - len(question.ids)
        whole = stretches(len(context.ids), room, reach(settings, room))
        owner = owners(whole, len(context.ids))
        for place, (first, end) in enumerate(whole):
            pair = (context.part(first, end), question) if null_last else (question, context.part(first, end))
            encoded = assembled(pair, slots, tokenizer.vocabulary.ids)
            row = _row_of(slots, pair, 0 if null_last else 1)
            null = len(encoded.ids) - 1 if null_last else 0
            found.append(Stretch(encoded, number, first, row, null, owner[first:end] == place))
    return Passages(found, [offsets[one.context] for one in examples], cut)


def stretches(tokens: int, room: int, stride: int) -> list[tuple[int, int]]:
    """Where stretches of so many tokens begin and end: the first with the beginning, the last with the end.

    >>> stretches(10, 6, 3)
    [(0, 6), (3, 9), (6, 10)]
    """
    found = [(0, min(room, tokens))]
    while (before := found[-1])[1] < tokens:
        first = before[0] + min(stride, room)
        found.append((first, min(first + room, tokens)))
    return found


def reach(settings: SpanSettings, room: int) -> int:
    """The stride at which an answer of the length that is given lies whole in a stretch of `room` tokens.

    In stretches shorter than two such answers it is one of half a stretch that does.

    >>> reach(SpanSettings(stride=128, answer=30), 317), reach(SpanSettings(stride=128, answer=30), 100)
    (128, 71)
    """
    return max(1, min(settings.stride, room - min(settings.answer, (room + 1) // 2) + 1))


def owners(whole: Sequence[tuple[int, int]], tokens: int) -> Integers:
    """(tokens,) the stretch in which each has the most context, the first of equals.

    >>> owners([(0, 6), (3, 9), (6, 10)], 10).tolist()
    [0, 0, 0, 0, 0, 1, 1, 1, 2, 2]
    """
    most, owner = np.full(tokens, -1.0), np.zeros(tokens, np.int64)
    for place, (first, end) in enumerate(whole):
        at = np.arange(first, end)
        score = np.minimum(at - first, end - 1 - at) + _LENGTH * (end - first)
        better = score > most[first:end]
        most[first:end][better], owner[first:end][better] = score[better], place
    return owner


def tokens_of(start: int, end: int, offsets: Integers) -> tuple[int, int] | None:
    """The first and the last token with some of the characters `start` to `end`; None where there is none.

    >>> tokens_of(4, 7, np.array([[0, 3], [4, 6], [6, 9], [9, 10]]))
    (1, 2)
    """
    inside = np.flatnonzero((offsets[:, 0] < end) & (offsets[:, 1] > start))
    return (int(inside[0]), int(inside[-1])) if len(inside) else None


def cls_is_last(tokenizer: Tokenizer) -> bool:
    """Whether what stands for a whole sequence stands at its end, as in XLNet."""
    first, last = tokenizer.layout.pair[0][0], tokenizer.layout.pair[-1][0]
    return first == A and tokenizer.cls_id is not None and last == tokenizer.id_to_token(tokenizer.cls_id)


def _row_of(slots: Sequence[Slot], pair: tuple[Side, Side], which: int) -> int:
    """Where a side's first token stands."""
    row = 0
    for name, _ in slots:
        side = {A: 0, B: 1}.get(name)
        if side == which:
            return row
        row += 1 if side is None else len(pair[side].ids)
    raise ValueError(f"a pair has no side {which}")
