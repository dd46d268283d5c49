"""The stream of pairs: laid out as BERT reads them, each once an epoch, the same from wherever one looks."""

import hashlib
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from maskwright.batch import Sequences
from maskwright.corpus.read import Split
from maskwright.errors import BadInput
from maskwright.objectives.segment_pairs import SegmentPairs
from maskwright.objectives.stream import Stream
from tests.objectives.conftest import numbered

Make = Callable[..., Split]
CLS, SEP = 2, 3


def pairs_of(split: Split, **options: Any) -> Stream[Any]:
    of_stream = {
        name: options.pop(name) for name in ("seed", "dupe_factor", "visit_tokens", "block_tokens") if name in options
    }
    layout = SegmentPairs(cls_id=CLS, sep_id=SEP, **{"max_length": 32} | options)
    return Stream(split, layout, **{"seed": 5} | of_stream)


def apart(sequences: Sequences) -> list[tuple[Any, ...]]:
    """The examples one by one, as plain lists; word ids renumbered from 0 within each."""
    assert sequences.word_ids is not None and sequences.pair_labels is not None
    cuts = sequences.cu_seqlens[1:-1]
    columns = [sequences.token_ids, sequences.token_type_ids, sequences.special, sequences.word_ids]
    examples = zip(*(np.split(column, cuts) for column in columns), sequences.pair_labels.tolist(), strict=True)
    return [
        (tuple(ids.tolist()), tuple(types.tolist()), tuple(special.tolist()), renumbered(words), label)
        for ids, types, special, words, label in examples
    ]


def renumbered(words: np.ndarray) -> tuple[int, ...]:
    return tuple(np.where(words < 0, -1, words - words[1]).tolist())


def by_hand(split: Split, a: range, b: range, label: int) -> tuple[Any, ...]:
    """One example built token by token."""
    tokens, starts = split.gather(np.array([0]), np.array([split.num_tokens]))
    ids, types, special, words, word = [CLS], [0], [True], [-1], -1
    for segment, span in enumerate((a, b)):
        for place in span:
            word += 1 if starts[place] or place == span.start else 0
            ids.append(int(tokens[place])), types.append(segment), special.append(False), words.append(word)
        ids.append(SEP), types.append(segment), special.append(True), words.append(-1)
    return tuple(ids), tuple(types), tuple(special), tuple(words), label


def test_layout_equals_building_by_hand(drawn_split: Make) -> None:
    split = drawn_split(40)
    plan = pairs_of(split).plan(0)
    spans = zip(*(field.tolist() for field in plan[:5]), strict=True)
    expected = [by_hand(split, range(a, a + m), range(b, b + n), label) for a, m, b, n, label in spans]
    assert apart(pairs_of(split).layout.lay_out(split, plan)) == expected


def test_word_ids_tell_neighbouring_words_apart_through_the_whole_batch(drawn_split: Make) -> None:
    words = pairs_of(drawn_split(40)).sequences(0, 16).word_ids
    assert words is not None
    real = words[words >= 0]
    assert (np.isin(np.diff(real), [0, 1])).all() and real[0] == 0


def test_sequences_fit_and_some_are_full(drawn_split: Make) -> None:
    lengths = pairs_of(drawn_split(100), max_length=40).sequences(0, 200).lengths
    assert lengths.max() == 40 and lengths.min() >= 5


def test_each_pair_once_an_epoch_however_it_is_cut_in_batches(drawn_split: Make) -> None:
    split = drawn_split(12)
    pairs = pairs_of(split)
    epochs = [pairs.epoch_sequences(epoch) for epoch in range(4)]
    planned = [apart(pairs.layout.lay_out(split, pairs.plan(epoch))) for epoch in range(4)]
    total = sum(epochs)
    for size in (1, 7, 64, total):
        stream = [example for step in range(-(-total // size)) for example in apart(pairs.sequences(step, size))]
        ends = np.cumsum([0, *epochs])
        for epoch in range(4):
            shown = stream[ends[epoch] : ends[epoch + 1]]
            assert Counter(shown) == Counter(planned[epoch])
            assert shown != planned[epoch]


def test_epochs_differ(drawn_split: Make) -> None:
    pairs = pairs_of(drawn_split(60))
    first, second = (
        {(a, b) for a, b in zip(plan.a_start.tolist(), plan.b_start.tolist(), strict=True)}
        for plan in (pairs.plan(0), pairs.plan(1))
    )
    assert len(first & second) < 0.2 * len(first)


def digest(sequences: Sequences) -> str:
    assert sequences.word_ids is not None and sequences.pair_labels is not None
    arrays = [sequences.token_ids, sequences.cu_seqlens, sequences.token_type_ids, sequences.word_ids]
    return hashlib.sha256(b"".join(array.tobytes() for array in [*arrays, sequences.pair_labels])).hexdigest()


@pytest.mark.parametrize("options", [{}, {"visit_tokens": 900, "block_tokens": 300}, {"dupe_factor": 2}])
def test_a_step_is_a_pure_function(drawn_split: Make, options: dict[str, int]) -> None:
    """The same twice, in another order of calls, and from a fresh object that starts late."""
    split = drawn_split(12)
    pairs = pairs_of(split, **options)
    steps = range(0, 60, 3)
    forward = [digest(pairs.sequences(step, 6)) for step in steps]
    assert len(set(forward)) == len(forward)
    assert [digest(pairs.sequences(step, 6)) for step in reversed(steps)] == forward[::-1]
    assert [digest(pairs_of(split, **options).sequences(step, 6)) for step in steps] == forward
    assert digest(pairs_of(split, **options, seed=6).sequences(0, 6)) != forward[0]


IN_ANOTHER_PROCESS = """
import numpy as np
from maskwright.corpus.read import Split
from maskwright.objectives.segment_pairs import SegmentPairs
from maskwright.objectives.stream import Stream
from tests.objectives.conftest import numbered
lengths = np.arange(3000) % 11 + 1
split = Split.from_arrays(np.arange(lengths.sum()) % 997, np.ones(lengths.sum()), np.append(0, lengths.cumsum()),
                          np.arange(0, 3001, 30))
pairs = Stream(split, SegmentPairs(cls_id=2, sep_id=3), seed=9)
print(pairs.sequences(77, 10).token_ids.tobytes().hex())
"""


def test_another_process_makes_the_same_batch(capsys: pytest.CaptureFixture[str]) -> None:
    run = subprocess.run(
        [sys.executable, "-c", IN_ANOTHER_PROCESS], capture_output=True, text=True, check=True, timeout=120
    )
    exec(IN_ANOTHER_PROCESS, {})
    here = capsys.readouterr().out
    assert run.stdout == here and len(here) > 1000


def test_a_large_corpus_is_taken_in_visits(drawn_split: Make) -> None:
    """Documents of a visit are partnered among themselves; an epoch is still every token once."""
    split = numbered(drawn_split(300))
    pairs = pairs_of(split, visit_tokens=4000, block_tokens=500, max_length=100_000, short_probability=0)
    assert pairs.visits > 5
    firsts = split.sentence_offsets[split.document_offsets]
    groups: list[list[set[int]]] = []
    for epoch in range(2):
        seen = np.zeros(split.num_tokens, np.int64)
        groups.append([])
        for visit in range(pairs.visits):
            plan, part = pairs.plan(epoch, visit), pairs.part(epoch, visit)
            there = part.gather(np.array([0]), np.array([part.num_tokens]))[0]  # the addresses in the split
            a, b = (np.searchsorted(firsts, there[start], side="right") - 1 for start in (plan.a_start, plan.b_start))
            assert ((a != b) == (plan.pair_labels == 1)).all()
            assert set(b.tolist()) <= set(a.tolist())
            groups[-1].append(set(a.tolist()))
            for start, length, label in zip(plan.b_start, plan.b_length, plan.pair_labels, strict=True):
                seen[there[start : start + length]] += label == 0
            for start, length in zip(plan.a_start, plan.a_length, strict=True):
                seen[there[start : start + length]] += 1
        assert (seen == 1).all()
        assert sum(map(len, groups[-1])) == split.num_documents
    assert groups[0] != groups[1]
    assert sum(pairs.plan(0, visit).num_pairs for visit in range(pairs.visits)) == pairs.epoch_sequences(0)


def test_duplicated_passes_come_again_in_another_order(drawn_split: Make) -> None:
    split = drawn_split(20)
    pairs = pairs_of(split, dupe_factor=2)
    size = pairs.epoch_sequences(0)
    assert pairs.epoch_sequences(2) == size and pairs.epoch_sequences(1) == pairs.epoch_sequences(3)

    def shown(first: int) -> list[tuple[Any, ...]]:
        examples = [example for step in range(first, first + size) for example in apart(pairs.sequences(step, 1))]
        keys = [int(pairs.examples(step, 1).keys[0]) for step in range(first, first + size)]
        assert len(set(keys)) == size
        return list(zip(keys, examples, strict=True))

    first, third = shown(0), shown(size + pairs.epoch_sequences(1))
    assert sorted(first) == sorted(third) and first != third
    assert not {key for key, _ in first} & set(pairs.examples(1, size).keys.tolist()[: pairs.epoch_sequences(1)])


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"max_length": 4}, "max_length 4"),
        ({"max_length": -1}, "max_length -1"),
        ({"short_probability": 1.5}, "short_probability 1.5"),
        ({"variant": "goggle"}, '"goggle"'),
        ({"dupe_factor": 0}, "dupe_factor 0"),
    ],
)
def test_bad_options_are_named(drawn_split: Make, options: dict[str, Any], named: str) -> None:
    with pytest.raises(BadInput, match=named) as caught:
        pairs_of(drawn_split(3), **options)
    assert "\n" not in str(caught.value)


def test_one_document_is_refused_unless_google_is_asked_for(split_of: Make) -> None:
    one = split_of([[5] * 20])
    with pytest.raises(BadInput, match="1 document"):
        pairs_of(one)
    assert pairs_of(one, variant="google").sequences(0, 4).lengths.min() >= 5


def test_the_shortest_pairs_there_can_be(drawn_split: Make) -> None:
    lengths = pairs_of(drawn_split(5), max_length=5).sequences(0, 50).lengths
    assert (lengths == 5).all()
