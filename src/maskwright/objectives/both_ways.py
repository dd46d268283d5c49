"""Text for a forward and a backward language model: lanes of sentences, read from either end.

allenai/bilm-tf `bilm/data.py`. Sentences stand in a new random order each epoch, between a word that begins and one
that ends each; the forward model reads them in that order, the backward model in another, each sentence from its
end. A lane goes on where it stopped, so state can be carried from step to step. What is fed and what is asked are the
two sides of a gap between words: forward the word on the left is fed and the one on the right asked, and backward the
other way round. So the last word of a sentence is asked, never fed, and there is nothing to guess between sentences.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple, cast

import numpy as np
import torch

from maskwright.batch import Batch, Booleans, Integers, flat_batch
from maskwright.corpus.read import Split
from maskwright.draws import key
from maskwright.layers.word_characters import Characters, narrowed, sentence_marks, word_characters
from maskwright.objectives.candidates import Floats, draw_candidates, log_expected_counts
from maskwright.objectives.lanes import SEPARATOR, Lanes, stretches
from maskwright.objectives.show import Example, Mark
from maskwright.objectives.unigrams import token_counts
from maskwright.objectives.visits import Visits, remember
from maskwright.tokenizers.tokenizer import Tokenizer

BEGIN, END = "<S>", "</S>"
TOGETHER, STEPS = 1 << 18, 16
"""Words of the steps that are laid out together, and how many steps at most."""
HELD_OUT_BATCH = 32
"""Held-out sentences to a batch."""


class Gaps(NamedTuple):
    """Both sides of gaps between words: (lanes, length) token ids each."""

    left: Integers
    right: Integers


class SentenceLanes:
    """Lanes over single sentences in random order; see `Lanes`. begin, end: the ids of the words around each."""

    def __init__(self, split: Split, *, lanes: int, seed: int, begin: int, end: int, backwards: bool) -> None:
        self._offsets, self._begin = split.sentence_offsets, begin
        apart = cast("Split", _Apart(split))
        self._lanes = Lanes(
            apart, lanes=lanes, length=1, seed=seed, separator=end, backwards=backwards
        )  # the separator's place is the gap behind a sentence's last word

    def at(self, positions: Integers) -> Gaps:
        """What the lanes have before them at these positions (rows, length): row r of lane r, and from the first again.

        Positions are counted from a lane's beginning through all epochs.
        """
        places = self._lanes.at(positions)
        right, _ = self._lanes.ids(places)
        first, end = self._offsets[places.documents], self._offsets[places.documents + 1]
        before = np.where(places.tokens == SEPARATOR, end, places.tokens) - 1
        left = np.where(places.tokens == first, self._begin, SEPARATOR)
        # most words on the left stand on the right of the gap beside
        here, beside = slice(1, None), slice(None, -1)
        if self._lanes.backwards:
            here, beside = beside, here
        seen = (left[:, here] == SEPARATOR) & (places.tokens[:, beside] == before[:, here])
        left[:, here][seen] = right[:, beside][seen]
        rest = left == SEPARATOR
        left[rest] = self._lanes.split.gather(before[rest], np.ones(int(rest.sum()), np.int64))[0]
        return Gaps(left, right)


class VisitedLanes:
    """The same over a corpus in visits: sentences in random order inside each, and lanes that go on to the next.

    visits     shared by both directions, so that they read the same text at a time
    settings   see `SentenceLanes`
    """

    def __init__(self, visits: Visits, *, lanes: int, seed: int, **settings: Any) -> None:
        self._visits, self._seed = visits, seed
        self._settings: dict[str, Any] = {**settings, "lanes": lanes}
        self._ends = [np.zeros(lanes, np.int64)]  # of each visit in each lane, as far as they are known
        self._lanes: OrderedDict[tuple[int, int], SentenceLanes] = OrderedDict()

    def at(self, positions: Integers) -> Gaps:
        """As `SentenceLanes.at`."""
        lanes = len(self._ends[0])
        lane = np.arange(len(positions)) % lanes
        while (self._ends[-1][lane] <= positions[:, -1]).any():
            self._know_another_epoch()
        made = Gaps(np.empty_like(positions), np.empty_like(positions))
        first, last = positions.min(initial=0), positions.max(initial=0)
        for number, (begins, ends) in enumerate(pairwise(self._ends)):
            if ends.max() <= first or begins.min() > last:
                continue
            begin, end = begins[lane][:, None], ends[lane][:, None]
            here = (positions >= begin) & (positions < end)
            if here.any():
                # where a row reaches over an end what stands at it is looked up, and not taken
                inside = self._of_visit(number).at(np.clip(positions - begin, 0, end - begin - 1))
                for side, found in zip(made, inside, strict=True):
                    side[here] = found[here]
        return made

    def _know_another_epoch(self) -> None:
        lanes = len(self._ends[0])
        for total in self._visits.sizes((len(self._ends) - 1) // self._visits.number).sum(1).tolist():
            self._ends.append(self._ends[-1] + stretches(total, lanes))

    def _of_visit(self, number: int) -> SentenceLanes:
        epoch, visit = address = divmod(number, self._visits.number)
        if address not in self._lanes:
            part, seed = self._visits.part(epoch, visit), key(self._seed, epoch, visit)
            remember(self._lanes, address, SentenceLanes(part, seed=seed, **self._settings))
        return self._lanes[address]


class _Drawn(NamedTuple):
    """The candidates of a step: their ids, the logarithms of their expected counts, and how many draws they took."""

    ids: torch.Tensor
    log_counts: Floats
    draws: int


class _Apart:
    """A split whose documents are its sentences."""

    def __init__(self, split: Split) -> None:
        self.sentence_offsets, self.gather = split.sentence_offsets, split.gather
        self.num_documents = split.num_sentences
        self.document_starts = split.sentence_offsets


class Vocabulary:
    """The words that are fed and asked: a tokenizer's tokens, then begin and end of a sentence.

    characters  (V + 2, W)
    """

    def __init__(self, tokenizer: Tokenizer, size: int, width: int) -> None:
        """size    V, at least as many as the tokenizer has tokens"""
        self.begin, self.end, self._tokens = size, size + 1, tokenizer.tokens
        spare = [""] * (size - tokenizer.vocab_size)
        words = word_characters([*tokenizer.tokens, *spare], width)
        self.characters: Characters = np.concatenate([words, sentence_marks(width)])

    def __len__(self) -> int:
        return len(self.characters)

    def mark(self, token_id: int) -> Mark:
        """A word to be looked at."""
        if token_id >= self.begin:
            name = BEGIN if token_id == self.begin else END
            return Mark(name, "special", name)
        return Mark(self._tokens[token_id], "plain", self._tokens[token_id])


def with_characters(batch: Batch, characters: Characters, widest: int) -> Batch:
    """The batch with the characters of its different tokens.

    characters  (V, W) of all of them
    widest      the longest window that looks at them
    """
    ids, is_there = batch.token_ids.numpy(), np.zeros(len(characters), np.bool_)
    is_there[ids] = True
    different, row_of = np.flatnonzero(is_there), np.empty(len(characters), np.int64)
    row_of[different] = np.arange(len(different))
    known = narrowed(characters[different], widest).astype(np.int64)
    return replace(batch, char_ids=torch.from_numpy(known), char_rows=torch.from_numpy(row_of[ids]))


class BothWays:
    """Batches by step of `lanes` forward and as many backward sequences; held-out sentences one by one.

    train, held_out     what to train on, and to judge by; the latter may be empty
    widest              the longest filter of the network
    lanes, length       how many of each direction, and how many words each reads in a step
    micro_lanes         lanes of each direction that are computed at once
    candidates          words among which the right one is to be found; None: all
    held_out_sentences  how many are looked at, None for all
    """

    def __init__(
        self,
        train: Split,
        held_out: Split,
        vocabulary: Vocabulary,
        *,
        widest: int,
        lanes: int,
        length: int,
        micro_lanes: int,
        candidates: int | None,
        held_out_sentences: int | None,
        seed: int,
    ) -> None:
        self.train, self._held_out, self.vocabulary = train, held_out, vocabulary
        self._widest, self._lanes, self._length, self._micro = widest, lanes, length, micro_lanes
        self._candidates, self._most, self._seed = candidates, held_out_sentences, seed
        settings: dict[str, Any] = {"lanes": lanes, "begin": vocabulary.begin, "end": vocabulary.end}
        visits = Visits(train, seed=seed)
        self._ways = [
            VisitedLanes(visits, seed=key(seed, way), backwards=way == "backward", **settings)
            if visits.number > 1
            else SentenceLanes(train, seed=key(seed, way), backwards=way == "backward", **settings)
            for way in ("forward", "backward")
        ]
        self._together = min(STEPS, max(1, TOGETHER // (lanes * length)))
        self._known = -1, list[Gaps]()

    @cached_property
    def _ranks(self) -> tuple[Integers, Integers]:
        """(ids by frequency, the place of each id in them)."""
        counts = token_counts(self.train, len(self.vocabulary))
        counts[[self.vocabulary.begin, self.vocabulary.end]] = self.train.num_sentences
        by_rank = np.argsort(-counts, kind="stable")
        ranks = np.empty_like(by_rank)
        ranks[by_rank] = np.arange(len(by_rank))
        return by_rank, ranks

    def gaps(self, step: int) -> list[Gaps]:
        """What the lanes of both directions have before them in that step; several steps are looked up at once."""
        block, place = divmod(step, self._together)
        if self._known[0] != block:
            steps = np.repeat(np.arange(self._together) + block * self._together, self._lanes)
            positions = steps[:, None] * self._length + np.arange(self._length)
            self._known = block, [way.at(positions) for way in self._ways]
        mine = slice(place * self._lanes, (place + 1) * self._lanes)
        return [Gaps(way.left[mine], way.right[mine]) for way in self._known[1]]

    def batches(self, step: int) -> list[Batch]:
        """The step's micro-batches: forward lanes, then the backward lanes of the same numbers.

        Every token is asked for what is on its other side. With candidates, these are the step's own.
        """
        forward, backward = self.gaps(step)
        drawn = None if self._candidates is None else self._drawn(self._candidates, step)
        made: list[Batch] = []
        for first in range(0, self._lanes, self._micro):
            some = slice(first, first + self._micro)
            fed = np.concatenate([forward.left[some], backward.right[some]])
            asked = np.concatenate([forward.right[some], backward.left[some]])
            made.append(self._batch(fed, asked, np.arange(self._lanes)[some], drawn))
        return made

    def _drawn(self, count: int, step: int) -> "_Drawn":
        by_rank, _ = self._ranks
        ranks, draws = draw_candidates(count, len(self.vocabulary), self._seed, "candidates", step)
        return _Drawn(torch.from_numpy(by_rank[ranks]), log_expected_counts(ranks, len(self.vocabulary), draws), draws)

    def _batch(self, fed: Integers, asked: Integers, lanes: Integers, drawn: "_Drawn | None") -> Batch:
        flat = asked.ravel()
        bounds = np.arange(len(fed) + 1) * self._length
        batch = flat_batch(fed.ravel(), bounds, predict_rows=np.arange(len(flat)), predict_ids=flat)
        backward: Booleans = np.arange(len(fed)) >= len(lanes)
        batch = replace(
            batch, lane_ids=torch.from_numpy(np.concatenate([lanes, lanes])), backward=torch.from_numpy(backward)
        )
        if drawn is not None:
            of_asked = log_expected_counts(self._ranks[1][flat], len(self.vocabulary), drawn.draws)
            counts = np.concatenate([of_asked, drawn.log_counts]).astype(np.float32)
            batch = replace(batch, candidate_ids=drawn.ids, log_counts=torch.from_numpy(counts))
        return with_characters(batch, self.vocabulary.characters, self._widest)

    def held_out(self) -> Iterator[Batch]:
        """Held-out sentences with begin and end, each by itself, in their order."""
        total = self._held_out.num_sentences
        for first in range(0, min(total, self._most or total), HELD_OUT_BATCH):
            offsets = self._held_out.sentence_offsets[first : first + HELD_OUT_BATCH + 1]
            offsets = offsets[: (self._most or total) - first + 1]
            words, _ = self._held_out.gather(offsets[:1], offsets[-1:] - offsets[:1])
            sentences = sentence_batch(words, np.diff(offsets), self.vocabulary.begin, self.vocabulary.end)
            yield with_characters(sentences, self.vocabulary.characters, self._widest)

    def examples(self, step: int) -> Iterator[Example]:
        """What the lanes read in a step, forward ones first, each in the order in which it is read."""
        for batch in self.batches(step):
            for row in batch.token_ids.view(-1, self._length).tolist():
                yield Example(tuple(self.vocabulary.mark(token) for token in row), None)

    def epoch_sequences(self, epoch: int) -> int:
        """How many steps of a lane an epoch has, all lanes together."""
        return -(-(self.train.num_tokens + self.train.num_sentences) // self._length)


def sentence_batch(words: Integers, lengths: Integers, begin: int, end: int) -> Batch:
    """Sentences of so many words each, one after the other, with begin and end around each.

    >>> batch = sentence_batch(np.array([5, 6, 7]), np.array([2, 1]), 8, 9)
    >>> batch.token_ids.tolist(), batch.cu_seqlens.tolist()
    ([8, 5, 6, 9, 8, 7, 9], [0, 4, 7])
    """
    bounds = np.concatenate([[0], np.cumsum(lengths + 2)])
    ids = np.empty(bounds[-1], np.int64)
    ids[bounds[:-1]], ids[bounds[1:] - 1] = begin, end
    inside = np.ones(len(ids), np.bool_)
    inside[bounds[:-1]] = inside[bounds[1:] - 1] = False
    ids[inside] = words
    return flat_batch(ids, bounds)
