"""Segmentation: precision, recall and F1 of words, as SIGHAN's bakeoffs count them (Emerson 2005).

A word is right where it begins and ends as in the truth. SIGHAN's script finds what is right by `diff` over the two
lists of words, which may take a word for the same one at another place: its numbers are never below these.
"""

from collections.abc import Collection, Mapping, Sequence
from itertools import accumulate, pairwise

from maskwright.errors import BadInput
from maskwright.tasks.metrics.classes import refuse_unequal
from maskwright.tasks.metrics.entities import ratios


def scores(
    gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]], known: Collection[str] | None = None
) -> Mapping[str, float]:
    """precision, recall, f1; and oov_recall, iv_recall of the words that are not in `known`, and are, where given.

    gold, predicted  the words of each sentence
    known            the words of the training file, a set
    Raises `BadInput` where the two have not the same characters.

    >>> found = scores([["却说", "曹操", "败", "走"]], [["却说", "曹操", "败走"]], {"却说", "败"})
    >>> {name: round(value, 3) for name, value in found.items()}
    {'precision': 0.667, 'recall': 0.5, 'f1': 0.571, 'oov_recall': 0.5, 'iv_recall': 0.5}
    """
    refuse_unequal(len(gold), len(predicted))
    right = found = there = 0
    reached, missed = [0, 0], [0, 0]  # of words not known, and known
    for number, (words, said) in enumerate(zip(gold, predicted, strict=True), 1):
        if "".join(words) != "".join(said):
            raise BadInput(
                f"sentence {number} and its segmentation have not the same characters: only words may differ"
            )
        places, its = _places(said), _places(words)
        right += len(places & its)
        found += len(said)
        there += len(words)
        if known is not None:
            for word, place in zip(words, sorted(its), strict=True):
                (reached if place in places else missed)[word in known] += 1
    result = ratios(right, found, there)
    if known is not None:
        for name, at in (("oov_recall", 0), ("iv_recall", 1)):
            if reached[at] + missed[at]:
                result[name] = reached[at] / (reached[at] + missed[at])
    return result


def _places(words: Sequence[str]) -> set[tuple[int, int]]:
    """Where each word begins and ends, in characters.

    >>> sorted(_places(["却说", "曹操", "败"]))
    [(0, 2), (2, 4), (4, 5)]
    """
    return set(pairwise(accumulate(map(len, words), initial=0)))
