"""`maskwright fill`: guess the masked words of a text."""

import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from json import dumps
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

from maskwright.cli.results import AsJson, log, numbered
from maskwright.errors import BadInput

if TYPE_CHECKING:
    from maskwright.inference.encoder import Candidate

BAR = 30  # characters of the longest bar
LINES = 1024  # texts held at a time


def fill(
    model: Path,
    /,
    *texts: str,
    top: int = 5,
    language: str | None = None,
    truncate: bool = False,
    json: AsJson = False,
) -> None:
    """Guess the masked words of a text.

    Write [MASK] where a word is to be guessed (to a RoBERTa <mask>). Without a text, each line of
    standard input is one; memory does not grow with their number. With --json
    a list comes out, a text a line.

    Args:
        model: A model folder: one of ours, or a Hugging Face one.
        texts: Texts with [MASK] in them.
        top: Guesses for each mask.
        language: For an XLM, which language the texts are in.
        truncate: Cut texts that are longer than the model's positions.

    Examples:
        maskwright fill runs/my-bert/model "Paris is the [MASK] of France."
        maskwright fill runs/my-bert/model "她[MASK]了。" --top 10 --json
        maskwright fill runs/my-bert/model < sentences.txt
    """
    from maskwright.inference.loading import load

    parts = _parts(texts or _lines())
    part = next(parts, None)
    if part is None:
        raise BadInput('no text: give one, such as "Paris is the [MASK] of France.", or lines on standard input')
    encoder = load(model) if language is None else load(model).in_language(numbered(language))
    show, begin, end = (_as_json, "[\n", "\n]\n") if json else (_for_people, "", "")
    total = 0
    while part is not None:
        try:
            guesses = encoder.fill_many(part, top, truncate=truncate)
        except BadInput as error:
            where = f" (texts counted from line {total + 1} of the standard input)" if total else ""
            raise BadInput(f"{error}{where}") from error
        between = ",\n" if json else "\n"
        sys.stdout.write((between if total else begin) + between.join(map(show, part, guesses)))
        total += len(part)
        part = next(parts, None)
    sys.stdout.write(end)


def _parts(texts: Iterable[str]) -> Iterator[list[str]]:
    """LINES texts at a time."""
    left = iter(texts)
    while part := list(islice(left, LINES)):
        yield part


def _lines() -> Iterator[str]:
    """The lines of the standard input, plain or compressed."""
    from maskwright.text.inputs import InputFile, open_input
    from maskwright.text.lines import text_lines

    if sys.stdin.isatty():
        log("reading texts from standard input, one a line; Ctrl-D ends it")
    given = InputFile("-", None, named=True)
    return (line for _, line in text_lines(open_input(given), given.name))


def _as_json(text: str, masks: "list[list[Candidate]]") -> str:
    """A text and its guesses as JSON, which has no NaN."""
    shown = [[{**one._asdict(), "probability": _finite(one.probability)} for one in mask] for mask in masks]
    return dumps({"text": text, "masks": shown}, ensure_ascii=False)


def _finite(number: float) -> float | None:
    return number if isfinite(number) else None


def _for_people(text: str, masks: "list[list[Candidate]]") -> str:
    """A text, and below it the guesses for each of its masks with bars of their probability."""
    lines = [text]
    for number, mask in enumerate(masks, start=1):
        if len(masks) > 1:
            lines.append(f"  [MASK] {number}")
        width = max(len(candidate.token) for candidate in mask)
        for token, _, probability in mask:
            lines.append(f"  {probability:7.2%}  {token:<{width}}  {'▇' * round(BAR * probability)}".rstrip())
    return "\n".join([*lines, ""])
