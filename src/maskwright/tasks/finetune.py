"""Fine-tuning on labelled texts: an encoder, the head of a task, a regime.

BERT (arXiv 1810.04805), section 4.1 and appendix A.3: all weights move, from batches of 16 or 32, for 2 to 4 epochs,
at a peak rate of 2e-5 to 5e-5 with a tenth of the steps to warm up. Small encoders take a rate ten times as high.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from signal import Signals
from typing import Any, Literal, NamedTuple, cast

import numpy as np
import torch
from pydantic import Field

from maskwright.batch import Batch
from maskwright.checkpoints.folder import read_folder, write_folder
from maskwright.checkpoints.task_part import TaskPart
from maskwright.config import Config, checked, override, plain
from maskwright.draws import generator
from maskwright.durable import write_file
from maskwright.errors import BadInput
from maskwright.models import segments_of
from maskwright.objectives.sequence_scores import Asks
from maskwright.progress import Progress, silent
from maskwright.tasks.examples import Labelled
from maskwright.tasks.metrics import classes, numbers
from maskwright.tasks.reading import tables
from maskwright.tasks.reading.faults import Faults
from maskwright.tasks.suites import read_split, suite
from maskwright.tokenizers.loading import load_tokenizer
from maskwright.tokenizers.tokenizer import Tokenizer
from maskwright.training.finetuning import Finetuning, finetuning
from maskwright.training.labelled_sequences import Epochs, LabelledSequences
from maskwright.training.loop import TrainingConfig
from maskwright.training.metrics import last_metrics
from maskwright.training.optimizers import Optimizer, OptimizerConfig
from maskwright.training.run import Fingerprints, run
from maskwright.training.run_folder import RunFolder

EVALUATION = "evaluation.json"
HELD_OUT = 0.1
"""Share of the examples that is put aside to judge by where no file for that is named."""
SPLITS = ("train", "dev")
TOKENS_AT_ONCE = 4096
LONGEST = 512
"""Tokens of a text, where nobody says and the model has more positions."""
CHIEF: dict[Asks, str] = {"class": "accuracy", "classes": "micro_f1", "number": "pearson"}
"""The measure that is told first."""


class DataConfig(Config):
    """Which texts, and what is asked of them."""

    suite: str | None = None
    """A published data set, such as glue:sst2; its files are in `folder`. none: tables of one's own."""
    folder: str = "."
    """Where the files of a published data set are."""
    train: str = ""
    """A table of labelled texts: csv, tsv, jsonl or parquet."""
    dev: str | None = None
    """Another to judge by; none: a tenth of the first is put aside."""
    text: str = "text"
    """The column of the text."""
    pair: str | None = None
    """The column of a second text."""
    label: str = "label"
    """The column of what is right."""
    asks: Asks = "class"
    """class, classes (several of them, parted by |) or number."""
    max_length: int | None = Field(default=None, ge=3)
    """Tokens of a text or pair; longer ones are cut, and counted. none: the model's positions, 512 at most."""
    skip_bad: bool = False
    """Pass over bad rows and count them, instead of ending at the first."""


class Recipe(Config):
    """Everything that a fine-tuning is made of."""

    recipe: Literal["classification"] = "classification"
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

    train: list[Labelled]
    dev: list[Labelled]


class TextData:
    """The texts of a recipe, encoded: what the loop learns from, and is judged by."""

    def __init__(
        self, recipe: Recipe, split: Split, tokenizer: Tokenizer, part: TaskPart, *, length: int, segments: int
    ) -> None:
        """length     the most tokens of a text or pair
        segments   how many the network tells apart; 0: it reads none
        """
        self.tokenizer, self.part, self.split, self.suite = tokenizer, part, split, recipe.data.suite
        self.cut = 0

        def encoded(examples: Sequence[Labelled]) -> LabelledSequences:
            texts = [one.text if one.pair is None else (one.text, one.pair) for one in examples]
            found = tokenizer.encode_pairs(texts, max_length=length, truncate=True, special_in_text=False)
            self.cut += sum(len(one.ids) == length for one in found)
            return LabelledSequences(found, labels(examples, part), segments=segments)

        self.dev = encoded(split.dev)
        training = recipe.training
        self.train = Epochs(
            encoded(split.train), batch=training.batch_sequences, micro=training.micro_sequences, seed=training.seed
        )

    @property
    def fingerprint(self) -> str:
        """Of all examples."""
        told = hashlib.sha256()
        for one in chain(self.split.train, [None], self.split.dev):
            told.update(json.dumps(None if one is None else [one.text, one.pair, one.label]).encode())
        return told.hexdigest()

    def held_out(self) -> Iterator[Batch]:
        """What to judge by."""
        return (batch for _, batch in self.dev.in_order(TOKENS_AT_ONCE))


class FinetuneWork:
    """Network and data, as the loop takes them (`training.work.Work`)."""

    def __init__(self, network: Finetuning, data: TextData) -> None:
        self.module, self.data = network, data
        self.batches, self.held_out = data.train.batches, data.held_out
        self.counts, self.tallies = network.counts, network.tallies


def read(data: DataConfig, seed: int, faults: Faults) -> Split:
    """The examples of a recipe's files."""
    if data.suite is not None:
        train, dev = (
            cast("list[Labelled]", list(read_split(data.suite, data.folder, name, faults))) for name in SPLITS
        )
        if not train or not dev:
            raise BadInput(f"{data.folder} has no example of {data.suite} to {'judge by' if train else 'learn from'}")
        return Split(train, dev)

    def of(path: str) -> list[Labelled]:
        columns: Any = {"text": data.text, "pair": data.pair, "label": data.label}
        found = list(tables.labelled(path, faults, kind=data.asks, **columns))
        if not found:
            raise BadInput(f"{path} has no example: it needs rows of {data.text} and {data.label}")
        return found

    train = of(data.train)
    if data.dev is not None:
        return Split(train, of(data.dev))
    aside = round(HELD_OUT * len(train))
    if not aside:
        raise BadInput(f"{data.train} has {len(train)} examples, too few to put some aside: name a file with --dev")
    order = generator(seed, "put aside").permutation(len(train))
    return Split([train[i] for i in sorted(order[aside:])], [train[i] for i in sorted(order[:aside])])


def part_of(split: Split, asks: Asks, known: tuple[str, ...] = ()) -> TaskPart:
    """The classes that are known, or those of the training examples, sorted.

    BadInput for a single one, and for one that `dev` alone has.
    """
    if asks == "number":
        return TaskPart("number", ("number",))
    if known:
        return TaskPart(asks, known)
    names = sorted({name for one in split.train for name in names_of(one)})
    if asks == "class" and len(names) < 2:
        raise BadInput(f"all training examples are of the class {names[0]!r}: there is nothing to tell apart")
    for one in split.dev:
        if unknown := sorted(set(names_of(one)) - set(names)):
            raise BadInput(
                f"{one.where} is of the class {unknown[0]!r}, which no training example has (they have "
                f"{', '.join(names[:20])})"
            )
    return TaskPart(asks, tuple(names))


def names_of(example: Labelled) -> tuple[str, ...]:
    """The classes of an example."""
    return example.label if isinstance(example.label, tuple) else (str(example.label),)


def labels(examples: Sequence[Labelled], part: TaskPart) -> Any:
    """What is right, as heads take it: see `Batch.labels`."""
    if part.asks == "number":
        return np.array([one.label for one in examples], np.float32)
    places = {name: i for i, name in enumerate(part.labels)}
    if part.asks == "class":
        return np.array([places[names_of(one)[0]] for one in examples], np.int64)
    rows = np.zeros((len(examples), len(part.labels)), np.float32)
    for row, one in zip(rows, examples, strict=True):
        row[[places[name] for name in names_of(one)]] = 1
    return rows


def finetune(recipe: Recipe, out: Path, *, allocator: str = "default", progress: Progress = silent) -> Signals | None:
    """Train in `out`, from the newest checkpoint there if there is one; the signal that ended it before, if any.

    Leaves the model in `out/model`, and what it makes of the examples put aside in `out/evaluation.json`.
    """
    faults = Faults(recipe.data.skip_bad)
    folder, tokenizer = read_folder(recipe.model), load_tokenizer(recipe.model)
    longest = folder.config.longest
    length = recipe.data.max_length or min(longest, LONGEST)
    if length > longest:
        raise BadInput(f"data.max_length {length} is more than the model's {longest} positions: shorten it")
    split = read(recipe.data, recipe.training.seed, faults)
    part = part_of(split, recipe.data.asks, suite(recipe.data.suite).classes if recipe.data.suite else ())
    data = TextData(recipe, split, tokenizer, part, length=length, segments=segments_of(folder.config))
    steps = max(1, round(recipe.epochs * data.train.steps))
    recipe = checked(Recipe, override(plain(recipe), {"training.steps": steps}), "the recipe")
    progress.say(
        f"{len(split.train):,} texts to learn from, {len(split.dev):,} to judge by, {len(part.labels)} classes; "
        f"{data.cut:,} cut at {length} tokens; {faults.skipped:,} rows skipped"
    )

    def build(fresh: bool) -> FinetuneWork:
        network = finetuning(folder.config, part, recipe.dropout)
        if fresh:
            found = folder.of_encoder()
            found.fill(network.encoder_names(), network)
            deviation, seed = folder.config.initializer_range, recipe.training.seed
            network.initialise_head(deviation, seed, pooler=not found.has_pooler)
        return FinetuneWork(network, data)

    def finish(work: Any, optimizer: Optimizer, run_folder: RunFolder) -> None:
        measures = judge(work.module, data)
        write_file(run_folder.path / EVALUATION, (json.dumps(measures, indent=2) + "\n").encode())
        write_folder(
            run_folder.path / "model",
            names=work.module.weight_names(),
            parameters=optimizer.flat.tensors(),
            config=folder.config,
            tokenizer=tokenizer,
            task=part,
            facts={**measures, "steps": last_metrics(run_folder.path)["step"], "Recipe": plain(recipe)},
            replace=True,
        )

    return run(
        recipe, Fingerprints(data.fingerprint, tokenizer.fingerprint), out, build, finish,
        optimizer=recipe.optimizer, training=recipe.training, name="finetune", allocator=allocator, progress=progress,
    )  # fmt: skip


def evaluation(out: Path) -> dict[str, float]:
    """What a finished run was found to be worth."""
    return json.loads((out / EVALUATION).read_text(encoding="utf-8"))


@torch.inference_mode()
def judge(network: Finetuning, data: TextData) -> dict[str, float]:
    """The measures of the examples put aside, the chief one first."""
    device = next(network.parameters()).device
    scores = torch.empty(len(data.dev), len(data.part.labels))
    for which, batch in data.dev.in_order(TOKENS_AT_ONCE):
        scores[torch.from_numpy(which)] = network.scores(batch.to(device)).float().cpu()
    found = dict(measures(scores, data.split.dev, data.part))
    chief = suite(data.suite).metrics[0] if data.suite else CHIEF[data.part.asks]
    return {chief: found.pop(chief), **found}


def measures(scores: torch.Tensor, examples: Sequence[Labelled], part: TaskPart) -> dict[str, float]:
    """What scores (N, C) of some examples are worth."""
    names = part.labels
    match part.asks:
        case "class":
            said = [names[i] for i in scores.argmax(-1).tolist()]
            return dict(classes.scores([names_of(one)[0] for one in examples], said, names))
        case "classes":
            several = [tuple(name for name, x in zip(names, row, strict=True) if x > 0) for row in scores.tolist()]
            return dict(classes.several_scores([names_of(one) for one in examples], several, names))
        case "number":
            gold = [float(one.label) if isinstance(one.label, (int, float)) else math.nan for one in examples]
            return dict(numbers.scores(gold, scores.squeeze(-1).tolist()))
