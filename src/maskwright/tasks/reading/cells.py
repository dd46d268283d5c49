"""What stands in one cell of a row: a text, a class, a number, several of these. Each refuses what it is not."""

import json
import math
from typing import Any, cast

from maskwright.errors import BadInput
from maskwright.tasks.reading.faults import Faults
from maskwright.tasks.reading.rows import Row


def text(row: Row, column: str) -> str:
    """The text of a cell, as it stands. Raises `BadInput` for one that is empty or no string.

    >>> text(Row({"text": "却说曹操败走。"}, "a.csv line 2"), "text")
    '却说曹操败走。'
    >>> text(Row({"text": " "}, "a.csv line 2"), "text")
    Traceback (most recent call last):
        ...
    maskwright.errors.BadInput: a.csv line 2 has nothing in its column 'text'
    """
    value = row.fields.get(column)
    if value is None or (isinstance(value, str) and not value.strip()):
        raise BadInput(f"{row.where} has nothing in its column {column!r}")
    if not isinstance(value, str):
        raise BadInput(f"{row.where} has {_shown(value)} in its column {column!r}, which is no text")
    return _whole(value, row.where)


def published(row: Row, column: str, faults: Faults) -> str:
    """The text of a cell of a published file, which is read whole: one that is empty is counted, and stays."""
    value = row.fields.get(column)
    if isinstance(value, str) and not value.strip():
        faults.quirks["texts that are empty"] += 1
        return value
    return text(row, column)


def name(row: Row, column: str) -> str:
    """The name of a class or an id: a text without white space around it, a whole number, true or false.

    >>> name(Row({"label": 1}, "a.jsonl line 2"), "label"), name(Row({"label": True}, "a.jsonl line 3"), "label")
    ('1', 'true')
    """
    return _name(row.fields.get(column), f"{row.where} has", f"in its column {column!r}")


def names(row: Row, column: str, separator: str) -> tuple[str, ...]:
    """The names of several classes, perhaps none: a list, or a text in which `separator` stands between them.

    >>> names(Row({"label": "sport| politics"}, "a.csv line 2"), "label", "|")
    ('sport', 'politics')
    """
    value = row.fields.get(column)
    if value is None or isinstance(value, str):
        items: list[Any] = [part for part in (value or "").split(separator) if part.strip()]
    elif isinstance(value, list):
        items = cast("list[Any]", value)
    else:
        items = [value]
    found = tuple(_name(item, f"{row.where} has", f"in its column {column!r}") for item in items)
    if len(set(found)) < len(found):
        raise BadInput(f"{row.where} names a class twice in its column {column!r}: {', '.join(found)}")
    return found


def number(row: Row, column: str) -> float:
    """A finite number.

    >>> number(Row({"score": "3.8"}, "a.csv line 2"), "score")
    3.8
    """
    value = row.fields.get(column)
    if value is None or value == "":
        raise BadInput(f"{row.where} has nothing in its column {column!r}")
    try:
        found = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        raise BadInput(f"{row.where} has {_shown(value)} in its column {column!r}, which is no number") from None
    if not math.isfinite(found):
        raise BadInput(f"{row.where} has {_shown(value)} in its column {column!r}, which is no finite number")
    return found


def whole_number(row: Row, column: str) -> int:
    """A whole number from 0."""
    found = number(row, column)
    if found < 0 or not found.is_integer():
        raise BadInput(f"{row.where} has {found:g} in its column {column!r}, which is no whole number from 0")
    return int(found)


def sequence(row: Row, column: str) -> tuple[str, ...]:
    """Words or tags: a list of texts, one written as JSON, or a text in which white space stands between them.

    >>> sequence(Row({"words": "Bob left"}, "a.csv line 2"), "words")
    ('Bob', 'left')
    >>> sequence(Row({"words": '["曹操", "败走"]'}, "a.csv line 2"), "words")
    ('曹操', '败走')
    """
    value = row.fields.get(column)
    if isinstance(value, str):
        try:
            value = json.loads(value) if value.startswith('["') and value.endswith('"]') else value.split()
        except (ValueError, RecursionError):
            value = value.split()
    if not value or not isinstance(value, list):
        raise BadInput(f"{row.where} has {_shown(value) if value else 'nothing'} in its column {column!r}, not a list")
    items = cast("list[Any]", value)
    for place, item in enumerate(items, 1):
        if not isinstance(item, str) or not item.strip():
            raise BadInput(f"{row.where} has {_shown(item)} in place {place} of its column {column!r}, not a text")
        _whole(item, row.where)
    return tuple(items)


def _name(value: Any, before: str, behind: str) -> str:
    if value is None or (isinstance(value, str) and not value.strip()):
        raise BadInput(f"{before} nothing {behind}")
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, (str, int)):
        raise BadInput(f"{before} {_shown(value)} {behind}: a name is a text or a whole number")
    return _whole(str(value).strip(), before.removesuffix(" has"))


def _whole(value: str, where: str) -> str:
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            code = ord(value[error.start])
            raise BadInput(f"{where} holds half of a surrogate pair (\\u{code:04x}), which is no character") from None
    return value


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else shown[:57] + "..."
