"""What ELMo's recipe is made of: a network, lanes of sentences read both ways, an optimizer, a regime."""

from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

import torch
from pydantic import Field

from maskwright.checkpoints.elmo_folder import write_elmo
from maskwright.config import Config
from maskwright.corpus.read import Corpus
from maskwright.errors import BadInput
from maskwright.models.elmo import ElmoConfig
from maskwright.objectives.both_ways import BothWays, Vocabulary
from maskwright.objectives.show import Rate
from maskwright.progress import Progress, silent
from maskwright.training.both_ways_lm import WAYS, BothWaysWork, both_ways_lm
from maskwright.training.finish import told
from maskwright.training.optimizers import Optimizer, OptimizerConfig
from maskwright.training.training_config import TrainingConfig

MOST_CANDIDATES = 8192


class LanesConfig(Config):
    """How text is read. How many lanes there are of each direction is training.batch_sequences."""

    unroll: int = Field(default=20, ge=1, le=4096)
    """Words that each lane reads in a step; gradients go no further back."""


class SoftmaxConfig(Config):
    """What the right word is told apart from in training; a model is judged on all words."""

    candidates: int | None = Field(default=MOST_CANDIDATES, ge=1)
    """Words among which the right one is to be found, drawn anew each step. none: all words."""


class Recipe(Config):
    """Everything that a run of ELMo's pretraining is made of."""

    recipe: str = "elmo"
    """Its name."""
    size: str = "original"
    """A size of its network: tiny, small, medium or original."""
    corpus: str
    """The folder that `maskwright corpus` made."""
    model: ElmoConfig
    """The network."""
    layout: LanesConfig = LanesConfig()
    """How text is read."""
    softmax: SoftmaxConfig = SoftmaxConfig()
    """What words are told apart from."""
    optimizer: OptimizerConfig = OptimizerConfig()
    """How weights move."""
    training: TrainingConfig = TrainingConfig()
    """How long, how fast, how often."""

    @property
    def heads(self) -> list[str]:
        """What it predicts: the next word of each direction."""
        return list(WAYS)

    @property
    def told(self) -> dict[str, Any]:
        """What `maskwright recipes` says of it beside network and regime."""
        return {"layout": "lanes", "hides": "nothing", "tokens": [self.layout.unroll]}


def check(recipe: Recipe, corpus: Corpus) -> None:
    """BadInput where the recipe does not go with itself or with the corpus."""
    recipe.training.check_not_packed()
    words, model = corpus.tokenizer.vocab_size, recipe.model
    if model.vocab_size < words:
        raise BadInput(
            f"model.vocab_size {model.vocab_size} is less than the {words} tokens "
            f"of the corpus {corpus.path}: leave it out to take the corpus's"
        )
    candidates = recipe.softmax.candidates
    if candidates is not None and candidates > (words + 2) // 2:
        raise BadInput(
            f"softmax.candidates {candidates} is more than half of the {words + 2} words: draw fewer, or take "
            "--softmax.candidates none, which looks at all of them"
        )
    if not corpus.train.num_sentences:
        raise BadInput(f"{corpus.path} has no sentence to train on: make a corpus of more text")


def data(recipe: Recipe, corpus: Corpus) -> BothWays:
    """What the recipe learns from, as arithmetic."""
    training, model = recipe.training, recipe.model
    return BothWays(
        corpus.train,
        corpus.held_out,
        Vocabulary(corpus.tokenizer, model.vocab_size, model.max_characters),
        widest=max(width for width, _ in model.filters),
        lanes=training.batch_sequences,
        length=recipe.layout.unroll,
        micro_lanes=training.micro_sequences,
        candidates=recipe.softmax.candidates,
        held_out_sentences=training.held_out_sequences,
        seed=training.seed,
    )


def rates(recipe: Recipe, data: BothWays, step: int, least_tokens: int) -> Sequence[Rate]:
    """What `maskwright show` measures, from a step on."""
    begins = ends = asked = among = tokens = 0
    vocabulary = data.vocabulary
    for batch in (batch for at in count(step) for batch in data.batches(at)):
        assert batch.predict_ids is not None
        tokens, asked = tokens + batch.num_tokens, asked + len(batch.predict_ids)
        begins += int((batch.token_ids == vocabulary.begin).sum())
        ends += int((batch.token_ids == vocabulary.end).sum())
        if batch.candidate_ids is not None:
            among += int(torch.isin(batch.predict_ids, batch.candidate_ids).sum())
        if tokens >= least_tokens:
            break
    found = [
        Rate("tokens to predict", asked / tokens, 1.0, tokens, "tokens"),
        Rate("forward, begins of sentences", 2 * begins / tokens, None, tokens // 2, "tokens"),
        Rate("backward, ends of sentences", 2 * ends / tokens, None, tokens // 2, "tokens"),
    ]
    if recipe.softmax.candidates is not None:
        found.append(Rate("right words among the candidates", among / asked, None, asked, "predicted tokens"))
    return found


def build(recipe: Recipe, corpus: Corpus, progress: Progress = silent, *, fresh: bool = True) -> BothWaysWork:
    """The network beside the data it learns from; with first weights if `fresh`, for a checkpoint to give if not."""
    check(recipe, corpus)
    made = both_ways_lm(recipe.model)
    work = BothWaysWork(made, data(recipe, corpus), lanes=recipe.training.batch_sequences)
    if fresh:
        made.initialise(recipe.training.seed)
    progress.say(f"one example of step 1: {next(work.data.examples(0)).text}")
    return work


def finish(work: BothWaysWork, optimizer: Optimizer, recipe: Recipe, corpus: Corpus, folder: Path) -> None:
    """Write the finished model into the run's folder."""
    write_elmo(
        folder / "model",
        config=recipe.model,
        parameters=optimizer.flat.tensors(),
        tokenizer=corpus.tokenizer,
        facts=told(folder, recipe, corpus),
        replace=True,
    )
