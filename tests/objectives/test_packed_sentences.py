"""Whole sentences packed: equal to packing them one by one, every token once an epoch, documents told apart."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from maskwright.corpus.read import Split
from maskwright.errors import BadInput
from maskwright.objectives.packed_sentences import PackedSentences
from maskwright.objectives.stream import Stream
from tests.objectives.conftest import numbered

Make = Callable[..., Split]
CLS, SEP = 2, 3


def packing(max_length: int, across: bool) -> PackedSentences:
    return PackedSentences(cls_id=CLS, sep_id=SEP, max_length=max_length, across_documents=across)


def one_by_one(split: Split, max_length: int, across: bool) -> list[list[int]]:
    """The sequences as fairseq's `complete` and `complete_doc` form them, sentence by sentence."""
    made: list[list[int]] = []
    current: list[int] = []
    for document in range(split.num_documents):
        first, end = split.document_offsets[document : document + 2].tolist()
        between = [SEP] if across and current else []
        for number in range(first, end):
            sentence = split.sentence(number).tolist()
            parts = -(-len(sentence) // (max_length - 2))
            cuts = [part * len(sentence) // parts for part in range(parts + 1)]
            for a, b in pairwise(cuts):
                if current and len(current) + len(between) + b - a > max_length - 2:
                    made.append(current)
                    current, between = [], []
                current = [*current, *between, *sentence[a:b]]
                between = []
        if not across:
            made.append(current)
            current = []
    return [[CLS, *tokens, SEP] for tokens in [*made, current] if tokens]


@pytest.mark.parametrize("across", [True, False])
@pytest.mark.parametrize("max_length", [5, 16, 64, 1000])
@pytest.mark.parametrize("seed", range(3))
def test_equal_to_packing_one_by_one(drawn_split: Make, max_length: int, across: bool, seed: int) -> None:
    split = drawn_split(40, seed, sentences=12, tokens=30)
    layout = packing(max_length, across)
    sequences = layout.lay_out(split, layout.plan(split, np.arange(40), np.random.default_rng(0)))
    made = [part.tolist() for part in np.split(sequences.token_ids, sequences.cu_seqlens[1:-1])]
    assert made == one_by_one(split, max_length, across)
    assert sequences.lengths.max() <= max_length
    assert (sequences.special == np.isin(sequences.token_ids, [CLS, SEP])).all()
    assert not sequences.token_type_ids.any() and sequences.pair_labels is None
    # every token once, in order
    assert (
        sequences.token_ids[~sequences.special] == split.gather(np.array([0]), np.array([split.num_tokens]))[0]
    ).all()


@pytest.mark.parametrize("across", [True, False])
def test_an_epoch_of_several_visits_is_every_token_once(drawn_split: Make, across: bool) -> None:
    split = numbered(drawn_split(300))
    stream = Stream(split, packing(64, across), seed=3, visit_tokens=4000, block_tokens=500)
    assert stream.visits > 5
    for epoch in range(2):
        seen = np.zeros(split.num_tokens, np.int64)
        for visit in range(stream.visits):
            plan, part = stream.plan(epoch, visit), stream.part(epoch, visit)
            there = part.gather(np.array([0]), np.array([part.num_tokens]))[0]  # the addresses in the split
            for start, length in zip(plan.start, plan.length, strict=True):
                seen[there[start : start + length]] += 1
        assert (seen == 1).all()
    total = stream.epoch_sequences(0)
    shown = stream.sequences(0, total)
    assert (~shown.special).sum() == split.num_tokens


def test_words_are_those_of_the_corpus_and_end_where_a_sentence_is_cut(split_of: Make) -> None:
    split = split_of([[20]])
    layout = packing(12, across=False)
    sequences = layout.lay_out(split, layout.plan(split, np.arange(1), np.random.default_rng(0)))
    assert sequences.lengths.tolist() == [12, 12] and sequences.word_ids is not None
    assert sequences.word_ids[1] != sequences.word_ids[10]
    assert sequences.word_ids[10] != sequences.word_ids[13]


def test_no_room_is_refused() -> None:
    with pytest.raises(BadInput, match="max_length 2"):
        packing(2, across=True)
