"""Which examples a fine-tuning learns from, and what a shape of task makes of them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

from pydantic import Field
from torch import Tensor, device

from maskwright.batch import Batch
from maskwright.checkpoints.task_part import TaskPart
from maskwright.config import Config
from maskwright.tasks.inputs import Inputs
from maskwright.tasks.reading.faults import Faults
from maskwright.training.labelled_sequences import LabelledSequences

ShapeName = Literal["classification", "regression", "tagging", "segmentation", "questions", "choice", "similarity"]
TOKENS_AT_ONCE = 4096
"""Of a batch that is only looked at."""


class DataConfig(Config):
    """Which examples, and what is asked of them."""

    shape: ShapeName = "classification"
    """What is asked: classification, regression, tagging, segmentation, questions, choice, similarity."""
    suite: str | None = None
    """A published data set, such as glue:sst2; its files are in `folder`. none: tables of one's own."""
    folder: str = "."
    """Where the files of a published data set are."""
    train: str = ""
    """A table to learn from: csv, tsv, jsonl or parquet; of tagged words it may be a word and its tag a line."""
    dev: str | None = None
    """Another to judge by; none: a tenth of the first is put aside."""
    split_seed: int = Field(default=0, ge=0)
    """Chooses what is put aside; training.seed does not, so that runs of several seeds are judged by the same."""
    text: str | None = None
    """The column of the text, of the question, or of what options follow; none: what the shape calls it."""
    pair: str | None = None
    """The column of a second text, of the context, or of the options: a list in one column, or several parted by ,."""
    label: str | None = None
    """The column of what is right; none: what the shape calls it."""
    several: bool = False
    """A text may be of several classes, parted by |."""
    max_length: int | None = Field(default=None, ge=3)
    """Tokens of a sequence; longer ones are cut or parted, and counted. none: the model's positions, 512 at most."""
    stride: int = Field(default=128, ge=1)
    """Of questions: tokens from one stretch of a long context to the next."""
    max_question: int = Field(default=64, ge=1)
    """Of questions: most tokens of one; what stands behind is not read."""
    max_answer: int = Field(default=30, ge=1)
    """Of questions: most tokens of an answer that is given."""
    skip_bad: bool = False
    """Pass over bad rows and count them, instead of ending at the first."""


class Columns(NamedTuple):
    """What the columns of a table are called, where nobody says; None: there need not be one."""

    text: str
    pair: str | None
    label: str | None


class Scorer(Protocol):
    """A network with the head of a task, such as `training.finetuning.Finetuning`."""

    @property
    def device(self) -> device:
        """Where it computes."""
        ...

    def scores(self, batch: Batch) -> Tensor:
        """What its head makes of a batch."""
        ...

    def best(self, scores: Tensor, batch: Batch) -> Tensor:
        """(M,) the tags that follow from scores of words."""
        ...


class SplitData(Protocol):
    """The examples of one split, encoded: what is learned from, or judged by, or answered.

    sequences  of tokens, with labels where the examples have them
    cut        how many examples lost a part of what they say
    """

    examples: Sequence[Any]
    part: TaskPart
    sequences: LabelledSequences
    cut: int

    def batches(self) -> Iterator[Batch]:
        """All of them, the same every time."""
        ...

    def answers(self, network: Scorer) -> list[Any]:
        """What a network answers, one for each example, in order."""
        ...

    def measures(self, answers: Sequence[Any]) -> Mapping[str, float]:
        """What answers are worth, by name. Every example must say what is right."""
        ...

    def different(self, answers: Sequence[Any]) -> int:
        """How many different answers these are: of one that is always given nothing was learned."""
        ...


class Shape(Protocol):
    """A module of `tasks.shapes`: all that is particular to one shape of task."""

    CHIEF: Mapping[str, str]
    """What a task of it asks (`TaskPart.asks`) -> the measure that is told first."""
    COLUMNS: Columns

    def examples(self, data: DataConfig, path: str, faults: Faults, *, labelled: bool = True) -> list[Any]:
        """The examples of a table of one's own; those to predict for, whose table need not say what is right."""
        ...

    def part_of(self, train: Sequence[Any], dev: Sequence[Any], data: DataConfig) -> TaskPart:
        """What a model of these examples answers. BadInput where they do not allow a task."""
        ...

    def encoded(self, examples: Sequence[Any], inputs: Inputs, part: TaskPart, *, length: int) -> SplitData:
        """Examples as a network reads them.

        inputs   how it reads
        length   the most tokens of a sequence
        """
        ...
