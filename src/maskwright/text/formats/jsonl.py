"""A JSON object a line, with the document's text in one of its fields."""

import json
from typing import Any, cast

from maskwright.errors import BadInput


def text_of_row(line: str, column: str, where: str) -> str:
    """The text of a row, "" where it is null. Raises `BadInput`, naming the place, for what is no such row.

    >>> text_of_row('{"id": 7, "text": "却说曹操败走。"}', "text", "a.jsonl line 1")
    '却说曹操败走。'
    """
    return text_of_field(fields_of_row(line, column, where), column, where)


def fields_of_row(line: str, column: str, where: str) -> dict[str, Any]:
    """The fields of a row. Raises `BadInput`, naming the place, for what is no object; `column` is one it should have.

    >>> fields_of_row('{"en": "It rained.", "zh": "下雨了。"}', "en", "a.jsonl line 1")
    {'en': 'It rained.', 'zh': '下雨了。'}
    """
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise BadInput(f"{where} is not JSON: {error.msg} at character {error.colno}") from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, brackets thousands deep
        raise BadInput(f"{where} cannot be read as JSON: {str(error).splitlines()[0]}") from None
    if not isinstance(row, dict):
        raise BadInput(f'{where} is not a JSON object: each line should be {{"{column}": "..."}}')
    return cast(dict[str, Any], row)


def text_of_field(fields: dict[str, Any], column: str, where: str) -> str:
    """The text in one field of a row, "" where it is null. Raises `BadInput` where there is none."""
    text = fields.get(column, ...)
    if text is None:
        return ""
    if not isinstance(text, str):
        held = ", ".join(list(fields)[:5]) or "nothing"
        missing = f'has no "{column}"' if text is ... else f'has a "{column}" that is not a string'
        raise BadInput(f'{where} {missing} (it has {held}): each line should be {{"{column}": "..."}}')
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            code = ord(text[error.start])
            raise BadInput(f"{where} holds half of a surrogate pair (\\u{code:04x}), which is no character") from None
    return text
