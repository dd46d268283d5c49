"""Entities: precision, recall and F1 of spans with their types, as conlleval has them (Tjong Kim Sang and Buchholz
2000), and seqeval after it.

A span is right when its first word, its last word and its type are. Predicted tags need not be legal, so spans are
read leniently (`lenient_spans`). Tags that mark no spans, such as parts of speech, are spans of one word each, as
conlleval has it with `-r`: F1 is then the share of tags that are right.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain

from maskwright.errors import BadInput
from maskwright.tasks.metrics.classes import refuse_unequal
from maskwright.tasks.schemes import Span, lenient_spans, mark_spans


def scores(gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> Mapping[str, float]:
    """precision, recall, f1 over all spans (0 where there is nothing to divide by), and accuracy, of tags.

    gold, predicted  the tags of each sentence
    Raises `BadInput` for sentences of different lengths and where there is none.

    >>> scores([["B-PER", "I-PER", "O", "B-LOC"]], [["B-PER", "I-PER", "O", "B-ORG"]])
    {'precision': 0.5, 'recall': 0.5, 'f1': 0.5, 'accuracy': 0.75}
    """
    right, found, there = (sum(counts.values()) for counts in _counts(gold, predicted))
    tags = [(a, b) for one, other in zip(gold, predicted, strict=True) for a, b in zip(one, other, strict=True)]
    return {**ratios(right, found, there), "accuracy": sum(a == b for a, b in tags) / max(len(tags), 1)}


def by_type(gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> dict[str, Mapping[str, float]]:
    """precision, recall and f1 of each type, and support, how many there are; sorted by type."""
    right, found, there = _counts(gold, predicted)
    return {
        kind: {**ratios(right[kind], found[kind], there[kind]), "support": float(there[kind])}
        for kind in sorted(found | there)
    }


def things(tags: Sequence[str], *, marks: bool) -> list[Span]:
    """What tags stand for: the spans that they mark, or each word.

    >>> things(["NOUN", "VERB"], marks=False)
    [Span(begin=0, end=1, type='NOUN'), Span(begin=1, end=2, type='VERB')]
    """
    return lenient_spans(tags) if marks else [Span(at, at + 1, tag) for at, tag in enumerate(tags)]


def ratios(right: int, found: int, there: int) -> dict[str, float]:
    """precision, recall and f1 of `right` ones among those `found` and those `there`."""
    return {
        "precision": right / found if found else 0.0,
        "recall": right / there if there else 0.0,
        "f1": 2 * right / (found + there) if found + there else 0.0,
    }


def _counts(
    gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]
) -> tuple[Counter[str], Counter[str], Counter[str]]:
    """How many spans of each type are right, found, there."""
    refuse_unequal(len(gold), len(predicted))
    right, found, there = Counter[str](), Counter[str](), Counter[str]()
    marks = mark_spans(chain(*gold, *predicted))
    for number, (one, other) in enumerate(zip(gold, predicted, strict=True), 1):
        if len(one) != len(other):
            raise BadInput(f"sentence {number} has {len(one)} words and {len(other)} predicted tags: each word has one")
        its, said = set(things(one, marks=marks)), set(things(other, marks=marks))
        there.update(span.type for span in its)
        found.update(span.type for span in said)
        right.update(span.type for span in its & said)
    return right, found, there
