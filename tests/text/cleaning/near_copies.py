"""Near copies of sample chapters, made by changing words at a rate, and how alike they are, by brute force."""

import re

from maskwright.draws import generator
from maskwright.text.characters import IDEOGRAPH_CLASS
from maskwright.text.samples import sample

NGRAM = 5


def passages(language: str, characters: int = 1500) -> list[str]:
    """The beginning of each chapter."""
    return ["\n".join(document.sentences)[:characters] for document in sample(language)]


def near_copy(text: str, rate: float, seed: int) -> str:
    """`text` with each word, or ideograph, replaced by another of its words at the given rate."""
    words = re.findall(rf"[{IDEOGRAPH_CLASS}]|[^\W{IDEOGRAPH_CLASS}]+|\W+", text)
    draws = generator(seed, "near copies")
    others = draws.integers(len(words), size=len(words)).tolist()
    changed = (draws.random(len(words)) < rate).tolist()
    return "".join(
        words[other] if change and word[0].isalnum() and words[other][0].isalnum() else word
        for word, change, other in zip(words, changed, others, strict=True)
    )


def ngrams(text: str) -> set[tuple[str, ...]]:
    """Every n-gram of the words and ideographs of `text`, without case and marks."""
    words = re.findall(rf"[{IDEOGRAPH_CLASS}]|[^\W_{IDEOGRAPH_CLASS}]+", text.casefold())
    size = min(NGRAM, len(words))
    return {tuple(words[begin : begin + size]) for begin in range(len(words) - size + 1)} if words else set()


def jaccard(one: set[tuple[str, ...]], other: set[tuple[str, ...]]) -> float:
    return len(one & other) / len(one | other) if one | other else 0.0
