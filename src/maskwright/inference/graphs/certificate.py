"""How near a graph's answers are to those of the encoder it was made of, in float32."""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from maskwright.errors import BadInput
from maskwright.inference.encoder import Encoder, Vectors
from maskwright.inference.texts import Text
from maskwright.tasks.answering import Task
from maskwright.tasks.data import SplitData
from maskwright.tasks.evaluation.asked import from_table
from maskwright.tasks.evaluation.judging import chief_of, refuse_unjudgeable
from maskwright.tasks.reading.faults import Faults
from maskwright.text.inputs import find_inputs, open_input
from maskwright.text.lines import text_lines
from maskwright.text.samples import sample

TEXTS = 64
"""Of the samples, of each language."""
MOST = 2048
"""Of a file."""
UNKNOWN = 0.2
"""A sample is left out where more of its tokens than this are unknown to the vocabulary."""
MANY_SENTENCES = 6


class Closeness(NamedTuple):
    """Of a graph's vectors, beside the reference's.

    worst_cosine, mean_cosine   over texts
    largest_difference          of any number
    """

    worst_cosine: float
    mean_cosine: float
    largest_difference: float


class Answering(Protocol):
    """An encoder, or a graph."""

    task: Task | None

    def examples(self, examples: Sequence[Any], *, length: int | None = None) -> SplitData:
        """Of its shape of task."""
        ...


def closeness(vectors: Vectors, reference: Vectors) -> Closeness:
    """(N, H) each. Of two vectors of zeros the cosine is 1, of one of them 0."""
    a, b = vectors.astype(np.float64), reference.astype(np.float64)
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    same = (a == b).all(1)
    cosines = np.where(same, 1.0, (a * b).sum(1) / np.where(lengths > 0, lengths, 1.0))
    return Closeness(float(cosines.min()), float(cosines.mean()), float(np.abs(a - b).max()))


def texts_of(file: str | Path) -> list[Text]:
    """The lines of a file, a pair where a tab parts two; at most `MOST`. BadInput for a file without any."""
    lines: list[Text] = []
    for found in find_inputs([Path(file)]):
        for _, line in islice(text_lines(open_input(found), found.name), MOST - len(lines)):
            parts = line.split("\t")
            if line.strip():
                lines.append((parts[0], parts[1]) if len(parts) == 2 else line)
    if not lines:
        raise BadInput(f"{file} has no text: give a file of texts, one a line")
    return lines


def sample_texts(encoder: Encoder, *, odd: bool) -> tuple[list[Text], list[str]]:
    """One to six sentences of the sample texts and the languages they are of: those that the vocabulary knows.

    odd   of every second chapter, or of the others: what is calibrated on is not what is measured on
    """
    texts, languages = list[Text](), list[str]()
    unknown = encoder.tokenizer.unk_id
    for language in ("en", "zh"):
        chapters, between = sample(language)[int(odd) :: 2], "" if language == "zh" else " "
        taken: list[Text] = []
        for number in range(TEXTS):
            sentences = chapters[number % len(chapters)].sentences
            start = 5 + 7 * (number // len(chapters))
            taken.append(between.join(sentences[start : start + 1 + number % MANY_SENTENCES]))
        ids = np.concatenate([one.ids for one in encoder.encoded(taken, truncate=True)])
        if unknown is None or (ids == unknown).mean() <= UNKNOWN:
            texts += taken
            languages.append(language)
    if not texts:  # not a word of them is known
        raise BadInput("the vocabulary knows neither sample text: give texts of its own by --texts and --calibrate")
    return texts, languages


class TaskScore(NamedTuple):
    """What a task is answered with, by its chief measure."""

    measure: str
    value: float


def task_score(model: Answering, test: str) -> TaskScore:
    """Of the labelled examples of a table. BadInput for a model without a task, and as the reader of tables does."""
    if model.task is None:
        raise BadInput(f"--test {test} scores a task, and the model was not fine-tuned: leave it off, or give --texts")
    part = model.task.part
    asked = from_table(test, part, Faults())
    refuse_unjudgeable(asked.examples, part)
    data = model.examples(asked.examples)
    chief = chief_of(part, None)
    return TaskScore(chief, float(data.measures(data.answers(model.task.model))[chief]))
