"""Nearest neighbours in context: of a word at one place, which words at other places have the likest vectors."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from maskwright.draws import generator
from maskwright.inference.encoder import Encoder
from maskwright.progress import Progress, silent
from maskwright.text.words import Segmenter

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.floating[Any]]
AT_ONCE = 256  # sentences between two movements of the bar


class Occurrences(NamedTuple):
    """Words at their places.

    vectors     (N, H), one for each place
    words       (N,) str, the word there, as it is compared
    places      (N,) int64, which sentence; a word's own sentence holds no neighbour of it
    """

    vectors: Floats
    words: npt.NDArray[np.str_]
    places: Integers


class Neighbour(NamedTuple):
    """Row of the occurrence, and the cosine."""

    row: int
    cosine: float


def nearest(occurrences: Occurrences, queries: Sequence[int], count: int) -> list[list[Neighbour]]:
    """For each query (a row of `occurrences`) the `count` likest occurrences of other words, likest first.

    Vectors are centred first: what all of them share says nothing about one. Each word is named once, at its
    likest place; the query's own word and its own sentence are left out.
    """
    rows = np.asarray(queries, dtype=np.int64)
    centred = occurrences.vectors - occurrences.vectors.mean(0)
    norms = np.linalg.norm(centred, axis=1, keepdims=True)
    unit = centred / np.maximum(norms, 1e-12)
    cosines = unit[rows] @ unit.T
    found: list[list[Neighbour]] = []
    for row, of_row in zip(rows.tolist(), cosines, strict=True):
        other = (occurrences.words != occurrences.words[row]) & (occurrences.places != occurrences.places[row])
        candidates = np.flatnonzero(other)
        order = candidates[np.argsort(-of_row[candidates], kind="stable")]
        _, first = np.unique(occurrences.words[order], return_index=True)
        best = order[np.sort(first)[:count]].tolist()
        found.append([Neighbour(place, float(of_row[place])) for place in best])
    return found


def choose_words(
    occurrences: Occurrences, count: int, *, ranks: tuple[int, int], seed: int = 0, least: int = 5
) -> list[int]:
    """Rows of `count` words to look at: drawn from a band of frequency, so that nobody picked them.

    ranks    how many of the most frequent words are passed over, and where the band ends
    least    a word must occur so often
    """
    words, counts = np.unique(occurrences.words, return_counts=True)
    order = np.argsort(-counts, kind="stable")[ranks[0] : ranks[1]]
    band = words[order[counts[order] >= least]]
    draw = generator(seed, "neighbour words")
    chosen = draw.permutation(band)[:count]
    return [int(draw.choice(np.flatnonzero(occurrences.words == word))) for word in chosen]


class Seen(NamedTuple):
    """A word in its sentence."""

    word: str
    sentence: str
    start: int
    end: int


class Company(NamedTuple):
    """A word at one place, and the words at other places that are likest to it: (cosine, where)."""

    seen: Seen
    found: list[tuple[float, Seen]]


def find_company(
    sentences: Sequence[str],
    encoder: Encoder,
    segmenter: Segmenter | None = None,
    *,
    count: int = 6,
    neighbours: int = 4,
    letters: int = 4,
    least: int = 3,
    ranks: tuple[int, int] = (30, 400),
    seed: int = 0,
    progress: Progress = silent,
) -> list[Company]:
    """Neighbours in context of `count` words drawn from a band of frequency, among all words of `sentences`.

    The vector of a word is the mean of its tokens' at the last layer, its sentence alone being read.

    segmenter    finds the words where nothing parts them
    letters      shorter words are left out
    least        so are words that occur less often: in Chinese, many of them are a segmenter's errors
    """
    seen: list[Seen] = []
    places: list[int] = []
    vectors: list[Floats] = []
    with progress.stage("words in context", len(sentences), "sentences") as stage:
        for first in range(0, len(sentences), AT_ONCE):
            some = sentences[first : first + AT_ONCE]
            for place, (words, of_words) in enumerate(words_in_context(some, encoder, segmenter), first):
                kept = [i for i, one in enumerate(words) if len(one.word) >= letters and one.word.isalpha()]
                seen += [words[i] for i in kept]
                places += [place] * len(kept)
                vectors.append(of_words[kept])
            stage.advance(len(some))
    words = np.array([one.word for one in seen])
    _, of_word, counts = np.unique(words, return_inverse=True, return_counts=True)
    known = np.flatnonzero(counts[of_word] >= least)
    seen = [seen[i] for i in known.tolist()]
    occurrences = Occurrences(np.concatenate(vectors)[known], words[known], np.array(places, dtype=np.int64)[known])
    queries = choose_words(occurrences, count, ranks=ranks, seed=seed)
    return [
        Company(seen[query], [(other.cosine, seen[other.row]) for other in others])
        for query, others in zip(queries, nearest(occurrences, queries, neighbours), strict=True)
    ]


def words_in_context(
    sentences: Sequence[str], encoder: Encoder, segmenter: Segmenter | None
) -> list[tuple[list[Seen], Floats]]:
    """For each sentence its words, as the tokenizer writes them, and their vectors (words, H)."""
    tokenizer = encoder.tokenizer
    flat = tokenizer.encode_sentences(sentences, segmenter)
    starts = np.split(flat.word_starts, np.cumsum(flat.lengths)[:-1])
    encoded = tokenizer.encode_pairs(sentences, special_in_text=False)
    states = encoder.token_vectors(sentences)
    found: list[tuple[list[Seen], Floats]] = []
    for sentence, begins, one, state in zip(sentences, starts, encoded, states, strict=True):
        if not len(begins) or len(begins) != len(state) - 2:  # a special token written out in the text
            found.append(([], np.zeros((0, state.shape[1]), np.float32)))
            continue
        firsts = np.flatnonzero(begins)
        ends = np.append(firsts[1:], len(begins))
        sums = np.add.reduceat(state[1:-1], firsts, axis=0)
        words = [
            Seen(
                "".join(token.removeprefix("##") for token in one.tokens[1:-1][a:b]),
                sentence,
                int(one.offsets[a + 1, 0]),
                int(one.offsets[b, 1]),
            )
            for a, b in zip(firsts.tolist(), ends.tolist(), strict=True)
        ]
        found.append((words, sums / (ends - firsts)[:, None]))
    return found
