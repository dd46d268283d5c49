"""Next sentence prediction: does segment B follow segment A, or come from elsewhere?

BERT (Devlin et al. 2019, arXiv 1810.04805, section 3.1 and appendix A.1), laid out as Google's script
`create_pretraining_data.py` does it; `pair_plan` tells how. Where that script errs, the default
(`next_sentence="exact"`) does what its comments say, and `next_sentence="google"` what its code does:

    original                                            exact
    may draw the own document ten times running and     the partner is always another document; a
    then label a pair from it, even the true next       split of one document is refused
    sentence, as random
    draws "10 % short" once per document and pass; a    drawn per pair: 10 % of the pairs are short
    short document yields many more pairs, so that
    about three pairs in ten are short

Kept, because it is the published task: a chunk of one sentence has always a random B, so more than
half of the labels are 1; a random B that meets the end of its document leaves the pair short, which
hints at the label; partner documents are uniform whatever their length; text that appears in two
documents is not noticed. In both, documents of more than 1,024 sentences are cut there into parts.
"""

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from typing import ClassVar, Literal, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from maskwright.batch import Batch, Sequences
from maskwright.config import Config
from maskwright.corpus.read import Split
from maskwright.draws import Words, generator, key
from maskwright.errors import BadInput
from maskwright.layers.weight_names import weight_and_bias
from maskwright.objectives.head import Encoder
from maskwright.objectives.pair_plan import Plan, plan_pairs
from maskwright.objectives.tally import Tally

Integers = npt.NDArray[np.int64]
Value = TypeVar("Value")

SPECIALS = 3  # [CLS] A [SEP] B [SEP]
PASSES = 64
"""Epochs until pairs come again (in another order, under other masks), so that a late step is found soon."""
VISIT_TOKENS = 1 << 26
BLOCK_TOKENS = 1 << 20


class PairsConfig(Config):
    """How two segments are laid out."""

    max_length: int = Field(default=128, ge=5)
    """Tokens of a pair, special tokens included."""
    short_probability: float = Field(default=0.1, ge=0, le=1)
    """How often a pair is meant to be shorter."""
    next_sentence: Literal["exact", "google"] = "exact"
    """google: the original with its faults."""


class _Stretch(NamedTuple):
    """Consecutive examples of one visit of one epoch: rows `order[first:end]` of its plan."""

    epoch: int
    visit: int
    first: int
    end: int


class SegmentPairs:
    """[CLS] A [SEP] B [SEP], an endless stream of epochs; step k is the same in every process.

    An epoch forms every pair once, in random order. A corpus of more than about 64 M tokens is taken in
    visits: random groups of blocks of neighbouring documents, shuffled and partnered inside the group, so
    memory and the wait for the first batch do not grow with the corpus. How many pairs a visit has is known
    only after planning it: the first call for a late step plans the visits before it once (about a
    second for 64 M tokens) and remembers their sizes.

    split              the documents
    cls_id, sep_id     special tokens
    max_length         tokens of a pair, special tokens included; at least 5
    short_probability  how often a pair is meant to be shorter than max_length
    seed               of every draw
    next_sentence      "exact", or "google" for the original with its faults
    dupe_factor        passes that are drawn before they are repeated; None: 64, each epoch's order being new

    Raises BadInput for lengths below 5, probabilities outside 0..1, and a split without a second document.
    """

    def __init__(
        self,
        split: Split,
        *,
        cls_id: int,
        sep_id: int,
        max_length: int = 128,
        short_probability: float = 0.1,
        seed: int,
        next_sentence: Literal["exact", "google"] = "exact",
        dupe_factor: int | None = None,
        visit_tokens: int = VISIT_TOKENS,
        block_tokens: int = BLOCK_TOKENS,
    ) -> None:
        _check(split, max_length, short_probability, next_sentence, dupe_factor)
        self.split, self.cls_id, self.sep_id = split, cls_id, sep_id
        self.max_length, self.short_probability = max_length, short_probability
        self.seed, self.next_sentence, self.passes = seed, next_sentence, dupe_factor or PASSES
        self._blocks = _blocks(split, block_tokens)
        self.visits = max(1, min(round(split.num_tokens / visit_tokens), (len(self._blocks) - 1) // 2))
        self._ends = [0]  # of each visit in the stream of pairs, as far as they are known
        self._plans: OrderedDict[tuple[int, int], Plan] = OrderedDict()
        self._orders: OrderedDict[tuple[int, int], Integers] = OrderedDict()

    def sequences(self, step: int, batch_sequences: int) -> Sequences:
        """Pairs [step * batch_sequences, (step + 1) * batch_sequences) of the stream."""
        plans = [self._rows(stretch) for stretch in self._stretches(step, batch_sequences)]
        plan = plans[0] if len(plans) == 1 else Plan(*map(np.concatenate, zip(*plans, strict=True)))
        return lay_out(self.split, plan, self.cls_id, self.sep_id)

    def example_keys(self, step: int, batch_sequences: int) -> Words:
        """(batch_sequences,) uint64 names of the pairs of a step, equal whenever a pair comes again.

        Static masks are drawn from them.
        """
        keys: list[Words] = []
        for stretch in self._stretches(step, batch_sequences):
            base = key(self.seed, "masks", self._pass(stretch.epoch), stretch.visit) & 0xFFFF_FFFF_FFFF_FFFF
            rows = self._order(stretch.epoch, stretch.visit)[stretch.first : stretch.end]
            keys.append(np.uint64(base) ^ rows.astype(np.uint64))
        return np.concatenate(keys)

    def plan(self, epoch: int, visit: int = 0) -> Plan:
        """The pairs of a visit of an epoch, in the order they were made (before the shuffle)."""
        address = (self._pass(epoch), visit)
        if address not in self._plans:
            _remember(self._plans, address, self._make_plan(*address))
        return self._plans[address]

    def epoch_pairs(self, epoch: int) -> int:
        """How many pairs an epoch has. They differ a little from epoch to epoch."""
        self._grow(visits=(epoch + 1) * self.visits)
        return self._ends[(epoch + 1) * self.visits] - self._ends[epoch * self.visits]

    def _pass(self, epoch: int) -> int:
        return epoch % self.passes

    def _make_plan(self, passed: int, visit: int) -> Plan:
        return plan_pairs(
            self.split,
            self._documents(passed, visit),
            generator(self.seed, "pairs", passed, visit),
            max_tokens=self.max_length - SPECIALS,
            short_probability=self.short_probability,
            as_google=self.next_sentence == "google",
        )

    def _documents(self, passed: int, visit: int) -> Integers:
        """The documents of a visit: a random group of blocks, the same number for every visit, give or take one."""
        if self.visits == 1:
            return np.arange(self.split.num_documents)
        shuffled = generator(self.seed, "blocks", passed).permutation(len(self._blocks) - 1)
        mine = np.sort(np.array_split(shuffled, self.visits)[visit])
        return np.concatenate([np.arange(int(self._blocks[i]), int(self._blocks[i + 1])) for i in mine])

    def _order(self, epoch: int, visit: int) -> Integers:
        """The order in which a visit's pairs are shown; new in each epoch even if the pairs are not."""
        address = (epoch, visit)
        if address not in self._orders:
            order = generator(self.seed, "shuffle", epoch, visit).permutation(self.plan(epoch, visit).num_pairs)
            _remember(self._orders, address, order)
        return self._orders[address]

    def _rows(self, stretch: _Stretch) -> Plan:
        rows = self._order(stretch.epoch, stretch.visit)[stretch.first : stretch.end]
        return Plan(*(field[rows] for field in self.plan(stretch.epoch, stretch.visit)))

    def _grow(self, *, visits: int = 0, pairs: int = 0) -> None:
        """Know the ends of that many visits, and of as many as hold that many pairs."""
        repeats = self.visits * self.passes
        while (number := len(self._ends) - 1) < visits or self._ends[-1] < pairs:
            if number >= repeats:
                size = self._ends[number - repeats + 1] - self._ends[number - repeats]
            else:
                size = self.plan(*divmod(number, self.visits)).num_pairs
            self._ends.append(self._ends[-1] + size)

    def _stretches(self, step: int, batch_sequences: int) -> Iterator[_Stretch]:
        """Where the pairs of a step lie; a step may reach over visits and epochs."""
        if step < 0 or batch_sequences < 1:
            raise ValueError(f"no step {step} of {batch_sequences} sequences")
        first, end = step * batch_sequences, (step + 1) * batch_sequences
        self._grow(pairs=end)
        while first < end:
            number = bisect_right(self._ends, first) - 1
            begin, stop = self._ends[number], min(end, self._ends[number + 1])
            yield _Stretch(*divmod(number, self.visits), first - begin, stop - begin)
            first = stop


def lay_out(split: Split, plan: Plan, cls_id: int, sep_id: int) -> Sequences:
    """The pairs of `plan` as flat sequences [CLS] A [SEP] B [SEP].

    The first token of a segment begins a word even where truncation cut a word in two.
    """
    starts = np.stack([plan.a_start, plan.b_start], axis=1).ravel()
    lengths = np.stack([plan.a_length, plan.b_length], axis=1).ravel()
    segment_ends = np.cumsum(lengths)
    tokens, word_starts = split.gather(starts, lengths)
    word_starts[segment_ends - lengths] = 1
    pairs = plan.num_pairs
    separators = segment_ends + np.arange(2 * pairs) + np.repeat(np.arange(1, pairs + 1), 2)
    cu_seqlens = np.concatenate([np.zeros(1, np.int64), separators[1::2] + 1])

    special = np.zeros(len(tokens) + SPECIALS * pairs, np.bool_)
    special[cu_seqlens[:-1]] = True
    special[separators] = True
    real = np.flatnonzero(~special)
    token_ids = np.full(len(special), sep_id, np.int64)
    token_ids[cu_seqlens[:-1]] = cls_id
    token_ids[real] = tokens
    word_ids = np.full(len(special), -1, np.int64)
    word_ids[real] = np.cumsum(word_starts, dtype=np.int64) - 1
    segments = lengths.reshape(pairs, 2) + np.array([2, 1])
    token_types = np.repeat(np.tile(np.array([0, 1]), pairs), segments.ravel())
    return Sequences(
        token_ids=token_ids,
        token_type_ids=token_types,
        cu_seqlens=cu_seqlens,
        special=special,
        word_ids=word_ids,
        pair_labels=plan.pair_labels,
    )


class NextSentenceHead(nn.Module):
    """(N, H) pooled output -> (N, 2) logits: column 0 "follows", column 1 "random" (`cls.seq_relationship`)."""

    weight_names: ClassVar = weight_and_bias("seq_relationship", "cls.seq_relationship")

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.seq_relationship = nn.Linear(hidden_size, 2)

    def forward(self, pooled: Tensor) -> Tensor:
        """(N, H) -> (N, 2)."""
        return self.seq_relationship(pooled)

    def count(self, batch: Batch) -> int:
        """N, pairs."""
        return 0 if batch.pair_labels is None else batch.pair_labels.shape[0]

    def reads(self, batch: Batch) -> Tensor:
        """(N,) each sequence's [CLS]."""
        return batch.first_rows

    def tally(self, seen: Tensor, batch: Batch, encoder: Encoder) -> Tally:
        """Summed cross-entropy, in nats, of the pair labels of the batch."""
        assert batch.pair_labels is not None
        return next_sentence_loss(self(encoder.pool(seen, batch)), batch.pair_labels)


def next_sentence_loss(logits: Tensor, pair_labels: Tensor) -> Tally:
    """Cross-entropy of (N, 2) logits with (N,) labels, summed, in nats and at least float32."""
    precise = torch.promote_types(logits.dtype, torch.float32)
    loss_sum = cross_entropy(logits.to(precise), pair_labels, reduction="sum")
    return Tally(loss_sum, pair_labels.shape[0], (logits.detach().argmax(-1) == pair_labels).sum())


def _blocks(split: Split, block_tokens: int) -> Integers:
    """Documents at which blocks of about block_tokens begin, and the end of the last."""
    firsts = split.sentence_offsets[split.document_offsets]
    wanted = np.arange(0, max(split.num_tokens, 1), block_tokens)
    return np.unique(np.append(np.searchsorted(firsts, wanted), split.num_documents))


def _remember(cache: OrderedDict[tuple[int, int], Value], address: tuple[int, int], value: Value) -> None:
    """Keep the two last ones: a batch may reach over the border."""
    cache[address] = value
    while len(cache) > 2:
        cache.popitem(last=False)


def _check(split: Split, max_length: int, short_probability: float, next_sentence: str, dupe: int | None) -> None:
    if next_sentence not in ("exact", "google"):
        raise BadInput(f'next_sentence = "{next_sentence}" is neither "exact" nor "google"')
    if max_length < SPECIALS + 2:
        raise BadInput(
            f"max_length {max_length} is too short for a pair: [CLS] A [SEP] B [SEP] needs at least 5 tokens"
        )
    if not 0 <= short_probability <= 1:
        raise BadInput(f"short_probability {short_probability} is no probability: give 0 to 1")
    if dupe is not None and dupe < 1:
        raise BadInput(
            f"dupe_factor {dupe} leaves no pass over the text: give 1 or more, or none for new pairs each epoch"
        )
    if split.num_documents == 0:
        raise BadInput("the split has no documents: build the corpus from more text")
    if next_sentence == "exact" and split.num_documents == 1:
        raise BadInput(
            "the split has 1 document, and a random next sentence needs a second one: separate documents "
            "by blank lines when building the corpus, or train without next sentence prediction"
        )
