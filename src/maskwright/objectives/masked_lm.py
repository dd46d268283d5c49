"""Masked language modelling: hide some tokens, predict them from both sides.

BERT (Devlin et al. 2019, arXiv 1810.04805, section 3.1): 15 % of the tokens are predicted; of these 80 %
are replaced by [MASK], 10 % by a random token, and 10 % are left as they are.

Dynamic masks (RoBERTa, arXiv 1907.11692, section 4.1) are new each time a text is seen. Static ones, as
Google's `create_pretraining_data.py` writes them to disk, come again with the example: `dupe_factor` of them.
Which of the two is a matter of the keys of a step's examples, which their draws depend on and nothing else:

    dynamic   draws.words(batch_sequences, seed, "masks", step)
    static    pairs.example_keys(step, batch_sequences), from a layout with dupe_factor
"""

from pydantic import Field, model_validator

from maskwright.batch import Batch, Integers, Sequences, flat_batch
from maskwright.config import Config
from maskwright.draws import Words
from maskwright.errors import BadInput
from maskwright.objectives.masking import Draws, candidates, choose, corrupt, mask_counts


class MasksConfig(Config):
    """Which tokens are hidden, and how."""

    rate: float = Field(default=0.15, gt=0, le=1)
    """Share of the tokens that are predicted."""
    masked: float = Field(default=0.8, ge=0, le=1)
    """Share of these that become [MASK]."""
    randomized: float = Field(default=0.1, ge=0, le=1)
    """Share that becomes a random token; the rest stays."""
    max_predictions: int | None = Field(default=None, ge=1)
    """The most a sequence may have; Google's script has 20 for 128 tokens."""
    dupe_factor: int | None = Field(default=None, ge=1)
    """none: new masks every epoch. n: n static versions of each document, in turn."""

    @model_validator(mode="after")
    def _shares_of_one(self) -> "MasksConfig":
        check_rates(self.rate, self.max_predictions, self.masked, self.randomized)
        return self


def mask_sequences(
    sequences: Sequences,
    keys: Words,
    *,
    mask_id: int,
    random_ids: int | Integers,
    rate: float = 0.15,
    max_predictions: int | None = None,
    masked: float = 0.8,
    randomized: float = 0.1,
    mask_specials: bool = False,
) -> Batch:
    """The sequences as a Batch with hidden tokens: predict_rows (M,) ascending, predict_ids (M,).

    Of each sequence min(max_predictions, max(1, round(rate * length))) tokens are predicted, the length
    counting special tokens, or all its candidates if it has fewer.

    keys             (N,) of the sequences: equal keys hide alike
    mask_id          what a masked token becomes
    random_ids       the size of the vocabulary, or the ids random replacements are drawn from
    rate             share of tokens to predict, in 0..1
    max_predictions  the most a sequence may have
    masked           share of the predicted tokens that become mask_id
    randomized       share that becomes a random token; the rest is kept
    mask_specials    whether [CLS] and [SEP] may be predicted too (RoBERTa's habit)
    """
    check_rates(rate, max_predictions, masked, randomized)
    draws = Draws(keys, sequences.cu_seqlens)
    may_hide, of_sequence = candidates(sequences.special, sequences.cu_seqlens, mask_specials=mask_specials)
    counts = mask_counts(sequences.lengths, rate, max_predictions)
    rows = may_hide[choose(of_sequence, counts, draws.uniform(may_hide))]
    corrupted = corrupt(
        sequences.token_ids,
        rows,
        draws,
        mask_id=mask_id,
        random_ids=random_ids,
        masked=masked,
        randomized=randomized,
    )
    return flat_batch(
        corrupted,
        sequences.cu_seqlens,
        sequences.token_type_ids,
        predict_rows=rows,
        predict_ids=sequences.token_ids[rows],
        pair_labels=sequences.pair_labels,
    )


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
