"""Options as sequences: each with the text that it follows, as BERT's SWAG, C3 and CLUE's ChID have them.

[CLS] first [SEP] option [SEP]; an option of several texts has [SEP] between them, as C3's run_classifier.py joins a
question and an answer. What is too long is cut token by token where most is, as there; in a text with a blank to fill
(ChID) what stands far from the blank goes first, on either side, so that the blank is never cut away.
"""

from collections.abc import Sequence

from maskwright.errors import BadInput
from maskwright.tasks.examples import Choice
from maskwright.tasks.reading.chid import BLANK
from maskwright.tokenizers.pairs import EncodedPair, Side, assembled
from maskwright.tokenizers.tokenizer import Tokenizer


def options(examples: Sequence[Choice], tokenizer: Tokenizer, length: int) -> tuple[list[EncodedPair], int]:
    """The sequences of all options, example by example, of at most `length` tokens; how many examples were cut.

    BadInput where `length` leaves no token to one of the texts.
    """
    texts = [text for one in examples for text in (one.first, *(part for option in one.options for part in option))]
    alone = dict.fromkeys(texts)
    sides = dict(zip(alone, tokenizer.sides_of(list(alone)), strict=True))
    between, slots = _between(tokenizer), tokenizer.layout.pair
    encoded, cut = list[EncodedPair](), 0
    for one in examples:
        lost = False
        for option in one.options:
            parts = [sides[one.first], *(sides[text] for text in option)]
            room = length - (len(slots) - 2) - len(between.ids) * (len(option) - 1)
            if room < len(parts):
                raise BadInput(f"sequences of {length} tokens have no room for {one.where}: take more")
            lengths = cut_lengths([len(side.ids) for side in parts], room)
            lost |= sum(lengths) < sum(len(side.ids) for side in parts)
            first = _around_blank(parts[0], one.first, lengths[0])
            rest = [side.cut(most) for side, most in zip(parts[1:], lengths[1:], strict=True)]
            encoded.append(assembled((first, _joined(rest, between)), slots, tokenizer.vocabulary.ids))
        cut += lost
    return encoded, cut


def cut_lengths(lengths: Sequence[int], room: int) -> list[int]:
    """What is left of each text when the longest loses a token until they fit; of equals the last loses it.

    >>> cut_lengths([9, 2, 7], 12)
    [5, 2, 5]
    >>> cut_lengths([4, 4], 5), cut_lengths([3, 4], 9)
    ([3, 2], [3, 4])
    """
    left = list(lengths)
    while (surplus := sum(left) - room) > 0:
        most = max(left)
        longest = [i for i, size in enumerate(left) if size == most]
        step = most - max((size for size in left if size < most), default=0)  # down to the next longest
        for place, i in enumerate(reversed(longest)):
            left[i] -= min(step, surplus // len(longest) + (place < surplus % len(longest)))
    return left


def _between(tokenizer: Tokenizer) -> Side:
    """What stands between the texts of an option."""
    if tokenizer.sep_id is None:
        return Side([], [], [], [])
    return Side([tokenizer.sep_id], [-1], [(0, 0)], [tokenizer.id_to_token(tokenizer.sep_id)])


def _joined(sides: Sequence[Side], between: Side) -> Side:
    joined = sides[0]
    for side in sides[1:]:
        words = max(joined.words, default=-1) + 1
        its = [word if word < 0 else word + words for word in side.words]
        joined = Side(
            joined.ids + between.ids + side.ids,
            joined.words + between.words + its,
            joined.offsets + between.offsets + side.offsets,
            joined.tokens + between.tokens + side.tokens,
        )
    return joined


def _around_blank(side: Side, text: str, most: int) -> Side:
    """`most` tokens of a text: its first, or where it has a blank to fill those with the blank in their middle."""
    at = text.find(BLANK)
    if at < 0 or len(side.ids) <= most:
        return side.cut(most)
    middle = next((i for i, (_, end) in enumerate(side.offsets) if end > at + len(BLANK) // 2), 0)
    first = min(max(0, middle - most // 2), len(side.ids) - most)
    return side.part(first, first + most)
