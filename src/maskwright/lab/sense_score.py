"""Do two uses of a word in one sense lie nearer than two in different senses?

Labelled examples answer it: rows of a word, a sentence with it, and the sense that it has there, such as WordNet's
example sentences (`scripts/senses.py` writes them). Of each word all pairs of its sentences are ranked by the cosine
of its vectors; the score is the area under the ROC curve, the chance that a pair of one sense is nearer than a pair
of two. 0.5 is guessing, and what a model without context has by construction: all its cosines are 1.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from maskwright.errors import BadInput
from maskwright.inference.loading import Loaded
from maskwright.lab.probes import Interval, interval
from maskwright.lab.senses import Floats, Place, find_place, unit, vectors_at
from maskwright.progress import Progress, silent

Integers = npt.NDArray[np.int64]
KEYS = ("word", "sentence", "sense")
DIGITS = 6  # of a cosine that count: beyond them stands rounding


class Example(NamedTuple):
    """A word, where it stands, and in which sense.

    word    with its part of speech, where that is known: uses of two parts are not compared, as syntax tells them apart
    """

    word: tuple[str, str]
    place: Place
    sense: str


class Examples(NamedTuple):
    """Examples to judge by, and how many rows were left out.

    missing   their word does not stand in their sentence as it is written
    alone     their word has no pair of one sense and pair of two
    """

    rows: list[Example]
    missing: int
    alone: int


class Score(NamedTuple):
    """How well a model tells senses.

    auc       the mean over words, with its interval
    gain      over the first model, on the same pairs; None for the first
    words     how many
    same      pairs of one sense
    different pairs of two
    left_out  examples without a vector in some model
    """

    auc: Interval
    gain: Interval | None
    words: int
    same: int
    different: int
    left_out: int


def read_examples(path: Path) -> Examples:
    """The rows of a JSONL file: {"word": ..., "sentence": ..., "sense": ...}, and "part" of speech if it is known.

    Other keys are passed over.

    BadInput names the line that is no such row.
    """
    found: dict[tuple[str, str, str, str], Example] = {}
    missing = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            word, sentence, sense, part = _row(line, f"{path}: line {number}")
            place = find_place(word, sentence) or find_place(word.capitalize(), sentence)
            if place is None:
                missing += 1
            else:
                found[word, sentence, sense, part] = Example((word, part), place, sense)
    kept = comparable(list(found.values()))
    if not kept:
        raise BadInput(
            f"{path}: no word in it has two sentences of one sense and one of another, which a score needs "
            f"({len(found):,} examples, {missing:,} without their word)"
        )
    return Examples(kept, missing, len(found) - len(kept))


def _row(line: bytes, where: str) -> tuple[str, str, str, str]:
    try:
        row: object = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{where} is no JSON ({error})") from None
    table = cast("Mapping[str, object]", row) if isinstance(row, dict) else {}
    values = [table.get(key) for key in KEYS]
    part = table.get("part") or ""
    if not isinstance(part, str) or not all(isinstance(value, str) and value for value in values):
        raise BadInput(f"{where} is no row of {', '.join(KEYS)}, each a text")
    return cast("tuple[str, str, str, str]", (*values, part))


def comparable(examples: Sequence[Example]) -> list[Example]:
    """Those of words that have at least one pair of one sense, and one of two."""
    senses: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for example in examples:
        senses[example.word][example.sense] += 1
    good = {word for word, counts in senses.items() if len(counts) > 1 and max(counts.values()) > 1}
    return [example for example in examples if example.word in good]


def score_models(
    models: Mapping[str, Loaded], examples: Sequence[Example], layer: int = -1, progress: Progress = silent
) -> dict[str, Score]:
    """The score of each model, all on the same pairs: examples that some model has no vector for are left out."""
    places = [example.place for example in examples]
    vectors: dict[str, Floats] = {}
    known = np.ones(len(examples), np.bool_)
    for name, encoder in models.items():
        vectors[name], has = vectors_at(encoder, places, layer, progress)
        known &= has
    rows = {id(example): place for place, example in enumerate(examples) if known[place]}
    kept = [rows[id(one)] for one in comparable([examples[i] for i in rows.values()])]
    if not kept:
        raise BadInput("no word is left that every model has vectors for, in two senses: give more examples")
    words: dict[tuple[str, str], list[int]] = defaultdict(list)
    for i in kept:
        words[examples[i].word].append(i)
    senses = np.unique([example.sense for example in examples], return_inverse=True)[1]
    counts = [_pairs(senses[of_word]) for of_word in words.values()]
    same = sum(int(one.sum()) for one in counts)
    areas = {
        name: np.array([area(vectors[name][of_word], senses[of_word]) for of_word in words.values()]) for name in models
    }
    first, each = next(iter(areas)), np.arange(len(words))
    return {
        name: Score(
            interval(values, each),
            None if name == first else interval(values - areas[first], each),
            len(words),
            same,
            sum(map(len, counts)) - same,
            len(examples) - len(kept),
        )
        for name, values in areas.items()
    }


def area(vectors: Floats, senses: npt.NDArray[Any]) -> float:
    """The area under the ROC curve of one word: the share of (pair of one sense, pair of two) that are in order.

    Pairs that are equally near count half.
    """
    directions = unit(vectors)
    left, right = np.triu_indices(len(senses), 1)
    cosines = np.round(np.einsum("nh,nh->n", directions[left], directions[right]), DIGITS)
    same = _pairs(senses)
    further = np.sort(cosines[~same])
    below, not_above = (np.searchsorted(further, cosines[same], side=side).mean() for side in ("left", "right"))
    return float(below + not_above) / (2 * len(further))


def _pairs(senses: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Whether each pair of examples is of one sense."""
    left, right = np.triu_indices(len(senses), 1)
    return senses[left] == senses[right]
