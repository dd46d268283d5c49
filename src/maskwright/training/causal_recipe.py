"""What recipes that read from left to right are made of: a network, running text, an optimizer, a regime.

A recipe's file says which, with its paper's numbers; here they become network and data.
"""

from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any, cast

from pydantic import Field

from maskwright.config import Config
from maskwright.corpus.read import Corpus
from maskwright.errors import BadInput
from maskwright.layers.network import Tables
from maskwright.models import CausalConfig
from maskwright.objectives.next_token import NextTokenSequences
from maskwright.objectives.running_text import RunningText
from maskwright.objectives.show import Rate
from maskwright.objectives.stream import Stream
from maskwright.progress import Progress, silent
from maskwright.training.finish import write_model
from maskwright.training.optimizers import Optimizer, OptimizerConfig
from maskwright.training.pretraining import PretrainingWork, network, tell_of_few
from maskwright.training.start import StartConfig, start_embeddings
from maskwright.training.training_config import TrainingConfig

SAMPLE = TrainingConfig(
    steps=300, batch_sequences=32, warmup_share=0.1, log_every=20, evaluate_every=100, save_every=300
)
"""A regime for sizes that no paper has, to try a recipe on a sample text in minutes."""


class TextConfig(Config):
    """How running text is cut into sequences."""

    max_length: int = Field(default=512, ge=2)
    """Tokens of a sequence."""


class Recipe(Config):
    """Everything that a run of next-token pretraining is made of."""

    recipe: str = "gpt"
    """Its name."""
    size: str = "base"
    """A size of its network: tiny, base ..."""
    corpus: str
    """The folder that `maskwright corpus` made."""
    model: CausalConfig = Field(discriminator="model_type")
    """The network."""
    start: StartConfig = StartConfig()
    """What embeddings begin as."""
    layout: TextConfig = TextConfig()
    """How text is cut into sequences."""
    optimizer: OptimizerConfig = OptimizerConfig()
    """How weights move."""
    training: TrainingConfig = TrainingConfig()
    """How long, how fast, how often."""

    @property
    def heads(self) -> list[str]:
        """The one head it trains."""
        return ["lm"]

    @property
    def told(self) -> dict[str, Any]:
        """What `maskwright recipes` says of it beside network and regime."""
        return {"layout": "running_text", "hides": "nothing", "tokens": [self.layout.max_length]}


def check(recipe: Recipe, corpus: Corpus) -> None:
    """BadInput where the recipe does not go with itself or with the corpus."""
    model, length = recipe.model, recipe.layout.max_length
    if length > model.longest:
        raise BadInput(
            f"layout.max_length {length} is more than the model's {model.longest} positions: shorten it, "
            "or raise model.max_position_embeddings"
        )
    if model.vocab_size < corpus.tokenizer.vocab_size:
        raise BadInput(
            f"model.vocab_size {model.vocab_size} is less than the {corpus.tokenizer.vocab_size} tokens "
            f"of the corpus {corpus.path}: leave it out to take the corpus's"
        )
    if recipe.start.positions == "fixed":
        raise BadInput("start.positions fixed: a GPT's positions are learned; take sinusoids or random")


def data(recipe: Recipe, corpus: Corpus) -> NextTokenSequences:
    """What the recipe learns from, as arithmetic. [SEP], </s> or <|endoftext|> stands behind each document."""
    training = recipe.training
    layout = RunningText(separator=corpus.tokenizer.sep_id, max_length=recipe.layout.max_length)
    held_out = corpus.held_out
    return NextTokenSequences(
        Stream[Any](corpus.train, layout, seed=training.seed, row_tokens=training.row_tokens),
        Stream[Any](held_out, layout, seed=0, dupe_factor=1) if held_out.num_documents else None,
        corpus.tokenizer,
        batch_sequences=training.batch_sequences,
        micro_sequences=training.micro_sequences,
        batch_rows=training.batch_rows,
        held_out_sequences=training.held_out_sequences,
    )


def rates(recipe: Recipe, data: NextTokenSequences, step: int, least_tokens: int) -> Sequence[Rate]:
    """What `maskwright show` measures, from a step on."""
    tokens = sequences = predicted = separators = 0
    separator = data.tokenizer.sep_id
    for batch in (batch for at in count(step) for batch in data.batches(at)):
        tokens, sequences = tokens + batch.num_tokens, sequences + batch.num_sequences
        predicted += 0 if batch.predict_ids is None else len(batch.predict_ids)
        separators += 0 if separator is None else int((batch.token_ids == separator).sum())
        if tokens >= least_tokens:
            break
    length = tokens / sequences
    return [
        Rate("tokens to predict", predicted / tokens, 1 - 1 / length, tokens, "tokens"),
        Rate("tokens a sequence", length, float(recipe.layout.max_length), sequences, "sequences"),
        Rate("ends of documents", separators / tokens, None, tokens, "tokens"),
    ]


def build(recipe: Recipe, corpus: Corpus, progress: Progress = silent, *, fresh: bool = True) -> PretrainingWork:
    """The network beside the data it learns from; with first weights if `fresh`, for a checkpoint to give if not."""
    check(recipe, corpus)
    made = network(recipe.model, ["lm"])
    examples = data(recipe, corpus)
    work = PretrainingWork(made, examples)
    if fresh:
        made.initialise(recipe.model.initializer_range, recipe.training.seed)
        tables = cast("Tables", made.encoder.embeddings)
        start_embeddings(tables, recipe.start, corpus, recipe.training.seed, progress)
    tell_of_few([examples.stream], examples.batch_rows or examples.batch_sequences, progress)
    progress.say(f"one example of step 1: {next(work.data.examples(0)).text}")
    return work


def finish(work: PretrainingWork, optimizer: Optimizer, recipe: Recipe, corpus: Corpus, folder: Path) -> None:
    """Write the finished model into the run's folder."""
    write_model(folder, work.module, optimizer.flat.tensors(), recipe.model, recipe, corpus)
