"""Predictions for any number of rows: some at a time are read, answered and handed on."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from maskwright.checkpoints.task_part import TaskPart
from maskwright.errors import BadInput
from maskwright.tasks.data import Scorer, SplitData
from maskwright.tasks.predicting.examples import Asked
from maskwright.tasks.reading.cells import sequence
from maskwright.tasks.reading.rows import Row

AT_ONCE = 1024
"""Rows in memory."""
PREDICTION, SHARE, WORDS = "prediction", "share_", "words"


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
        if data.cut and not truncate and data.part.asks != "span":  # a question's end was not read in training either
            raise BadInput(_longest(part, encoded))
        answers = zip(part, data.answers(network), strict=True)
        yield [_row(one, told(answer, one.example, data.part, shares, nested)) for one, answer in answers]


def told(answer: Any, example: Any, part: TaskPart, shares: bool, nested: bool) -> dict[str, Any]:
    """An answer as columns: what is said, where it stands, and with `shares` how likely that is."""
    match part.asks:
        case "tags":
            return {WORDS: list(example.words), PREDICTION: answer}
        case "words":
            return {PREDICTION: answer}
        case "span":
            best = answer.answers[0]
            place = {PREDICTION: best.text, f"{PREDICTION}_start": best.start, f"{PREDICTION}_end": best.end}
            return place | ({"share": best.probability} if shares else {})
        case "option":
            return {PREDICTION: answer.place} | ({"shares": list(answer.shares)} if shares else {})
        case _:
            if not shares or not answer.shares:
                return {PREDICTION: answer.label}
            if nested:
                return {PREDICTION: answer.label, "shares": answer.shares}
            return {PREDICTION: answer.label, **{SHARE + name: each for name, each in answer.shares.items()}}


def as_line(row: dict[str, Any], part: TaskPart) -> dict[str, Any]:
    """A row of a line, with shares and `nested`, as `maskwright predict` tells it on standard output."""
    said = row.pop(PREDICTION)
    match part.asks:
        case "tags":
            return row | {"tags": said}
        case "words":
            return row | {"words": said}
        case "span":
            start, end = row.pop(f"{PREDICTION}_start"), row.pop(f"{PREDICTION}_end")
            return row | {"answer": said, "start": start, "end": end, "probability": row.pop("share")}
        case "option":
            options, shares = row.pop("options"), row.pop("shares")
            return row | {"option": options[said], "place": said, "shares": shares}
        case _:
            pair, shares = row.pop("pair", None), row.pop("shares", None)
            text = row["text"] if pair is None else f"{row['text']}\t{pair}"
            return {"text": text, "label": said, **({"shares": shares} if shares else {})}


def _row(asked: Asked, added: dict[str, Any]) -> dict[str, Any]:
    """The row and what is added. The words that were tagged stand in its column `words`, if they stood there before."""
    taken = [name for name in added if name in asked.fields]
    if WORDS in taken and _same(asked.fields[WORDS], added[WORDS]):
        taken.remove(WORDS)
    if taken:
        raise BadInput(f"{asked.example.where} has a column {taken[0]!r} already: give it another name")
    return asked.fields | added


def _same(cell: Any, words: Sequence[str]) -> bool:
    """Whether a cell holds these words, in whatever form: a list, as JSON, with spaces between, or without."""
    if cell == words:
        return True
    try:
        return "".join(sequence(Row({WORDS: cell}, ""), WORDS)) == "".join(words)
    except BadInput:
        return False


def _longest(part: Sequence[Asked], encoded: Callable[[Sequence[Any]], SplitData]) -> str:
    """What to say of the first row that is too long."""
    first = next(one for one in part if encoded([one.example]).cut)
    return (
        f"{first.example.where} has more tokens than the model has positions: shorten it, or let such texts be cut by "
        "--truncate"
    )
