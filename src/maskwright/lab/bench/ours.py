"""Our side: the training loop's own step on synthetic text of full length.

Everything a pretraining step does is in the time: batches made and masked in their thread, forward,
backward, clipping, AdamW, the working copy. Only reading a corpus, logging and saving are not.
"""

from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np

from maskwright.batch import Batch, Sequences
from maskwright.draws import generator, words
from maskwright.lab.bench.clock import time_steps, told
from maskwright.lab.bench.shapes import DROPOUT, MASK_RATE, POSITIONS, Shape
from maskwright.layers.dropout import DropoutStream
from maskwright.models.bert import BertConfig, bert
from maskwright.objectives.masked_lm import mask_sequences
from maskwright.objectives.masked_lm_head import MaskedLMHead
from maskwright.objectives.next_sentence import NextSentenceHead
from maskwright.objectives.tally import Tally
from maskwright.training.gradients import gradients
from maskwright.training.loop import ahead
from maskwright.training.optimizers import Optimizer, OptimizerConfig
from maskwright.training.pretraining import Pretraining
from maskwright.training.replays import passes_of
from maskwright.training.run import as_wanted, device_for, keep_memory
from maskwright.training.signals import Stop
from maskwright.training.training_config import Graphs, Precision, TrainingConfig
from maskwright.training.work import Share, whole

CLS, SEP, MASK, FIRST = 101, 102, 103, 1000  # of BERT's own vocabulary; ordinary tokens begin at FIRST
FEW = 200  # and in vocabularies too small for it


class Synthetic:
    """Masked LM and next sentence prediction on random tokens: the loop's `Work` without a corpus."""

    def __init__(self, shape: Shape, dropout: float) -> None:
        self.shape = shape
        config = BertConfig(
            vocab_size=shape.vocabulary,
            hidden_size=shape.hidden,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            intermediate_size=4 * shape.hidden,
            max_position_embeddings=max(POSITIONS, shape.length),
            hidden_dropout_prob=dropout,
            attention_probs_dropout_prob=dropout,
        )
        heads = {
            "mlm": MaskedLMHead(shape.hidden, shape.vocabulary, config.hidden_act, config.layer_norm_eps),
            "nsp": NextSentenceHead(shape.hidden),
        }
        self.module = Pretraining(bert(config), heads)
        self.module.initialise(config.initializer_range, seed=0)

    def batches(self, step: int) -> list[Batch]:
        """One micro-batch, masked as in training."""
        return [masked(self.shape, step)]

    def held_out(self) -> Iterator[Batch]:
        """Nothing."""
        return iter(())

    def counts(self, batch: Batch) -> dict[str, int]:
        """Hidden tokens and pairs."""
        return self.module.counts(batch)

    def tallies(self, batch: Batch, stream: DropoutStream | None) -> dict[str, Tally]:
        """Their losses and hits."""
        return self.module.tallies(batch, stream)


def sequences(shape: Shape, step: int) -> Sequences:
    """Full sequences of [CLS] A [SEP] B [SEP] with random tokens, the same for both sides."""
    draws = generator(0, "tokens", step)
    n, s = shape.sequences, shape.length
    first = FIRST if shape.vocabulary > 2 * FIRST else FEW
    token_ids = draws.integers(first, shape.vocabulary, (n, s))
    special = np.zeros((n, s), np.bool_)
    special[:, [0, s // 2, s - 1]] = True
    token_ids[:, 0], token_ids[:, [s // 2, s - 1]] = CLS, SEP
    return Sequences(
        token_ids=token_ids.ravel(),
        token_type_ids=np.tile((np.arange(s) > s // 2).astype(np.int64), n),
        cu_seqlens=np.arange(n + 1) * s,
        special=special.ravel(),
        pair_labels=draws.integers(0, 2, n),
    )


def masked(shape: Shape, step: int) -> Batch:
    """Those sequences with 15 % of their tokens hidden."""
    return mask_sequences(
        sequences(shape, step),
        words(shape.sequences, 0, "masks", step),
        mask_id=MASK,
        random_ids=shape.vocabulary,
        rate=MASK_RATE,
    )


def trainer(
    shape: Shape,
    precision: Precision = "bf16",
    dropout: float = DROPOUT,
    compile: Literal["auto", "always", "never"] = "auto",
    graphs: Graphs = "never",
) -> tuple[Callable[[int], Share], Callable[[int, Share], float]]:
    """What a step is made of, and the loop's step on it: it moves the weights and gives the loss."""
    keep_memory()
    work, stop = Synthetic(shape, dropout), Stop()
    training, device = TrainingConfig(precision=precision, compile=compile, graphs=graphs), device_for()
    optimizer = Optimizer(work.module, OptimizerConfig(name="adamw"), as_wanted(work.module, training, device))
    passes = passes_of(work, training, device)
    work.module.train()

    def made(number: int) -> Share:
        return whole(work.batches(number)).readied(passes.ready)

    def step(number: int, share: Share) -> float:
        sums, _, _ = gradients(work, optimizer, share, training, number, stop, one_pass=passes)
        optimizer.step(1.0)
        return sums.means().loss

    return made, step


def measure(
    *,
    shape: dict[str, Any],
    seconds: float,
    precision: Precision = "bf16",
    dropout: float = DROPOUT,
    compile: Literal["auto", "always", "never"] = "auto",
    graphs: Graphs = "never",
) -> dict[str, Any]:
    """Tokens a second by the median step; peak memory; the loss, as a sign that it trains."""
    sized = Shape(**shape)
    made, train = trainer(sized, precision, dropout, compile, graphs)
    losses: list[float] = []
    stream = ahead(made, 0, 1 << 40)
    times = time_steps(lambda: losses.append(train(*next(stream))), seconds=seconds)
    return {**times.told(sized.tokens), "loss": losses[-1]}


if __name__ == "__main__":
    told(measure)
