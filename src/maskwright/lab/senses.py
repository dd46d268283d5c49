"""One word in many sentences: does a model give it one vector, or one for each sense?

word2vec has one point for a word whatever stands around it; an encoder that reads context has as many as there are
sentences, and those of one sense should lie together. Clusters are k-means on vectors of length 1, as many as the
silhouette likes best (Rousseeuw 1987); pictures are the first two principal components.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from maskwright.draws import generator, key
from maskwright.errors import BadInput
from maskwright.inference.loading import Loaded
from maskwright.progress import Progress, silent
from maskwright.text.characters import IDEOGRAPH_CLASS
from maskwright.text.words import Segmenter

Floats = npt.NDArray[np.floating[Any]]
Integers = npt.NDArray[np.int64]
AT_ONCE = 256  # sentences between two movements of the bar
MOST_CLUSTERS = 6  # as many as there are colours
_CHINESE = re.compile(f"[{IDEOGRAPH_CLASS}]")


class Place(NamedTuple):
    """A word in its sentence: characters [start, end)."""

    sentence: str
    start: int
    end: int


class Cloud(NamedTuple):
    """The vectors of one word, by one model.

    rows         (N,) which places have a vector; a token that a static model has not seen has none
    distinct     how many different vectors they are
    spread       mean cosine distance of two of them; None where there is but one
    labels       (N,) clusters, the largest is 0
    silhouette   of the clusters, -1 to 1; None where nothing was clustered
    points       (N, 2), the first two principal components
    kept         the share of the variance that these show
    central      for each cluster its places, the one nearest to the middle first
    """

    rows: Integers
    distinct: int
    spread: float | None
    labels: Integers
    silhouette: float | None
    points: Floats
    kept: float
    central: list[list[int]]


def is_chinese(word: str) -> bool:
    """Whether it has ideographs.

    >>> is_chinese("苹果"), is_chinese("bank")
    (True, False)
    """
    return _CHINESE.search(word) is not None


def find_place(word: str, sentence: str, segmenter: Segmenter | None = None) -> Place | None:
    """Where the word first stands in a sentence as a whole word, in just these letters; None where it does not.

    segmenter   finds Chinese words; without one, any place where the characters stand together counts

    >>> find_place("bank", "Embankments line the bank.")
    Place(sentence='Embankments line the bank.', start=21, end=25)
    >>> find_place("苹果", "他吃了一个苹果。")[1:]
    (5, 7)
    """
    if word not in sentence:
        return None
    if not is_chinese(word):
        found = re.search(rf"(?<!\w){re.escape(word)}(?!\w)", sentence)
        return Place(sentence, *found.span()) if found else None
    if segmenter is None:
        start = sentence.index(word)
        return Place(sentence, start, start + len(word))
    spans = (Place(sentence, *span) for span in segmenter.spans(sentence))
    return next((place for place in spans if sentence[place.start : place.end] == word), None)


def find_places(
    word: str, sentences: Iterable[str], segmenter: Segmenter | None = None, *, most: int = 300, seed: int = 0
) -> list[Place]:
    """Places of the word in different sentences, at most so many, drawn at random; in the order of the sentences."""
    places = [place for one in dict.fromkeys(sentences) if (place := find_place(word, one, segmenter))]
    if len(places) <= most:
        return places
    chosen = generator(seed, "senses", word).choice(len(places), most, replace=False)
    return [places[i] for i in np.sort(chosen).tolist()]


def vectors_at(
    encoder: Loaded, places: Sequence[Place], layer: int = -1, progress: Progress = silent
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """(N, H) the mean of the vectors of the tokens at each place, and (N,) whether there is one.

    There is none where the model has no vector for any of the tokens, or cuts its sentence off before the word.
    """
    longest: int | None = getattr(encoder.config, "longest", None)
    found: list[Floats] = []
    with progress.stage("words in context", len(places), "sentences") as stage:
        for first in range(0, len(places), AT_ONCE):
            some = places[first : first + AT_ONCE]
            sentences = [place.sentence for place in some]
            states = encoder.token_vectors(sentences, layer, truncate=True)
            encoded = encoder.tokenizer.encode_pairs(sentences, max_length=longest, truncate=True)
            for place, one, state in zip(some, encoded, states, strict=True):
                if len(one.ids) != len(state):
                    raise BadInput(f"{len(state)} vectors for {len(one.ids)} tokens of {place.sentence!r:.60}")
                inside = (one.offsets[:, 0] < place.end) & (one.offsets[:, 1] > place.start)
                known = state[inside & state.any(axis=1)]
                found.append(known.mean(0) if len(known) else np.zeros(state.shape[1], np.float32))
            stage.advance(len(some))
    vectors = np.stack(found) if found else np.zeros((0, 1), np.float32)
    return vectors, np.asarray(vectors.any(axis=1))


def unit(vectors: Floats) -> npt.NDArray[np.float64]:
    """Scaled to length 1, in float64."""
    wide = vectors.astype(np.float64)
    return wide / np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), 1e-12)


def cloud(vectors: Floats, known: npt.NDArray[np.bool_], seed: int = 0) -> Cloud:
    """Clusters, spread and picture of what `vectors_at` found. BadInput where no place has a vector."""
    rows = np.flatnonzero(known)
    if not len(rows):
        raise BadInput("the model has no vector for any of the word's tokens: choose another word")
    directions = unit(vectors[rows])
    different, same = np.unique(vectors[rows], axis=0, return_inverse=True)
    labels, silhouette = same.reshape(-1).astype(np.int64), None
    if len(different) > 2:
        labels, silhouette = _clusters(directions, len(different), seed)
    labels = _largest_first(labels)
    points, kept = _components(directions if len(different) > 1 else np.zeros_like(directions))
    return Cloud(
        rows, len(different), _spread(directions, len(different)), labels, silhouette, points, kept,
        [_by_nearness(directions, np.flatnonzero(labels == one)) for one in range(labels.max() + 1)],
    )  # fmt: skip


def _clusters(directions: Floats, different: int, seed: int) -> tuple[Integers, float]:
    """k-means for each number of clusters; the labels whose silhouette is largest."""
    try:
        from sklearn.cluster import KMeans
        from sklearn.metrics import silhouette_score
    except ImportError as error:
        raise BadInput("clusters need scikit-learn: pip install 'maskwright[classic]'") from error

    tried: list[tuple[float, Integers]] = []
    for count in range(2, min(MOST_CLUSTERS, different - 1) + 1):
        start = key(seed, "clusters", count) & 0x7FFF_FFFF
        found: Any = KMeans(count, n_init=10, random_state=start)  # pyright: ignore[reportArgumentType]
        labels = np.asarray(found.fit_predict(directions), np.int64)
        tried.append((float(silhouette_score(directions, labels)), labels))
    best = max(tried, key=lambda one: one[0])
    return best[1], best[0]


def _largest_first(labels: Integers) -> Integers:
    sizes = np.bincount(labels)
    order = np.argsort(-sizes, kind="stable")
    return np.argsort(order, kind="stable")[labels].astype(np.int64)


def _spread(directions: Floats, different: int) -> float | None:
    """The mean over all pairs, from the length of the sum."""
    count = len(directions)
    if count < 2:
        return None
    if different == 1:
        return 0.0
    return float(1 - (np.square(directions.sum(0)).sum() - count) / (count * (count - 1)))


def _components(directions: Floats) -> tuple[Floats, float]:
    """(N, 2) and the share of the variance; signs are such that the largest loading is positive."""
    centred = directions - directions.mean(0)
    _, sizes, axes = np.linalg.svd(centred, full_matrices=False)
    axes = axes[:2] * np.sign(axes[:2][np.arange(len(axes[:2])), np.abs(axes[:2]).argmax(1)])[:, None]
    points = np.zeros((len(centred), 2))
    points[:, : len(axes)] = centred @ axes.T
    total = float(np.square(sizes).sum())
    return points, float(np.square(sizes[:2]).sum()) / total if total > 1e-20 else 1.0


def _by_nearness(directions: Floats, rows: Integers) -> list[int]:
    middle = directions[rows].mean(0)
    return rows[np.argsort(-(directions[rows] @ middle), kind="stable")].tolist()
