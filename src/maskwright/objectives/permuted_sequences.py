"""The examples of permutation language modelling: lanes of text, their targets, and the order of each.

What step k sees is a function of the seed and k. Each half of a sequence, the text that goes on and the two segments,
has targets and an order of its own; the second half sees all of the first, and the first nothing of the second
(zihangdai/xlnet `data_utils.py`, `get_dataset`). With `backwards` half of the lanes run from the end of the text to
its beginning, over the same documents in another order: n-grams are still those of the text.
"""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import NamedTuple

import numpy as np

from maskwright.batch import Batch, Booleans, Integers, cut, flat_batch
from maskwright.corpus.read import Split
from maskwright.draws import generator, key
from maskwright.errors import BadInput
from maskwright.objectives import lane_pairs
from maskwright.objectives.lane_pairs import Laid
from maskwright.objectives.lanes import Lanes
from maskwright.objectives.permutation import PermutationConfig, orders, ranks, sample_targets
from maskwright.objectives.show import Example, Mark
from maskwright.tokenizers.tokenizer import Tokenizer

HELD_OUT_LANES = 32
"""Held-out sequences to a batch, whatever the recipe's."""
END_OF_DOCUMENT = "<eod>"
TOGETHER, STEPS = 1 << 18, 16
"""Tokens of the steps that are laid out together, and how many steps at most."""


class Ordered(NamedTuple):
    """Sequences with their targets and orders, (N, S) each but `backward`, (N,)."""

    laid: Laid
    targets: Booleans
    ranks: Integers
    backward: Booleans


class Stretch(NamedTuple):
    """Steps that are laid out together, one behind the other; their orders are not drawn yet.

    draws   of each step, as they stand behind its layout
    """

    lanes: Lanes
    laid: Laid
    draws: lane_pairs.Draws


class PermutedSequences:
    """Batches of training sequences by step, and held-out ones.

    train, held_out      what to train on, and what to judge by; the latter may be empty
    tokenizer            must have [CLS] and [SEP]
    batch_sequences      sequences of a step, which are as many lanes
    micro_sequences      sequences of a micro-batch
    held_out_sequences   how many held-out sequences are looked at, None for all
    reuse                tokens of each sequence that the next one goes on from; None: half
    memory               tokens that a model remembers: no lane may be shorter
    backwards            half of the lanes run backwards
    """

    def __init__(
        self,
        train: Split,
        held_out: Split,
        tokenizer: Tokenizer,
        config: PermutationConfig,
        *,
        batch_sequences: int,
        micro_sequences: int,
        held_out_sequences: int | None,
        seed: int,
        reuse: int | None = None,
        memory: int = 0,
        backwards: bool = False,
    ) -> None:
        if tokenizer.cls_id is None or tokenizer.sep_id is None:
            raise BadInput(
                f"the tokenizer, of kind {tokenizer.kind}, has no [CLS] and [SEP]: take unigram or wordpiece"
            )
        if backwards and batch_sequences % 2:
            raise BadInput(f"half of {batch_sequences} sequences cannot run backwards: give an even number of them")
        self.tokenizer, self.config, self.cls_id, self.sep_id = tokenizer, config, tokenizer.cls_id, tokenizer.sep_id
        self.reuse = reuse or config.max_length // 2
        self.batch_sequences, self.micro_sequences, self.seed = batch_sequences, micro_sequences, seed
        self._separator = None
        if config.end_of_document and END_OF_DOCUMENT in tokenizer.tokens:
            self._separator = tokenizer.tokens.index(END_OF_DOCUMENT)
        self.lanes = self._lanes(train, batch_sequences, backwards=backwards)
        if (shortest := min(lanes.shortest for lanes in self.lanes)) < memory + config.max_length:
            raise BadInput(
                f"a memory of {memory} tokens (model.mem_len) and sequences of {config.max_length}: one of "
                f"{batch_sequences} lanes has only {shortest:,} tokens, and would remember a text and read it again; "
                "give fewer training.batch_sequences, a shorter memory, or more text"
            )
        self._held_out: list[Lanes] = []
        wanted = HELD_OUT_LANES if held_out_sequences is None else min(HELD_OUT_LANES, held_out_sequences)
        if number := min(wanted, held_out.num_tokens // config.max_length):
            self._held_out = self._lanes(held_out, number, backwards=False)
        self.held_out_sequences = held_out_sequences
        self._together = min(STEPS, max(1, TOGETHER // (batch_sequences * config.max_length)))
        self._known = -1, list[Stretch]()

    def batches(self, step: int) -> list[Batch]:
        """The step's micro-batches. Lane l is always sequence l of a step; lanes that run backwards come last."""
        return cut(self._batch(self.ordered(step)), self.micro_sequences)

    def ordered(self, step: int) -> Ordered:
        """The sequences of a step with their targets and orders."""
        block, place = divmod(step, self._together)
        if self._known[0] != block:
            first = block * self._together
            self._known = block, self._laid_out(self.lanes, range(first, first + self._together), self.seed)
        return self._ordered(self._known[1], place)

    def held_out(self) -> Iterator[Batch]:
        """Held-out sequences, the same every time, one lane's step after the other; they run forwards."""
        if not self._held_out:
            return
        lanes = self._held_out[0]
        steps = -(-lanes.shortest // self.reuse)
        if self.held_out_sequences is not None:
            steps = min(steps, max(1, self.held_out_sequences // lanes.lanes))
        for step in range(steps):
            yield self._batch(self._ordered(self._laid_out(self._held_out, [step], 0), 0))

    def epoch_sequences(self, epoch: int) -> int:
        """How many sequences an epoch has; of text that is read both ways, of both."""
        del epoch
        return sum(-(-int(lanes.sizes.sum()) // self.reuse) for lanes in self.lanes)

    def examples(self, step: int) -> Iterator[Example]:
        """The sequences of a step, decoded: [3←cat] is a target, the third of its order."""
        found = self.ordered(step)
        name = self.tokenizer.id_to_token
        for ids, targets, places, special in zip(
            found.laid.token_ids.tolist(), found.targets, found.ranks, found.laid.special.tolist(), strict=True
        ):
            order = np.zeros(len(ids), np.int64)
            order[targets] = 1 + np.argsort(np.argsort(places[targets]))
            marks = [
                Mark(f"[{order[i]}]", "masked", name(token))
                if order[i]
                else Mark(name(token), "special" if special[i] else "plain", name(token))
                for i, token in enumerate(ids)
            ]
            yield Example(tuple(marks), None)

    def _lanes(self, split: Split, number: int, *, backwards: bool) -> list[Lanes]:
        """The lanes of a split; with `backwards` half of them, and as many that run backwards."""
        made = [
            Lanes(
                split,
                lanes=number // 2 if backwards else number,
                length=self.reuse,
                seed=self.seed if way == 0 else key(self.seed, "backwards"),
                separator=self._separator,
                backwards=way == 1,
            )
            for way in range(2 if backwards else 1)
        ]
        lane_pairs.check(made[0], self.config.max_length)
        for _, goal, tokens in self._halves():
            if goal > tokens:
                raise BadInput(
                    f"{goal} predictions in {tokens} tokens, a half of a sequence: give fewer permutation.predictions, "
                    "or a model.reuse_len nearer to half of permutation.max_length"
                )
        return made

    def _laid_out(self, lanes: list[Lanes], steps: Sequence[int], seed: int) -> list[Stretch]:
        """Those steps laid out together, of each way."""
        found: list[Stretch] = []
        for way, some in enumerate(lanes):
            draws = [generator(seed, "permutations", some.lanes, way, step) for step in steps]
            laid = lane_pairs.lay_out(
                some, steps, self.config.max_length, draws, cls_id=self.cls_id, sep_id=self.sep_id
            )
            found.append(Stretch(some, laid, draws))
        return found

    def _ordered(self, ways: list[Stretch], place: int) -> Ordered:
        """One of the steps that are laid out, with targets and orders."""
        parts: list[Ordered] = []
        for lanes, laid, draws in ways:
            its = laid.rows(slice(place * lanes.lanes, (place + 1) * lanes.lanes))
            targets, places = self._orders(its, deepcopy(draws[place]), backwards=lanes.backwards)
            parts.append(Ordered(its, targets, places, np.full(lanes.lanes, lanes.backwards)))
        if len(parts) == 1:
            return parts[0]
        laids, join = [part.laid for part in parts], np.concatenate
        return Ordered(
            Laid(
                token_ids=join([laid.token_ids for laid in laids]),
                types=join([laid.types for laid in laids]),
                special=join([laid.special for laid in laids]),
                starts=join([laid.starts for laid in laids]),
            ),
            targets=join([part.targets for part in parts]),
            ranks=join([part.ranks for part in parts]),
            backward=join([part.backward for part in parts]),
        )

    def _orders(self, laid: Laid, draws: np.random.Generator, *, backwards: bool) -> tuple[Booleans, Integers]:
        """Targets and ranks of both halves. The second's ranks all come after the first's."""
        config, targets, places = self.config, list[Booleans](), list[Integers]()
        for number, (half, goal, _) in enumerate(self._halves()):
            way = slice(None, None, -1) if backwards else slice(None)
            starts, special = laid.starts[:, half], laid.special[:, half]
            chosen = sample_targets(
                starts[:, way],
                special[:, way],
                goal,
                draws,
                one_in=config.one_in,
                longest=config.longest_ngram,
                variant=config.variant,
            )[:, way]
            order = orders(starts.shape[0], starts.shape[1], config.perm_size, draws)
            targets.append(chosen)
            places.append(ranks(chosen, special, order, base=-1 if number == 0 else self.reuse))
        return np.concatenate(targets, 1), np.concatenate(places, 1)

    def _halves(self) -> tuple[tuple[slice, int, int], tuple[slice, int, int]]:
        """Of each half where it is, how many targets it has, and how many tokens that can be one."""
        reuse, second = self.reuse, self.config.targets // 2
        rest = self.config.max_length - reuse - lane_pairs.SPECIALS
        return (slice(None, reuse), self.config.targets - second, reuse), (slice(reuse, None), second, rest)

    def _batch(self, found: Ordered) -> Batch:
        n, s = found.targets.shape
        rows = np.flatnonzero(found.targets)
        ids = found.laid.token_ids.ravel()
        return flat_batch(
            ids,
            np.arange(n + 1) * s,
            found.laid.types.ravel(),
            ranks=found.ranks.ravel(),
            lane_ids=np.arange(n),
            backward=found.backward if found.backward.any() else None,
            predict_rows=rows,
            predict_ids=ids[rows],
        )
