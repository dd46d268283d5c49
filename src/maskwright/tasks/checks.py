"""What a person should be told of a labelled data set before anything is trained, as data.

The same example in training and in development makes a measured number too good, and a single class makes it mean
nothing. Nothing is refused here, and nothing printed.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from maskwright.tasks.examples import Example, Labelled, Tagged, texts_of
from maskwright.text.cleaning.duplicates import digest
from maskwright.text.cleaning.minhash import EMPTY, MinHash, Signature
from maskwright.text.cleaning.near_duplicates import BANDS, ROWS

NEAR = 0.8
"""From this share of equal places in their signatures on, two examples are near duplicates."""

_NGRAM = 2  # words, or Chinese characters: examples are short, and one word changed in twenty should not hide them
_BETWEEN = "\n"


class Leak(NamedTuple):
    """An example that is in training too.

    where, there  where it stands, and where the one in training does
    near          it is not word for word the same
    agrees        both have the same label
    """

    where: str
    there: str
    near: bool
    agrees: bool


class Unseen(NamedTuple):
    """A label that training does not have: how often it is there, and where first."""

    label: str
    times: int
    where: str


class Composition(NamedTuple):
    """What a split is made of.

    examples    how many there are
    duplicates  those that are there once more, earlier: of exactly the same texts
    conflicting those of them whose label is another one
    labels      how often each class or tag is there, the most frequent first; without those of regression
    """

    examples: int
    duplicates: int
    conflicting: int
    labels: dict[str, int]

    @property
    def duplicate_share(self) -> float:
        """Of all examples, from 0 to 1."""
        return self.duplicates / self.examples if self.examples else 0.0

    @property
    def single_class(self) -> str | None:
        """The only class there is, where there is one only."""
        return next(iter(self.labels)) if len(self.labels) == 1 else None


def composition(examples: Iterable[Example]) -> Composition:
    """What a split is made of, in memory of some bytes for each example.

    >>> reviews = [Labelled("很好。", None, "1", "a.tsv line 1"), Labelled("很好。", None, "0", "a.tsv line 2")]
    >>> composition(reviews)
    Composition(examples=2, duplicates=1, conflicting=1, labels={'1': 1, '0': 1})
    """
    first: dict[bytes, object] = {}
    number = duplicates = conflicting = 0
    labels = Counter[str]()
    for example in examples:
        number += 1
        key, answer = _digest(example), answer_of(example)
        if key in first:
            duplicates += 1
            conflicting += first[key] != answer
        else:
            first[key] = answer
        labels.update(_labels(example))
    return Composition(number, duplicates, conflicting, dict(labels.most_common()))


def unseen_labels(training: Iterable[Example], others: Iterable[Example]) -> list[Unseen]:
    """The classes and tags of another split that training does not have, by their names."""
    known = {label for example in training for label in _labels(example)}
    counts = Counter[str]()
    first: dict[str, str] = {}
    for example in others:
        for label in _labels(example):
            if label not in known:
                counts[label] += 1
                first.setdefault(label, example.where)
    return [Unseen(label, counts[label], first[label]) for label in sorted(counts)]


def leaks(training: Sequence[Example], others: Sequence[Example], *, near: bool = True) -> list[Leak]:
    """The examples of another split that training has too, in their order, each with one that it is like.

    near    look for near duplicates as well, by MinHash: about a second for some thousand sentences
    """
    exact: dict[bytes, Example] = {}
    for example in training:
        exact.setdefault(_digest(example), example)
    found: dict[int, Leak] = {}
    for at, example in enumerate(others):
        if (same := exact.get(_digest(example))) is not None:
            found[at] = _leak(example, same, near=False)
    if near and (left := [at for at in range(len(others)) if at not in found]):
        for place, there in _near(training, [others[at] for at in left]):
            found[left[place]] = _leak(others[left[place]], training[there], near=True)
    return [found[at] for at in sorted(found)]


def answer_of(example: Example) -> object:
    """What is asked for, to be compared with that of an example with the same texts."""
    match example:
        case Tagged():
            return example.tags
        case Labelled():
            return example.label
        case _:
            return example[2:4]  # the answers and whether there are any; options and label; score


def _leak(example: Example, same: Example, *, near: bool) -> Leak:
    return Leak(example.where, same.where, near, answer_of(example) == answer_of(same))


def _labels(example: Example) -> tuple[str, ...]:
    match example:
        case Labelled(label=str(label)):
            return (label,)
        case Labelled(label=tuple(labels)):
            return labels
        case Tagged(tags=tuple(tags)):
            return tags
        case _:
            return ()


def _digest(example: Example) -> bytes:
    """Of all texts, each ended: the border between two counts."""
    return digest([text + "\0" for text in texts_of(example)])


def _near(training: Sequence[Example], others: Sequence[Example]) -> list[tuple[int, int]]:
    """Places in `others`, each with that in `training` of an example that it is nearest to, if there is one near.

    In each band of the signatures an example is compared with the first that has the same.
    """
    hasher = MinHash(ngram=_NGRAM, permutations=BANDS * ROWS)
    known, asked = _signatures(hasher, training), _signatures(hasher, others)
    nearest: dict[int, tuple[float, int]] = {}
    for begin in range(0, BANDS * ROWS, ROWS):
        first: dict[bytes, int] = {}
        for place, signature in enumerate(known):
            first.setdefault(signature[begin : begin + ROWS].tobytes(), place)
        for at, signature in enumerate(asked):
            place = first.get(signature[begin : begin + ROWS].tobytes())
            if place is None or signature[0] == EMPTY:
                continue
            share = float((known[place] == signature).mean())
            if share >= max(NEAR, nearest.get(at, (0.0, 0))[0]):
                nearest[at] = share, place
    return [(at, place) for at, (_, place) in nearest.items()]


def _signatures(hasher: MinHash, examples: Sequence[Example]) -> Signature:
    """(E, P) of the examples."""
    found = np.empty((len(examples), hasher.permutations), dtype=np.uint32)
    for at, example in enumerate(examples):
        found[at] = hasher.signature(texts_of(example))
    return found
