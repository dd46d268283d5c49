"""Everything that is to be said of a model's answers to examples of which one knows what is right, as plain data.

`result` is what `maskwright evaluate --json` prints and what the page (`report.evaluation`) is made of.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from maskwright.checkpoints.task_part import TaskPart
from maskwright.errors import BadInput
from maskwright.tasks.answering import shape_of
from maskwright.tasks.data import SplitData
from maskwright.tasks.evaluation import resampling
from maskwright.tasks.evaluation.choices import OptionAnswers
from maskwright.tasks.evaluation.classes import ClassAnswers, SeveralAnswers
from maskwright.tasks.evaluation.numbers import NumberAnswers
from maskwright.tasks.evaluation.outcomes import Floats, Outcomes
from maskwright.tasks.evaluation.pairs import FoundAnswers, NearnessAnswers
from maskwright.tasks.evaluation.questions import SpanAnswers
from maskwright.tasks.evaluation.slices import Slice, by_column, by_number
from maskwright.tasks.evaluation.tags import TagAnswers, WordAnswers
from maskwright.tasks.evaluation.worst import Wrong
from maskwright.tasks.examples import Labelled, Tagged, is_labelled, texts_of
from maskwright.tasks.schemes import mark_spans
from maskwright.tasks.suites import suite
from maskwright.tasks.texts import names_of

KINDS: Mapping[str, Any] = {
    "class": ClassAnswers, "classes": SeveralAnswers, "number": NumberAnswers, "tags": TagAnswers,
    "words": WordAnswers, "option": OptionAnswers, "span": SpanAnswers,
    "near": FoundAnswers, "nearness": NearnessAnswers,
}  # fmt: skip
"""What a task asks -> what judges its answers in detail."""
FEW = 30
"""A slice of fewer examples says little."""
WORST = 10
SHOWN = 400
"""Characters of a text that are shown."""


class Judged(Protocol):
    """Answers of one kind beside what is right."""

    outcomes: Outcomes

    @property
    def hits(self) -> Floats | None:
        """(n,) 1 where an answer is right; None where answers are not just right or wrong."""
        ...

    def details(self) -> dict[str, Any]:
        """The tables of this kind."""
        ...

    def worst(self, most: int) -> list[Wrong]:
        """The answers that are most wrong, the worst first."""
        ...


def refuse_unjudgeable(examples: Sequence[Any], part: TaskPart) -> None:
    """BadInput for an example that does not say what is right, or says what the model does not know."""
    known = set(part.labels)
    for one in examples:
        if not is_labelled(one):
            raise BadInput(f"{one.where} does not say what is right: take a file or a split that does (dev)")
        said: tuple[str, ...] = ()
        if isinstance(one, Tagged):
            said = one.tags or ()
        elif isinstance(one, Labelled) and part.asks != "number":
            said = names_of(one)
        if unknown := sorted(set(said) - known):
            few = ", ".join(part.labels[:20]) + (" ..." if len(part.labels) > 20 else "")
            raise BadInput(f"{one.where} is {unknown[0]!r}, which the model does not know: it knows {few}")


def chief_of(part: TaskPart, data_set: str | None) -> str:
    """The measure that is told first: the data set's own, or that of what is asked."""
    if data_set is not None:
        return suite(data_set).metrics[0]
    if part.asks == "tags" and not mark_spans(part.labels):
        return "accuracy"
    return shape_of(part).CHIEF[part.asks]


def result(
    data: SplitData,
    answers: Sequence[Any],
    chief: str,
    *,
    lengths: Sequence[int],
    columns: Mapping[str, Sequence[str]] | None = None,
    other: Sequence[Any] | None = None,
    worst: int = WORST,
    seed: int = 0,
) -> dict[str, Any]:
    """All that is to be said of answers to examples, `refuse_unjudgeable` of them done.

    lengths   tokens of each example
    columns   by name, what stands in a column of the table in the row of each example
    other     what another model answers to the same examples
    seed      of the resamples
    """
    part, examples = data.part, data.examples
    measures = dict(data.measures(answers))
    found: dict[str, Any] = {
        "asks": part.asks, "examples": len(examples), "chief": {"name": chief, "value": measures[chief]},
        "measures": {chief: measures[chief], **measures},
    }  # fmt: skip
    if part.asks not in KINDS:
        return found
    judged: Judged = KINDS[part.asks](examples, answers, part)
    outcomes = judged.outcomes
    found["chief"] = {"name": chief, **resampling.measured(outcomes, chief, seed)._asdict()}
    found |= judged.details()
    sliced = {"tokens": by_number(lengths)} | {name: by_column(each) for name, each in (columns or {}).items()}
    found["slices"] = {
        name: [_of_slice(outcomes, one, chief, seed) for one in slices] for name, slices in sliced.items()
    }
    found["worst"] = [_shown(wrong, examples[wrong.place]) for wrong in judged.worst(worst)]
    if other is not None:
        found["against"] = _beside(judged, KINDS[part.asks](examples, other, part), chief, seed)
    return found | {"notes": _notes(data, answers, found)}


def _of_slice(outcomes: Outcomes, one: Slice, chief: str, seed: int) -> dict[str, Any]:
    inside = outcomes.take(one.members.astype(np.int64))
    return {"name": one.name, "examples": len(one.members), **resampling.measured(inside, chief, seed)._asdict()}


def _beside(this: Judged, other: Judged, chief: str, seed: int) -> dict[str, Any]:
    """The other's chief measure, the difference with its interval, and McNemar's test where answers are hits."""
    mine, theirs = this.outcomes.measures()[chief], other.outcomes.measures()[chief]
    beside = resampling.compared(mine, theirs, len(this.outcomes), seed)
    found: dict[str, Any] = {
        "other": resampling.measured(other.outcomes, chief, seed)._asdict(),
        "difference": beside.difference._asdict(),
        "not_better": beside.not_better,
    }
    if this.hits is not None and other.hits is not None:
        found["mcnemar"] = resampling.discordant(this.hits, other.hits)._asdict()
    return found


def _shown(wrong: Wrong, example: Any) -> dict[str, Any]:
    text = " | ".join(texts_of(example))
    return {
        "where": example.where,
        "text": text if len(text) <= SHOWN else text[: SHOWN - 4] + " ...",
        **{key: value for key, value in wrong._asdict().items() if key != "place"},
    }


def _notes(data: SplitData, answers: Sequence[Any], found: Mapping[str, Any]) -> list[str]:
    """What one should know before one trusts the numbers, as sentences."""
    said: list[str] = []
    if data.cut:
        said.append(f"{data.cut:,} of {len(data.examples):,} texts were cut: what stands behind is never read")
    if data.different(answers) == 1 and len(data.examples) > 1:
        said.append("it gives one answer for all examples")
    absent = [one["name"] for one in found.get("classes", []) if not one["support"]]
    if absent:
        said.append(f"no example is of {', '.join(absent[:10])}: the table says nothing of how they are told apart")
    few = sum(one["examples"] < FEW for parts in found["slices"].values() for one in parts)
    if few:
        said.append(f"slices of fewer than {FEW} examples say little ({few} here): look at their intervals")
    return said
