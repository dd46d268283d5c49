"""How a model that answers questions from a context reads, as its config.json says it.

The keys are the flags of BERT's run_squad.py. `transformers` keeps what it does not know, so a folder that it read and
wrote still has them.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from maskwright.errors import BadInput

LENGTH = 512
"""Tokens of a sequence where nobody says and the model has as many positions."""


class SpanSettings(NamedTuple):
    """How questions and contexts become sequences, and which answers are given.

    length      most tokens of a sequence
    question    most tokens of a question; what stands behind is not read
    stride      tokens from the beginning of one stretch of a long context to that of the next
    answer      most tokens of an answer that is given; longer ones are learned from all the same
    threshold   how much higher than the best answer "there is none" must score before none is given; None: the model
                knows only questions that have an answer, and always gives one
    """

    length: int = LENGTH
    question: int = 64
    stride: int = 128
    answer: int = 30
    threshold: float | None = None

    def settings(self) -> dict[str, Any]:
        """What config.json says of it."""
        found = {key: getattr(self, field) for field, key in KEYS.items()}
        return {key: value for key, value in found.items() if value is not None}


KEYS = {
    "length": "max_seq_length",
    "question": "max_query_length",
    "stride": "doc_stride",
    "answer": "max_answer_length",
    "threshold": "null_score_diff_threshold",
}
_SMALLEST = {"length": 8, "question": 1, "stride": 1, "answer": 1}


def span_settings(said: Mapping[str, object], where: Path) -> SpanSettings:
    """What a config.json says, run_squad.py's defaults where it says nothing. BadInput names a key that is wrong.

    >>> span_settings({"doc_stride": 64}, Path("config.json")).stride
    64
    """
    found: dict[str, Any] = {}
    for field, key in KEYS.items():
        value = said.get(key)
        if value is None:
            continue
        number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        if field == "threshold":
            if not number:
                raise BadInput(f"{where}: {key} is {json.dumps(value):.60}, not a number")
        elif not number or not isinstance(value, int) or value < _SMALLEST[field]:
            raise BadInput(f"{where}: {key} is {json.dumps(value):.60}, not a whole number from {_SMALLEST[field]} on")
        found[field] = value
    return SpanSettings(**found)
