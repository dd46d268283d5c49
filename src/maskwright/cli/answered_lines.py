"""Lines with tabs as questions about a context, or as options to choose from: what a model says of them."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

from maskwright.errors import BadInput

if TYPE_CHECKING:
    from maskwright.inference.encoder import Encoder

LINES = 256
"""Held at a time."""


def answered(encoder: "Encoder", lines: Iterable[tuple[str, str]], *, truncate: bool) -> Iterator[dict[str, object]]:
    """What a model of questions or of choices says of each line, given beside where it stands."""
    assert encoder.task is not None
    say = _answers if encoder.task.part.asks == "span" else _choices
    rest = iter(lines)
    while part := list(islice(rest, LINES)):
        yield from say(encoder, part, truncate)


def _answers(encoder: "Encoder", lines: list[tuple[str, str]], truncate: bool) -> Iterator[dict[str, object]]:
    """The answer to each question; `start` counts characters of the context, and "" is that it holds none."""
    del truncate  # a long context is read in several stretches
    pairs: list[tuple[str, str]] = []
    for where, line in lines:
        question, tab, context = line.partition("\t")
        if not tab:
            raise BadInput(f"{where} has no tab: write a question, a tab, and its context")
        pairs.append((question, context))
    for (question, context), (best, *_) in zip(pairs, encoder.answer_many(pairs), strict=True):
        place = {"answer": best.text, "start": best.start, "end": best.end, "probability": best.probability}
        yield {"question": question, "context": context, **place}


def _choices(encoder: "Encoder", lines: list[tuple[str, str]], truncate: bool) -> Iterator[dict[str, object]]:
    """The option chosen of each line, its place from 0."""
    rows = [(where, line.split("\t")) for where, line in lines]
    for where, row in rows:
        if len(row) < 3:
            raise BadInput(f"{where} has {len(row) - 1} tabs: write a text, and two options or more")
    chosen = encoder.choose_many([(first, options) for _, (first, *options) in rows], truncate=truncate)
    for (_, (first, *options)), found in zip(rows, chosen, strict=True):
        yield {"first": first, "option": options[found.place], "place": found.place, "shares": found.shares}
