"""A sentence and its translation in one sequence: translation language modelling (TLM).

XLM (Lample and Conneau 2019, arXiv 1901.07291, section 3.3): tokens of both are hidden, so that a hidden word can be
told from its translation. As facebookresearch/XLM lays pairs out (`concat_batches` in xlm/utils.py):

    tokens       </s> x x x </s>  </s> y y </s>
    positions     0   1 2 3  4     0   1 2  3      begin anew, so that translations stand at like places
    languages     0   0 0 0  0     1   1 1  1

and as it leaves pairs out (`ParallelDataset.remove_long_sentences` in xlm/data/dataset.py): those with a side of more
than `max_sentence` tokens, its `--max_len`, 100. One difference: there a step is of one order, "en-fr" or "fr-en" as
the command line lists them; here which side comes first is drawn for each pair, unless `order` says "given".

A pair is sentences 2i and 2i + 1 of a document of a parallel corpus.
"""

from typing import Literal, NamedTuple, get_args

import numpy as np

from maskwright.batch import Integers, Sequences, positions
from maskwright.corpus.read import Split
from maskwright.errors import BadInput
from maskwright.objectives import segments

SPECIALS = 4  # </s> x </s> </s> y </s>
Order = Literal["drawn", "given"]


class Translations(NamedTuple):
    """Pairs, one row each.

    pair            (n,) int64, the pair's number: its sentences are 2 * pair and 2 * pair + 1
    first           (n,) int64, the language that comes first, 0 or 1
    lengths         (n, 2) int64, tokens of the side that comes first and of the other, special ones not counted
    """

    pair: Integers
    first: Integers
    lengths: Integers


class TranslationPairs:
    """Pairs of translations as a layout of a `Stream`: each that is not too long comes once an epoch.

    cls_id, sep_id   special tokens: the first of the sequence, and the other three; XLM's are all </s>
    max_length       tokens of a sequence, special tokens included; at least 6
    max_sentence     tokens of a side, without them; None: as many as fit
    order            "drawn": either side first, with equal chances, anew in each pass; "given": language 0 first
    """

    name = "translations"

    def __init__(
        self,
        *,
        cls_id: int,
        sep_id: int,
        max_length: int = 256,
        max_sentence: int | None = 100,
        order: Order = "drawn",
    ) -> None:
        if max_length < SPECIALS + 2:
            raise BadInput(
                f"max_length {max_length} is too short for a pair: </s> x </s> </s> y </s> needs at least 6 tokens"
            )
        if max_sentence is not None and max_sentence < 1:
            raise BadInput(f"max_sentence {max_sentence} leaves no pair: give 1 or more, or none for no limit")
        if order not in get_args(Order):
            raise BadInput(f'order = "{order}" is neither "drawn" nor "given"')
        self.cls_id, self.sep_id = cls_id, sep_id
        self.max_length, self.max_sentence, self.order = max_length, max_sentence, order

    def check(self, split: Split) -> None:
        """BadInput for a split that is none of a parallel corpus, and for one with no pair that is short enough."""
        check_parallel(split)
        if self.too_long(split) * 2 == split.num_sentences:
            limits = f"max_length {self.max_length}"
            if self.max_sentence is not None:
                limits += f" or {self.max_sentence} tokens a side (max_sentence)"
            raise BadInput(f"all {split.num_sentences // 2} pairs of the split are longer than {limits}: raise them")

    def too_long(self, split: Split) -> int:
        """How many pairs of the split are left out because of their length."""
        return split.num_sentences // 2 - int(self._fit(_lengths(split)).sum())

    def plan(self, split: Split, documents: Integers, generator: np.random.Generator) -> Translations:
        """The pairs of these documents that are not too long, in order."""
        bounds = split.document_offsets // 2
        counts = bounds[documents + 1] - bounds[documents]
        pair = np.arange(counts.sum()) + np.repeat(bounds[documents] - (np.cumsum(counts) - counts), counts)
        lengths = _lengths(split)[pair]
        first = np.zeros(len(pair), np.int64)
        if self.order == "drawn":
            first = generator.integers(0, 2, len(pair))
        fit = self._fit(lengths)
        pair, first, lengths = pair[fit], first[fit], lengths[fit]
        return Translations(pair, first, np.where(first[:, None] == 0, lengths, lengths[:, ::-1]))

    def _fit(self, lengths: Integers) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        fit = lengths.sum(axis=1) + SPECIALS <= self.max_length
        return fit if self.max_sentence is None else fit & (lengths.max(axis=1) <= self.max_sentence)

    def lengths(self, plan: Translations, split: Split) -> Integers:
        """(n,) tokens of each pair, special ones included."""
        del split
        return plan.lengths.sum(axis=1) + SPECIALS

    def lay_out(self, split: Split, plan: Translations) -> Sequences:
        """The pairs of a plan as flat sequences, with their languages and positions; token types are all 0."""
        sides = np.stack([plan.first, 1 - plan.first], axis=1).ravel()
        sentences = np.repeat(2 * plan.pair, 2) + sides
        lengths = plan.lengths.ravel()
        # Each side is laid out as a sequence of its own, and a pair is two of them.
        apart = segments.lay_out(
            split,
            split.sentence_offsets[sentences],
            lengths,
            np.ones(len(sides), np.int64),
            cls_id=self.sep_id,
            sep_id=self.sep_id,
        )
        cu_seqlens = apart.cu_seqlens[::2]
        token_ids = apart.token_ids
        token_ids[cu_seqlens[:-1]] = self.cls_id
        return Sequences(
            token_ids=token_ids,
            token_type_ids=apart.token_type_ids,
            cu_seqlens=cu_seqlens,
            special=apart.special,
            word_ids=apart.word_ids,
            language_ids=np.repeat(sides, apart.lengths),
            position_ids=positions(apart.cu_seqlens),
        )


def check_parallel(split: Split) -> None:
    """BadInput where a document of the split has an odd number of sentences, so that they are no pairs."""
    odd = np.flatnonzero(np.diff(split.document_offsets) % 2)
    if len(odd):
        document = int(odd[0])
        count = int(np.diff(split.document_offsets[document : document + 2])[0])
        raise BadInput(
            f"document {document} ({split.document_name(document) or 'without a name'}) has {count} sentences, an odd "
            "number, and a parallel corpus has pairs: make one with `maskwright corpus --languages`"
        )


def _lengths(split: Split) -> Integers:
    """(pairs, 2) tokens of the two sides."""
    return np.diff(split.sentence_offsets).reshape(-1, 2)
