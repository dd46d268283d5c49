"""Two segments in a sequence, [CLS] A [SEP] B [SEP], as BERT and ALBERT read them.

`pair_plan` tells which sentences form a pair. Where the original scripts err, the default (`variant="exact"`) does
what their comments and papers say, and `variant="google"` what their code does:

    original                                            exact
    may draw the own document ten times running and     the partner is always another document; a
    then label a pair from it, even the true next       split of one document is refused
    sentence, as random
    draws "10 % short" once per document and pass; a    drawn per pair: 10 % of the pairs are short
    short document yields many more pairs, so that
    about three pairs in ten are short
    ALBERT: a chunk of one sentence gets a random B     the sentence is cut in two, so that order is all
    and the label "swapped"                             that is asked

Kept, because it is the published task of BERT: a chunk of one sentence has always a random B, so more than
half of the labels are 1; a random B that meets the end of its document leaves the pair short, which
hints at the label; partner documents are uniform whatever their length; text that appears in two
documents is not noticed. In all, documents of more than 1,024 sentences are cut there into parts.
"""

from typing import Literal, get_args

import numpy as np

from maskwright.batch import Integers, Sequences
from maskwright.corpus.read import Split
from maskwright.errors import BadInput
from maskwright.objectives import segments
from maskwright.objectives.pair_plan import Plan, Task, plan_pairs

SPECIALS = 3  # [CLS] A [SEP] B [SEP]
Variant = Literal["exact", "google"]


class SegmentPairs:
    """Pairs of segments as a layout of a `Stream`.

    cls_id, sep_id     special tokens
    max_length         tokens of a pair, special tokens included; at least 5
    short_probability  how often a pair is meant to be shorter than max_length
    task               next_sentence, sentence_order, or none: then there are no labels
    sentences          whether A and B are one sentence each (RoBERTa's sentence pairs)
    variant            "exact", or "google" for the originals with their faults

    Raises BadInput for lengths below 5, and when planning for a split without a second document to draw from.
    """

    name = "pairs"

    def __init__(
        self,
        *,
        cls_id: int,
        sep_id: int,
        max_length: int = 128,
        short_probability: float = 0.1,
        task: Task = "next_sentence",
        sentences: bool = False,
        variant: Variant = "exact",
    ) -> None:
        if max_length < SPECIALS + 2:
            raise BadInput(
                f"max_length {max_length} is too short for a pair: [CLS] A [SEP] B [SEP] needs at least 5 tokens"
            )
        if variant not in get_args(Variant):
            raise BadInput(f'variant = "{variant}" is neither "exact" nor "google"')
        if not 0 <= short_probability <= 1:
            raise BadInput(f"short_probability {short_probability} is no probability: give 0 to 1")
        self.cls_id, self.sep_id = cls_id, sep_id
        self.max_length, self.short_probability = max_length, short_probability
        self.task: Task = task
        self.sentences, self.variant = sentences, variant

    def check(self, split: Split) -> None:
        """BadInput where the split cannot be laid out so."""
        if self.task == "next_sentence" and self.variant == "exact" and split.num_documents == 1:
            raise BadInput(
                "the split has 1 document, and a random next sentence needs a second one: separate documents "
                "by blank lines when building the corpus, or train without next sentence prediction"
            )

    def plan(self, split: Split, documents: Integers, generator: np.random.Generator) -> Plan:
        """Every pair of these documents, see `plan_pairs`."""
        return plan_pairs(
            split,
            documents,
            generator,
            max_tokens=self.max_length - SPECIALS,
            short_probability=self.short_probability,
            as_google=self.variant == "google",
            task=self.task,
            sentences=self.sentences,
        )

    def lengths(self, plan: Plan, split: Split) -> Integers:
        """(pairs,) tokens of each, special ones included."""
        del split
        return plan.a_length + plan.b_length + SPECIALS

    def lay_out(self, split: Split, plan: Plan) -> Sequences:
        """The pairs of a plan as flat sequences [CLS] A [SEP] B [SEP]; token types 0 and 1."""
        pairs = plan.num_pairs
        return segments.lay_out(
            split,
            np.stack([plan.a_start, plan.b_start], axis=1).ravel(),
            np.stack([plan.a_length, plan.b_length], axis=1).ravel(),
            np.full(pairs, 2),
            cls_id=self.cls_id,
            sep_id=self.sep_id,
            types=np.tile(np.array([0, 1]), pairs),
            pair_labels=None if self.task == "none" else plan.pair_labels,
        )
