"""Fine-tuning on labelled texts or tagged words: an encoder, the head of a task, a regime.

BERT (arXiv 1810.04805), section 4.1 and appendix A.3: all weights move, from batches of 16 or 32, for 2 to 4 epochs,
at a peak rate of 2e-5 to 5e-5 with a tenth of the steps to warm up. Small encoders take a rate ten times as high.
"""

import hashlib
import json
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from signal import Signals
from typing import Any, Literal, NamedTuple

from pydantic import Field

from maskwright.checkpoints.folder import read_folder, write_folder
from maskwright.checkpoints.static_folder import model_type_of
from maskwright.checkpoints.task_part import TaskPart
from maskwright.config import Config, checked, override, plain
from maskwright.draws import generator
from maskwright.durable import write_file
from maskwright.errors import BadInput
from maskwright.progress import Progress, silent
from maskwright.tasks.data import DataConfig, SplitData
from maskwright.tasks.inputs import transformer_inputs
from maskwright.tasks.reading.faults import Faults
from maskwright.tasks.shapes import shape
from maskwright.tasks.suites import read_split, splits_there, suite
from maskwright.tasks.warnings import of_data, of_outcome
from maskwright.tokenizers.loading import load_tokenizer
from maskwright.training.finetuning import Finetuning, finetuning
from maskwright.training.labelled_sequences import Epochs
from maskwright.training.loop import TrainingConfig
from maskwright.training.metrics import last_metrics
from maskwright.training.optimizers import Optimizer, OptimizerConfig
from maskwright.training.run import Fingerprints, run
from maskwright.training.run_folder import RunFolder

EVALUATION = "evaluation.json"
HELD_OUT = 0.1
"""Share of the examples that is put aside to judge by where no file for that is named."""
SPLITS = ("train", "dev")
NO_NETWORKS = ("word2vec", "bag_of_words", "elmo")
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
    """Of the head's input."""
    epochs: float = Field(default=3, gt=0)
    """Passes over the training texts; training.steps follows from it."""
    optimizer: OptimizerConfig = OptimizerConfig(rate=5e-5)
    """How weights move."""
    training: TrainingConfig = TrainingConfig(
        batch_sequences=32, warmup_share=0.1, log_every=10, evaluate_every=100, save_every=200, keep=1
    )
    """How fast, how often."""


class Split(NamedTuple):
    """Examples to learn from, and to judge by."""

    train: list[Any]
    dev: list[Any]

    @property
    def fingerprint(self) -> str:
        """Of all examples."""
        told = hashlib.sha256()
        for one in chain(self.train, [None], self.dev):
            told.update(json.dumps(None if one is None else [*one._replace(where="")]).encode())
        return told.hexdigest()


class FinetuneWork:
    """Network and data, as the loop takes them (`training.work.Work`)."""

    def __init__(self, network: Finetuning, train: Epochs, dev: SplitData) -> None:
        self.module = network
        self.batches, self.held_out = train.batches, dev.batches
        self.counts, self.tallies = network.counts, network.tallies


def read(data: DataConfig, seed: int, faults: Faults) -> Split:
    """The examples of a recipe's files."""
    if data.suite is not None:
        train, *dev = (
            list(read_split(data.suite, data.folder, name, faults))
            for name in SPLITS
            if name == "train" or name in splits_there(data.suite, data.folder)
        )
    else:
        train, *dev = (_read(data, path, faults) for path in (data.train, data.dev) if path is not None)
    if dev:
        if not train or not dev[0]:
            raise BadInput(f"{data.folder} has no example of {data.suite} to {'judge by' if train else 'learn from'}")
        return Split(train, dev[0])
    aside = round(HELD_OUT * len(train))
    if not aside:
        where = data.train or data.folder
        raise BadInput(f"{where} has {len(train)} examples, too few to put some aside: name a file with --dev")
    order = generator(seed, "put aside").permutation(len(train))
    return Split([train[i] for i in sorted(order[aside:])], [train[i] for i in sorted(order[:aside])])


def _read(data: DataConfig, path: str, faults: Faults) -> list[Any]:
    made = shape(data.shape)
    if found := made.examples(data, path, faults):
        return found
    raise BadInput(
        f"{path} has no example: it needs rows of {data.text or made.COLUMNS.text} and what is asked of them"
    )


def finetune(recipe: Recipe, out: Path, *, allocator: str = "default", progress: Progress = silent) -> Signals | None:
    """Train in `out`, from the newest checkpoint there if there is one; the signal that ended it before, if any.

    Leaves the model in `out/model`, and what it makes of the examples put aside in `out/evaluation.json`.
    """
    faults, of_shape = Faults(recipe.data.skip_bad), shape(recipe.data.shape)
    if (kind := model_type_of(recipe.model)) in NO_NETWORKS:
        raise BadInput(f"{recipe.model} is {kind}: Transformers are fine-tuned so far, and nothing else")
    folder, tokenizer = read_folder(recipe.model), load_tokenizer(recipe.model)
    longest = folder.config.longest
    length = recipe.data.max_length or min(longest, LONGEST)
    if length > longest:
        raise BadInput(f"data.max_length {length} is more than the model's {longest} positions: shorten it")
    split = read(recipe.data, recipe.training.seed, faults)
    part = _part(recipe.data, split)
    inputs = transformer_inputs(folder.config, tokenizer)
    train, dev = (of_shape.encoded(examples, inputs, part, length=length) for examples in split)
    training = recipe.training
    epochs = Epochs(train.sequences, batch=training.batch_sequences, micro=training.micro_sequences, seed=training.seed)
    steps = max(1, round(recipe.epochs * epochs.steps))
    recipe = checked(Recipe, override(plain(recipe), {"training.steps": steps}), "the recipe")
    progress.say(
        f"{len(split.train):,} examples to learn from, {len(split.dev):,} to judge by, {len(part.labels)} answers; "
        f"{train.cut + dev.cut:,} cut at {length} tokens"
    )
    if said := faults.described():
        progress.say(said)
    for warning in of_data(split.train, split.dev, train.cut + dev.cut, length):
        progress.say(f"warning: {warning}")

    def build(fresh: bool) -> FinetuneWork:
        network = finetuning(folder.config, part, recipe.dropout)
        if fresh:
            found = folder.of_encoder()
            found.fill(network.encoder_names(), network)
            deviation, seed = folder.config.initializer_range, recipe.training.seed
            network.initialise_head(deviation, seed, pooler=not found.has_pooler)
        return FinetuneWork(network, epochs, dev)

    def finish(work: Any, optimizer: Optimizer, run_folder: RunFolder) -> None:
        answers, last = dev.answers(work.module), last_metrics(run_folder.path)
        for warning in of_outcome(dev.different(answers), last):
            progress.say(f"warning: {warning}")
        measures = _chief_first(dev.measures(answers), part, recipe.data)
        write_file(run_folder.path / EVALUATION, (json.dumps(measures, indent=2) + "\n").encode())
        write_folder(
            run_folder.path / "model",
            names=work.module.weight_names(),
            parameters=optimizer.flat.tensors(),
            config=folder.config,
            tokenizer=tokenizer,
            task=part,
            facts={**measures, "steps": last["step"], "Recipe": plain(recipe)},
            replace=True,
        )

    return run(
        recipe, Fingerprints(split.fingerprint, tokenizer.fingerprint), out, build, finish,
        optimizer=recipe.optimizer, training=recipe.training, name="finetune", allocator=allocator, progress=progress,
    )  # fmt: skip


def evaluation(out: Path) -> dict[str, float]:
    """What a finished run was found to be worth."""
    return json.loads((out / EVALUATION).read_text(encoding="utf-8"))


def _part(data: DataConfig, split: Split) -> TaskPart:
    if data.suite is not None and (known := suite(data.suite).classes):
        return TaskPart("class", known)
    return shape(data.shape).part_of(split.train, split.dev, data)


def _chief_first(measures: Mapping[str, float], part: TaskPart, data: DataConfig) -> dict[str, float]:
    chief = suite(data.suite).metrics[0] if data.suite else shape(data.shape).CHIEF[part.asks]
    return {chief: measures[chief], **measures}
