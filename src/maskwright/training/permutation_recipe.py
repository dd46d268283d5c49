"""What a recipe of permutation language modelling is made of: an XLNet, lanes of text, orders, an optimizer, a regime.

The work carries a memory from step to step: what went into each layer at the last tokens of each lane. It is part of
a checkpoint, and moves on only when all lanes of a step have been read with gradients; evaluation neither reads nor
changes it, and judges every held-out sequence by itself.
"""

from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from maskwright.batch import Batch
from maskwright.config import Config
from maskwright.corpus.read import Corpus
from maskwright.errors import BadInput
from maskwright.layers.dropout import DropoutStream
from maskwright.layers.two_stream_network import TwoStreamNetwork
from maskwright.models.xlnet import XlnetConfig
from maskwright.objectives.head import Head
from maskwright.objectives.permutation import PermutationConfig
from maskwright.objectives.permuted_sequences import PermutedSequences
from maskwright.objectives.show import Rate
from maskwright.objectives.show_permutation import measure_orders
from maskwright.objectives.tally import Tally
from maskwright.progress import Progress, silent
from maskwright.training.finish import write_model
from maskwright.training.optimizers import Optimizer, OptimizerConfig
from maskwright.training.pretraining import Pretraining, network
from maskwright.training.training_config import TrainingConfig

MEMORY = "memory"


class Recipe(Config):
    """Everything that a run of permutation language modelling is made of."""

    recipe: str = "xlnet"
    """Its name."""
    size: str = "base"
    """A size of its network: tiny, base, large."""
    corpus: str
    """The folder that `maskwright corpus` made."""
    model: XlnetConfig
    """The network, and how much it remembers."""
    permutation: PermutationConfig = PermutationConfig()
    """How text is laid out, and what is predicted in which order."""
    optimizer: OptimizerConfig = OptimizerConfig()
    """How weights move."""
    training: TrainingConfig = TrainingConfig()
    """How long, how fast, how often."""

    @property
    def heads(self) -> list[str]:
        """The head it trains."""
        return ["plm"]

    @property
    def told(self) -> dict[str, Any]:
        """What `maskwright recipes` says of it beside network and regime."""
        hides = f"{self.permutation.targets / self.permutation.max_length:.0%} ngrams"
        return {"layout": "lanes", "hides": hides, "tokens": [self.permutation.max_length]}


class PermutationWork:
    """Network, data and memory, as the loop takes them (`training.work.Work`)."""

    def __init__(self, network: Pretraining, data: PermutedSequences) -> None:
        self.module, self.data = network, data
        self.batches, self.held_out = data.batches, data.held_out
        self.counts = network.counts
        self._encoder = cast("TwoStreamNetwork", network.encoder)
        self._memory: Tensor | None = None
        self._coming: dict[int, Tensor] = {}

    def tallies(self, batch: Batch, stream: DropoutStream | None) -> dict[str, Tally]:
        """Sums over the targets of a batch, by the query stream; with gradients enabled the memory is read and written.

        A lane is in one micro-batch of a step, and what it will remember waits until the step's others have been read.
        """
        trains = torch.is_grad_enabled()
        reading = self._encoder.read(
            batch, stream, batch.predict_rows, self._remembered(batch) if trains else None, remember=trains
        )
        assert reading.predicted is not None
        if trains and reading.memory is not None:
            self._remember(batch, reading.memory)
        head = cast("Head", self.module.heads["plm"])
        return {"plm": head.tally(reading.predicted, batch, self.module.encoder)}

    def carried(self) -> dict[str, Tensor]:
        """The memory (L, N, m, H) of all lanes as the next step reads it; nothing before the first step."""
        return {} if self._memory is None else {MEMORY: self._memory}

    def take_up(self, tensors: Mapping[str, Tensor]) -> None:
        """The memory of a checkpoint; BadInput for one of another network or of other lanes."""
        self._coming = {}
        config, lanes = cast("XlnetConfig", self._encoder.config), self.data.batch_sequences
        memory = tensors.get(MEMORY)
        if memory is not None:
            fits = memory.ndim == 4 and (*memory.shape[:2], memory.shape[3]) == (config.n_layer, lanes, config.d_model)
            if not fits or memory.shape[2] > config.remembers:
                raise BadInput(
                    f"the checkpoint's memory has the shape {tuple(memory.shape)}, and the recipe's is of "
                    f"{config.n_layer} layers, {lanes} lanes, up to {config.remembers} tokens, width {config.d_model}: "
                    "go on with the recipe it was made by"
                )
            memory = memory.clone()
        self._memory = memory

    def _remembered(self, batch: Batch) -> Tensor | None:
        """(L, n, m, H) of the batch's lanes."""
        if self._memory is None:
            return None
        assert batch.lane_ids is not None
        table = self._encoder.token_table
        self._memory = self._memory.to(table.device, table.dtype)
        return self._memory.index_select(1, batch.lane_ids)

    def _remember(self, batch: Batch, memory: Tensor) -> None:
        assert batch.lane_ids is not None
        self._coming.update(zip(batch.lane_ids.tolist(), memory.unbind(1), strict=True))
        if len(self._coming) == self.data.batch_sequences:
            self._memory = torch.stack([self._coming[lane] for lane in sorted(self._coming)], 1)
            self._coming = {}


def check(recipe: Recipe, corpus: Corpus) -> None:
    """BadInput where the recipe does not go with itself or with the corpus."""
    recipe.training.check_not_packed()
    model, tokenizer = recipe.model, corpus.tokenizer
    if model.vocab_size < tokenizer.vocab_size:
        raise BadInput(
            f"model.vocab_size {model.vocab_size} is less than the {tokenizer.vocab_size} tokens "
            f"of the corpus {corpus.path}: leave it out to take the corpus's"
        )
    if corpus.manifest.words is None:
        raise BadInput(
            f"{corpus.path} carries no words, and targets are n-grams of words: build it with a word segmenter "
            "(--segmenter rjieba; pip install 'maskwright[zh]')"
        )
    if corpus.manifest.languages:
        raise BadInput(
            f"{corpus.path} is of pairs of translations, so neighbouring sentences are no text that goes on: "
            "take the recipe xlm, or another corpus"
        )
    if model.remembers and not model.reuse_len:
        raise BadInput(
            f"model.mem_len {model.mem_len} without model.reuse_len, the tokens of a sequence that the next one goes "
            f"on from: give model.reuse_len {recipe.permutation.max_length // 2}, or model.mem_len 0"
        )


def data(recipe: Recipe, corpus: Corpus) -> PermutedSequences:
    """What the recipe learns from, as arithmetic."""
    training = recipe.training
    return PermutedSequences(
        corpus.train,
        corpus.held_out,
        corpus.tokenizer,
        recipe.permutation,
        batch_sequences=training.batch_sequences,
        micro_sequences=training.micro_sequences,
        held_out_sequences=training.held_out_sequences,
        seed=training.seed,
        reuse=recipe.model.reuse_len,
        memory=recipe.model.remembers,
        backwards=recipe.model.bi_data,
    )


def rates(recipe: Recipe, data: PermutedSequences, step: int, least_tokens: int) -> Sequence[Rate]:
    """What `maskwright show` measures, from a step on."""
    found = (data.ordered(at) for at in count(step))
    return measure_orders(found, targets=recipe.permutation.targets, least_tokens=least_tokens)


def build(recipe: Recipe, corpus: Corpus, progress: Progress = silent, *, fresh: bool = True) -> PermutationWork:
    """The network beside the data it learns from; with first weights if `fresh`, for a checkpoint to give if not."""
    check(recipe, corpus)
    made = network(recipe.model, recipe.heads)
    work = PermutationWork(made, data(recipe, corpus))  # before the first weights: it says early what will not do
    if fresh:
        made.initialise(recipe.model.initializer_range, recipe.training.seed)
    progress.say(f"one example of step 1: {next(work.data.examples(0)).text}")
    return work


def finish(work: PermutationWork, optimizer: Optimizer, recipe: Recipe, corpus: Corpus, folder: Path) -> None:
    """Write the finished model into the run's folder.

    Its config.json says `bi_data` false, as who reads the model gives it text that runs forwards.
    """
    config = recipe.model.with_changes(bi_data=False)
    write_model(folder, work.module, optimizer.flat.tensors(), config, recipe, corpus)
