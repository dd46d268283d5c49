"""What XLNet reads in a step: text that goes on in the lane, then two segments: T A [SEP] B [SEP] [CLS].

zihangdai/xlnet `data_utils.py`, `create_tfrecords` and `_split_a_and_b` (arXiv 1906.08237, section 2.5). T is the next
`reuse` tokens of the lane, which go into the memory. A begins where T ends, and ends with a sentence; B is what
follows A, or, half of the time, text from a random place of the lane's epoch that begins with a sentence. Both
together have a fixed number of tokens: the longer one is cut at its end. A and B are read again as T of the steps
after this one. Segments are 0 for T, A and its [SEP], 1 for B and its [SEP], 2 for [CLS].

Several steps are laid out at once, each with draws of its own: to find one place of a large corpus costs as much as to
find several that are near.

Whether B follows A is known to no one: XLNet is not trained to tell (section 3.4, the original writes a label and
never reads it). Here a random B may come from A's own sentence or document, as there.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from maskwright.batch import Booleans, Integers
from maskwright.errors import BadInput
from maskwright.objectives.lanes import Lanes, Places

Draws = Sequence[np.random.Generator]
"""One generator a step."""
SPECIALS = 3
"""[SEP], [SEP] and [CLS]."""


class Laid(NamedTuple):
    """The sequences of all lanes, (N, S) each; of several steps one step after the other.

    token_ids   int64
    types       int64, the segment of each token
    special     bool, the two [SEP] and [CLS]
    starts      bool, whether a word of the text begins there; special tokens are words
    """

    token_ids: Integers
    types: Integers
    special: Booleans
    starts: Booleans

    def rows(self, some: slice) -> "Laid":
        """Some of the sequences."""
        return Laid(self.token_ids[some], self.types[some], self.special[some], self.starts[some])


def lay_out(lanes: Lanes, steps: Sequence[int], max_length: int, draws: Draws, *, cls_id: int, sep_id: int) -> Laid:
    """The sequences of those steps; `lanes.length` is the length of T.

    draws   one generator a step
    """
    reuse, room = lanes.length, max_length - lanes.length - SPECIALS
    first = np.repeat(np.asarray(steps, np.int64) * reuse, lanes.lanes)
    a, b_begin = _segments(lanes, first + reuse, room, draws)
    column = np.arange(max_length)[None]
    a_end, b_end = (reuse + a)[:, None], max_length - 2
    in_b = (column > a_end) & (column < b_end)
    special = (column == a_end) | (column >= b_end)
    positions = np.where(in_b, b_begin[:, None] + column - a_end - 1, first[:, None] + column)
    ids, starts = lanes.ids(lanes.at(np.where(special, first[:, None], positions)))
    types = np.where(column == max_length - 1, 2, column > a_end).astype(np.int64)
    ids[special] = sep_id
    ids[:, -1] = cls_id
    return Laid(ids, types, special, starts | special)


def check(lanes: Lanes, max_length: int) -> None:
    """BadInput where T leaves no room for A and B."""
    if max_length - lanes.length - SPECIALS < 2:
        raise BadInput(
            f"{lanes.length} of {max_length} tokens that go into the memory (model.reuse_len) leave no room for two "
            "segments: A [SEP] B [SEP] [CLS] needs 5"
        )


def _segments(lanes: Lanes, begin: Integers, room: int, draws: Draws) -> tuple[Integers, Integers]:
    """(N,) tokens of A, which begins at `begin` of each lane, and where B begins, which has what A leaves of `room`."""
    window = lanes.places(begin, room)
    sentences = lanes.sentences(window)
    cuts = np.diff(sentences, axis=1) != 0  # after so many tokens of A, less one, a sentence begins
    count = cuts.sum(1)
    behind = room + lanes.of_sentence(Places(window.tokens[:, -1:], window.documents[:, -1:]))[1][:, 0]
    wanted = 1 + (_random(draws, lanes) * count).astype(np.int64)
    drawn = 1 + (np.cumsum(cuts, 1) < wanted[:, None]).sum(1)
    whole = np.where(count > 0, drawn, behind)
    follows = (count > 0) & (_random(draws, lanes) < 0.5)
    random_begin, random_length = _elsewhere(lanes, begin, np.maximum(1, room - whole), draws)
    a = _trimmed(whole, np.where(follows, behind - whole, random_length), room)
    return a, np.where(follows, begin + whole, random_begin)


def _elsewhere(lanes: Lanes, begin: Integers, length: Integers, draws: Draws) -> tuple[Integers, Integers]:
    """Whole sentences around `length` tokens at a random place of each lane's epoch: (N,) where, and how many."""
    sizes = np.tile(lanes.sizes, len(draws))
    epoch = begin // sizes * sizes
    first = epoch + (_random(draws, lanes) * np.maximum(1, sizes - length)).astype(np.int64)
    before = lanes.of_sentence(lanes.places(first, 1))[0][:, 0]
    after = lanes.of_sentence(lanes.places(first + length - 1, 1))[1][:, 0]
    start = np.maximum(first - before, epoch)
    return start, first + length + after - start


def _random(draws: Draws, lanes: Lanes) -> npt.NDArray[np.float64]:
    """(N,) from 0 to 1, of each step by its own generator."""
    return np.concatenate([generator.random(lanes.lanes) for generator in draws])


def _trimmed(a: Integers, b: Integers, room: int) -> Integers:
    """What is left of A when the longer of both loses tokens until they are `room`; B loses one where they are equal.

    >>> _trimmed(np.array([9, 2, 6, 5]), np.array([3, 9, 6, 6]), 8).tolist()
    [5, 2, 4, 4]
    """
    excess = np.maximum(0, a + b - room)
    of_a = np.minimum(excess, np.maximum(0, a - b))
    of_b = np.minimum(excess, np.maximum(0, b - a))
    return a - of_a - (excess - of_a - of_b) // 2
