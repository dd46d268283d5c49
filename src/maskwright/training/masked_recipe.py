"""What every recipe of the BERT family is made of: a network, a layout, masks, an optimizer, a regime.

A recipe's file says which, with its paper's numbers; here they become network and data.
"""

from itertools import count
from pathlib import Path
from typing import Any, cast

from pydantic import Field

from maskwright.config import Config
from maskwright.corpus.read import Corpus, Split
from maskwright.draws import key
from maskwright.errors import BadInput
from maskwright.layers.network import Tables
from maskwright.layers.positions import SinusoidalPositions
from maskwright.models import MaskedConfig, segments_of
from maskwright.models.albert import AlbertConfig
from maskwright.models.xlm import XlmConfig
from maskwright.objectives.layouts import PAIRS, LayoutConfig
from maskwright.objectives.masked_lm import MasksConfig
from maskwright.objectives.masked_sequences import MaskedSequences, Phases
from maskwright.objectives.segment_pairs import SPECIALS
from maskwright.objectives.show import Rate, expected_label, measure, measure_plan, measure_units
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


class SecondPhaseConfig(Config):
    """The end of a run, on longer sequences: 90 % of BERT's steps see 128 tokens, the rest 512 (appendix A.2)."""

    share: float = Field(default=0.0, ge=0, lt=1)
    """Share of the steps that it takes; 0: there is none."""
    max_length: int = Field(default=512, ge=5)
    """Tokens of a sequence."""
    batch_sequences: int | None = Field(default=None, ge=1)
    """Sequences that make one update; none: as before."""
    micro_sequences: int | None = Field(default=None, ge=1)
    """Sequences that are computed at once; none: as many as have the tokens of before."""
    max_predictions: int | None = Field(default=None, ge=1)
    """The most predictions a sequence may have; none: as many for each token as before."""


class LengthWarmupConfig(Config):
    """The beginning of a run, on shorter sequences (Li et al. 2021, arXiv 2108.06084): steadier, less attention.

    Their length doubles from stage to stage up to `layout.max_length`, and a step has as many tokens in each.
    """

    share: float = Field(default=0.0, ge=0, lt=1)
    """Share of the steps that it takes, each stage an equal part; 0: there is none."""
    first: int = Field(default=32, ge=5)
    """Tokens of a sequence in the first stage."""


class Recipe(Config):
    """Everything that a run of masked pretraining is made of."""

    recipe: str = "bert"
    """Its name."""
    size: str = "base"
    """A size of its network: tiny, base, large ..."""
    corpus: str
    """The folder that `maskwright corpus` made."""
    model: MaskedConfig = Field(discriminator="model_type")
    """The network."""
    start: StartConfig = StartConfig()
    """What embeddings begin as."""
    layout: LayoutConfig = LayoutConfig()
    """How sequences are laid out."""
    masks: MasksConfig = MasksConfig()
    """Masks."""
    length_warmup: LengthWarmupConfig = LengthWarmupConfig()
    """Shorter sequences at the beginning."""
    second_phase: SecondPhaseConfig = SecondPhaseConfig()
    """Longer sequences at the end."""
    optimizer: OptimizerConfig = OptimizerConfig()
    """How weights move."""
    training: TrainingConfig = TrainingConfig()
    """How long, how fast, how often."""

    @property
    def heads(self) -> list[str]:
        """The heads it trains: mlm, and nsp or sop for pairs, and sbo for the span boundary objective."""
        pair = [self.layout.pair_head] if self.layout.pair_head else []
        return ["mlm", *pair, *(["sbo"] if self.masks.boundary else [])]

    @property
    def told(self) -> dict[str, Any]:
        """What `maskwright recipes` says of it beside network and regime."""
        later = [self.second_phase.max_length] if self.second_phase.share else []
        return {
            "layout": self.layout.kind,
            "hides": f"{self.masks.rate:.0%} {self.masks.unit}s",
            "tokens": [self.layout.max_length, *later],
        }


def check(recipe: Recipe, corpus: Corpus) -> None:
    """BadInput where the recipe does not go with itself or with the corpus."""
    model, tokenizer = recipe.model, corpus.tokenizer
    lengths = {"layout.max_length": recipe.layout.max_length}
    if recipe.second_phase.share:
        lengths["second_phase.max_length"] = recipe.second_phase.max_length
    steps, warmup, later = recipe.training.steps, recipe.length_warmup.share, recipe.second_phase.share
    if warmup + later >= 1 or (warmup and round(warmup * steps) >= steps - round(later * steps)):
        raise BadInput(
            f"length_warmup.share {warmup} and second_phase.share {later} leave no step of {steps:,} between them: "
            "lower one"
        )
    for name, length in lengths.items():
        if length > model.longest:
            raise BadInput(
                f"{name} {length} is more than the model's {model.longest} "
                "positions: shorten it, or raise model.max_position_embeddings"
            )
    if model.vocab_size < tokenizer.vocab_size:
        raise BadInput(
            f"model.vocab_size {model.vocab_size} is less than the {tokenizer.vocab_size} tokens "
            f"of the corpus {corpus.path}: leave it out to take the corpus's"
        )
    if missing := [role for role in ("cls", "sep", "mask") if getattr(tokenizer, f"{role}_id") is None]:
        raise BadInput(
            f"{corpus.path} was made with a tokenizer of kind {tokenizer.kind}, which has no token for "
            f"{', '.join(missing)}: build the corpus with another kind, such as wordpiece or byte_bpe"
        )
    if recipe.masks.unit != "token" and corpus.manifest.words is None:
        raise BadInput(
            f"{corpus.path} carries no words, and masks.unit {recipe.masks.unit} hides whole ones: build it with a "
            "word segmenter (--segmenter rjieba; pip install 'maskwright[zh]'), or take --masks.unit token"
        )
    _check_languages(recipe, corpus)
    if recipe.layout.pair_head and segments_of(model) < 2:
        raise BadInput(
            f"layout.task {recipe.layout.task} asks about two segments, and a {model.model_type} has no segments to "
            "tell them apart: take --layout.kind full_sentences --layout.task none, or model.type_vocab_size 2"
        )


def _check_languages(recipe: Recipe, corpus: Corpus) -> None:
    """A layout of languages wants a parallel corpus, and a network that is told them."""
    model, languages = recipe.model, recipe.layout.kind == "languages"
    if languages and not corpus.manifest.languages:
        raise BadInput(
            f"{corpus.path} is of one language, and layout.kind languages reads parallel text: make a corpus of pairs "
            "with `maskwright corpus --languages en,zh`, or take --layout.kind full_sentences"
        )
    if recipe.layout.kind in PAIRS and corpus.manifest.languages:
        raise BadInput(
            f"{corpus.path} is of pairs of translations, so neighbouring sentences are no text that goes on: "
            "take the recipe xlm, or another corpus"
        )
    if languages and not (isinstance(model, XlmConfig) and model.knows_languages):
        raise BadInput(
            f"layout.kind languages tells each token's language, which a {model.model_type} does not read: take the "
            "recipe xlm (with model.n_langs 2), or --layout.kind full_sentences"
        )
    if not languages and isinstance(model, XlmConfig) and model.knows_languages:
        raise BadInput(
            f"layout.kind {recipe.layout.kind} tells no language, and the model has {model.n_langs}: take "
            "--layout.kind languages, or --model.n_langs 1"
        )


def data(recipe: Recipe, corpus: Corpus) -> Phases:
    """What the recipe learns from, as arithmetic."""
    phases, first, main = list[tuple[int, MaskedSequences]](), 0, 0
    for end, of_phase in phases_of(recipe):
        main = len(phases) if of_phase.layout == recipe.layout else main
        phases.append((end, _examples(of_phase, corpus, first_step=first)))
        first = end
    return Phases(phases, main=main)


def phases_of(recipe: Recipe) -> list[tuple[int, Recipe]]:
    """The recipe as it is in each phase, and the step at which that ends: warm-up, most of the run, longer text."""
    steps, warmup, later = recipe.training.steps, recipe.length_warmup, later_phase(recipe)
    ends: list[tuple[int, Recipe]] = []
    lengths: list[int] = []
    while warmup.share and warmup.first << len(lengths) < recipe.layout.max_length:
        lengths.append(warmup.first << len(lengths))
    for stage, length in enumerate(lengths):
        end = round(warmup.share * steps * (stage + 1) / len(lengths))
        ends.append((end, _with_length(recipe, length, batch_grows=True)))
    ends.append((steps - (round(recipe.second_phase.share * steps) if later else 0), recipe))
    if later is not None:
        ends.append((steps, later))
    begins = [0, *(end for end, _ in ends)]
    return [phase for first, phase in zip(begins, ends, strict=False) if first < phase[0]]


def later_phase(recipe: Recipe) -> Recipe | None:
    """The recipe as it is in its second phase; None where that has no step."""
    training, second = recipe.training, recipe.second_phase
    if not round(second.share * training.steps):
        return None
    longer = _with_length(recipe, second.max_length, batch_grows=False)
    masks, regime = longer.masks, longer.training
    if masks.max_predictions is not None and second.max_predictions:
        masks = masks.with_changes(max_predictions=second.max_predictions)
    if second.batch_sequences:
        regime = regime.with_changes(batch_sequences=second.batch_sequences)
    if second.micro_sequences:
        regime = regime.with_changes(micro_sequences=second.micro_sequences)
    return longer.with_changes(masks=masks, training=regime)


def _with_length(recipe: Recipe, max_length: int, *, batch_grows: bool) -> Recipe:
    """The recipe on sequences of another length, as many tokens in a micro-batch and predictions for each token.

    batch_grows   keep the tokens of a step too, and not its sequences
    """
    training, most = recipe.training, recipe.masks.max_predictions
    longer = max_length / recipe.layout.max_length
    return recipe.with_changes(
        layout=recipe.layout.with_changes(max_length=max_length),
        masks=recipe.masks.with_changes(max_predictions=most and max(1, round(most * longer))),
        training=training.with_changes(
            batch_sequences=max(1, round(training.batch_sequences / longer))
            if batch_grows
            else training.batch_sequences,
            micro_sequences=max(1, round(training.micro_sequences / longer)),
        ),
        length_warmup=LengthWarmupConfig(),
        second_phase=SecondPhaseConfig(),
    )


def rates(recipe: Recipe, data: Phases, step: int, least_tokens: int) -> list[Rate]:
    """What `maskwright show` measures, from a step on."""
    layout, masks, phase = recipe.layout, recipe.masks, data.of(step)
    pairs = layout.kind in PAIRS
    plan = phase.streams[0].plan(0)
    asked = pairs and layout.task != "none"
    found = measure(
        (batch for at in count(step) for batch in data.batches(at)),
        mask_id=phase.mask_id,
        rate=phase.rate(step),
        masked=masks.masked,
        randomized=masks.randomized,
        max_length=phase.streams[0].layout.max_length,
        label={"next_sentence": "random next sentences", "sentence_order": "swapped segments"}.get(layout.task, ""),
        labelled=expected_label(plan, layout.task, layout.variant) if asked else None,
        least_tokens=least_tokens,
    )
    if masks.unit != "token":
        looked = ((one.sequences, one.hidden) for at in count(step) for one in data.looked_at(at))
        found += measure_units(looked, wanted=masks.words_a_unit(), least_tokens=least_tokens)
    if pairs:
        short = layout.short_probability if layout.variant == "exact" and layout.kind == "segment_pairs" else None
        longest = phase.streams[0].layout.max_length - SPECIALS
        found += measure_plan(plan, max_tokens=longest, short_probability=short)
    return found


def _examples(recipe: Recipe, corpus: Corpus, *, first_step: int) -> MaskedSequences:
    training, tokenizer = recipe.training, corpus.tokenizer
    assert tokenizer.cls_id is not None and tokenizer.sep_id is not None
    trained = recipe.layout.layouts(tokenizer.cls_id, tokenizer.sep_id)
    judged = recipe.layout.with_changes(variant="exact").layouts(tokenizer.cls_id, tokenizer.sep_id)
    dupe_factor = recipe.masks.dupe_factor
    return MaskedSequences(
        [
            Stream[Any](
                corpus.train,
                layout,
                seed=_seed(training.seed, place),
                dupe_factor=dupe_factor,
                row_tokens=training.row_tokens,
            )
            for place, layout in enumerate(trained)
        ],
        [
            Stream[Any](corpus.held_out, layout, seed=0, dupe_factor=1)
            for layout in judged
            if _fits(layout, corpus.held_out)
        ],
        tokenizer,
        recipe.masks,
        batch_sequences=training.batch_sequences,
        micro_sequences=training.micro_sequences,
        batch_rows=training.batch_rows,
        held_out_sequences=training.held_out_sequences,
        seed=training.seed,
        steps=training.steps,
        first_step=first_step,
        boundaries=recipe.masks.boundary,
        segments=not isinstance(recipe.model, XlmConfig),
    )


def _seed(seed: int, place: int) -> int:
    """Of one of several streams: their orders have nothing to do with each other."""
    return seed if place == 0 else key(seed, "stream", place)


def _fits(layout: Any, held_out: Split) -> bool:
    """Whether held-out documents can be laid out so: a pair from elsewhere needs a second one."""
    try:
        layout.check(held_out)
    except BadInput:
        return False
    return held_out.num_documents > 0


def build(recipe: Recipe, corpus: Corpus, progress: Progress = silent, *, fresh: bool = True) -> PretrainingWork:
    """The network beside the data it learns from; with first weights if `fresh`, for a checkpoint to give if not."""
    check(recipe, corpus)
    model, seed = recipe.model, recipe.training.seed
    position = None
    if recipe.start.positions == "fixed":
        width = model.embedding_size if isinstance(model, AlbertConfig) else model.hidden_size
        position = SinusoidalPositions(model.max_position_embeddings, width, recipe.start.position_scale)
    made = network(model, recipe.heads, position=position)
    examples = data(recipe, corpus)
    work = PretrainingWork(made, examples)  # before the first weights: it says early what will not do
    if fresh:
        made.initialise(model.initializer_range, seed)
        start_embeddings(cast("Tables", made.encoder.embeddings), recipe.start, corpus, seed, progress)
    first = examples.of(0)
    tell_of_few(first.streams, first.batch_rows or first.batch_sequences, progress)
    progress.say(f"one example of step 1: {next(work.data.examples(0)).text}")
    return work


def finish(work: PretrainingWork, optimizer: Optimizer, recipe: Recipe, corpus: Corpus, folder: Path) -> None:
    """Write the finished model into the run's folder."""
    write_model(folder, work.module, optimizer.flat.tensors(), recipe.model, recipe, corpus)
