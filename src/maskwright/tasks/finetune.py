"""Fine-tuning on labelled texts or tagged words: an encoder, the head of a task, a regime.

BERT (arXiv 1810.04805), section 4.1 and appendix A.3: all weights move, from batches of 16 or 32, for 2 to 4 epochs,
at a peak rate of 2e-5 to 5e-5 with a tenth of the steps to warm up. Small encoders take a rate ten times as high.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from signal import Signals
from typing import Any, Literal, NamedTuple

from pydantic import Field
from torch import Tensor

from maskwright.checkpoints.task_part import TaskPart
from maskwright.config import Config, checked, override, plain
from maskwright.durable import write_file
from maskwright.errors import BadInput
from maskwright.layers.features import FeaturesConfig
from maskwright.layers.low_rank import LoraConfig
from maskwright.objectives.text_vectors import SimilarityConfig
from maskwright.progress import Progress, silent
from maskwright.tasks import adapters, bi_encoders
from maskwright.tasks.above import legal_tags, refuse_features
from maskwright.tasks.data import DataConfig, SplitData
from maskwright.tasks.encoders import Above, Starting
from maskwright.tasks.encoders.kinds import starting
from maskwright.tasks.encoders.transformer import TransformerStart
from maskwright.tasks.reading.faults import Faults
from maskwright.tasks.shapes import shape
from maskwright.tasks.splits import Split, read
from maskwright.tasks.suites import suite
from maskwright.tasks.thresholds import settled
from maskwright.tasks.warnings import of_data, of_outcome
from maskwright.training.adapted import Adapted
from maskwright.training.finetuning import Finetuning
from maskwright.training.joined_step import JoinedWork
from maskwright.training.kept_features import KeptFeatures
from maskwright.training.labelled_sequences import Epochs
from maskwright.training.loop import TrainingConfig
from maskwright.training.metrics import last_metrics
from maskwright.training.optimizers import Optimizer, OptimizerConfig
from maskwright.training.run import Fingerprints, run
from maskwright.training.run_folder import RunFolder
from maskwright.training.work import Work

EVALUATION = "evaluation.json"
FROZEN_RATE = 3e-3
"""Peak learning rate where the encoder keeps its weights: what learns begins from nothing. Of 1e-3, 3e-3 and 1e-2 it is
best for linear maps through a pooler; BiLSTMs do as well with it, and linear maps of mixed layers would take more."""
LONGEST = 512
"""Tokens of a text, where nobody says and the model has more positions."""


class Recipe(Config):
    """Everything that a fine-tuning is made of."""

    recipe: Literal["finetune"] = "finetune"
    """Its name."""
    model: str
    """The folder of the encoder."""
    data: DataConfig
    """The texts."""
    dropout: float = Field(default=0.1, ge=0, le=0.9)
    """Of the head's input; of that of questions nothing is, as in BERT's run_squad.py."""
    features: FeaturesConfig = FeaturesConfig()
    """What is read of the encoder, and what stands above it."""
    epochs: float = Field(default=3, gt=0)
    """Passes over the training texts; training.steps follows from it."""
    optimizer: OptimizerConfig = OptimizerConfig(rate=5e-5)
    """How weights move."""
    training: TrainingConfig = TrainingConfig(
        batch_sequences=32, warmup_share=0.1, log_every=10, evaluate_every=100, save_every=200, keep=1
    )
    """How fast, how often."""
    similarity: SimilarityConfig | None = None
    """How pairs are compared, where the shape is similarity."""
    lora: LoraConfig | None = None
    """The encoder stays as it is, and an adapter is trained beside the head. none: there is no adapter."""


class FinetuneWork:
    """Network and data, as the loop takes them (`training.work.Work`)."""

    def __init__(self, network: Finetuning, train: Epochs, dev: SplitData) -> None:
        self.module = network
        self.batches = KeptFeatures(network, train.sequences).before(train.batches)
        self.held_out = KeptFeatures(network, dev.sequences).before(dev.batches)
        self.counts, self.tallies = network.counts, network.tallies


class Prepared(NamedTuple):
    """All that is known before the first step.

    recipe   with training.steps as it follows from the epochs
    length   the most tokens of a sequence
    may_follow   the tags that may stand beside each other, of a CRF
    """

    recipe: Recipe
    start: Starting
    length: int
    split: Split
    above: Above
    train: SplitData
    dev: SplitData
    epochs: Epochs
    similarity: SimilarityConfig | None
    may_follow: Tensor | None


def finetune(recipe: Recipe, out: Path, *, allocator: str = "default", progress: Progress = silent) -> Signals | None:
    """Train in `out`, from the newest checkpoint there if there is one; the signal that ended it before, if any.

    Leaves the model in `out/model`, and what it makes of the examples put aside in `out/evaluation.json`.
    """
    faults = Faults(recipe.data.skip_bad)
    made = prepared(recipe, faults)
    for line in told(made, faults):
        progress.say(line)
    return run(
        made.recipe,
        Fingerprints(made.split.fingerprint, made.start.tokenizer.fingerprint),
        out,
        lambda fresh: work_of(made, fresh=fresh),
        lambda work, optimizer, folder: finish(made, work, optimizer, folder, progress),
        optimizer=made.recipe.optimizer,
        training=made.recipe.training,
        name="finetune",
        allocator=allocator,
        progress=progress,
    )


def prepared(recipe: Recipe, faults: Faults) -> Prepared:
    """Encoder's folder and examples, read and encoded. BadInput where one of them does not do."""
    data, training = recipe.data, recipe.training
    start = starting(recipe.model, data.shape)
    length = data.max_length or min(start.longest, LONGEST)
    if length > start.longest:
        raise BadInput(f"data.max_length {length} is more than the model's {start.longest} positions: shorten it")
    split = read(data, faults)
    part = part_of(data, split)
    pairs = start.separate and any(getattr(one, "pair", None) is not None for one in split.train)
    above, similarity = Above(part, recipe.features, pairs), None
    if isinstance(start, TransformerStart):
        similarity = bi_encoders.settled(recipe.similarity, part, start.config, [*split.train, *split.dev])
    if recipe.lora is not None:
        adapters.refuse_adapter(recipe.similarity, recipe.features)
        if not isinstance(start, TransformerStart):
            raise BadInput(f"adapters change Transformers, and {recipe.model} is none: leave lora out")
    refuse_features(recipe.features, data)
    if similarity is None:
        start.refuse(above)
    crf = recipe.features.has_crf
    may_follow = legal_tags(part.labels, split.train, data.train or data.folder) if crf else None
    train, dev = (shape(data.shape).encoded(examples, start.inputs, part, length=length) for examples in split)
    epochs = Epochs(train.sequences, batch=training.batch_sequences, micro=training.micro_sequences, seed=training.seed)
    steps = max(1, round(recipe.epochs * epochs.steps))
    recipe = checked(Recipe, override(plain(recipe), {"training.steps": steps}), "the recipe")
    return Prepared(recipe, start, length, split, above, train, dev, epochs, similarity, may_follow)


def told(made: Prepared, faults: Faults) -> Iterator[str]:
    """What is said of the examples before anything is learned of them, warnings included."""
    train, dev = made.split
    cut, answers = made.train.cut + made.dev.cut, len(made.above.part.labels)
    yield (
        f"{len(train):,} examples to learn from, {len(dev):,} to judge by"
        f"{f', {answers} answers' if answers else ''}; {cut:,} cut at {made.length} tokens"
    )
    if said := faults.described():
        yield said
    yield from (f"warning: {warning}" for warning in of_data(train, dev, cut, made.length))


def work_of(made: Prepared, *, fresh: bool) -> Work:
    """The network and its data; with `fresh` the encoder as it was published, and the head as it begins."""
    if made.similarity is None:
        network = made.start.network(made.above, made.recipe.dropout, made.may_follow)
    else:
        assert isinstance(made.start, TransformerStart)
        network = bi_encoders.network(made.start.config, made.similarity)
    lora, seed = made.recipe.lora, made.recipe.training.seed
    if lora is not None:  # an adapter's checkpoints are without the encoder
        assert isinstance(made.start, TransformerStart)
        found, deviation = made.start.folder.of_encoder(), made.start.config.initializer_range
        found.fill(network.encoder_names(), network)
        changed = adapters.adapted(network, lora, deviation, seed, pooler=found.has_pooler)
        return adapters.AdaptedWork(changed, made.epochs.batches, made.dev.batches)
    if fresh:
        made.start.fill(network, seed)
    if made.similarity is not None:
        return JoinedWork(network, made.epochs.batches, made.dev.batches)
    return FinetuneWork(network, made.epochs, made.dev)


def finish(made: Prepared, work: Any, optimizer: Optimizer, folder: RunFolder, progress: Progress) -> None:
    """What the model is worth, and the model."""
    answers, last = made.dev.answers(work.module), last_metrics(folder.path)
    for warning in of_outcome(made.dev.different(answers), last):
        progress.say(f"warning: {warning}")
    part, answers = settled(made.dev, answers)
    measures = chief_first(made.dev.measures(answers), part, made.recipe.data)
    write_file(folder.path / EVALUATION, (json.dumps(measures, indent=2) + "\n").encode())
    path, tensors = folder.path / "model", optimizer.flat.tensors()
    if isinstance(work.module, Adapted):
        adapters.write(path, work.module, part, made.recipe.model)
        return
    facts = {**measures, "steps": last["step"], "Recipe": plain(made.recipe)}
    if made.similarity is not None:
        assert isinstance(made.start, TransformerStart)
        pooler, tokenizer = made.start.folder.has_pooler, made.start.tokenizer
        bi_encoders.write(path, work.module, tensors, tokenizer, facts, pooler=pooler, length=made.length)
        return
    made.start.write(path, work.module, tensors, made.above._replace(part=part), facts)


def evaluation(out: Path) -> dict[str, float]:
    """What a finished run was found to be worth."""
    return json.loads((out / EVALUATION).read_text(encoding="utf-8"))


def part_of(data: DataConfig, split: Split) -> TaskPart:
    """What a model of these examples answers."""
    if data.suite is not None and (known := suite(data.suite).classes):
        return TaskPart("class", known)
    return shape(data.shape).part_of(split.train, split.dev, data)


def chief_first(measures: Mapping[str, float], part: TaskPart, data: DataConfig) -> dict[str, float]:
    """Measures, the one that is told first at their head."""
    chief = suite(data.suite).metrics[0] if data.suite else shape(data.shape).CHIEF[part.asks]
    return {chief: measures[chief], **measures}
