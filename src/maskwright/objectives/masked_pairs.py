"""BERT's examples: segment pairs, some of their tokens hidden. What step k sees is a function of the seed and k."""

from collections.abc import Iterator

import numpy as np

from maskwright.batch import Batch, take
from maskwright.corpus.read import Split
from maskwright.draws import words
from maskwright.objectives.masked_lm import MasksConfig, mask_sequences
from maskwright.objectives.next_sentence import PairsConfig, SegmentPairs
from maskwright.objectives.show import Example, decode
from maskwright.tokenizers.wordpiece import WordPiece

HELD_OUT_BATCH = 32
"""Held-out sequences to a batch, whatever the recipe's: their masks are drawn by the batch."""


class MaskedPairs:
    """Batches of training pairs by step, and held-out ones that are the same for every recipe.

    held_out_sequences   how many of the held-out pairs are looked at, None for all
    """

    def __init__(
        self,
        train: Split,
        held_out: Split,
        tokenizer: WordPiece,
        pairs: PairsConfig,
        masks: MasksConfig,
        *,
        batch_sequences: int,
        micro_sequences: int,
        held_out_sequences: int | None,
        seed: int,
    ) -> None:
        self.tokenizer, self.masks, self.seed = tokenizer, masks, seed
        self.batch_sequences, self.micro_sequences = batch_sequences, micro_sequences
        self.held_out_sequences = held_out_sequences
        self.pairs = SegmentPairs(
            train,
            cls_id=tokenizer.cls_id,
            sep_id=tokenizer.sep_id,
            max_length=pairs.max_length,
            short_probability=pairs.short_probability,
            seed=seed,
            next_sentence=pairs.next_sentence,
            dupe_factor=masks.dupe_factor,
        )
        self.held_out_pairs = None
        if held_out.num_documents > 1:  # a pair from elsewhere needs a second document
            self.held_out_pairs = SegmentPairs(
                held_out,
                cls_id=tokenizer.cls_id,
                sep_id=tokenizer.sep_id,
                max_length=pairs.max_length,
                short_probability=pairs.short_probability,
                seed=0,
                dupe_factor=1,
            )

    def batches(self, step: int) -> list[Batch]:
        """The step's micro-batches, pairs of like length together, masked."""
        masks, size = self.masks, self.batch_sequences
        sequences = self.pairs.sequences(step, size)
        static = masks.dupe_factor is not None
        keys = self.pairs.example_keys(step, size) if static else words(size, self.seed, "masks", step)
        order = np.argsort(-sequences.lengths, kind="stable")
        parts = np.split(order, range(self.micro_sequences, size, self.micro_sequences))
        return [
            mask_sequences(
                take(sequences, which),
                keys[which],
                mask_id=self.tokenizer.mask_id,
                random_ids=self.tokenizer.vocab_size,
                rate=masks.rate,
                max_predictions=masks.max_predictions,
                masked=masks.masked,
                randomized=masks.randomized,
            )
            for which in parts
        ]

    def held_out(self) -> Iterator[Batch]:
        """Held-out pairs with BERT's masks, 15 % and 80/10/10, so that recipes can be compared."""
        pairs = self.held_out_pairs
        if pairs is None:
            return
        total = pairs.epoch_pairs(0)
        if self.held_out_sequences is not None:
            total = min(total, self.held_out_sequences)
        for place, first in enumerate(range(0, total, HELD_OUT_BATCH)):
            sequences = pairs.sequences(place, HELD_OUT_BATCH)
            size = min(HELD_OUT_BATCH, total - first)
            yield mask_sequences(
                take(sequences, np.arange(size)),
                words(size, 0, "held-out masks", place),
                mask_id=self.tokenizer.mask_id,
                random_ids=self.tokenizer.vocab_size,
            )

    def examples(self, step: int) -> Iterator[Example]:
        """The pairs of a step, decoded."""
        tokenizer = self.tokenizer
        special_ids = tokenizer.special_ids.tolist()
        for batch in self.batches(step):
            yield from decode(batch, tokenizer.id_to_token, mask_id=tokenizer.mask_id, special_ids=special_ids)
