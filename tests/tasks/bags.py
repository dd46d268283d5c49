"""A bag of words whose weights scikit-learn's own vectorizer learned, and tables of made-up reviews."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from sklearn.feature_extraction.text import TfidfVectorizer

from maskwright.checkpoints.static_folder import write_static_folder
from maskwright.draws import generator
from maskwright.tokenizers.words import Words
from maskwright.training.bag_of_words import BagOfWordsConfig

TOKENS = ["<unk>", *"a the film was fine dull long and very not it of story plot cast fast".split()]
GOOD, BAD = {"fine", "fast"}, {"dull", "long"}


def drawn_texts(count: int, seed: int) -> list[str]:
    """Of three to nine words of the vocabulary."""
    rng = generator(seed, "texts")
    return [" ".join(rng.choice(TOKENS[1:], rng.integers(3, 10))) for _ in range(count)]


def liked(text: str) -> int:
    """How much more good than bad is said."""
    words = text.split()
    return sum(word in GOOD for word in words) - sum(word in BAD for word in words)


def vectorizer() -> TfidfVectorizer:
    """Fitted on other texts than those of any task, as a bag of words is."""
    nothing: Any = None
    found = TfidfVectorizer(tokenizer=str.split, token_pattern=nothing, vocabulary=TOKENS)
    return found.fit(drawn_texts(60, 7))


def bag_folder(path: Path) -> Path:
    """The same weights as a folder of ours."""
    tensors = {"idf": torch.from_numpy(vectorizer().idf_)}
    return write_static_folder(path, BagOfWordsConfig(vocab_size=len(TOKENS)), tensors, Words(TOKENS), "a card\n")


def table(path: Path, rows: Sequence[tuple[object, ...]], columns: tuple[str, ...] = ("text", "label")) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns, *rows])
    return path
