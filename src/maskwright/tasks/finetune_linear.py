"""Fine-tuning of what has no weights to move: a linear model of a bag of words, found in one go.

The run's folder is that of any fine-tuning, without checkpoints: recipe.toml, environment.json, metrics.jsonl (one
line), evaluation.json, model/.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from pydantic import Field

from maskwright.checkpoints.card import static_card
from maskwright.checkpoints.static_folder import write_static_folder
from maskwright.checkpoints.task_part import TaskPart
from maskwright.config import Config, plain
from maskwright.durable import write_file
from maskwright.errors import BadInput
from maskwright.inference.bag_of_words import BagOfWords, load_bag_of_words
from maskwright.objectives.sequence_scores import judged
from maskwright.progress import Progress, silent
from maskwright.tasks.data import DataConfig
from maskwright.tasks.examples import Labelled
from maskwright.tasks.finetune import EVALUATION
from maskwright.tasks.linear import LinearConfig, LinearTask, Matrix, features, fit, no_place
from maskwright.tasks.predictions import read as answers_of
from maskwright.tasks.preparing import chief_first, part_of
from maskwright.tasks.reading.faults import Faults
from maskwright.tasks.splits import read
from maskwright.tasks.texts import labels, measures, texts_of
from maskwright.tasks.warnings import of_data, of_outcome
from maskwright.training.finetuning import TASK
from maskwright.training.metrics import HeldOut, read_metrics
from maskwright.training.one_go import Learned, in_one_go
from maskwright.training.run import Fingerprints

USES = ('answers = encoder.predict(["a text", "another"])', 'vectors = encoder.encode(["a text", "another"])')


class SeedConfig(Config):
    """What a run is called."""

    seed: int = Field(default=0, ge=0)
    """Its number among runs of several: fitting draws nothing, so all find the same."""


class LinearRecipe(Config):
    """Everything that the fine-tuning of a bag of words is made of."""

    recipe: Literal["finetune"] = "finetune"
    """Its name."""
    model: str
    """The folder of the bag of words."""
    data: DataConfig
    """The texts."""
    linear: LinearConfig = LinearConfig()
    """The linear model."""
    training: SeedConfig = SeedConfig()
    """What the run is called."""


def finetune_linear(recipe: LinearRecipe, out: Path, progress: Progress = silent) -> None:
    """Fit in `out`; where its model is there already, nothing is done.

    Leaves the model in `out/model`, and what it makes of the examples put aside in `out/evaluation.json`.
    """
    encoder, data = load_bag_of_words(Path(recipe.model)), recipe.data
    if data.shape not in ("classification", "regression"):
        raise BadInput(no_place(recipe.model, data.shape))
    if data.max_length is not None:
        raise BadInput(
            f"data.max_length {data.max_length}: {recipe.model} is a bag of words, and cuts no text: leave it"
        )
    faults = Faults(data.skip_bad)
    split = read(data, faults)
    part = part_of(data, split)
    progress.say(
        f"{len(split.train):,} examples to learn from, {len(split.dev):,} to judge by, {len(part.labels)} answers"
    )
    if said := faults.described():
        progress.say(said)
    if faults.unread:
        progress.say(f"columns that are not read: {', '.join(sorted(faults.unread))}")
    for warning in of_data(split.train, split.dev, 0, 0):
        progress.say(f"warning: {warning}")
    pairs = any(one.pair is not None for one in split.train)

    def learn() -> Learned:
        train, dev = (features(encoder.bags, texts_of(examples), pairs=pairs) for examples in split)
        found = fit(train, labels(split.train, part), part, recipe.linear)
        if not found.converged:
            progress.say("warning: the weights had not come to rest when fitting ended: lower linear.c")
        task = LinearTask(part, pairs, found.linear)

        def write(at: Path) -> None:
            answers = answers_of(task.linear.scores(dev), part)
            for warning in of_outcome(len({answer.label for answer in answers}), read_metrics(at), 1):
                progress.say(f"warning: {warning}")
            told = chief_first(measures(split.dev, answers, part), part, data)
            write_file(at / EVALUATION, (json.dumps(told, indent=2) + "\n").encode())
            write_fitted(at / "model", encoder, task, {**told, "Recipe": plain(recipe)})

        tokens = sum(len(one.ids) for one in encoder.tokenizer.encode_pairs(texts_of(split.train)))
        tallies = [_held(task, *one, part) for one in ((train, split.train), (dev, split.dev))]
        return Learned(1, tokens, float("nan"), write, *tallies)

    in_one_go(
        recipe, Fingerprints(split.fingerprint, encoder.tokenizer.fingerprint), out, learn, "scikit-learn", progress
    )


def _held(task: LinearTask, given: Matrix, examples: Sequence[Labelled], part: TaskPart) -> HeldOut:
    """Loss and share of right answers, as the loop counts them."""
    told = judged(task.linear.scores(given), torch.from_numpy(labels(examples, part)), part.asks)
    loss = float(told.loss_sum) / told.count
    return HeldOut(loss, {TASK: loss}, {TASK: float(told.correct) / told.count})


def write_fitted(path: Path, encoder: BagOfWords, task: LinearTask, facts: dict[str, object]) -> Path:
    """The folder of the bag of words with its task, which `maskwright.load` opens."""
    tensors = {"idf": torch.from_numpy(encoder.weights)}
    if encoder.components is not None:
        tensors["components"] = torch.from_numpy(encoder.components)
    about = (
        f"A linear model ({len(task.part.labels)} answers) of bags of {encoder.config.vocab_size:,} tokens, fitted by "
        "scikit-learn. The order of words counts for nothing."
    )
    card = static_card("model", "bag_of_words", about, USES, facts)
    return write_static_folder(
        path,
        encoder.config,
        tensors,
        encoder.tokenizer,
        card,
        before_done=task.write,
    )
