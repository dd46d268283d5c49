"""Masked language modelling: hide some tokens, predict them from both sides.

BERT (Devlin et al. 2019, arXiv 1810.04805, section 3.1): 15 % of the tokens are predicted; of these 80 %
are replaced by [MASK], 10 % by a random token, and 10 % are left as they are. Its descendants differ in what is
hidden together (`units`), in how many that makes, and in who shares a fate:

             units    count               fate drawn for   random tokens
    BERT     tokens   nearest, [CLS] in   each token       of all ids, special ones too
    wwm      words    nearest, [CLS] in   each token       of all ids
    RoBERTa  tokens   drawn, [CLS] in     each token       of all but special ones
    ALBERT   ngrams   nearest, [CLS] in   each token       of all ids
    SpanBERT spans    up, [CLS] out       each span        of all but special ones

Dynamic masks (RoBERTa, arXiv 1907.11692, section 4.1) are new each time a text is seen. Static ones, as
Google's `create_pretraining_data.py` writes them to disk, come again with the example: `dupe_factor` of them.
Which of the two is a matter of the keys of a step's examples, which their draws depend on and nothing else:

    dynamic   draws.words(batch_sequences, seed, "masks", step)
    static    stream.examples(step, batch_sequences).keys, of a stream with dupe_factor
"""

from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from maskwright.batch import Batch, Integers, Sequences, flat_batch
from maskwright.config import Config
from maskwright.draws import Words
from maskwright.errors import BadInput
from maskwright.objectives.masking import Draws, Rounding, corrupt, mask_counts
from maskwright.objectives.span_boundary import span_fields
from maskwright.objectives.units import (
    Hidden,
    Units,
    ngram_shares,
    ngrams,
    span_shares,
    spans,
    tokens,
    whole_words,
)

Unit = Literal["token", "word", "ngram", "span"]


class MasksConfig(Config):
    """Which tokens are hidden, and how."""

    unit: Unit = "token"
    """What is hidden together: token, word, ngram or span (of words)."""
    rate: float = Field(default=0.15, gt=0, le=1)
    """Share of the tokens that are predicted."""
    final_rate: float | None = Field(default=None, gt=0, le=1)
    """The share at the last step, reached in a straight line. none: it stays."""
    masked: float = Field(default=0.8, ge=0, le=1)
    """Share of these that become [MASK]."""
    randomized: float = Field(default=0.1, ge=0, le=1)
    """Share that becomes a random token; the rest stays."""
    fate: Literal["token", "unit"] = "token"
    """Whether each token of a unit is masked, randomized or kept by itself, or all of them alike."""
    random_specials: bool = True
    """Whether a random token may be a special one, as in BERT."""
    hide_specials: bool = False
    """Whether [CLS] and [SEP] may be hidden too, as in fairseq's RoBERTa; tokens only."""
    rounding: Rounding = "nearest"
    """How rate times length becomes a whole number: nearest, up or drawn."""
    count_specials: bool = True
    """Whether that length counts [CLS] and [SEP], as in BERT."""
    max_predictions: int | None = Field(default=None, ge=1)
    """The most a sequence may have; Google's script has 20 for 128 tokens."""
    ngram: int = Field(default=3, ge=1)
    """The longest n-gram, in words."""
    span_p: float = Field(default=0.2, gt=0, le=1)
    """Spans: success probability of the geometric distribution of their number of words."""
    span_words: int = Field(default=10, ge=1)
    """The longest span drawn, in words."""
    boundary: bool = False
    """Whether hidden spans are also predicted from the two tokens around them (SpanBERT)."""
    dupe_factor: int | None = Field(default=None, ge=1)
    """none: new masks every epoch. n: n static versions of each document, in turn."""

    @model_validator(mode="after")
    def _goes_together(self) -> "MasksConfig":
        check_rates(self.rate, self.max_predictions, self.masked, self.randomized)
        if self.hide_specials and self.unit != "token":
            raise BadInput(f"hide_specials with unit {self.unit}: special tokens are no words; take unit token")
        if self.dupe_factor is not None and self.final_rate is not None:
            raise BadInput(
                f"dupe_factor {self.dupe_factor} with final_rate {self.final_rate}: static masks have one rate"
            )
        return self

    def units(self) -> Units:
        """What is hidden together, as a function."""
        match self.unit:
            case "token":
                return tokens(specials=self.hide_specials)
            case "word":
                return whole_words
            case "ngram":
                return ngrams(self.ngram)
            case "span":
                return spans(self.span_p, self.span_words)

    def words_a_unit(self) -> list[float]:
        """How likely units of 1, 2, ... words are drawn; of tokens nothing is said."""
        match self.unit:
            case "token":
                return []
            case "word":
                return [1.0]
            case "ngram":
                return ngram_shares(self.ngram).tolist()
            case "span":
                return span_shares(self.span_p, self.span_words).tolist()

    def rate_at(self, step: int, steps: int) -> float:
        """The rate of a step of a run of so many.

        >>> MasksConfig(rate=0.3, final_rate=0.1).rate_at(50, 101)
        0.2
        """
        if self.final_rate is None:
            return self.rate
        return self.rate + (self.final_rate - self.rate) * min(1.0, step / max(1, steps - 1))


BERTS = tokens()
"""BERT's units."""


def mask_sequences(
    sequences: Sequences,
    keys: Words,
    *,
    mask_id: int,
    random_ids: int | Integers,
    units: Units = BERTS,
    rate: float = 0.15,
    max_predictions: int | None = None,
    rounding: Rounding = "nearest",
    count_specials: bool = True,
    masked: float = 0.8,
    randomized: float = 0.1,
    fate: Literal["token", "unit"] = "token",
    boundaries: bool = False,
    segments: bool = True,
) -> Batch:
    """The sequences as a Batch with hidden tokens: predict_rows (M,) ascending, predict_ids (M,).

    Of each sequence at most min(max_predictions, max(1, round(rate * length))) tokens are predicted: just as many of
    single tokens, if it has them; of units as many as whole ones fit in.

    keys             (N,) of the sequences: equal keys hide alike
    mask_id          what a masked token becomes
    random_ids       the size of the vocabulary, or the ids random replacements are drawn from
    units            what is hidden together, see `units`
    rate             share of tokens to predict, in 0..1
    max_predictions  the most a sequence may have
    rounding         how rate times length becomes a whole number
    count_specials   whether the length counts special tokens
    masked           share of the predicted tokens that become mask_id
    randomized       share that becomes a random token; the rest is kept
    fate             whether each token draws which of the three it is, or each unit
    boundaries       fill in span_bounds, span_of and span_places, see `span_boundary`
    segments         fill in token_type_ids
    """
    check_rates(rate, max_predictions, masked, randomized)
    hidden, draws = chosen(
        sequences,
        keys,
        units,
        rate=rate,
        max_predictions=max_predictions,
        rounding=rounding,
        count_specials=count_specials,
    )
    corrupted = corrupt(
        sequences.token_ids,
        hidden.rows,
        draws,
        mask_id=mask_id,
        random_ids=random_ids,
        masked=masked,
        randomized=randomized,
        deciding=hidden.first if fate == "unit" else None,
    )
    bounds = span_fields(hidden, sequences) if boundaries else {}
    return flat_batch(
        corrupted,
        sequences.cu_seqlens,
        sequences.token_type_ids if segments else None,
        predict_rows=hidden.rows,
        predict_ids=sequences.token_ids[hidden.rows],
        pair_labels=sequences.pair_labels,
        language_ids=sequences.language_ids,
        position_ids=sequences.position_ids,
        **bounds,
    )


def chosen(
    sequences: Sequences,
    keys: Words,
    units: Units,
    *,
    rate: float,
    max_predictions: int | None,
    rounding: Rounding,
    count_specials: bool,
) -> tuple[Hidden, Draws]:
    """What `mask_sequences` hides, and where the draws that follow are taken from."""
    draws = Draws(keys, sequences.cu_seqlens)
    lengths = sequences.lengths if count_specials else _without_specials(sequences)
    chance = draws.of_sequences() if rounding == "drawn" else None
    return units(sequences, mask_counts(lengths, rate, max_predictions, rounding, chance), draws), draws


def _without_specials(sequences: Sequences) -> Integers:
    """(N,) tokens of each sequence that are not special."""
    counted = np.concatenate([np.zeros(1, np.int64), np.cumsum(~sequences.special)])
    return np.diff(counted[sequences.cu_seqlens])


def check_rates(rate: float, max_predictions: int | None, masked: float, randomized: float) -> None:
    """Raise BadInput for rates that are no probabilities, naming the one that is wrong."""
    if not 0 < rate <= 1:
        raise BadInput(f"mask rate {rate} is outside 0 to 1: BERT's is 0.15")
    if max_predictions is not None and max_predictions < 1:
        raise BadInput(f"max_predictions {max_predictions} leaves nothing to predict: give 1 or more, or no limit")
    if min(masked, randomized) < 0 or masked + randomized > 1 + 1e-9:
        raise BadInput(
            f"masked {masked} and randomized {randomized} are no shares of one whole: BERT's are 0.8 and 0.1, "
            "and what is left of 1 is kept"
        )
