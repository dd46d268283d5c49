"""Bags of words, TF-IDF: which tokens a text has, without their order; what every encoder is compared with.

Counts of tokens, those of few documents weighing more (Spärck Jones 1972), each bag scaled to length 1: scikit-learn's
defaults, as in `TfidfVectorizer`. BERT's paper (arXiv 1810.04805) has no such row; small encoders often lose to it.
The sizes with a number project the bags to so many dimensions (latent semantic analysis, Deerwester et al. 1990).
"""

from pathlib import Path
from typing import Any

import numpy as np

from maskwright.corpus.read import Corpus
from maskwright.progress import Progress, silent
from maskwright.report.markup import number
from maskwright.report.vectors import write_vectors_report
from maskwright.training.bag_of_words import BagOfWordsConfig, Bags, learn_bags
from maskwright.training.bag_of_words_recipe import Recipe, check, write_model
from maskwright.training.one_go import Learned, run_in_one_go

__all__ = ["DEFAULT_SIZE", "SIZES", "Recipe", "check", "recipe", "train"]

SIZES: dict[str, dict[str, Any]] = {"tiny": {"dimensions": 8}, "100": {"dimensions": 100}, "300": {"dimensions": 300}}
SIZES["full"] = {}
DEFAULT_SIZE = "full"
DIRECTIONS = 8  # that the report tells of
SHOWN = 10  # tokens of each


def recipe(size: str, corpus: str, vocab_size: int) -> Recipe:
    """scikit-learn's defaults."""
    return Recipe(size=size, corpus=corpus, model=BagOfWordsConfig(vocab_size=vocab_size, **SIZES[size]))


def train(recipe: Recipe, corpus: Corpus, folder: Path, progress: Progress = silent) -> None:
    """Learn the weights from the corpus's training documents, in the run folder `folder`."""
    check(recipe, corpus)

    def learn() -> Learned:
        found = learn_bags(corpus.train, recipe.model, recipe.training.seed, progress)

        def write(at: Path) -> None:
            _report(at, found, recipe, corpus)
            write_model(at, found, recipe, corpus)  # last, as it says that all is done

        return Learned(1, corpus.train.num_tokens, float("nan"), write)

    run_in_one_go(recipe, corpus, folder, learn, "scikit-learn", progress)


def _report(folder: Path, found: Bags, recipe: Recipe, corpus: Corpus) -> None:
    """The tokens that weigh most in each of the first directions."""
    tokens, lists = corpus.tokenizer.tokens, dict[str, list[str]]()
    for place, direction in enumerate([] if found.components is None else found.components[:DIRECTIONS], start=1):
        heaviest = np.argsort(-np.abs(direction), kind="stable")[:SHOWN].tolist()
        lists[f"{place}"] = [f"{'−' if direction[i] < 0 else ''}{tokens[i]}" for i in heaviest]
    figures = [
        (number(found.documents), "training documents", f"{number(corpus.train.num_tokens)} tokens"),
        (number(recipe.model.hidden_size), "numbers a text", f"{recipe.model.vocab_size:,} tokens"),
    ]
    if found.explained is not None:
        figures.append((number(found.explained, percent=True), "of the bags' variance", "along the directions kept"))
    lead = "The tokens that weigh most in each of the first directions, with their sign."
    what = "Bag of words, by scikit-learn"
    write_vectors_report(folder, corpus, what, figures, lists=lists, heading="Directions", lead=lead)
