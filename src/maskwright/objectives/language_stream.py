"""Running text of one language, cut into sequences of equal length: how XLM reads what has no translation.

XLM (Lample and Conneau 2019, arXiv 1901.07291, section 3.2): "streams" of sentences, cut every 256 tokens. As
`StreamDataset` in xlm/data/dataset.py of facebookresearch/XLM does it: every sentence ends with </s>, and a sequence
may begin and end inside one. With two differences, of which neither loses a token:

    there                                             here
    one stream through all documents                  a stream for each document; its last sequence is as long as
                                                      what is left
    </s> stands before the first sequence alone       before each, as it does before the texts of a task
"""

from typing import NamedTuple

import numpy as np

from maskwright.batch import Integers, Sequences
from maskwright.corpus.read import Split
from maskwright.errors import BadInput
from maskwright.objectives.translation import check_parallel


class Stretches(NamedTuple):
    """Sequences, one row each: stretches of the stream `x x </s> y </s> ...` of a document.

    first      (n,) int64, the sentence in which it begins
    skipped    (n,) int64, tokens of that sentence before it
    sentences  (n,) int64, of how many it has a part
    length     (n,) int64, tokens, </s> behind sentences counted
    """

    first: Integers
    skipped: Integers
    sentences: Integers
    length: Integers


class LanguageStream:
    """Stretches of running text as a layout of a `Stream`. Every token comes once an epoch.

    cls_id, sep_id   special tokens: before each sequence, and behind each sentence; XLM's are both </s>
    language         what `language_ids` says of all tokens
    side             of a parallel corpus, the side to read: 0 or 1; None: all sentences, of an ordinary corpus
    max_length       tokens of a sequence, special tokens included; at least 3
    """

    name = "language stream"

    def __init__(
        self, *, cls_id: int, sep_id: int, language: int, side: int | None = None, max_length: int = 256
    ) -> None:
        if max_length < 3:
            raise BadInput(f"max_length {max_length} leaves no room for text: </s> token </s> has 3 tokens")
        if side not in (None, 0, 1):
            raise BadInput(f"side {side} is none of a pair: give 0 or 1, or none for all sentences")
        if language < 0:
            raise BadInput(f"language {language} is no number of a language: count from 0")
        self.cls_id, self.sep_id, self.max_length = cls_id, sep_id, max_length
        self.language, self.side = language, side

    def check(self, split: Split) -> None:
        """BadInput where a side is asked for of a split that is none of a parallel corpus."""
        if self.side is not None:
            check_parallel(split)

    def plan(self, split: Split, documents: Integers, generator: np.random.Generator) -> Stretches:
        """The sequences of these documents, in order. Nothing is drawn."""
        del generator
        room = self.max_length - 1
        sentences, of_document = self._sentences(split, documents)
        sizes = np.diff(split.sentence_offsets)[sentences] + 1
        ends = np.cumsum(sizes)
        totals = np.bincount(of_document, weights=sizes, minlength=len(documents)).astype(np.int64)
        bases = np.cumsum(totals) - totals
        # A last </s> for which there is no room would be a sequence of its own: it is left away.
        pieces = -(-(totals - 1) // room)
        of = np.repeat(np.arange(len(documents)), pieces)
        begins = (np.arange(len(of)) - (np.cumsum(pieces) - pieces)[of]) * room
        lengths = np.minimum(room, totals[of] - begins)
        begins += bases[of]
        first = np.searchsorted(ends, begins, side="right")
        last = np.searchsorted(ends, begins + lengths, side="left")
        return Stretches(sentences[first], begins - (ends - sizes)[first], last - first + 1, lengths)

    def _sentences(self, split: Split, documents: Integers) -> tuple[Integers, Integers]:
        """The numbers of the sentences that are read, and the place of each one's document in `documents`."""
        step, side = (1, 0) if self.side is None else (2, self.side)
        firsts = split.document_offsets[documents] + side
        counts = -(-(split.document_offsets[documents + 1] - firsts) // step)
        of = np.repeat(np.arange(len(documents)), counts)
        return firsts[of] + step * (np.arange(len(of)) - (np.cumsum(counts) - counts)[of]), of

    def lengths(self, plan: Stretches, split: Split) -> Integers:
        """(n,) tokens of each, special ones included."""
        del split
        return plan.length + 1

    def lay_out(self, split: Split, plan: Stretches) -> Sequences:
        """</s> and a stretch behind it; a stretch that was cut out of a word begins one all the same."""
        lasts = np.cumsum(plan.sentences)
        of = np.repeat(np.arange(len(plan.sentences)), plan.sentences)
        place = np.arange(len(of)) - (lasts - plan.sentences)[of]
        sentences = plan.first[of] + place * (1 if self.side is None else 2)
        skipped = np.where(place == 0, plan.skipped[of], 0)
        starts = split.sentence_offsets[sentences] + skipped
        rest = split.sentence_offsets[sentences + 1] - starts  # tokens to the sentence's end, </s> not counted
        before = np.cumsum(rest + 1) - (rest + 1)
        before -= before[lasts - plan.sentences][of]
        tokens = np.minimum(rest, plan.length[of] - before)
        closed = plan.length[of] - before > rest

        cu_seqlens = np.concatenate([np.zeros(1, np.int64), np.cumsum(plan.length + 1)])
        special = np.zeros(cu_seqlens[-1], np.bool_)
        special[cu_seqlens[:-1]] = True
        special[(cu_seqlens[of] + 1 + before + tokens)[closed]] = True
        token_ids = np.full(len(special), self.sep_id, np.int64)
        token_ids[cu_seqlens[:-1]] = self.cls_id
        text, word_starts = split.gather(starts, tokens)
        word_starts[(np.cumsum(tokens) - tokens)[tokens > 0]] = 1
        word_ids = np.full(len(special), -1, np.int64)
        real = np.flatnonzero(~special)
        token_ids[real] = text
        word_ids[real] = np.cumsum(word_starts, dtype=np.int64) - 1
        return Sequences(
            token_ids=token_ids,
            token_type_ids=np.zeros(len(special), np.int64),
            cu_seqlens=cu_seqlens,
            special=special,
            word_ids=word_ids,
            language_ids=np.full(len(special), self.language),
        )
