"""Which sentences form which pair: the plan behind next sentence prediction and sentence order prediction.

The method is that of BERT (Devlin et al. 2019, arXiv 1810.04805, appendix A.1) as Google's script does
it (`google-research/bert`, `create_pretraining_data.py`, `create_instances_from_document`):

    sentences of a document pile up in a chunk until it holds the target length, or the document ends
    the chunk is cut after a uniformly drawn sentence; what lies before the cut is segment A
    with probability 1/2 segment B is the rest of the chunk (label 0); else, and always when the chunk
    is one sentence, B starts at a random sentence of a random document (label 1), grows until the
    pair has the target length, and the unused rest of the chunk is put back
    the longer segment loses tokens, front or back by a fair coin each, until the pair fits

So every sentence appears exactly once in a pass as A or as true continuation. Nothing here loops
over tokens or pairs: all documents advance together, one chunk each at a time.

What else pairs can be asked for, from the same chunks:

    sentence_order   ALBERT (arXiv 1909.11942, section 3.1): B is always the rest of the chunk, and in half of the
                     pairs the two change places (label 1). A chunk of one sentence is cut between two tokens;
                     google-research/ALBERT takes a random B for it and says 1, which as_google does too
    none             B is the rest of the chunk and nothing is asked
    sentences        a chunk is two sentences, and a random B is one: RoBERTa's sentence pairs (1907.11692, 4.2)
"""

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from maskwright.corpus.read import Split

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]

PART_SENTENCES = 1024
"""Longer documents are cut here, so that the number of rounds is bounded; a chunk ends at each cut."""

Task = Literal["next_sentence", "sentence_order", "none"]

RETRIES = 10
"""How often Google's script draws again when it drew the document it is working on."""


class Plan(NamedTuple):
    """Pairs, one row each, in the order they were made. Addresses and lengths count tokens of the split.

    a_start, a_length, b_start, b_length  (n,) int64, after truncation; lengths are at least 1
    pair_labels  (n,) int64, 0 = B follows A, 1 = it does not: it is from a random place, or comes before A
    targets      (n,) int64, the length A and B together were meant to have
    cut          (n,) int64, tokens lost by truncation
    alone        (n,) int64, 1 = the chunk was one sentence, so that B had to be random, or a part of it
    """

    a_start: Integers
    a_length: Integers
    b_start: Integers
    b_length: Integers
    pair_labels: Integers
    targets: Integers
    cut: Integers
    alone: Integers

    @property
    def num_pairs(self) -> int:
        """n."""
        return self.a_start.shape[0]


class _Chunks(NamedTuple):
    """One round: a chunk of each part, as sentence numbers, and what was decided about it.

    cut   (n,) in [0, 1), where a chunk of one sentence is cut if it is to be A and B
    """

    a_first: Integers
    a_end: Integers
    b_first: Integers
    b_end: Integers
    random_next: Booleans
    swapped: Booleans
    alone: Booleans
    targets: Integers
    cut: Floats


class _Parts(NamedTuple):
    """Documents cut into parts: sentence ranges, and the place of their document in the visit."""

    cursor: Integers
    end: Integers
    document: Integers
    target: Integers


def plan_pairs(
    split: Split,
    documents: Integers,
    generator: np.random.Generator,
    *,
    max_tokens: int,
    short_probability: float,
    as_google: bool,
    task: Task = "next_sentence",
    sentences: bool = False,
) -> Plan:
    """All pairs of one pass over `documents` (numbers of documents in `split`), partners drawn among them.

    max_tokens         tokens of A and B together, special tokens not counted; at least 2
    short_probability  how often the target is uniform in 2..max_tokens instead of max_tokens
    as_google          False: a partner is always another document, and short targets are drawn per pair.
                       True: as the originals, see `SegmentPairs` and above.
    task               what is asked of a pair
    sentences          whether A and B are one sentence each
    """
    offsets = split.sentence_offsets
    firsts, ends = split.document_offsets[documents], split.document_offsets[documents + 1]
    targets = _targets(generator.random((2, len(documents))), short_probability, max_tokens)
    parts = _cut_documents(firsts, ends, targets)
    rounds: list[_Chunks] = []
    while len(parts.cursor):
        draws = generator.random((6, len(parts.cursor)))
        if not as_google:
            parts = parts._replace(target=_targets(draws[:2], short_probability, max_tokens))
        chunks = _next_chunks(parts, draws[2:], offsets, firsts, ends, as_google, task, sentences)
        rounds.append(chunks)
        cursor = np.where(chunks.random_next, chunks.a_end, chunks.b_end)  # the unused rest is put back
        unfinished = cursor < parts.end
        parts = _Parts(*(field[unfinished] for field in parts._replace(cursor=cursor)))
    joined = _Chunks(*(np.concatenate(fields) for fields in zip(*rounds, strict=True)))
    return _truncate(joined, offsets, max_tokens, generator)


def _targets(draws: Floats, short_probability: float, max_tokens: int) -> Integers:
    """Target lengths from two uniform draws each: mostly max_tokens, sometimes 2..max_tokens."""
    short = 2 + _below(draws[1], max_tokens - 1)
    return np.where(draws[0] < short_probability, short, max_tokens)


def _below(uniform: Floats, limit: Integers | int) -> Integers:
    """Uniform integers in 0..limit-1 from uniform draws in [0, 1); exact to limit / 2**53."""
    return (uniform * limit).astype(np.int64)


def _cut_documents(firsts: Integers, ends: Integers, targets: Integers) -> _Parts:
    """Sentence ranges of at most PART_SENTENCES, as even as they come."""
    pieces = -(-(ends - firsts) // PART_SENTENCES)
    document = np.repeat(np.arange(len(firsts)), pieces)
    piece = np.arange(len(document)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    first, length, of = firsts[document], (ends - firsts)[document], pieces[document]
    return _Parts(first + piece * length // of, first + (piece + 1) * length // of, document, targets[document])


def _next_chunks(
    parts: _Parts,
    draws: Floats,
    offsets: Integers,
    firsts: Integers,
    ends: Integers,
    as_google: bool,
    task: Task,
    two_sentences: bool,
) -> _Chunks:
    """The next chunk of every unfinished part. draws (4, parts): cut, coin, partner document, its start."""
    a_first, target = parts.cursor, parts.target
    full = a_first + 2 if two_sentences else np.searchsorted(offsets, offsets[a_first] + target)
    chunk_end = np.minimum(full, parts.end)
    sentences = chunk_end - a_first
    a_end = a_first + 1 + _below(draws[0], sentences - 1)
    alone, coin = sentences == 1, draws[1] < 0.5
    random_next = alone | coin if task == "next_sentence" else alone & (as_google and task == "sentence_order")

    partner = _partners(parts.document, draws[2], len(firsts), as_google)
    start = firsts[partner] + _below(draws[3], (ends - firsts)[partner])
    wanted = np.maximum(target - (offsets[a_end] - offsets[a_first]), 1)  # at least one sentence
    grown = start + 1 if two_sentences else np.searchsorted(offsets, offsets[start] + wanted)
    stop = np.minimum(grown, ends[partner])
    return _Chunks(
        a_first=a_first,
        a_end=a_end,
        b_first=np.where(random_next, start, a_end),
        b_end=np.where(random_next, stop, chunk_end),
        random_next=random_next,
        swapped=coin & ~random_next & (task == "sentence_order"),
        alone=alone,
        targets=target,
        cut=draws[0],
    )


def _partners(own: Integers, uniform: Floats, documents: int, as_google: bool) -> Integers:
    """Documents to take a random B from, uniform over the others.

    Google's script keeps the own document if it was drawn RETRIES times running, which one draw
    decides as well: the lowest `documents ** -RETRIES` of the unit interval stand for that.
    """
    if not as_google:
        partner = _below(uniform, documents - 1)
        return partner + (partner >= own)
    never_left = float(documents) ** -RETRIES
    partner = _below(np.maximum(uniform - never_left, 0) / max(1 - never_left, 1e-9), max(documents - 1, 0))
    return np.where(uniform < never_left, own, partner + (partner >= own))


def _truncate(chunks: _Chunks, offsets: Integers, max_tokens: int, generator: np.random.Generator) -> Plan:
    """Token by token the longer segment (B if they are equal) loses its first or its last, in closed form.

    The longer one first comes down to the other's length, then they take turns, B first. So what each
    loses is determined, and how much of that from the front is binomial.
    """
    a_start, a_length, b_start, b_length = _ranges(chunks, offsets)
    excess = np.maximum(a_length + b_length - max_tokens, 0)
    a_alone = np.minimum(np.maximum(a_length - b_length, 0), excess)
    b_alone = np.minimum(np.maximum(b_length - a_length, 0), excess)
    in_turn = excess - a_alone - b_alone
    a_loss, b_loss = a_alone + in_turn // 2, b_alone + (in_turn + 1) // 2
    losing = np.flatnonzero(excess)
    front = np.zeros((2, len(excess)), np.int64)
    front[:, losing] = generator.binomial(np.stack([a_loss[losing], b_loss[losing]]), 0.5)
    whole = np.flatnonzero(np.minimum(a_length, b_length))  # one token alone cannot be two segments, and is lost
    plan = Plan(
        a_start=a_start + front[0],
        a_length=a_length - a_loss,
        b_start=b_start + front[1],
        b_length=b_length - b_loss,
        pair_labels=(chunks.random_next | chunks.swapped).astype(np.int64),
        targets=chunks.targets,
        cut=excess,
        alone=chunks.alone.astype(np.int64),
    )
    return plan if len(whole) == len(b_length) else Plan(*(field[whole] for field in plan))


def _ranges(chunks: _Chunks, offsets: Integers) -> tuple[Integers, Integers, Integers, Integers]:
    """Start and length in tokens of A, then of B: swapped where that was drawn, and a lone sentence cut in two."""
    a_start, b_start = offsets[chunks.a_first], offsets[chunks.b_first]
    a_end, b_end = offsets[chunks.a_end], offsets[chunks.b_end]
    halved = chunks.alone & ~chunks.random_next
    middle = np.minimum(a_start + 1 + _below(chunks.cut, a_end - a_start - 1), a_end)
    a_end, b_start = np.where(halved, middle, a_end), np.where(halved, middle, b_start)
    swapped = chunks.swapped
    return (
        np.where(swapped, b_start, a_start),
        np.where(swapped, b_end - b_start, a_end - a_start),
        np.where(swapped, a_start, b_start),
        np.where(swapped, a_end - a_start, b_end - b_start),
    )
