"""The examples of every masked objective: sequences of a stream, some of their tokens hidden.

What step k sees is a function of the seed and k.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np

from maskwright.batch import Batch, Integers, Sequences, cut_at, take
from maskwright.draws import Words, words
from maskwright.errors import BadInput
from maskwright.objectives.masked_lm import MasksConfig, chosen, mask_sequences
from maskwright.objectives.micro_batches import micro_batches
from maskwright.objectives.show import Example, decode
from maskwright.objectives.stream import Stream
from maskwright.objectives.units import Hidden
from maskwright.tokenizers.tokenizer import Tokenizer

HELD_OUT_BATCH = 32
"""Held-out sequences to a batch, whatever the recipe's: their masks are drawn by the batch."""
GROUP = 1024
"""Sequences that are masked at once."""
HIDING = ("rate", "max_predictions", "rounding", "count_specials")
CORRUPTING = ("masked", "randomized", "fate")


class Looked(NamedTuple):
    """Masked sequences, and what they were made from."""

    sequences: Sequences
    hidden: Hidden
    batch: Batch


class MaskedSequences:
    """Batches of training sequences by step, and held-out ones with BERT's masks.

    streams              what to train on; with several, steps take them in turn
    held_out             what to judge by; may be empty
    tokenizer            must have [MASK]
    masks                which tokens are hidden
    batch_sequences      sequences of a step
    micro_sequences      sequences of a micro-batch
    batch_rows           rows of a step, each a micro-batch, where the streams are packed
    held_out_sequences   how many held-out sequences of each stream are looked at, None for all
    steps                of the whole run, for a rate that changes
    first_step           the step at which the streams begin
    boundaries           give the bounds of hidden spans, for the span boundary objective
    segments             give token types, for networks that have segments
    """

    begins: ClassVar[Sequence[int]] = (0,)  # one phase

    def __init__(
        self,
        streams: Sequence[Stream[Any]],
        held_out: Sequence[Stream[Any]],
        tokenizer: Tokenizer,
        masks: MasksConfig,
        *,
        batch_sequences: int,
        micro_sequences: int,
        batch_rows: int | None = None,
        held_out_sequences: int | None,
        seed: int,
        steps: int,
        first_step: int = 0,
        boundaries: bool = False,
        segments: bool = True,
    ) -> None:
        if tokenizer.mask_id is None:
            raise BadInput(f"the tokenizer, of kind {tokenizer.kind}, has no [MASK]: nothing can be hidden with it")
        self.streams, self.held_out_streams = streams, held_out
        self.tokenizer, self.masks, self.mask_id = tokenizer, masks, tokenizer.mask_id
        self.batch_sequences, self.micro_sequences, self.batch_rows = batch_sequences, micro_sequences, batch_rows
        self.held_out_sequences, self.seed, self.steps = held_out_sequences, seed, steps
        self.first_step, self.boundaries, self.segments = first_step, boundaries, segments
        self._units = masks.units()
        everything = np.arange(tokenizer.vocab_size)
        self._random_ids: int | Integers = tokenizer.vocab_size
        if not masks.random_specials:
            self._random_ids = np.setdiff1d(everything, tokenizer.special_ids)

    def batches(self, step: int) -> list[Batch]:
        """The step's micro-batches, sequences of like length together, masked."""
        return self.part(step, range(self.number(step)))

    def number(self, step: int) -> int:
        """Micro-batches of a step."""
        del step
        return self.batch_rows or -(-self.batch_sequences // self.micro_sequences)

    def part(self, step: int, places: range) -> list[Batch]:
        """Those at these places; of the others nothing but the length is looked at."""
        made: list[Batch] = []
        for sequences, keys, ends in self._groups(step, places):
            made += cut_at(self._masked(sequences, keys, step), ends.tolist())
        return made

    def looked_at(self, step: int) -> Iterator[Looked]:
        """The step's sequences, masked, beside what they were made from: to look at them."""
        for sequences, keys, _ in self._groups(step, range(self.number(step))):
            hidden, _ = chosen(sequences, keys, self._units, **self._options(HIDING, step))
            yield Looked(sequences, hidden, self._masked(sequences, keys, step))

    def epoch_sequences(self, epoch: int) -> int:
        """How many sequences all streams together have in an epoch."""
        return sum(stream.epoch_sequences(epoch) for stream in self.streams)

    def visit_sizes(self, step: int) -> dict[str, list[int]]:
        """What the streams counted for the steps before, see `Stream.visit_sizes`."""
        steps, number = max(0, step - self.first_step), len(self.streams)
        return {
            str(place): stream.visit_sizes(
                (steps + number - 1 - place) // number * (self.batch_rows or self.batch_sequences)
            )
            for place, stream in enumerate(self.streams)
        }

    def know(self, sizes: Mapping[str, list[int]]) -> None:
        """Take up what `visit_sizes` told."""
        for place, stream in enumerate(self.streams):
            stream.know(sizes.get(str(place), []))

    def rate(self, step: int) -> float:
        """Share of the tokens that the step hides."""
        return self.masks.rate_at(step, self.steps)

    def held_out(self) -> Iterator[Batch]:
        """Held-out sequences with BERT's masks, 15 % of single tokens and 80/10/10, so that recipes can be compared."""
        for stream in self.held_out_streams:
            total = stream.first_sequences(self.held_out_sequences)
            for place, first in enumerate(range(0, total, HELD_OUT_BATCH)):
                sequences = stream.sequences(place, HELD_OUT_BATCH)
                yield mask_sequences(
                    take(sequences, np.arange(min(HELD_OUT_BATCH, total - first))),
                    words(min(HELD_OUT_BATCH, total - first), 0, "held-out masks", place),
                    mask_id=self.mask_id,
                    random_ids=self.tokenizer.vocab_size,
                    boundaries=self.boundaries,
                    segments=self.segments,
                )

    def examples(self, step: int) -> Iterator[Example]:
        """The sequences of a step, decoded."""
        tokenizer = self.tokenizer
        special_ids = tokenizer.special_ids.tolist()
        for _, hidden, batch in self.looked_at(step):
            yield from decode(
                batch, tokenizer.id_to_token, mask_id=self.mask_id, special_ids=special_ids, units=hidden.first
            )

    def _groups(self, step: int, places: range) -> Iterator[tuple[Sequences, Words, Integers]]:
        """The sequences of several micro-batches at a time, the keys of their masks, and where micro-batches end.

        Words are drawn for a group at once, which is faster than for each micro-batch by itself.
        """
        turn, place = divmod(step - self.first_step, len(self.streams))
        examples = self.streams[place].examples(turn, self.batch_rows or self.batch_sequences)
        static = self.masks.dupe_factor is not None
        keys = examples.keys if static else words(len(examples.keys), self.seed, "masks", step)
        for which, ends in micro_batches(examples, self.micro_sequences).groups(places, GROUP):
            yield examples.lay_out(which), keys[which], ends

    def _masked(self, sequences: Sequences, keys: Words, step: int) -> Batch:
        return mask_sequences(
            sequences,
            keys,
            mask_id=self.mask_id,
            random_ids=self._random_ids,
            units=self._units,
            boundaries=self.boundaries,
            segments=self.segments,
            **self._options(HIDING + CORRUPTING, step),
        )

    def _options(self, names: Sequence[str], step: int) -> dict[str, Any]:
        return {name: getattr(self.masks, name) for name in names} | {"rate": self.rate(step)}


class Phases:
    """One run over several kinds of examples, one after the other: 128 tokens first, say, then 512 (BERT, A.2).

    phases   (the step at which it ends, its examples), in order
    main     the number of the phase that gives what is held out, and the size of an epoch
    """

    def __init__(self, phases: Sequence[tuple[int, MaskedSequences]], *, main: int = 0) -> None:
        self.phases, self.main = phases, phases[main][1]
        self.begins = [0, *(end for end, _ in phases[:-1])]
        self.held_out = self.main.held_out

    def of(self, step: int) -> MaskedSequences:
        """The examples of a step; of the last phase for steps beyond its end."""
        return next((data for end, data in self.phases if step < end), self.phases[-1][1])

    def epoch_sequences(self, epoch: int) -> int:
        """How many sequences an epoch of the main phase has."""
        return self.main.epoch_sequences(epoch)

    def batches(self, step: int) -> list[Batch]:
        """The step's micro-batches."""
        return self.of(step).batches(step)

    def number(self, step: int) -> int:
        """How many there are."""
        return self.of(step).number(step)

    def part(self, step: int, places: range) -> list[Batch]:
        """Those at these places."""
        return self.of(step).part(step, places)

    def visit_sizes(self, step: int) -> dict[str, list[int]]:
        """What the streams of the step's phase counted for the steps before it."""
        phase = self.of(step)
        place = next(place for place, (_, data) in enumerate(self.phases) if data is phase)
        return {f"{place}.{name}": sizes for name, sizes in phase.visit_sizes(step).items()}

    def know(self, sizes: Mapping[str, list[int]]) -> None:
        """Take up what `visit_sizes` told."""
        for place, (_, data) in enumerate(self.phases):
            its = {name.split(".")[1]: of for name, of in sizes.items() if name.split(".")[0] == str(place)}
            data.know(its)

    def looked_at(self, step: int) -> Iterator[Looked]:
        """The step's sequences, masked, beside what they were made from."""
        return self.of(step).looked_at(step)

    def examples(self, step: int) -> Iterator[Example]:
        """The sequences of a step, decoded."""
        return self.of(step).examples(step)
