"""Predictions for any number of rows: some at a time are read, answered and handed on."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from maskwright.errors import BadInput
from maskwright.tasks.data import Scorer, SplitData
from maskwright.tasks.examples import Tagged
from maskwright.tasks.predicting.rows import Asked
from maskwright.tasks.predictions import Prediction

AT_ONCE = 1024
"""Rows in memory."""
PREDICTION, SHARES, WORDS = "prediction", "share_", "words"


def predicted(
    rows: Iterable[Asked],
    encoded: Callable[[Sequence[Any]], SplitData],
    network: Scorer,
    *,
    shares: bool = False,
    truncate: bool = False,
    nested: bool = False,
    most: int = AT_ONCE,
) -> Iterator[list[dict[str, Any]]]:
    """The rows with a column `prediction`, in their order, `most` at a time; of tagged words, the column `words` too.

    encoded    examples as the network reads them
    shares     add the probabilities of all classes: a column `share_NAME` each, or `nested` as one object `shares`
    truncate   cut texts that are too long, instead of refusing them
    Raises `BadInput` for a row that has such a column already.
    """
    left = iter(rows)
    while part := list(islice(left, most)):
        data = encoded([one.example for one in part])
        if data.cut and not truncate:
            raise BadInput(_longest(part, encoded))
        tags = data.part.asks == "tags"
        answers = zip(part, data.answers(network), strict=True)
        yield [_row(one, answer, shares, nested, tags=tags) for one, answer in answers]


def _row(asked: Asked, answer: Any, shares: bool, nested: bool, *, tags: bool) -> dict[str, Any]:
    row = dict(asked.fields)
    added: dict[str, Any] = {PREDICTION: answer.label if isinstance(answer, Prediction) else answer}
    if isinstance(asked.example, Tagged) and tags:
        added = {WORDS: list(asked.example.words)} | added
        if asked.column == WORDS:
            del row[WORDS]
    if shares and isinstance(answer, Prediction) and answer.shares:
        added |= {"shares": answer.shares} if nested else {SHARES + name: each for name, each in answer.shares.items()}
    if taken := [name for name in added if name in row]:
        raise BadInput(f"{asked.example.where} has a column {taken[0]!r} already: give it another name")
    return row | added


def _longest(part: Sequence[Asked], encoded: Callable[[Sequence[Any]], SplitData]) -> str:
    """What to say of the first row that is too long."""
    first = next(one for one in part if encoded([one.example]).cut)
    return (
        f"{first.example.where} has more tokens than the model has positions: shorten it, or let such texts be cut by "
        "--truncate"
    )
