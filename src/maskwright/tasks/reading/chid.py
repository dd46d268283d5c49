"""ChID, idioms to fill in (Zheng et al. 2019, arXiv:1906.01265), as CLUE has it.

A line is {"candidates": [ten idioms], "content": [texts with #idiom000123# in them]}, and each blank is a choice. The
answers are in a file beside it, `train_answer.json` of `train.json`: {"#idiom000123#": 3}. Test files have none.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from maskwright.errors import BadInput
from maskwright.tasks.examples import Choice
from maskwright.tasks.reading import cells
from maskwright.tasks.reading.faults import Faults, kept
from maskwright.tasks.reading.json_file import read_json
from maskwright.tasks.reading.rows import Row, json_rows
from maskwright.tasks.reading.tables import checked_choice

BLANK = "____"
"""What stands in a text for the idiom that is asked for."""

OTHER = "……"
"""What stands for another that is missing there too."""

_BLANK = re.compile(r"#idiom\d+#")


def chid(path: str | Path, faults: Faults) -> Iterator[Choice]:
    """A choice for each blank, whose id is the blank's name.

    >>> filled_but("一#idiom000001#，二#idiom000002#。", "#idiom000002#")
    '一……，二____。'
    """
    path = Path(path)
    answers = _answers(path)

    def make(blank: tuple[Row, str, str]) -> Choice:
        row, text, name = blank
        if row.fault is not None:
            raise row.fault
        options = tuple((idiom,) for idiom in cells.sequence(row, "candidates"))
        label = None if answers is None else answers.get(name)
        where = f"{row.where} {name}"
        if answers is not None and (not isinstance(label, int) or isinstance(label, bool)):
            raise BadInput(f"{where} has no answer in {_beside(path)}")
        return checked_choice(Choice(filled_but(text, name), options, label, where, name))

    return kept(_blanks(path), make, faults)


def filled_but(text: str, name: str) -> str:
    """The text with the blank called `name` shown as one, and any other as what is missing."""
    return _BLANK.sub(lambda found: BLANK if found.group() == name else OTHER, text)


def _blanks(path: Path) -> Iterator[tuple[Row, str, str]]:
    for row in json_rows(path, ["candidates", "content"]):
        texts: Any = row.fields.get("content")
        if row.fault is None and not (isinstance(texts, list) and all(isinstance(text, str) for text in texts)):
            row = row._replace(fault=BadInput(f"{row.where} has a `content` that is no list of texts"))
        if row.fault is not None:
            yield row, "", ""
            continue
        for text in cast("list[str]", texts):
            for name in _BLANK.findall(text):
                yield row, text, name


def _beside(path: Path) -> Path:
    stem, ending = path.name.split(".", 1)
    return path.with_name(f"{stem}_answer.{ending}")


def _answers(path: Path) -> dict[str, Any] | None:
    beside = _beside(path)
    if not beside.exists():
        return None
    value = read_json(beside)
    if not isinstance(value, dict):
        raise BadInput(f"{beside} is no object of answers by the names of blanks")
    return cast("dict[str, Any]", value)
