"""What is known of a fine-tuning before its first step: the encoder's folder, the examples as it reads them."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from maskwright.batch import Integers
from maskwright.checkpoints.task_part import TaskPart
from maskwright.config import checked, override, plain
from maskwright.errors import BadInput
from maskwright.objectives.text_vectors import SimilarityConfig
from maskwright.tasks import adapters, bi_encoders
from maskwright.tasks.above import legal_tags, refuse_features
from maskwright.tasks.data import DataConfig, SplitData
from maskwright.tasks.decoded import decoded, lines
from maskwright.tasks.encoders import Above, Starting
from maskwright.tasks.encoders.kinds import starting
from maskwright.tasks.encoders.transformer import TransformerStart
from maskwright.tasks.reading.faults import Faults
from maskwright.tasks.recipe import LONGEST, LOOK_EVERY, Recipe
from maskwright.tasks.shapes import shape
from maskwright.tasks.splits import Split, read
from maskwright.tasks.suites import splits_there, suite
from maskwright.tasks.warnings import of_data
from maskwright.training.depth import LayersConfig
from maskwright.training.labelled_sequences import Epochs

HOW = ("dropout", "epochs", "loss", "layers", "optimizer", "stopping", "training")
"""Keys of a recipe that change nothing of what is prepared but the steps."""
LOOKS = 2
"""At what is put aside, in each epoch at least."""


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

    def used_tokens(self) -> Integers | None:
        """(U,) rows of the encoder's table of tokens that the examples have, ascending; None: it reads from none."""
        of_train, of_dev = self.train.sequences.token_ids, self.dev.sequences.token_ids
        return None if of_train is None or of_dev is None else np.union1d(of_train, of_dev)


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


def part_of(data: DataConfig, split: Split) -> TaskPart:
    """What a model of these examples answers."""
    if data.suite is not None and (known := suite(data.suite).classes):
        return TaskPart("class", known)
    return shape(data.shape).part_of(split.train, split.dev, data)


def chief_first(measures: Mapping[str, float], part: TaskPart, data: DataConfig) -> dict[str, float]:
    """Measures, the one that is told first at their head."""
    chief = suite(data.suite).metrics[0] if data.suite else shape(data.shape).CHIEF[part.asks]
    return {chief: measures[chief], **measures}
