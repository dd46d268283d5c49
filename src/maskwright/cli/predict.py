"""`maskwright predict`: what a fine-tuned model says of texts."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING

from maskwright.errors import BadInput

if TYPE_CHECKING:
    from maskwright.inference.encoder import Encoder

LINES = 1024  # texts held at a time


def predict(model: Path, /, *texts: str, truncate: bool = False) -> None:
    r"""Say what a fine-tuned model predicts for texts.

    A line of JSON for each text, in their order; a model that tags words takes them
    parted by spaces, and Chinese character by character; one that segments Chinese
    gives words. Without a text, each line of
    standard input is one, or a pair with a tab between; memory does not grow with
    their number. A model that answers questions takes a question and its context, one
    that chooses a text and its options, with tabs between.

    Args:
        model: A fine-tuned model's folder: one of ours, or a Hugging Face one.
        texts: The texts.
        truncate: Cut texts that are longer than the model's positions.

    Examples:
        maskwright predict runs/finetuned/model "A fine film."
        maskwright predict runs/finetuned/model < texts.txt > predictions.jsonl
        printf 'Who sat?\tThe cat sat.\n' | maskwright predict runs/squad/model
    """
    from maskwright.inference.encoder import Encoder
    from maskwright.inference.loading import load

    encoder = load(model)
    if not isinstance(encoder, Encoder):
        raise BadInput(f"{model} is {encoder.config.model_type}, which was not fine-tuned: it predicts nothing")
    lines: Iterator[str] = iter(texts) if texts else (line.rstrip("\r\n") for line in sys.stdin)
    while part := list(islice(lines, LINES)):
        if encoder.task is not None and encoder.task.part.asks == "tags":
            for words, tags in _tagged(encoder, part):
                sys.stdout.write(dumps({"words": words, "tags": tags}, ensure_ascii=False) + "\n")
            continue
        if encoder.task is not None and encoder.task.part.asks == "words":
            for text, words in zip(part, encoder.segment(part), strict=True):
                sys.stdout.write(dumps({"text": text, "words": words}, ensure_ascii=False) + "\n")
            continue
        if encoder.task is not None and encoder.task.part.asks in ("span", "option"):
            for told in (_answered if encoder.task.part.asks == "span" else _chosen)(encoder, part, truncate):
                sys.stdout.write(dumps(told, ensure_ascii=False) + "\n")
            continue
        for text, found in zip(part, encoder.predict(list(_pairs(part)), truncate=truncate), strict=True):
            told = {"text": text, "label": found.label, **({"shares": found.shares} if found.shares else {})}
            sys.stdout.write(dumps(told, ensure_ascii=False) + "\n")


def _tagged(encoder: "Encoder", lines: Sequence[str]) -> Iterator[tuple[list[str], list[str]]]:
    """Words and tags of each line, in order."""
    from maskwright.lab.senses import is_chinese

    chinese = [is_chinese(line) for line in lines]
    words = [
        [c for c in line if not c.isspace()] if joined else line.split()
        for line, joined in zip(lines, chinese, strict=True)
    ]
    tags: list[list[str]] = [[] for _ in lines]
    for joined in (False, True):
        which = [i for i, one in enumerate(chinese) if one == joined]
        for i, found in zip(which, encoder.tag([words[i] for i in which], joined=joined), strict=True):
            tags[i] = found
    yield from zip(words, tags, strict=True)


def _pairs(lines: Iterable[str]) -> Iterator[str | tuple[str, str]]:
    for line in lines:
        first, tab, second = line.partition("\t")
        yield (first, second) if tab else line


def _answered(encoder: "Encoder", lines: Sequence[str], truncate: bool) -> Iterator[dict[str, object]]:
    """The answer to each question; `start` counts characters of the context, and "" is that it holds none."""
    pairs: list[tuple[str, str]] = []
    for number, line in enumerate(lines, 1):
        question, tab, context = line.partition("\t")
        if not tab:
            raise BadInput(f"line {number} of {len(lines)} has no tab: write a question, a tab, and its context")
        pairs.append((question, context))
    for (question, context), (best, *_) in zip(pairs, encoder.answer_many(pairs), strict=True):
        place = {"answer": best.text, "start": best.start, "end": best.end, "probability": best.probability}
        yield {"question": question, "context": context, **place}


def _chosen(encoder: "Encoder", lines: Sequence[str], truncate: bool) -> Iterator[dict[str, object]]:
    """The option chosen of each line, its place from 0."""
    rows = [line.split("\t") for line in lines]
    for number, row in enumerate(rows, 1):
        if len(row) < 3:
            raise BadInput(
                f"line {number} of {len(rows)} has {len(row) - 1} tabs: write a text, and two options or more"
            )
    chosen = encoder.choose_many([(first, options) for first, *options in rows], truncate=truncate)
    for (first, *options), found in zip(rows, chosen, strict=True):
        yield {"first": first, "option": options[found.place], "place": found.place, "shares": found.shares}
