"""What every finished model is asked about: a text, or a pair of texts."""

from collections.abc import Sequence
from typing import cast

from maskwright.errors import BadInput

Text = str | tuple[str, str]


def checked_texts(texts: Sequence[Text]) -> list[Text]:
    """The texts as they are; BadInput for what is neither a text nor a pair of texts."""
    for number, text in enumerate(texts):
        given: object = text  # what a caller without types may have passed
        parts = cast("Sequence[object]", given) if isinstance(given, (tuple, list)) else [given, given]
        if len(parts) != 2 or not all(isinstance(part, str) for part in parts):
            raise BadInput(f"text {number} is {text!r:.80}: a text or a pair of texts was expected")
    return list(texts)
