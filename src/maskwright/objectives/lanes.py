"""A corpus as lanes side by side, each a text that goes on from step to step: for models that carry state.

XLNet's memories (zihangdai/xlnet, data_utils.py, `batchify`) and ELMo's LSTM state (allenai/bilm-tf, data.py) want
what a sequence of this step goes on from to have been the same row of the step before. An epoch is all documents in a
new random order, one after the other, cut into as many stretches of equal length as there are lanes; lane `l` reads
stretch `l`, and then stretch `l` of the next epoch. What a step reads is a function of the seed and the step.

The originals drop what is left over when the corpus is no multiple of the lanes; here stretches differ by a token,
so that every token comes exactly once an epoch.
"""

from collections import OrderedDict
from typing import NamedTuple

import numpy as np

from maskwright.batch import Booleans, Integers
from maskwright.corpus.read import Split
from maskwright.corpus.split import runs
from maskwright.draws import generator
from maskwright.errors import BadInput

SEPARATOR = -1
"""In place of a token's number where the separator stands."""


class Places(NamedTuple):
    """What stands where in the lanes: (rows, n) each, of all lanes once or several times over.

    tokens     int64, numbers of tokens of the split; `SEPARATOR` where the separator stands
    documents  int64, the document each belongs to; a separator to the one that it ends
    """

    tokens: Integers
    documents: Integers


def stretches(total: int, lanes: int) -> Integers:
    """(lanes,) of so many tokens those of each lane.

    >>> stretches(11, 4).tolist()
    [2, 3, 3, 3]
    """
    return np.diff(np.arange(lanes + 1) * total // lanes)


class Rows(NamedTuple):
    """What the lanes read in a step: (lanes, length) each.

    token_ids   int64
    documents   int64, numbers of documents in the split; what follows a change is not the text before it going on
    """

    token_ids: Integers
    documents: Integers


class Lanes:
    """Lanes over a split, the same in every process.

    split       the documents
    lanes       how many, N
    length      tokens that each reads in a step
    seed        of the documents' orders
    separator   the id of a token that stands behind each document; None: nothing does
    backwards   read each lane's stretch from its end to its beginning

    Raises BadInput where there are more lanes than tokens, and for numbers below 1.
    """

    def __init__(
        self,
        split: Split,
        *,
        lanes: int,
        length: int,
        seed: int,
        separator: int | None = None,
        backwards: bool = False,
    ) -> None:
        if lanes < 1 or length < 1:
            raise BadInput(f"{lanes} lanes of {length} tokens a step: give 1 or more of both")
        self.split, self.lanes, self.length, self.seed = split, lanes, length, seed
        self.separator, self.backwards = separator, backwards
        firsts = split.document_starts
        self._firsts, self._sizes = firsts[:-1], np.diff(firsts) + (separator is not None)
        total = int(self._sizes.sum())
        if total < lanes:
            raise BadInput(
                f"{lanes} lanes over a split of {total:,} tokens: give fewer (training.batch_sequences), or more text"
            )
        self._bounds = np.concatenate([[0], np.cumsum(stretches(total, lanes))])
        self._orders: OrderedDict[int, tuple[Integers, Integers]] = OrderedDict()

    @property
    def sizes(self) -> Integers:
        """(lanes,) tokens that each lane has in an epoch, separators among them."""
        return np.diff(self._bounds)

    @property
    def shortest(self) -> int:
        """Tokens that the shortest lane has in an epoch, separators among them."""
        return int(self.sizes.min())

    def rows(self, step: int) -> Rows:
        """What the lanes read in that step."""
        places = self.places(step * self.length, self.length)
        return Rows(self.ids(places)[0], places.documents)

    def places(self, first: int | Integers, count: int) -> Places:
        """What stands at [first, first + count) of each lane, counted from its beginning through all epochs.

        first   one number for all lanes, or (rows,) int64 as in `at`
        """
        rows = np.broadcast_to(np.asarray(first, np.int64), max(self.lanes, np.size(first)))
        return self.at(rows[:, None] + np.arange(count))

    def at(self, positions: Integers) -> Places:
        """What stands at these positions (rows, n) of the lanes: row r of lane r, then from the first lane again."""
        if positions.size and int(positions.min()) < 0:
            raise ValueError(f"no position {int(positions.min())}: lanes begin at 0")
        again = len(positions) // self.lanes
        sizes, bounds = np.tile(self.sizes, again)[:, None], np.tile(self._bounds[:-1], again)[:, None]
        epochs, offsets = np.divmod(positions, sizes)
        if self.backwards:
            offsets = sizes - 1 - offsets
        offsets = offsets + bounds
        first, last = (int(epochs.min()), int(epochs.max())) if epochs.size else (0, 0)
        if first == last:
            return Places(*self._of_epoch(first, offsets))
        tokens, documents = np.empty_like(offsets), np.empty_like(offsets)
        for epoch in range(first, last + 1):
            here = epochs == epoch
            if here.any():
                tokens[here], documents[here] = self._of_epoch(epoch, offsets[here])
        return Places(tokens, documents)

    def ids(self, places: Places) -> tuple[Integers, Booleans]:
        """(token ids, whether a word of the text begins there), of the places' shape; a separator is a word."""
        flat = places.tokens.ravel()
        real = flat[flat != SEPARATOR]
        begins, lengths = runs(real)
        found, starts = self.split.gather(real[begins], lengths)
        ids = np.full(flat.shape, 0 if self.separator is None else self.separator, np.int64)
        ids[flat != SEPARATOR] = found
        begins_word = np.ones(flat.shape, np.bool_)
        begins_word[flat != SEPARATOR] = starts > 0
        return ids.reshape(places.tokens.shape), begins_word.reshape(places.tokens.shape)

    def sentences(self, places: Places) -> Integers:
        """The number of the sentence at each place, of the places' shape; -1 - document for a separator."""
        return self._sentences(places)[0]

    def of_sentence(self, places: Places) -> tuple[Integers, Integers]:
        """How many tokens of its sentence are read before each place, and how many after it; 0 for a separator."""
        _, begins, ends = self._sentences(places)
        before, after = places.tokens - begins, ends - 1 - places.tokens
        return (after, before) if self.backwards else (before, after)

    def _sentences(self, places: Places) -> tuple[Integers, Integers, Integers]:
        """Number, begin and end of the sentence at each place; a separator is a sentence that ends where it begins."""
        shape, flat = places.tokens.shape, places.tokens.ravel()
        real = flat != SEPARATOR
        number, begin, end = -1 - places.documents.ravel(), flat.copy(), flat + 1
        along = slice(None, None, -1 if self.backwards else 1)  # of the text, where neighbours make runs
        found = self.split.sentences_at(flat[real][along])
        number[real], begin[real], end[real] = (row[along] for row in found)
        return number.reshape(shape), begin.reshape(shape), end.reshape(shape)

    def _of_epoch(self, epoch: int, offsets: Integers) -> tuple[Integers, Integers]:
        """(tokens, documents) at offsets from the beginning of an epoch."""
        order, ends = self._order(epoch)
        place = _searched(ends, offsets.ravel(), -1 if self.backwards else 1).reshape(offsets.shape)
        documents = order[place]
        inside = offsets - (ends[place] - self._sizes[documents])
        tokens = self._firsts[documents] + inside
        if self.separator is not None:
            tokens[inside == self._sizes[documents] - 1] = SEPARATOR
        return tokens, documents

    def _order(self, epoch: int) -> tuple[Integers, Integers]:
        """The documents of an epoch in their order, and where each ends."""
        if epoch not in self._orders:
            order = generator(self.seed, "lanes", epoch).permutation(len(self._sizes))
            self._orders[epoch] = order, np.cumsum(self._sizes[order])
            while len(self._orders) > 4:  # lanes differ by a token an epoch, so neighbours meet
                self._orders.popitem(last=False)
        return self._orders[epoch]


def _searched(ends: Integers, offsets: Integers, step: int) -> Integers:
    """np.searchsorted(ends, offsets, side="right"), where most offsets are one `step` from the one before.

    Of a run whose first and last lie in one place all lie there.
    """
    begins, lengths = runs(offsets, step)
    first = np.searchsorted(ends, offsets[begins], side="right")
    crossing = first != np.searchsorted(ends, offsets[begins + lengths - 1], side="right")
    found = np.repeat(first, lengths)
    if crossing.any():
        some = np.repeat(crossing, lengths)
        found[some] = np.searchsorted(ends, offsets[some], side="right")
    return found
