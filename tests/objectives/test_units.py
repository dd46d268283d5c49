"""Words, n-grams and spans: hidden whole or not at all, and as often as one that draws them one by one hides them."""

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from maskwright.batch import Sequences, take
from maskwright.draws import words as keys_of
from maskwright.errors import BadInput
from maskwright.objectives.masked_lm import mask_sequences
from maskwright.objectives.masking import Draws, mask_counts
from maskwright.objectives.span_boundary import PLACES, span_fields
from maskwright.objectives.units import Hidden, Units, drawn_lengths, ngrams, span_shares, spans, whole_words, words_of

CLS, SEP, MASK, VOCABULARY = 2, 3, 4, 1000
UNITS: dict[str, Units] = {"words": whole_words, "ngrams": ngrams(3), "spans": spans(0.3, 5)}


def sequences_of(words: list[list[list[int]]]) -> Sequences:
    """Sequences of segments of word lengths: [CLS] words [SEP] words [SEP] ..., ids drawn."""
    ids, special, word_ids, types, ends = [], [], [], [], [0]
    word = 0
    for segments in words:
        ids.append(CLS), special.append(True), word_ids.append(-1), types.append(0)
        for number, lengths in enumerate(segments):
            for length in lengths:
                ids += list(range(10 + word % 900, 10 + word % 900 + length))
                special += [False] * length
                word_ids += [word] * length
                types += [number] * length
                word += 1
            ids.append(SEP), special.append(True), word_ids.append(-1), types.append(number)
        ends.append(len(ids))
    return Sequences(
        token_ids=np.array(ids), token_type_ids=np.array(types), cu_seqlens=np.array(ends),
        special=np.array(special), word_ids=np.array(word_ids),
    )  # fmt: skip


def drawn(seed: int, sequences: int, longest: int = 40) -> Sequences:
    rng = np.random.default_rng(seed)
    return sequences_of(
        [
            [rng.choice([1, 1, 1, 2, 3, 5], rng.integers(1, longest)).tolist() for _ in range(rng.integers(1, 3))]
            for _ in range(sequences)
        ]
    )


def hide(units: Units, sequences: Sequences, seed: int = 0, rate: float = 0.15) -> tuple[Hidden, np.ndarray]:
    budgets = mask_counts(sequences.lengths, rate)
    keys = keys_of(len(budgets), seed, "test")
    return units(sequences, budgets, Draws(keys, sequences.cu_seqlens)), budgets


def test_words_and_where_they_may_join() -> None:
    words = words_of(sequences_of([[[1, 2], [3]], [[2, 1, 1]]]))
    assert words.starts.tolist() == [1, 2, 5, 10, 12, 13]
    assert words.lengths.tolist() == [1, 2, 3, 2, 1, 1]
    assert words.sequences.tolist() == [0, 0, 0, 1, 1, 1]
    assert words.runs.tolist() == [2, 2, 3, 6, 6, 6]


@pytest.mark.parametrize("name", UNITS)
@pytest.mark.parametrize("rate", [0.05, 0.15, 0.5, 1.0])
def test_no_word_is_half_hidden_and_no_budget_exceeded(name: str, rate: float) -> None:
    sequences = drawn(1, 300)
    hidden, budgets = hide(UNITS[name], sequences, rate=rate)
    assert (np.diff(hidden.rows) > 0).all() and not sequences.special[hidden.rows].any()
    words = words_of(sequences)
    is_hidden = np.isin(np.arange(len(sequences.token_ids)), hidden.rows)
    for start, length in zip(words.starts, words.lengths, strict=True):
        assert is_hidden[start : start + length].all() or not is_hidden[start : start + length].any()
    of = np.searchsorted(sequences.cu_seqlens, hidden.rows, side="right") - 1
    assert (np.bincount(of, minlength=len(budgets)) <= budgets).all()
    # the first row of a unit begins a word and is hidden, and units do not reach over special tokens
    assert np.isin(hidden.first, words.starts).all() and is_hidden[hidden.first].all()
    assert all(not sequences.special[a : b + 1].any() for a, b in zip(hidden.first, hidden.rows, strict=True))


def test_words_are_hidden_as_long_as_one_fits() -> None:
    sequences = drawn(2, 300)
    hidden, budgets = hide(whole_words, sequences)
    words = words_of(sequences)
    of = np.searchsorted(sequences.cu_seqlens, hidden.rows, side="right") - 1
    left = budgets - np.bincount(of, minlength=len(budgets))
    unhidden = ~np.isin(words.starts, hidden.rows)
    assert (words.lengths[unhidden] > left[words.sequences[unhidden]]).all()


def plain_words(lengths: list[list[int]], budget: int, rng: np.random.Generator) -> list[int]:
    """google-research/bert's whole-word masking, word by word; numbers of the hidden words."""
    flat = [length for segment in lengths for length in segment]
    hidden: list[int] = []
    used = 0
    for word in rng.permutation(len(flat)).tolist():
        if used + flat[word] <= budget:
            hidden.append(word)
            used += flat[word]
    return sorted(hidden)


def plain_ngrams(lengths: list[list[int]], budget: int, rng: np.random.Generator) -> list[int]:
    """google-research/ALBERT's, with n-grams that end with their segment."""
    flat = [length for segment in lengths for length in segment]
    ends = [end for end, segment in zip(np.cumsum([len(s) for s in lengths]), lengths, strict=True) for _ in segment]
    hidden: set[int] = set()
    used = 0
    for word in rng.permutation(len(flat)).tolist():
        if used >= budget:
            break
        n = min(int(rng.choice([1, 2, 3], p=np.array([6, 3, 2]) / 11)), ends[word] - word)
        while n > 1 and used + sum(flat[word : word + n]) > budget:
            n -= 1
        size = sum(flat[word : word + n])
        if used + size > budget or hidden & set(range(word, word + n)):
            continue
        hidden |= set(range(word, word + n))
        used += size
    return sorted(hidden)


def plain_spans(lengths: list[list[int]], budget: int, rng: np.random.Generator) -> list[int]:
    """facebookresearch/SpanBERT's, with the last word left out where that cuts it."""
    flat = [length for segment in lengths for length in segment]
    ends = [end for end, segment in zip(np.cumsum([len(s) for s in lengths]), lengths, strict=True) for _ in segment]
    shares = 0.3 * 0.7 ** np.arange(5)
    word_of = [word for word, length in enumerate(flat) for _ in range(length)]
    hidden: set[int] = set()
    used = 0
    while used < budget and any(used + flat[w] <= budget for w in range(len(flat)) if w not in hidden):
        wanted = int(rng.choice(np.arange(1, 6), p=shares / shares.sum()))
        word = word_of[int(rng.integers(len(word_of)))]
        if word in hidden:
            continue
        for at in range(word, min(word + wanted, ends[word])):
            cost = 0 if at in hidden else flat[at]
            if used + cost > budget:
                break
            hidden.add(at)
            used += cost
    return sorted(hidden)


@pytest.mark.parametrize(
    ("name", "plainly"), [("words", plain_words), ("ngrams", plain_ngrams), ("spans", plain_spans)]
)
@pytest.mark.parametrize("lengths", [[[1, 2, 1, 3], [1, 1, 2]], [[1, 1, 1, 4, 2, 1, 1, 5, 1]], [[3, 3, 2]]])
def test_every_outcome_as_often_as_drawn_one_by_one(
    name: str, plainly: Callable[..., list[int]], lengths: list[list[int]]
) -> None:
    """All sets of hidden words that can come out, over 20,000 drawings of each."""
    times, budget = 20_000, 4
    sequences = sequences_of([lengths] * times)
    budgets = np.full(times, budget)
    hidden = UNITS[name](sequences, budgets, Draws(keys_of(times, 7, name), sequences.cu_seqlens))
    words = words_of(sequences)
    is_hidden = np.isin(words.starts, hidden.rows).reshape(times, -1)
    ours = Counter(tuple(np.flatnonzero(row).tolist()) for row in is_hidden)
    rng = np.random.default_rng(3)
    theirs = Counter(tuple(plainly(lengths, budget, rng)) for _ in range(times))
    outcomes = sorted(ours | theirs)
    table = np.array([[count[outcome] for outcome in outcomes] for count in (ours, theirs)])
    rare = table.sum(axis=0) < 20
    table = np.concatenate([table[:, ~rare], table[:, rare].sum(axis=1, keepdims=True)], axis=1)
    assert stats.chi2_contingency(table[:, table.sum(axis=0) > 0]).pvalue > 1e-3


def test_spans_that_meet_are_one_and_ngrams_are_not() -> None:
    sequences = sequences_of([[[1] * 200]])
    keys = Draws(keys_of(1, 0, "joined"), sequences.cu_seqlens)
    hidden = spans(0.3, 5)(sequences, np.array([150]), keys)
    gaps = np.flatnonzero(np.diff(hidden.rows) > 1)
    assert len(np.unique(hidden.first)) == len(gaps) + 1
    keys = Draws(keys_of(1, 0, "joined"), sequences.cu_seqlens)
    hidden = ngrams(2)(sequences, np.array([150]), keys)
    assert len(np.unique(hidden.first)) > 75 and np.bincount(hidden.first).max() == 2


def test_lengths_of_spans_are_the_paper_s() -> None:
    """Geometric with p = 0.2, cut off at 10 words, mean 3.8 (SpanBERT, section 3.1), where one span is all there is."""
    times = 50_000
    sequences = sequences_of([[[1] * 12]] * times)
    hidden = spans()(sequences, np.full(times, 12), Draws(keys_of(times, 1, "mean"), sequences.cu_seqlens))
    assert len(hidden.rows) == 12 * times  # that budget hides all, whatever the lengths
    uniform = Draws(keys_of(times, 2, "mean"), np.arange(times + 1)).uniform(np.arange(times))
    lengths = drawn_lengths(uniform, span_shares(0.2, 10))
    shares = 0.2 * 0.8 ** np.arange(10) / (1 - 0.8**10)
    assert stats.chisquare(np.bincount(lengths, minlength=11)[1:], shares * times).pvalue > 1e-3
    assert lengths.mean() == pytest.approx(3.8, abs=0.03)


@pytest.mark.parametrize("fate", ["token", "unit"])
def test_a_fate_for_each_token_or_for_each_unit(fate: str) -> None:
    sequences = sequences_of([[[4] * 30]] * 400)
    batch = mask_sequences(
        sequences, keys_of(400, 0, fate), mask_id=MASK, random_ids=np.arange(950, 1000), units=whole_words,
        fate=fate,  # type: ignore[arg-type]
    )  # fmt: skip
    assert batch.predict_rows is not None and batch.predict_ids is not None
    now = batch.token_ids[batch.predict_rows].numpy().reshape(-1, 4)
    was = batch.predict_ids.numpy().reshape(-1, 4)
    fates = np.where(now == MASK, 0, np.where(now == was, 1, 2))
    alike = (fates == fates[:, :1]).all(axis=1).mean()
    if fate == "unit":
        assert alike == 1
        shares = np.bincount(fates[:, 0], minlength=3)
    else:
        assert alike == pytest.approx(0.8**4 + 2 * 0.1**4, abs=0.04)
        shares = np.bincount(fates.ravel(), minlength=3)
    assert stats.chisquare(shares, np.array([0.8, 0.1, 0.1]) * shares.sum()).pvalue > 1e-3


def test_a_corpus_without_words_refuses() -> None:
    sequences = drawn(1, 2)
    without = Sequences(
        token_ids=sequences.token_ids, token_type_ids=sequences.token_type_ids, cu_seqlens=sequences.cu_seqlens,
        special=sequences.special,
    )  # fmt: skip
    for units in UNITS.values():
        with pytest.raises(BadInput, match="carries no words"):
            hide(units, without)


def test_masks_do_not_depend_on_the_batch_around_them() -> None:
    sequences = drawn(5, 40)
    keys = keys_of(40, 0, "alone")
    for units in UNITS.values():
        whole = mask_sequences(sequences, keys, mask_id=MASK, random_ids=VOCABULARY, units=units)
        for n in (0, 17, 39):
            alone = mask_sequences(
                take(sequences, np.array([n])), keys[n : n + 1], mask_id=MASK, random_ids=VOCABULARY, units=units
            )
            first, end = sequences.cu_seqlens[n : n + 2]
            assert (alone.token_ids == whole.token_ids[first:end]).all()


def test_bounds_of_spans() -> None:
    """By hand: [CLS] 1..30 [SEP], spans 2-4, 7 and 29-30; the last touches [SEP]; a span of 24 has 20 places."""
    sequences = sequences_of([[[1] * 30], [[1] * 30]])
    rows = np.concatenate([[2, 3, 4, 7, 29, 30], np.arange(34, 58)])
    fields = span_fields(Hidden(rows, rows), sequences)
    assert fields["span_bounds"].tolist() == [[1, 5], [6, 8], [33, 58]]
    assert fields["span_of"].tolist() == [0, 0, 0, 1, -1, -1] + [2] * PLACES + [-1] * 4
    assert fields["span_places"].tolist() == [0, 1, 2, 0, 0, 1, *range(24)]
