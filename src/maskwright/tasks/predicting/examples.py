"""What a model reads of a line or of a row of a table, by what it is asked: the example to answer.

A line is a text, or with a tab in it a pair; a question, a tab, and its context; what options follow, and these, with
tabs between. Words to tag are parted by spaces, and a line of Chinese is read character by character; in a table,
Chinese is when it has no spaces.
"""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from maskwright.checkpoints.task_part import OF_TOKENS, TaskPart
from maskwright.errors import BadInput
from maskwright.tasks.answering import shape_of
from maskwright.tasks.examples import Choice, Example, Labelled, Question, Tagged
from maskwright.tasks.reading import cells
from maskwright.tasks.reading.rows import Row
from maskwright.tasks.reading.tables import checked_choice
from maskwright.text.characters import IDEOGRAPH_CLASS

_CHINESE = re.compile(f"[{IDEOGRAPH_CLASS}]")
BETWEEN = ","
"""Parts the columns of options, where each has its own."""


class Asked(NamedTuple):
    """A row, and the example that it is.

    fields   by column, what stands there
    """

    fields: dict[str, Any]
    example: Any


def of_line(line: str, where: str, part: TaskPart) -> Asked:
    r"""A line as a row. BadInput for one that has too few tabs.

    >>> of_line("谁败走？\t却说曹操败走。", "a.txt line 1", TaskPart("span", ())).fields
    {'question': '谁败走？', 'context': '却说曹操败走。'}
    """
    first, tab, second = line.partition("\t")
    match part.asks:
        case "words":
            return Asked({"text": line}, of_characters(line, where))
        case "tags":
            example = of_characters(line, where) if _CHINESE.search(line) else Tagged(tuple(line.split()), None, where)
            return Asked({"words": list(example.words)}, example)
        case "span":
            if not tab:
                raise BadInput(f"{where} has no tab: write a question, a tab, and its context")
            return Asked({"question": first, "context": second}, Question(first, second, (), False, where))
        case "option":
            options = tuple(second.split("\t")) if tab else ()
            if len(options) < 2:
                raise BadInput(f"{where} has {line.count(chr(9))} tabs: write a text, and two options or more")
            return Asked(
                {"first": first, "options": list(options)}, Choice(first, tuple((one,) for one in options), None, where)
            )
        case _:
            fields = {"text": first, "pair": second} if tab else {"text": first}
            return Asked(fields, Labelled(first, second if tab else None, None, where))


def of_row(
    part: TaskPart, text: str | None = None, pair: str | None = None
) -> tuple[Callable[[Row], Example], list[str]]:
    """What makes an example of a row, and the columns that it needs.

    text, pair   what these are called; None: as the shape calls them. BadInput for a pair where there is none
    """
    columns = shape_of(part).COLUMNS
    first, second = text or columns.text, pair or columns.pair
    if part.asks in OF_TOKENS and pair:
        raise BadInput("--pair goes with texts: words are tagged in one sentence")
    match part.asks:
        case "words":
            return lambda row: _characters(row, first), [first]
        case "tags":
            return lambda row: _words(row, first), [first]
        case "span":
            context = second or "context"
            return lambda row: _question(row, first, context), [first, context]
        case "option":
            options = (second or "options").split(BETWEEN)
            return lambda row: _choice(row, first, options), [first, *options]
        case _:
            return lambda row: _text(row, first, pair), [first, *([pair] if pair else [])]


def of_characters(line: str, where: str) -> Tagged:
    """A line whose words are its characters, without white space.

    >>> of_characters("却说 曹操", "a.txt line 1").words
    ('却', '说', '曹', '操')
    """
    return Tagged(tuple(character for character in line if not character.isspace()), None, where, joined=True)


def _text(row: Row, column: str, pair: str | None) -> Labelled:
    return Labelled(cells.text(row, column), None if pair is None else cells.text(row, pair), None, row.where)


def _characters(row: Row, column: str) -> Tagged:
    whole = isinstance(row.fields.get(column), str)
    return of_characters(cells.text(row, column) if whole else "".join(cells.sequence(row, column)), row.where)


def _words(row: Row, column: str) -> Tagged:
    value = row.fields.get(column)
    if isinstance(value, str) and _CHINESE.search(value) and len(value.split()) == 1 and not value.startswith('["'):
        return of_characters(cells.text(row, column), row.where)
    return Tagged(cells.sequence(row, column), None, row.where)


def _question(row: Row, column: str, context: str) -> Question:
    return Question(cells.text(row, column), cells.text(row, context), (), False, row.where)


def _choice(row: Row, first: str, columns: list[str]) -> Choice:
    found = cells.sequence(row, columns[0]) if len(columns) == 1 else [cells.text(row, one) for one in columns]
    return checked_choice(Choice(cells.text(row, first), tuple((one,) for one in found), None, row.where))
