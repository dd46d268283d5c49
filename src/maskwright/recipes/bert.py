"""BERT as published: masked language modelling and next sentence prediction.

Devlin et al. (arXiv 1810.04805), section 3.1 and appendix A.2: 256 sequences a step, a million steps,
Adam at 1e-4 with 10,000 steps of warm-up, weight decay 0.01, dropout 0.1, 15 % masks of which 80 % become
[MASK], 10 % a random token and 10 % stay. Masks are drawn anew each epoch; `--masks.dupe_factor 10` gives
Google's static ones. The paper trains 90 % of the steps on 128 tokens and the rest on 512: give
`--pairs.max_length 512` to a second run.
"""

from pathlib import Path
from typing import cast

from maskwright.config import Config
from maskwright.corpus.read import Corpus
from maskwright.errors import BadInput
from maskwright.layers.positions import SinusoidalPositions
from maskwright.models.bert import SIZES, Bert, BertConfig
from maskwright.objectives.masked_lm import MasksConfig
from maskwright.objectives.masked_lm_head import MaskedLMHead
from maskwright.objectives.masked_pairs import MaskedPairs
from maskwright.objectives.next_sentence import NextSentenceHead, PairsConfig
from maskwright.progress import Progress, silent
from maskwright.report.runs import write_report
from maskwright.tokenizers.wordpiece import WordPiece
from maskwright.training.finish import write_model
from maskwright.training.loop import TrainingConfig
from maskwright.training.optimizers import Optimizer, OptimizerConfig
from maskwright.training.pretraining import Pretraining, PretrainingWork
from maskwright.training.start import StartConfig, start_embeddings

DEFAULT_SIZE = "base"


class Recipe(Config):
    """Everything that a run of BERT's pretraining is made of."""

    recipe: str = "bert"
    """Its name."""
    size: str = "base"
    """tiny, mini, small, medium, base or large."""
    corpus: str
    """The folder that `maskwright corpus` made."""
    model: BertConfig
    """The network."""
    start: StartConfig = StartConfig()
    """What embeddings begin as."""
    pairs: PairsConfig = PairsConfig()
    """Segments."""
    masks: MasksConfig = MasksConfig()
    """Masks."""
    optimizer: OptimizerConfig = OptimizerConfig()
    """How weights move."""
    training: TrainingConfig = TrainingConfig()
    """How long, how fast, how often."""


def recipe(size: str, corpus: str, vocab_size: int) -> Recipe:
    """BERT of a published size, with the paper's numbers."""
    return Recipe(
        recipe="bert",
        size=size,
        corpus=corpus,
        model=BertConfig(vocab_size=vocab_size, **SIZES[size]),
        optimizer=OptimizerConfig(name="google", rate=1e-4),
        training=TrainingConfig(schedule="google"),
    )


def check(recipe: Recipe, corpus: Corpus) -> None:
    """BadInput where the recipe does not go with itself or with the corpus."""
    model = recipe.model
    _wordpiece(corpus)
    if recipe.pairs.max_length > model.max_position_embeddings:
        raise BadInput(
            f"pairs.max_length {recipe.pairs.max_length} is more than the model's {model.max_position_embeddings} "
            "positions: shorten it, or raise model.max_position_embeddings"
        )
    if model.vocab_size < corpus.tokenizer.vocab_size:
        raise BadInput(
            f"model.vocab_size {model.vocab_size} is less than the {corpus.tokenizer.vocab_size} tokens "
            f"of the corpus {corpus.path}: leave it out to take the corpus's"
        )


def _wordpiece(corpus: Corpus) -> WordPiece:
    """BERT's tokenizer; BadInput where the corpus was made with one of another kind."""
    if (kind := corpus.tokenizer.kind) != WordPiece.kind:
        raise BadInput(
            f"{corpus.path} was made with a tokenizer of kind {kind}, and BERT takes {WordPiece.kind}: "
            "build the corpus with that one"
        )
    return cast("WordPiece", corpus.tokenizer)


def data(recipe: Recipe, corpus: Corpus) -> MaskedPairs:
    """What the recipe learns from, as arithmetic."""
    training = recipe.training
    return MaskedPairs(
        corpus.train,
        corpus.held_out,
        _wordpiece(corpus),
        recipe.pairs,
        recipe.masks,
        batch_sequences=training.batch_sequences,
        micro_sequences=training.micro_sequences,
        held_out_sequences=training.held_out_sequences,
        seed=training.seed,
    )


def build(recipe: Recipe, corpus: Corpus, progress: Progress = silent, *, fresh: bool = True) -> PretrainingWork:
    """The network beside the data it learns from; with first weights if `fresh`, for a checkpoint to give if not."""
    check(recipe, corpus)
    model, seed = recipe.model, recipe.training.seed
    position = None
    if recipe.start.positions == "fixed":
        position = SinusoidalPositions(model.max_position_embeddings, model.hidden_size, recipe.start.position_scale)
    network = Pretraining(
        Bert(model, position),
        {
            "mlm": MaskedLMHead(model.hidden_size, model.vocab_size, model.hidden_act, model.layer_norm_eps),
            "nsp": NextSentenceHead(model.hidden_size),
        },
    )
    work = PretrainingWork(network, data(recipe, corpus))  # before the first weights: it says early what will not do
    if fresh:
        network.initialise(model.initializer_range, seed)
        start_embeddings(network.encoder.embeddings, recipe.start, corpus, seed, progress)
    progress.say(f"one example of step 1: {next(work.data.examples(0)).text}")
    return work


def finish(work: PretrainingWork, optimizer: Optimizer, recipe: Recipe, corpus: Corpus, folder: Path) -> None:
    """Write the report and the finished model into the run's folder; the model last, as it says that all is done."""
    write_report(folder, corpus, next(work.data.examples(0)))
    write_model(folder, work.module, optimizer.flat.tensors(), recipe.model, recipe, corpus)
