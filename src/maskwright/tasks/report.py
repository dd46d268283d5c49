"""report.html of a fine-tuning: how learning went, what it came to, what it was made of.

What is drawn stands in metrics.jsonl and evaluation.json, what is told was said when the run began.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from maskwright.checkpoints.task_part import TaskPart
from maskwright.report.charts import Series, line_chart
from maskwright.report.markup import number
from maskwright.report.page import Cell, Page
from maskwright.training.finetuning import TASK
from maskwright.training.labelled_sequences import Labels
from maskwright.training.metrics import read_metrics
from maskwright.training.run_folder import RECIPE

REPORT = "report.html"
MOST_CLASSES = 60
"""Rows of the table of classes."""
CHOSEN = (
    "The weights were chosen among several looks at these examples, and so their value on them is a little too good; "
    "what the model is worth shows on others: maskwright evaluate."
)
Lines = Sequence[Mapping[str, Any]]


class Row(NamedTuple):
    """A class: how many examples are of it, to learn from, to judge by, and as they were answered."""

    name: str
    train: int
    dev: int
    answered: int | None


def run_page(
    folder: Path,
    measures: Mapping[str, float],
    *,
    step: int,
    chosen: bool,
    steps: int,
    classes: Sequence[Row],
    example: Mapping[str, str],
    said: Sequence[str],
    sizes: tuple[int, int],
) -> Page:
    """The page of one run.

    measures   the one that decides first, of the kept weights
    step       after which these were
    chosen     whether they are the best of several looks
    steps      of an epoch
    example    text, tokens and label of one
    said       what was told of the examples and of the outcome: dropped, cut, warned
    sizes      examples to learn from, and to judge by
    """
    entries = read_metrics(folder)
    page = Page(folder.name, f"fine-tuned on {sizes[0]:,} examples, judged by {sizes[1]:,}")
    at = f"after {step / steps:.3g} epochs"
    page.figures([(number(value), name, at) for name, value in list(measures.items())[:4]])
    page.heading("Learning", "Learning by heart shows where the two lines of a chart part.")
    page.add(*curves(entries, steps))
    page.heading("What it came to", f"Measured on the examples put aside, with the weights of step {step:,}, {at}.")
    page.table(["measure", "value"], [[name, float(value)] for name, value in measures.items()], main=0)
    if chosen:
        page.text(CHOSEN)
    if classes:
        page.heading("Classes").table(["class", "to learn from", "to judge by", "answered"], _limited(classes))
    page.heading("One example, as the model gets it").facts(dict(example))
    page.heading("What was said").text("\n\n".join(said))
    return page.source((folder / RECIPE).read_text(encoding="utf-8"), "Recipe")


def curves(entries: Lines, steps: int) -> list[str]:
    """Loss and share of right answers in training and on what is put aside, the gap between both, measures, rate."""
    looks = [entry for entry in entries if "held_out" in entry]

    def epochs(of: Lines) -> list[float]:
        return [entry["step"] / steps for entry in of]

    def both(key: str) -> list[Series]:
        training = [entry[key].get(TASK) for entry in entries]
        aside = [entry["held_out"][key].get(TASK) for entry in looks]
        return [
            Series("training", epochs(entries), training, smooth=True, colour=0),
            Series("put aside", epochs(looks), aside, colour=1),
        ]

    charts = [line_chart(both("losses"), "Loss", "epochs", "per answer", from_zero=True)]
    if any(entry["accuracy"].get(TASK) for entry in entries):
        charts.append(line_chart(both("accuracy"), "Right answers", "epochs", percent=True))
    charts.append(line_chart([Series("gap", epochs(looks), gaps(entries), colour=2)], "Gap of the losses", "epochs"))
    names = list(dict.fromkeys(name for entry in looks for name in entry["held_out"].get("measures", {})))
    lines = [
        Series(name, epochs(looks), [entry["held_out"].get("measures", {}).get(name) for entry in looks])
        for name in names[:4]
    ]
    if lines:
        charts.append(line_chart(lines, "Measures on what is put aside", "epochs"))
    rate = Series("", epochs(entries), [entry["learning_rate"] for entry in entries])
    return [*charts, line_chart([rate], "Learning rate", "epochs", from_zero=True, size="third", ends=False)]


def gaps(entries: Lines) -> list[float | None]:
    """At each look the loss on what is put aside less that in training: the mean since the look before.

    >>> line = {"losses": {"task": 1.0}}
    >>> gaps([line, {"losses": {"task": 0.5}, "held_out": {"losses": {"task": 1.25}}}])
    [0.5]
    """
    found: list[float | None] = []
    since: list[float] = []
    for entry in entries:
        if (loss := entry["losses"].get(TASK)) is not None:
            since.append(loss)
        if "held_out" in entry:
            aside = entry["held_out"]["losses"].get(TASK)
            found.append(None if aside is None or not since else aside - sum(since) / len(since))
            since = []
    return found


def class_rows(part: TaskPart, train: Labels | None, dev: Labels | None, answers: Sequence[Any]) -> list[Row]:
    """A row for each class or tag; none where a number, or a place in a text, is asked for.

    train, dev   what is right, as heads take it
    answers      of the examples to judge by
    """
    if train is None or dev is None or part.asks not in ("class", "classes", "tags", "words"):
        return []
    given = Counter(label for answer in answers for label in _labels(answer))
    known = bool(given.keys() & set(part.labels))  # words are answered where their letters' tags are learned
    learned, judged = _counts(train, len(part.labels)), _counts(dev, len(part.labels))
    return [
        Row(name, int(learned[i]), int(judged[i]), given[name] if known else None) for i, name in enumerate(part.labels)
    ]


def _counts(labels: Labels, classes: int) -> Labels:
    return labels.sum(0) if labels.ndim == 2 else np.bincount(labels, minlength=classes)


def _labels(answer: Any) -> Sequence[str]:
    """Of one example: a prediction of a class or of some, or a tag for each word."""
    label = getattr(answer, "label", answer)
    return [label] if isinstance(label, str) else label


def _limited(classes: Sequence[Row]) -> list[list[Cell]]:
    rows: list[list[Cell]] = [list(row) for row in classes[:MOST_CLASSES]]
    return rows if len(classes) <= MOST_CLASSES else [*rows, [f"and {len(classes) - MOST_CLASSES} more", "", "", ""]]
