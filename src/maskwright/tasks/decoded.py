"""One example as a model gets it: its text, its tokens, what is right of it."""

from collections.abc import Iterator

import numpy as np

from maskwright.tasks.data import SplitData
from maskwright.tasks.examples import Choice, Example, Labelled, Near, Question, Tagged, texts_of
from maskwright.tokenizers.tokenizer import Tokenizer

LONGEST_SHOWN = 300
"""Characters of a text, and tokens of a sequence, that are shown."""


def decoded(data: SplitData, tokenizer: Tokenizer) -> dict[str, str]:
    """The first example of a split: "text", "tokens", "label", for people.

    Where tokens have labels of their own each stands behind its token: 晴/B 天/E.
    """
    example = data.examples[0]
    batch = data.sequences.batch(np.zeros(1, np.int64))
    pieces = [_name(token, place, tokenizer) for place, token in enumerate(batch.token_ids.tolist())]
    if batch.predict_rows is not None and batch.labels is not None and batch.labels.ndim == 1:
        names = data.part.labels
        for row, label in zip(batch.predict_rows.tolist(), batch.labels.tolist(), strict=True):
            pieces[row] += f"/{names[label]}"
    text = " | ".join(texts_of(example))
    return {"text": _cut(text), "tokens": _cut(" ".join(pieces)), "label": _cut(label_of(example))}


def _name(token: int, place: int, tokenizer: Tokenizer) -> str:
    """A token's name; an ELMo's marks of where sentences begin and end are in no vocabulary."""
    if token < tokenizer.vocab_size:
        return tokenizer.id_to_token(token)
    return "</S>" if place else "<S>"


def lines(shown: dict[str, str]) -> Iterator[str]:
    """The same as lines of a log."""
    yield "the first example, as the model gets it:"
    yield from (f"  {name:<7}{value}" for name, value in shown.items())


def label_of(example: Example) -> str:
    """What is right of an example, for people.

    >>> label_of(Tagged(("晴", "天"), ("B", "E"), "a.txt line 1"))
    'B E'
    """
    match example:
        case Labelled(label=tuple(labels)) | Tagged(tags=tuple(labels)):
            return " ".join(labels)
        case Labelled(label=label):
            return str(label)
        case Tagged():
            return ""
        case Question():
            return " | ".join(answer.text for answer in example.answers) or "(no answer)"
        case Choice():
            return "" if example.label is None else f"option {example.label + 1} of {len(example.options)}"
        case Near():
            return "both belong together" if example.score is None else f"{example.score:g}"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + " ..."
