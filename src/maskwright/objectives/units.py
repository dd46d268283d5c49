"""Which rows are hidden together: tokens, words, n-grams of words, or spans of words.

    tokens   each by itself                                       BERT (arXiv 1810.04805), RoBERTa
    words    all pieces of a word                                 whole-word masking (google-research/bert, 1906.08101)
    ngrams   up to three words, one likelier than two than three  ALBERT (arXiv 1909.11942, section 4.1)
    spans    up to ten words, their number geometric              SpanBERT (arXiv 1907.10529, section 3.1)

Each takes a budget of rows a sequence and keeps to it. A word is hidden whole or not at all: one that would
exceed the budget is passed over, so that fewer rows than the budget can be hidden. Words are those of the
corpus (`word_ids`): pieces of English between blanks, and what the segmenter found in Chinese.

Nothing here loops over tokens. Words are drawn for a whole batch at once; n-grams and spans grow in rounds,
one for each sequence at a time.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from maskwright.batch import Booleans, Integers, Sequences
from maskwright.errors import BadInput
from maskwright.objectives.masking import Draws, Floats, candidates, choose, ordered


class Hidden(NamedTuple):
    """What was chosen.

    rows   (M,) int64, ascending
    first  (M,) int64, the first row of the unit that each of them lies in
    """

    rows: Integers
    first: Integers


Units = Callable[[Sequences, Integers, Draws], Hidden]
"""(sequences, (N,) rows to hide of each, where to draw from) -> what is hidden."""


class Words(NamedTuple):
    """The words of a batch, in order; specials are none.

    starts, lengths   (W,) int64, in rows
    sequences         (W,) int64, ascending
    runs              (W,) int64, the word at which what joins on to this one ends: a special token or the sequence
    """

    starts: Integers
    lengths: Integers
    sequences: Integers
    runs: Integers


def tokens(*, specials: bool = False) -> Units:
    """Rows one by one, all that the budget allows.

    specials   whether [CLS] and [SEP] may be hidden too (fairseq's RoBERTa)
    """

    def hide(sequences: Sequences, budgets: Integers, draws: Draws) -> Hidden:
        may_hide, of_sequence = candidates(sequences.special, sequences.cu_seqlens, mask_specials=specials)
        rows = may_hide[choose(of_sequence, budgets, draws.uniform(may_hide))]
        return Hidden(rows, rows)

    return hide


def whole_words(sequences: Sequences, budgets: Integers, draws: Draws) -> Hidden:
    """Words in random order, each hidden if all of it still fits into the budget."""
    words = words_of(sequences)
    order = ordered(words.sequences, draws.uniform(words.starts), len(budgets))
    remaining, taken = budgets.copy(), np.zeros(len(words.starts), np.bool_)
    while len(order):
        lengths, of = words.lengths[order], words.sequences[order]
        fits = _running(lengths, of, len(budgets)) <= remaining[of]
        taken[order[fits]] = True
        remaining -= np.bincount(of[fits], weights=lengths[fits], minlength=len(budgets)).astype(np.int64)
        # The first that did not fit is longer than what is left, and so is dropped here: each round ends.
        order = order[~fits & (lengths <= remaining[of])]
    return _rows(words, np.where(taken, np.arange(len(taken)), -1))


def ngrams(longest: int = 3) -> Units:
    """Runs of 1 to `longest` words, n with a probability in proportion to 1/n.

    As google-research/ALBERT, `create_masked_lm_predictions`: words in random order begin one each; where it does not
    fit into the budget a shorter one is taken, and one that would touch another's words is passed over. That script
    lets an n-gram reach over [SEP] into the next segment; here it ends before.
    """
    if longest < 1:
        raise BadInput(f"n-grams of at most {longest} words: give 1 or more; ALBERT's are of up to 3")
    shares = ngram_shares(longest)

    def hide(sequences: Sequences, budgets: Integers, draws: Draws) -> Hidden:
        words = words_of(sequences)
        order = ordered(words.sequences, draws.uniform(words.starts), len(budgets))
        lengths = drawn_lengths(draws.uniform(words.starts[order]), shares)
        return _rows(words, _grown(words, budgets, order, lengths, over_others=False))

    return hide


def spans(success: float = 0.2, longest: int = 10) -> Units:
    """Runs of 1 to `longest` words, their number geometric, cut off and scaled to sum to 1; those that meet are one.

    As facebookresearch/SpanBERT, `PairWithSpanMaskingScheme`: a token that is not hidden yet is drawn, its word begins
    the span, and words join it from the right. That script cuts the last word where the budget ends; here it is left
    out whole.

    success   p of the geometric distribution: the paper's 0.2 (mean 3.8 words), the script's default 0.3
    """
    if not 0 < success <= 1 or longest < 1:
        raise BadInput(f"spans of p {success} and at most {longest} words: SpanBERT's are 0.2 and 10")
    shares = span_shares(success, longest)

    def hide(sequences: Sequences, budgets: Integers, draws: Draws) -> Hidden:
        words = words_of(sequences)
        of_row = np.repeat(np.arange(len(words.starts)), words.lengths)
        rows = np.repeat(words.starts, words.lengths) + _counted(words.lengths)
        order = of_row[ordered(words.sequences[of_row], draws.uniform(rows), len(budgets))]
        lengths = drawn_lengths(draws.uniform(rows), shares)
        group = _grown(words, budgets, order, lengths, over_others=True)
        return _rows(words, _joined(words, group >= 0))

    return hide


def ngram_shares(longest: int) -> Floats:
    """How likely an n-gram of 1, 2, ... words is.

    >>> ngram_shares(3).round(3).tolist()
    [0.545, 0.273, 0.182]
    """
    shares = 1 / np.arange(1, longest + 1, dtype=np.float64)
    return np.asarray(shares / shares.sum())


def span_shares(success: float, longest: int) -> Floats:
    """How likely a span of 1, 2, ... words is.

    >>> shares = span_shares(0.2, 10)
    >>> float((shares * np.arange(1, 11)).sum().round(1))  # SpanBERT, section 3.1: the mean
    3.8
    """
    shares = success * np.power(1 - success, np.arange(longest, dtype=np.float64))
    return np.asarray(shares / shares.sum())


def words_of(sequences: Sequences) -> Words:
    """The words of the batch; BadInput where its corpus has none."""
    if sequences.word_ids is None:
        raise BadInput(
            "the corpus carries no words, and this recipe hides whole ones: build it with a word segmenter "
            "(pip install 'maskwright[zh]', --segmenter rjieba), or hide tokens (--masks.unit token)"
        )
    special, ids = sequences.special, sequences.word_ids
    begins = np.ones(len(ids), np.bool_)
    begins[1:] = ids[1:] != ids[:-1]
    begins[sequences.cu_seqlens[:-1][sequences.lengths > 0]] = True
    starts = np.flatnonzero(begins)
    lengths = np.diff(np.append(starts, len(ids)))
    real = ~special[starts]
    before = np.append(0, np.cumsum(real, dtype=np.int64))  # words before each of all these
    breaks = np.concatenate([np.flatnonzero(~real), np.searchsorted(starts, sequences.cu_seqlens[1:])])
    ends = np.unique(before[breaks])
    starts, lengths = starts[real], lengths[real]
    runs: Integers = ends[np.searchsorted(ends, np.arange(len(starts)), side="right")]
    sequence = np.searchsorted(sequences.cu_seqlens, starts, side="right") - 1
    return Words(starts, lengths, sequence, runs)


def _grown(words: Words, budgets: Integers, order: Integers, lengths: Integers, *, over_others: bool) -> Integers:
    """(W,) the number of the unit that each word is hidden in, -1 where it is not.

    In each round the next anchor of every unfinished sequence becomes a unit if it can.

    order        words that begin a unit, in their order, sequence by sequence
    lengths      as many: words of the unit that begins there
    over_others  True: words that are hidden already cost nothing; False: a unit that has one of them is passed over
    """
    group = np.full(len(words.starts), -1, np.int64)
    counts = np.bincount(words.sequences[order], minlength=len(budgets))
    ends = np.cumsum(counts)
    place, remaining = ends - counts, budgets.copy()
    steps = np.arange(int(lengths.max(initial=1)))
    active = np.flatnonzero((counts > 0) & (remaining > 0))
    while len(active):
        at = place[active]
        anchor = order[at]
        mine = np.minimum(anchor[:, None] + steps, len(group) - 1)
        is_hidden = group[mine] >= 0
        inside = (steps < lengths[at][:, None]) & (anchor[:, None] + steps < words.runs[anchor][:, None])
        if over_others:
            inside &= ~is_hidden[:, :1]  # an anchor that is hidden begins nothing
            cost = np.where(is_hidden, 0, words.lengths[mine])
        else:
            cost = words.lengths[mine]
        spent = np.cumsum(cost, axis=1)
        inside &= spent <= remaining[active][:, None]
        if not over_others:
            inside &= ~(inside & is_hidden).any(axis=1, keepdims=True)
        row, column = np.nonzero(inside & ~is_hidden)
        group[mine[row, column]] = at[row]
        remaining[active] -= np.where(inside, cost, 0).sum(axis=1)
        place[active] += 1
        active = active[(place[active] < ends[active]) & (remaining[active] > 0)]
    return group


def _joined(words: Words, is_hidden: Booleans) -> Integers:
    """Hidden words that stand side by side, numbered by the first of them; -1 for the others."""
    begins = is_hidden.copy()
    begins[1:] &= ~(is_hidden[:-1] & (words.runs[1:] == words.runs[:-1]))
    first: Integers = np.maximum.accumulate(np.where(begins, np.arange(len(begins)), -1), dtype=np.int64)
    return np.where(is_hidden, first, -1)


def _rows(words: Words, group: Integers) -> Hidden:
    """The rows of the words that have a group, and the first row of each group."""
    hidden = np.flatnonzero(group >= 0)
    lengths = words.lengths[hidden]
    rows = np.repeat(words.starts[hidden], lengths) + _counted(lengths)
    _, first, which = np.unique(group[hidden], return_index=True, return_inverse=True)
    return Hidden(rows, np.repeat(words.starts[hidden[first]][which], lengths))


def drawn_lengths(uniform: Floats, shares: Floats) -> Integers:
    """Lengths from 1 up, each with its share of the probability."""
    return 1 + np.searchsorted(np.cumsum(shares)[:-1], uniform, side="right")


def _running(lengths: Integers, of: Integers, sequences: int) -> Integers:
    """Sums of lengths up to and with each, within each sequence."""
    total = np.cumsum(lengths)
    counts = np.bincount(of, minlength=sequences)
    before = np.concatenate([[0], total])[np.cumsum(counts) - counts]
    return total - before[of]


def _counted(lengths: Integers) -> Integers:
    """0, 1, ... up to each length, one after the other."""
    return np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
