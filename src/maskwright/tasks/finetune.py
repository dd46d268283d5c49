"""Fine-tuning on labelled texts or tagged words: an encoder, the head of a task, a regime.

BERT (arXiv 1810.04805), section 4.1 and appendix A.3: all weights move, from batches of 16 or 32, for 2 to 4 epochs,
at a peak rate of 2e-5 to 5e-5 with a tenth of the steps to warm up. Small encoders take a rate ten times as high.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from signal import Signals
from typing import Any, Literal, NamedTuple, cast

from pydantic import Field
from torch import Tensor

from maskwright.checkpoints.task_part import TaskPart
from maskwright.config import Config, checked, override, plain
from maskwright.durable import write_file
from maskwright.errors import BadInput
from maskwright.layers.features import FeaturesConfig
from maskwright.layers.low_rank import LoraConfig
from maskwright.objectives.class_weights import LossConfig, Weighs, class_weights
from maskwright.objectives.text_vectors import SimilarityConfig
from maskwright.progress import Progress, silent
from maskwright.tasks import adapters, bi_encoders
from maskwright.tasks.above import legal_tags, refuse_features
from maskwright.tasks.data import DataConfig, SplitData
from maskwright.tasks.decoded import decoded, lines
from maskwright.tasks.encoders import Above, Starting
from maskwright.tasks.encoders.kinds import starting
from maskwright.tasks.encoders.transformer import TransformerStart
from maskwright.tasks.judging import DevJudge
from maskwright.tasks.reading.faults import Faults
from maskwright.tasks.report import REPORT, class_rows, run_page
from maskwright.tasks.shapes import shape
from maskwright.tasks.splits import Split, read
from maskwright.tasks.suites import splits_there, suite
from maskwright.tasks.warnings import of_data, of_outcome
from maskwright.training.adapted import Adapted
from maskwright.training.best import Best, StoppingConfig
from maskwright.training.depth import LayersConfig, begin_anew, freeze, rate_factors
from maskwright.training.finetuning import Finetuning
from maskwright.training.joined_step import JoinedWork
from maskwright.training.kept_features import KeptFeatures
from maskwright.training.labelled_sequences import Epochs
from maskwright.training.loop import TrainingConfig
from maskwright.training.memory import halving
from maskwright.training.metrics import last_metrics, read_metrics
from maskwright.training.optimizers import Optimizer, OptimizerConfig
from maskwright.training.run import Fingerprints, run
from maskwright.training.run_folder import MAY_CHANGE, RunFolder
from maskwright.training.work import Work

EVALUATION, KEPT = "evaluation.json", "kept.json"
FROZEN_RATE = 3e-3
"""Peak learning rate where the encoder keeps its weights: what learns begins from nothing. Of 1e-3, 3e-3 and 1e-2 it is
best for linear maps through a pooler; BiLSTMs do as well with it, and linear maps of mixed layers would take more."""
WEIGHED = ("class", "tags", "words")
"""What is asked where classes may have weights."""
WHEN_JUDGED = frozenset({"training.evaluate_every", "training.log_every"})
"""Keys that decide which weights are looked at, and so which are kept."""
HOW = ("dropout", "epochs", "loss", "layers", "optimizer", "stopping", "training")
"""Keys of a recipe that change nothing of what is prepared but the steps."""
LOOK_EVERY = 100
"""Steps, where nobody says and epochs are long."""
LOOKS = 2
"""At what is put aside, in each epoch at least."""
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
    heads: Literal["google", "transformers"] = "google"
    """How a new head begins: google: drawn from a normal cut at two deviations; transformers: from the whole of it."""
    features: FeaturesConfig = FeaturesConfig()
    """What is read of the encoder, and what stands above it."""
    epochs: float = Field(default=3, gt=0)
    """Passes over the training texts; training.steps follows from it."""
    loss: LossConfig = LossConfig()
    """What answers count."""
    layers: LayersConfig = LayersConfig()
    """Which layers move, how fast, and which begin anew."""
    optimizer: OptimizerConfig = OptimizerConfig(rate=5e-5)
    """How weights move."""
    stopping: StoppingConfig = StoppingConfig()
    """When it ends, and which weights are kept."""
    training: TrainingConfig = TrainingConfig(
        batch_sequences=32, warmup_share=0.1, log_every=10, evaluate_every=LOOK_EVERY, save_every=200, keep=1
    )
    """How fast, how often."""
    similarity: SimilarityConfig | None = None
    """How pairs are compared, where the shape is similarity."""
    lora: LoraConfig | None = None
    """The encoder stays as it is, and an adapter is trained beside the head. none: there is no adapter."""


class FinetuneWork:
    """Network and data, as the loop takes them (`training.work.Work`, `Judged`)."""

    def __init__(self, network: Finetuning, train: Epochs, dev: SplitData, judge: DevJudge) -> None:
        self.module, self.judge = network, judge
        self.batches = KeptFeatures(network, train.sequences).before(train.batches)
        kept = KeptFeatures(network, dev.sequences)
        self.held_out, judge.ready = kept.before(dev.batches), kept.ready
        self.counts, self.tallies = network.counts, network.tallies


class Prepared(NamedTuple):
    """All that is known before the first step.

    recipe   with training.steps as it follows from the epochs
    length   the most tokens of a sequence
    may_follow   the tags that may stand beside each other, of a CRF
    said     what a person should know of the examples
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
    said: tuple[str, ...] = ()

    def chief_first(self, measures: Mapping[str, float]) -> dict[str, float]:
        """Measures, the one that decides first."""
        return chief_first(measures, self.above.part, self.recipe.data)


def finetune(
    recipe: Recipe, out: Path, *, allocator: str = "default", auto_batch: bool = False, progress: Progress = silent
) -> Signals | None:
    """Train in `out`, from the newest checkpoint there if there is one; the signal that ended it before, if any.

    Leaves the model in `out/model`, and what it makes of the examples put aside in `out/evaluation.json`.

    auto_batch   where memory runs out, go on with half as many sequences at once
    """
    made = prepared(recipe)
    for line in opening(made):
        progress.say(line)

    def attempt(recipe: Recipe) -> Signals | None:
        of_size = {"training.micro_sequences": recipe.training.micro_sequences}
        return learn(varied(made, of_size), out, allocator=allocator, halves=auto_batch, progress=progress)

    return halving(made.recipe, out, attempt, wanted=auto_batch, progress=progress)


def learn(
    made: Prepared, out: Path, *, allocator: str = "default", halves: bool = False, progress: Progress = silent
) -> Signals | None:
    """The same of what is prepared. halves: see `run`."""
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
        may_change=MAY_CHANGE - WHEN_JUDGED,
        halves=halves,
        factors=lambda network: rate_factors(network, made.recipe.layers.decay),
        progress=progress,
    )


def prepared(recipe: Recipe) -> Prepared:
    """Encoder's folder and examples, read and encoded. BadInput where one of them does not do."""
    recipe.training.check_not_packed()
    data, faults = recipe.data, Faults(recipe.data.skip_bad)
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
        adapters.refuse_adapter(recipe.similarity, recipe.features, recipe.layers, recipe.training.recompute)
    if not isinstance(start, TransformerStart):
        refuse_layers(recipe)
    refuse_features(recipe.features, data)
    if similarity is None:
        start.refuse(above)
    crf = recipe.features.has_crf
    may_follow = legal_tags(part.labels, split.train, data.train or data.folder) if crf else None
    train, dev = (shape(data.shape).encoded(examples, start.inputs, part, length=length) for examples in split)
    recipe, epochs = planned(recipe, train)
    made = Prepared(recipe, start, length, split, above, train, dev, epochs, similarity, may_follow)
    return made._replace(said=tuple(told(made, faults)))


def refuse_layers(recipe: Recipe) -> None:
    """BadInput for what only the layers of a Transformer can be asked."""
    if recipe.lora is not None:
        raise BadInput(f"adapters change Transformers, and {recipe.model} is none: leave lora out")
    if recipe.layers != LayersConfig():
        raise BadInput(f"the keys of layers are for Transformers, and {recipe.model} is none: leave them out")


def planned(recipe: Recipe, train: SplitData) -> tuple[Recipe, Epochs]:
    """The recipe with training.steps as it follows from the epochs, and the order of the examples.

    Where nobody says how often, what is put aside is looked at twice an epoch or more: the best weights can only be
    kept where somebody looks.
    """
    how = recipe.training
    epochs = Epochs(train.sequences, batch=how.batch_sequences, micro=how.micro_sequences, seed=how.seed)
    follows = {"training.steps": max(1, round(recipe.epochs * epochs.steps))}
    if how.evaluate_every == LOOK_EVERY:
        look = min(LOOK_EVERY, max(1, epochs.steps // LOOKS))
        follows |= {"training.evaluate_every": look, "training.log_every": min(how.log_every, look)}
    return checked(Recipe, override(plain(recipe), follows), "the recipe"), epochs


def varied(made: Prepared, changes: Mapping[str, Any]) -> Prepared:
    """The same with some keys of the recipe changed; examples are read again where the changes touch more than how."""
    recipe = checked(Recipe, override(plain(made.recipe), changes), "the recipe")
    was = plain(made.recipe)
    if any(value != was[key] for key, value in plain(recipe).items() if key not in HOW):
        return prepared(recipe)
    recipe, epochs = planned(recipe, made.train)
    return made._replace(recipe=recipe, epochs=epochs)


def opening(made: Prepared) -> Iterator[str]:
    """What is said at the beginning of a run: of the examples, and the first of them."""
    yield from made.said
    yield from lines(decoded(made.train, made.start.tokenizer))


def told(made: Prepared, faults: Faults) -> Iterator[str]:
    """What is said of the examples before anything is learned of them, warnings included."""
    train, dev = made.split
    cut, answers = made.train.cut + made.dev.cut, len(made.above.part.labels)
    yield (
        f"{len(train):,} examples to learn from, {len(dev):,} to judge by"
        f"{f', {answers} answers' if answers else ''}; {cut:,} cut at {made.length} tokens"
    )
    suite_name, folder = made.recipe.data.suite, made.recipe.data.folder
    if suite_name is not None and "dev" not in splits_there(suite_name, folder):
        yield f"{folder} has no dev file of {suite_name}: what is judged by was put aside from training"
    if said := faults.described():
        yield said
    if faults.unread:
        yield f"columns that are not read: {', '.join(sorted(faults.unread))}"
    yield from (f"warning: {warning}" for warning in of_data(train, dev, cut, made.length))


def work_of(made: Prepared, *, fresh: bool) -> Work:
    """The network and its data; with `fresh` the encoder as it was published, and the head as it begins."""
    if made.similarity is None:
        network = made.start.network(made.above, made.recipe.dropout, made.may_follow)
    else:
        assert isinstance(made.start, TransformerStart)
        network = bi_encoders.network(made.start.config, made.similarity)
    lora, seed, cut = made.recipe.lora, made.recipe.training.seed, made.recipe.heads == "google"
    if lora is not None:  # an adapter's checkpoints are without the encoder
        assert isinstance(made.start, TransformerStart)
        found, deviation = made.start.folder.of_encoder(), made.start.config.initializer_range
        found.fill(network.encoder_names(), network)
        weigh(network, made.recipe.loss, made.above.part, made.train.sequences.labels)
        changed = adapters.adapted(network, lora, deviation, seed, pooler=found.has_pooler, cut=cut)
        return adapters.AdaptedWork(changed, made.epochs.batches, made.dev.batches, judge_of(made, changed))
    if fresh:
        made.start.fill(network, seed, cut=cut)
    if isinstance(made.start, TransformerStart):
        layers = made.recipe.layers
        if fresh:
            begin_anew(network, layers.reinitialised, made.start.config.initializer_range, seed)
        freeze(network, layers.frozen)
    weigh(network, made.recipe.loss, made.above.part, made.train.sequences.labels)
    if made.similarity is not None:
        return JoinedWork(network, made.epochs.batches, made.dev.batches, judge_of(made, network))
    return FinetuneWork(network, made.epochs, made.dev, judge_of(made, network))


def judge_of(made: Prepared, network: Finetuning | Adapted) -> DevJudge:
    """Who judges the network."""
    return DevJudge(network, made.dev, made.chief_first, made.recipe.stopping)


def weigh(network: Finetuning, loss: LossConfig, part: TaskPart, labels: Any) -> None:
    """Give the head its weights of classes; BadInput where what is asked has no classes that are scored each."""
    if loss.class_weights == "none":
        return
    if part.asks not in WEIGHED or not hasattr(network.head, "class_weights"):
        raise BadInput(
            f"loss.class_weights goes with one class of several, or tags, scored each: this task asks for {part.asks}, "
            f"by {type(network.head).__name__}"
        )
    cast("Weighs", network.head).class_weights = class_weights(loss.class_weights, part.labels, labels)


def finish(made: Prepared, work: Any, optimizer: Optimizer, folder: RunFolder, progress: Progress) -> None:
    """What the kept weights are worth, the page, and the model of them."""
    judge: DevJudge = work.judge
    step = judge.best.kept or last_metrics(folder.path)["step"]
    seen, answers, part = judge.seen()
    warned = of_outcome(made.dev.different(answers), read_metrics(folder.path), made.epochs.steps)
    outcome = [*ended_early(judge.best), *(f"warning: {warning}" for warning in warned)]
    for line in outcome:
        progress.say(line)
    measures = dict(seen.measures or {})
    kept_of = {"step": step, "epoch": round(step / made.epochs.steps, 2)}
    for file, said in ((EVALUATION, measures), (KEPT, kept_of)):
        write_file(folder.path / file, (json.dumps(said, indent=2) + "\n").encode())
    run_page(
        folder.path,
        measures,
        step=step,
        chosen=judge.best.keeps,
        steps=made.epochs.steps,
        classes=class_rows(part, made.train.sequences.labels, made.dev.sequences.labels, answers),
        example=decoded(made.train, made.start.tokenizer),
        said=[*made.said, *outcome],
        sizes=(len(made.split.train), len(made.split.dev)),
    ).write(folder.path / REPORT)
    path, tensors = folder.path / "model", optimizer.flat.tensors()
    if isinstance(work.module, Adapted):
        adapters.write(path, work.module, part, made.recipe.model)
        return
    facts = {**measures, "steps": step, "Recipe": plain(made.recipe)}
    if made.similarity is not None:
        assert isinstance(made.start, TransformerStart)
        pooler, tokenizer = made.start.folder.has_pooler, made.start.tokenizer
        bi_encoders.write(path, work.module, tensors, tokenizer, facts, pooler=pooler, length=made.length)
        return
    made.start.write(path, work.module, tensors, made.above._replace(part=part), facts)


def ended_early(best: Best) -> Iterator[str]:
    """That nothing got better any more, where that ended the training."""
    if best.enough:
        yield f"ended early: {best.waited} looks in a row were no better than that of step {best.step:,}"


def evaluation(out: Path) -> dict[str, float]:
    """What a finished run was found to be worth: its measures, the one that decides first."""
    return json.loads((out / EVALUATION).read_text(encoding="utf-8"))


def kept(out: Path) -> dict[str, float]:
    """After which `step`, and so which `epoch`, the weights were those that a finished run kept."""
    return json.loads((out / KEPT).read_text(encoding="utf-8"))


def part_of(data: DataConfig, split: Split) -> TaskPart:
    """What a model of these examples answers."""
    if data.suite is not None and (known := suite(data.suite).classes):
        return TaskPart("class", known)
    return shape(data.shape).part_of(split.train, split.dev, data)


def chief_first(measures: Mapping[str, float], part: TaskPart, data: DataConfig) -> dict[str, float]:
    """Measures, the one that is told first at their head."""
    chief = suite(data.suite).metrics[0] if data.suite else shape(data.shape).CHIEF[part.asks]
    return {chief: measures[chief], **measures}
