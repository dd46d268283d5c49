"""Which examples a model is judged by, from a table of one's own or a split of a published data set."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args

from maskwright.checkpoints.task_part import TaskPart
from maskwright.errors import BadInput
from maskwright.tasks.answering import shape_of
from maskwright.tasks.data import DataConfig, ShapeName, SplitData
from maskwright.tasks.evaluation.slices import column_of
from maskwright.tasks.reading.faults import Faults
from maskwright.tasks.shapes import shape
from maskwright.tasks.suites import read_split, split_path, suite


class Asked(NamedTuple):
    """Examples, and what stands in other columns of their rows.

    columns   by name, a cell for each example
    """

    examples: list[Any]
    columns: Mapping[str, Sequence[str]]


def from_table(
    path: str,
    part: TaskPart,
    faults: Faults,
    *,
    text: str | None = None,
    pair: str | None = None,
    label: str | None = None,
    by: Sequence[str] = (),
) -> Asked:
    """The examples of a table. Raises `BadInput` as its reader does, and where there is none."""
    name = shape_name(part)
    data = DataConfig(shape=name, text=text, pair=pair, label=label, several=part.asks == "classes")
    examples = shape_of(part).examples(data, path, faults)
    return _asked(examples, path, by, published=False)


def from_suite(
    name: str, folder: str | Path, split: str, part: TaskPart, faults: Faults, *, by: Sequence[str] = ()
) -> Asked:
    """The examples of a split. Raises `BadInput` as `read_split` does, and where the model answers something else."""
    refuse_other_shape(name, part)
    examples = list(read_split(name, folder, split, faults))
    return _asked(examples, str(split_path(name, folder, split)), by, published=True)


def shape_name(part: TaskPart) -> ShapeName:
    """The name of the shape that asks this."""
    return next(name for name in get_args(ShapeName) if shape(name) is shape_of(part))


def refuse_other_shape(name: str, part: TaskPart) -> None:
    """BadInput for a data set that asks something else than a model answers."""
    asked = suite(name).shape
    if asked != shape_name(part):
        raise BadInput(f"{name} is of the shape {asked}, and the model answers {shape_name(part)}: take another model")


def tokens_of(data: SplitData) -> list[int]:
    """How many tokens each example has: of a sentence in several windows those of all, of options the longest's, of a
    question its context's.
    """
    lengths, found = data.sequences.lengths.tolist(), [0] * len(data.examples)
    if (stretches := getattr(data, "stretches", None)) is not None:
        for stretch in stretches:
            found[stretch.question] += int(stretch.own.sum())  # each token is in one stretch its own
        return found
    if (windows := getattr(data, "windows", None)) is not None:
        for window, length in zip(windows, lengths, strict=True):
            found[window.sentence] += length
        return found
    return lengths


def _asked(examples: list[Any], path: str, by: Sequence[str], *, published: bool) -> Asked:
    if not examples:
        raise BadInput(f"{path} has no example to judge by")
    places = [one.where for one in examples]
    return Asked(examples, {column: column_of(path, column, places, published=published) for column in by})
