"""word2vec: one vector a token, the same wherever it stands; what contextual vectors are compared with.

Mikolov et al. (arXiv 1301.3781, 1310.4546), through gensim with the numbers of word2vec.c: skip-gram (or CBOW, with
`--training.architecture cbow`), 5 tokens to each side at most, 5 negatives, frequent tokens left out at 1e-3, five
passes. Tokens are the corpus's: for whole words, make the corpus with a vocabulary of kind `words`. Embeddings of
BERT can start from what it leaves: `--start runs/word2vec-300/model/vectors.txt`.
"""

from pathlib import Path
from typing import Any

from maskwright.corpus.read import Corpus
from maskwright.inference.static import StaticVectors
from maskwright.progress import Progress, silent
from maskwright.report.markup import number
from maskwright.report.vectors import write_vectors_report
from maskwright.training.one_go import Learned, run_in_one_go
from maskwright.training.word2vec import TableConfig, WordVectors, word_vectors
from maskwright.training.word2vec_recipe import Recipe, check, table, write_model

__all__ = ["DEFAULT_SIZE", "SIZES", "Recipe", "check", "recipe", "train"]

SIZES: dict[str, dict[str, Any]] = {
    "tiny": {"hidden_size": 16},
    "100": {"hidden_size": 100},
    "300": {"hidden_size": 300},
}
DEFAULT_SIZE = "300"
FREQUENT = (100, 400)  # ranks by frequency, from which the report takes tokens; before them stand "the" and commas
SHOWN = 12


def recipe(size: str, corpus: str, vocab_size: int) -> Recipe:
    """The settings of word2vec.c."""
    return Recipe(size=size, corpus=corpus, model=TableConfig(vocab_size=vocab_size, **SIZES[size]))


def train(recipe: Recipe, corpus: Corpus, folder: Path, progress: Progress = silent) -> None:
    """Learn the vectors of the corpus's training documents, in the run folder `folder`."""
    check(recipe, corpus)
    training = recipe.training

    def learn() -> Learned:
        found = word_vectors(corpus.train, recipe.model.hidden_size, training, progress)

        def write(at: Path) -> None:
            _report(at, found, recipe, corpus)
            write_model(at, found, recipe, corpus)  # last, as it says that all is done

        return Learned(training.epochs, training.epochs * corpus.train.num_tokens, training.rates[1], write)

    if training.threads > 1:
        progress.say(
            f"training.threads {training.threads}: they race each other, so this run cannot be repeated exactly"
        )
    run_in_one_go(recipe, corpus, folder, learn, "gensim", progress)


def _report(folder: Path, found: WordVectors, recipe: Recipe, corpus: Corpus) -> None:
    """Neighbours of some words of middling frequency, every so many ranks one."""
    vectors, counts = table(recipe.model, found)
    made = StaticVectors(vectors, counts, corpus.tokenizer, recipe.model)
    tokens, lists = corpus.tokenizer.tokens, dict[str, list[str]]()
    words = [i for i in found.ids[slice(*FREQUENT)].tolist() if tokens[i].isalpha()]
    for i in words[:: max(1, len(words) // SHOWN)][:SHOWN]:
        lists[tokens[i]] = [near.token for near in made.similar(tokens[i], min(8, len(found.ids) - 1))]
    figures = [
        (number(len(found.ids)), "tokens with a vector", f"of {recipe.model.vocab_size:,} in the vocabulary"),
        (str(recipe.model.hidden_size), "numbers a vector", recipe.training.architecture.replace("_", "-")),
        (number(corpus.train.num_tokens), "training tokens", f"{recipe.training.epochs} passes over them"),
    ]
    lead = "For some words of middling frequency, the tokens whose vectors have the largest cosine."
    what = "word2vec, by gensim"
    write_vectors_report(folder, corpus, what, figures, lists=lists, heading="Nearest neighbours", lead=lead)
