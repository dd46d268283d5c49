"""Tables of one's own: a reader for each shape of example, which is told in what columns to look.

A column for the answer that is None is one that the file does not have, as in a file to predict for.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, cast

from maskwright.errors import BadInput
from maskwright.tasks.examples import Answer, Choice, Labelled, Near, Question, Tagged
from maskwright.tasks.reading import cells
from maskwright.tasks.reading.answers import checked_answers
from maskwright.tasks.reading.faults import Faults, kept, told_apart
from maskwright.tasks.reading.rows import Row, read_rows
from maskwright.tasks.schemes import Scheme, refuse_illegal

Kind = Literal["class", "classes", "number"]


def labelled(
    path: str | Path,
    faults: Faults,
    *,
    text: str = "text",
    pair: str | None = None,
    label: str | None = "label",
    id: str | None = None,
    kind: Kind = "class",
    separator: str = "|",
) -> Iterator[Labelled]:
    """Texts with a class, with several ("classes", parted by `separator` where they are no list), or with a number."""

    def make(row: Row) -> Labelled:
        other = None if pair is None else cells.text(row, pair)
        found: str | float | tuple[str, ...] | None = None
        if label is not None and kind == "class":
            found = cells.name(row, label)
        elif label is not None and kind == "classes":
            found = cells.names(row, label, separator)
        elif label is not None:
            found = cells.number(row, label)
        return Labelled(cells.text(row, text), other, found, row.where, _id(row, id))

    return told_apart(kept(_rows(path, [text, pair, label, id], faults), make, faults), faults)


def tagged(
    path: str | Path,
    faults: Faults,
    *,
    words: str = "words",
    tags: str | None = "tags",
    id: str | None = None,
    scheme: Scheme | None = None,
    joined: bool = False,
) -> Iterator[Tagged]:
    """Lists of words with a tag each. A `scheme` is held to: a tag that it does not allow is a bad row."""

    def make(row: Row) -> Tagged:
        found = cells.sequence(row, words)
        its = None if tags is None else cells.sequence(row, tags)
        refuse_uneven(found, its, row.where)
        if its is not None and scheme is not None:
            refuse_illegal(its, scheme, row.where)
        return Tagged(found, its, row.where, _id(row, id), joined)

    return told_apart(kept(_rows(path, [words, tags, id], faults), make, faults), faults)


def questions(
    path: str | Path,
    faults: Faults,
    *,
    question: str = "question",
    context: str = "context",
    answer: str | None = "answer",
    start: str | None = None,
    id: str | None = None,
) -> Iterator[Question]:
    """Questions with their context and answers.

    answer  a text, or in jsonl and parquet several: a list of texts, of {"text", "answer_start"}, or as `datasets` of
            Hugging Face has them, {"text": [...], "answer_start": [...]}. Nothing: there is no answer in the context
    start   the column that says where an answer of one text begins; without it, the context may hold it only once
    """

    def make(row: Row) -> Question:
        passage = cells.text(row, context)
        given = () if answer is None else _answers(row, answer, start)
        found = checked_answers(given, passage, row.where)
        return Question(
            cells.text(row, question), passage, found, answer is not None and not found, row.where, _id(row, id)
        )

    return told_apart(kept(_rows(path, [question, context, answer, start, id], faults), make, faults), faults)


def choices(
    path: str | Path,
    faults: Faults,
    *,
    first: str = "first",
    options: Sequence[str] = ("options",),
    label: str | None = "label",
    id: str | None = None,
) -> Iterator[Choice]:
    """Texts with what may follow them: in one column that holds a list, or in several columns, one for each.

    The label is the place of the right one, from 0.
    """

    def make(row: Row) -> Choice:
        found = cells.sequence(row, options[0]) if len(options) == 1 else [cells.text(row, one) for one in options]
        right = None if label is None else cells.whole_number(row, label)
        return checked_choice(
            Choice(cells.text(row, first), tuple((one,) for one in found), right, row.where)
        )._replace(id=_id(row, id))

    return told_apart(kept(_rows(path, [first, *options, label, id], faults), make, faults), faults)


def near(
    path: str | Path,
    faults: Faults,
    *,
    first: str = "first",
    second: str = "second",
    score: str | None = None,
    id: str | None = None,
) -> Iterator[Near]:
    """Pairs of texts, with a number that says how near they are, if there is one."""

    def make(row: Row) -> Near:
        found = None if score is None else cells.number(row, score)
        return Near(cells.text(row, first), cells.text(row, second), found, row.where, _id(row, id))

    return told_apart(kept(_rows(path, [first, second, score, id], faults), make, faults), faults)


def refuse_uneven(words: Sequence[str], tags: Sequence[str] | None, where: str) -> None:
    """Raises `BadInput` unless every word has a tag."""
    if tags is not None and len(tags) != len(words):
        raise BadInput(f"{where} has {len(words)} words and {len(tags)} tags: each word has one")


def checked_choice(choice: Choice) -> Choice:
    """The choice. Raises `BadInput` for fewer than two options and for a label that is the place of none."""
    count = len(choice.options)
    if count < 2:
        raise BadInput(f"{choice.where} has {count} options: a choice is between two or more")
    if choice.label is not None and not 0 <= choice.label < count:
        raise BadInput(f"{choice.where} has the label {choice.label}, and {count} options: labels are 0 to {count - 1}")
    return choice


def _rows(path: str | Path, columns: Sequence[str | None], faults: Faults) -> Iterator[Row]:
    """The rows that are some; the others are faults."""
    read = list(dict.fromkeys(column for column in columns if column is not None))
    for row in read_rows(path, read):
        if row.fault is None:
            faults.unread.update(row.fields.keys() - read)
            yield row
        else:
            faults.found(row.fault)


def _id(row: Row, column: str | None) -> str | None:
    return None if column is None else cells.name(row, column)


def _answers(row: Row, column: str, start: str | None) -> tuple[Answer, ...]:
    value = row.fields.get(column)
    if value is None or value == "":
        return ()
    if isinstance(value, str):
        return (Answer(value, None if start is None else cells.whole_number(row, start)),)
    items: list[Any] = []
    if isinstance(value, list):
        items = cast("list[Any]", value)
    elif isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        starts = fields.get("answer_start", [])
        if isinstance(fields.get("text"), list) and isinstance(starts, list) and len(fields["text"]) == len(starts):
            items = [{"text": text, "answer_start": begin} for text, begin in zip(fields["text"], starts, strict=True)]
        else:
            raise BadInput(f"{row.where} has no lists `text` and `answer_start` of one length in its column {column!r}")
    else:
        raise BadInput(f"{row.where} has {value!r} in its column {column!r}, which is no answer")
    return tuple(_answer(item, row, column) for item in items)


def _answer(item: Any, row: Row, column: str) -> Answer:
    if isinstance(item, str):
        return Answer(item, None)
    fields = cast("dict[str, Any]", item) if isinstance(item, dict) else {}
    text, start = fields.get("text"), fields.get("answer_start")
    if not isinstance(text, str) or not (start is None or (isinstance(start, int) and not isinstance(start, bool))):
        raise BadInput(f"{row.where} has an answer in its column {column!r} that is no text with an answer_start")
    return Answer(text, start)
