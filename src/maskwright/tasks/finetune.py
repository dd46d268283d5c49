"""Fine-tuning on labelled texts or tagged words: an encoder, the head of a task, a regime.

BERT (arXiv 1810.04805), section 4.1 and appendix A.3: all weights move, from batches of 16 or 32, for 2 to 4 epochs,
at a peak rate of 2e-5 to 5e-5 with a tenth of the steps to warm up. Small encoders take a rate ten times as high.
"""

import hashlib
import json
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
from maskwright.models import segments_of
from maskwright.models.xlm import XlmConfig
from maskwright.objectives.sequence_scores import Asks
from maskwright.progress import Progress, silent
from maskwright.tasks.reading import columns, tables
from maskwright.tasks.reading.faults import Faults
from maskwright.tasks.suites import read_split, suite
from maskwright.tasks.text_data import TextData, part_of
from maskwright.tasks.warnings import of_data, of_outcome
from maskwright.tasks.word_data import WordData, part_of_words
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
TABLES = (".csv", ".tsv", ".jsonl", ".json", ".parquet")
NO_NETWORKS = ("word2vec", "bag_of_words", "elmo")
LONGEST = 512
"""Tokens of a text, where nobody says and the model has more positions."""
CHIEF: dict[Asks, str] = {"class": "accuracy", "classes": "micro_f1", "number": "pearson", "tags": "f1"}
"""The measure that is told first."""


class DataConfig(Config):
    """Which texts, and what is asked of them."""

    suite: str | None = None
    """A published data set, such as glue:sst2; its files are in `folder`. none: tables of one's own."""
    folder: str = "."
    """Where the files of a published data set are."""
    train: str = ""
    """A table of labelled texts: csv, tsv, jsonl or parquet. Of tagged words it may be a word and its tag a line."""
    dev: str | None = None
    """Another to judge by; none: a tenth of the first is put aside."""
    text: str = "text"
    """The column of the text."""
    pair: str | None = None
    """The column of a second text."""
    label: str = "label"
    """The column of what is right; of tags too."""
    asks: Asks = "class"
    """class, classes (several of them, parted by |), number or tags."""
    max_length: int | None = Field(default=None, ge=3)
    """Tokens of a text or pair; longer ones are cut, and counted. none: the model's positions, 512 at most."""
    skip_bad: bool = False
    """Pass over bad rows and count them, instead of ending at the first."""


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

    def __init__(self, network: Finetuning, train: Epochs, dev: TextData | WordData) -> None:
        self.module = network
        self.batches, self.held_out = train.batches, dev.batches
        self.counts, self.tallies = network.counts, network.tallies


def read(data: DataConfig, seed: int, faults: Faults) -> Split:
    """The examples of a recipe's files."""
    if data.suite is not None:
        train, dev = (list(read_split(data.suite, data.folder, name, faults)) for name in SPLITS)
        if not train or not dev:
            raise BadInput(f"{data.folder} has no example of {data.suite} to {'judge by' if train else 'learn from'}")
        return Split(train, dev)
    train = _read(data, data.train, faults)
    if data.dev is not None:
        return Split(train, _read(data, data.dev, faults))
    aside = round(HELD_OUT * len(train))
    if not aside:
        raise BadInput(f"{data.train} has {len(train)} examples, too few to put some aside: name a file with --dev")
    order = generator(seed, "put aside").permutation(len(train))
    return Split([train[i] for i in sorted(order[aside:])], [train[i] for i in sorted(order[:aside])])


def _read(data: DataConfig, path: str, faults: Faults) -> list[Any]:
    found: list[Any]
    if data.asks == "tags" and path.endswith(TABLES):
        found = list(tables.tagged(path, faults, words=data.text, tags=data.label))
    elif data.asks == "tags":
        found = list(columns.tagged_lines(path, faults))
    else:
        given: Any = {"text": data.text, "pair": data.pair, "label": data.label, "kind": data.asks}
        found = list(tables.labelled(path, faults, **given))
    if not found:
        raise BadInput(f"{path} has no example: it needs rows of {data.text} and {data.label}")
    return found


def finetune(recipe: Recipe, out: Path, *, allocator: str = "default", progress: Progress = silent) -> Signals | None:
    """Train in `out`, from the newest checkpoint there if there is one; the signal that ended it before, if any.

    Leaves the model in `out/model`, and what it makes of the examples put aside in `out/evaluation.json`.
    """
    faults, asks = Faults(recipe.data.skip_bad), recipe.data.asks
    if (kind := model_type_of(recipe.model)) in NO_NETWORKS:
        raise BadInput(f"{recipe.model} is {kind}: Transformers are fine-tuned so far, and nothing else")
    folder, tokenizer = read_folder(recipe.model), load_tokenizer(recipe.model)
    longest = folder.config.longest
    length = recipe.data.max_length or min(longest, LONGEST)
    if length > longest:
        raise BadInput(f"data.max_length {length} is more than the model's {longest} positions: shorten it")
    split = read(recipe.data, recipe.training.seed, faults)
    part = _part(recipe.data, split)
    made: Any = WordData if asks == "tags" else TextData
    languages = isinstance(folder.config, XlmConfig) and folder.config.knows_languages
    reads = {"segments": segments_of(folder.config), "languages": languages}
    train, dev = (made(examples, tokenizer, part, length=length, **reads) for examples in split)
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
        judged, last = dev.judge(work.module), last_metrics(run_folder.path)
        for warning in of_outcome(judged, last):
            progress.say(f"warning: {warning}")
        measures = _chief_first(judged.measures, recipe.data)
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
    if data.asks == "tags":
        return part_of_words(split.train, split.dev)
    if data.suite is not None and (known := suite(data.suite).classes):
        return TaskPart(data.asks, known)
    return part_of(split.train, split.dev, data.asks)


def _chief_first(measures: dict[str, float], data: DataConfig) -> dict[str, float]:
    chief = suite(data.suite).metrics[0] if data.suite else CHIEF[data.asks]
    return {chief: measures[chief], **measures}
