"""Permutation language modelling: tokens are predicted in a random order, each from those before it in the order.

Yang et al. 2019 (arXiv 1906.08237), sections 2.2 and 2.3; zihangdai/xlnet `data_utils.py`, `_sample_mask` and
`_local_perm`. Only the last tokens of an order are predicted, one in K of all; the others are context, which
everything sees. Targets are n-grams of words, n up to 5 with a probability in proportion to 1/n, each in the middle
of a stretch of about K n tokens. [SEP] and [CLS] are never predicted: they have places in the order and see
themselves.

Where the original errs, `variant = "exact"` does what its comments say, `"google"` what its code does:

    original                                            exact
    an n-gram ends after n pieces: the loop that        after n words
    looks for the next word asks about the first
    piece again (zihangdai/xlnet issue 16)
    [SEP] and [CLS] inside an n-gram count as           they do not count, so that each half has exactly
    targets and are then dropped                        the targets that were asked for

An n-gram that would exceed the targets asked for is cut to the words that fit; if none does, the word is passed over.
What n-grams leave open is filled with
single tokens, drawn from all that are left, as in the original.
"""

from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from maskwright.batch import Booleans, Integers
from maskwright.config import Config
from maskwright.errors import BadInput
from maskwright.objectives.masking import Floats
from maskwright.objectives.units import drawn_lengths, ngram_shares

TargetVariant = Literal["exact", "google"]


class PermutationConfig(Config):
    """How text is laid out, and what of it is predicted in which order."""

    max_length: int = Field(default=512, ge=8)
    """Tokens of a sequence, [SEP] [SEP] [CLS] included."""
    one_in: int = Field(default=6, ge=1)
    """K: one token in so many is predicted."""
    predictions: int | None = Field(default=None, ge=1)
    """Tokens to predict of a sequence; none: max_length / K, rounded down (85 of 512)."""
    longest_ngram: int = Field(default=5, ge=1)
    """The longest n-gram, in words."""
    perm_size: int | None = Field(default=None, ge=1)
    """Tokens among which the order is random; stretches of them follow each other. none: all of a half."""
    end_of_document: bool = True
    """Whether <eod> stands behind documents, where the tokenizer has it."""
    variant: TargetVariant = "exact"
    """google: n-grams as the original's code counts them."""

    @model_validator(mode="after")
    def _fits(self) -> "PermutationConfig":
        if self.targets >= self.max_length - 3:
            raise BadInput(
                f"{self.targets} predictions of {self.max_length} tokens, three of which are special: "
                "give fewer predictions, or a greater one_in"
            )
        return self

    @property
    def targets(self) -> int:
        """Tokens to predict of a sequence.

        >>> PermutationConfig().targets
        85
        """
        return max(1, self.max_length // self.one_in) if self.predictions is None else self.predictions


def sample_targets(
    starts: Booleans,
    special: Booleans,
    goal: int,
    generator: np.random.Generator,
    *,
    one_in: int = 6,
    longest: int = 5,
    variant: TargetVariant = "exact",
) -> Booleans:
    """(R, W) bool, what is to be predicted of R stretches of W tokens, `goal` of each.

    starts    (R, W) bool, the first token of each word, special tokens among them, in the direction of reading
    special   (R, W) bool, what is never predicted

    Raises BadInput where a stretch has fewer tokens to predict than `goal`.
    """
    rows, width = starts.shape
    if rows and (least := int((~special).sum(1).min())) < goal:
        raise BadInput(f"{goal} predictions in {least} tokens: give fewer (permutation.predictions), or longer text")
    chosen, counts = _ngrams(starts, special, goal, generator, one_in=one_in, longest=longest, variant=variant)
    free = ~chosen if variant == "google" else ~chosen & ~special
    keys = np.where(free, generator.random((rows, width)), 2.0)
    places = places_in_order(keys)
    chosen |= free & (places < (goal - counts)[:, None])
    return chosen & ~special


def _ngrams(
    starts: Booleans,
    special: Booleans,
    goal: int,
    generator: np.random.Generator,
    *,
    one_in: int,
    longest: int,
    variant: TargetVariant,
) -> tuple[Booleans, Integers]:
    """N-grams from left to right, in rounds: the next one of every stretch that is not done; and how many tokens."""
    rows, width = starts.shape
    word_at, begins = _word_starts(starts)
    costs = np.ones_like(special) if variant == "google" else ~special
    before = np.concatenate([np.zeros((rows, 1), np.int64), np.cumsum(costs, 1, dtype=np.int64)], 1)
    edges = np.zeros((rows, width + 1), np.int64)  # +1 where an n-gram begins, -1 where it ends
    counts, at = np.zeros(rows, np.int64), np.zeros(rows, np.int64)
    shares, sizes = ngram_shares(longest), np.arange(longest + 1)
    active = np.arange(rows) if goal else np.arange(0)
    while len(active):
        room = goal - counts[active]
        n = np.minimum(drawn_lengths(generator.random(len(active)), shares), room)
        around = n * one_in
        left = (generator.random(len(active)) * around).astype(np.int64)
        word = word_at[active, np.minimum(at[active] + left, width)]
        begin = begins[active, word]
        if variant == "google":
            end = cut = behind = np.minimum(begin + n, width)
        else:
            ends = begins[active[:, None], np.minimum(word[:, None] + sizes, begins.shape[1] - 1)]
            cost = before[active[:, None], ends] - before[active, begin][:, None]
            fitting = ((cost <= room[:, None]) & (sizes <= n[:, None])).sum(1) - 1  # costs rise with the words
            every = np.arange(len(active))
            end, cut = ends[every, fitting], ends[every, n]
            behind = ends[every, np.maximum(1, fitting)]
        going = cut < width  # an n-gram that meets the end is none, and the stretch is done
        here, first, last = active[going], begin[going], end[going]
        edges[here, first] += 1
        edges[here, last] -= 1
        counts[here] += before[here, last] - before[here, first]
        at[here] = behind[going] + np.where(last > first, (around - left)[going], 0)
        active = here[(at[here] < width) & (counts[here] < goal)]
    return np.cumsum(edges[:, :-1], 1) > 0, counts


def _word_starts(starts: Booleans) -> tuple[Integers, Integers]:
    """(R, W + 1) the first word that begins at each token or later, (R, words + 1) where each begins, W for none."""
    rows, width = starts.shape
    numbers = np.cumsum(starts, 1, dtype=np.int64)
    begins = np.full((rows, int(numbers[:, -1].max(initial=0)) + 1), width, np.int64)
    row, column = np.nonzero(starts)
    begins[row, numbers[row, column] - 1] = column
    word_at = np.concatenate([numbers - starts, numbers[:, -1:]], 1)
    return word_at, begins


def orders(rows: int, width: int, perm_size: int | None, generator: np.random.Generator) -> Integers:
    """(R, W) each token's place in a random order; stretches of `perm_size` tokens follow each other.

    >>> orders(1, 4, 2, np.random.default_rng(0)).tolist()
    [[1, 0, 3, 2]]
    """
    stretch = np.arange(width) // (perm_size or width)
    return places_in_order(generator.random((rows, width)) + stretch)


def places_in_order(keys: Floats) -> Integers:
    """(R, W) each key's place among those of its row.

    >>> places_in_order(np.array([[0.5, 0.2, 0.9]])).tolist()
    [[1, 0, 2]]
    """
    order = np.argsort(keys, 1)
    places = np.empty_like(order)
    np.put_along_axis(places, order, np.arange(keys.shape[1])[None], 1)
    return places


def ranks(targets: Booleans, special: Booleans, places: Integers, base: int = -1) -> Integers:
    """(R, W) ranks, see `Batch.ranks`: context has rank `base`, targets and special tokens those after it.

    places   (R, W), of `orders`

    >>> row = np.array([[False, True, False, True]])
    >>> ranks(row, row & False, np.array([[3, 1, 0, 2]])).tolist()
    [[-1, 1, -1, 2]]
    """
    return np.where(targets | special, base + 1 + places, base)
