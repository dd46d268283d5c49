"""A file that is one JSON value, packed or not: it has to be in memory whole."""

import json
from pathlib import Path
from typing import Any

from maskwright.errors import BadInput
from maskwright.tasks.reading.rows import input_file
from maskwright.text.opening import open_input

LARGEST = 1 << 30  # bytes; SQuAD's training file has 42 MB


def read_json(path: str | Path) -> Any:
    """The value. Raises `BadInput`, naming the line, for what is no JSON, and for more than `LARGEST` bytes."""
    file = input_file(path)
    content = bytearray()
    for piece in open_input(file):
        content += piece
        if len(content) > LARGEST:
            raise BadInput(f"{file.name} is one JSON value of more than {LARGEST >> 20} MiB: write an object a line")
    try:
        text = content.decode("utf-8-sig")
        content.clear()
        return json.loads(text)
    except UnicodeDecodeError as error:
        raise BadInput(f"{file.name} is not UTF-8: byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise BadInput(f"{file.name} line {error.lineno} is not JSON: {error.msg} at character {error.colno}") from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, brackets thousands deep
        raise BadInput(f"{file.name} cannot be read as JSON: {str(error).splitlines()[0]}") from None
