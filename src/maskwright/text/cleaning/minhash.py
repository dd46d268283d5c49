"""MinHash signatures: how much two documents have in common, from a few hundred bytes each (Broder 1997).

The set of a document's n-grams is hashed by P functions, and the least value of each is kept. Two sets have the same
least value under a random function with the probability of their Jaccard similarity (what they share, of all they
have), so the share of equal places in two signatures estimates it, with a standard deviation of at most 0.5 / √P.

Hashes depend on the text and the seed alone: signatures made in different processes can be compared.
"""

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from maskwright.draws import mixed
from maskwright.draws import words as drawn
from maskwright.text.characters import are_ideographs
from maskwright.text.cleaning.ngrams import Hashes, ngram_hashes

Signature = npt.NDArray[np.uint32]

EMPTY = np.uint32(0xFFFFFFFF)
"""Every place of the signature of a document without a letter or digit."""

_BLOCK = 512  # n-grams hashed by all functions at a time: what is in between stays in the cache
_BETWEEN_WORDS = re.compile(r"[\W_]+")
_FIRST_IDEOGRAPH = 0x3400


class MinHash:
    """Makes signatures.

    ngram        words, or in Chinese characters, that make an n-gram; case, marks and white space do not count
    permutations P, the places of a signature
    seed         names the hash functions; only signatures of equal seeds can be compared

    >>> hasher = MinHash(ngram=2, permutations=1024)
    >>> one = hasher.signature(["使用语言模型来预测下一个词。"])
    >>> other = hasher.signature(["使用语言模型预测下一个词！"])
    >>> bool(abs((one == other).mean() - 10 / 13) < 0.05)  # 10 pairs of characters are in both, 13 in either
    True
    """

    def __init__(self, ngram: int = 5, permutations: int = 120, seed: int = 0) -> None:
        self.ngram = ngram
        self.permutations = permutations
        self._factors = (drawn(permutations, seed, "minhash", "factors") | np.uint64(1))[:, None]
        self._offsets = drawn(permutations, seed, "minhash", "offsets")[:, None]
        self._hashed = np.empty((permutations, _BLOCK), dtype=np.uint64)

    def signature(self, lines: Sequence[str]) -> Signature:
        """(P,) of the document; `EMPTY` everywhere if it holds no letter or digit."""
        grams = shingles("\n".join(lines), self.ngram)
        least = np.full(self.permutations, np.iinfo(np.uint64).max, dtype=np.uint64)
        for begin in range(0, len(grams), _BLOCK):
            block = grams[begin : begin + _BLOCK]
            hashed = self._hashed[:, : len(block)]
            np.multiply(block, self._factors, out=hashed)
            hashed += self._offsets
            np.minimum(least, hashed.min(axis=1), out=least)
        return (least >> np.uint64(32)).astype(np.uint32)


def shingles(text: str, n: int) -> Hashes:
    """A hash for each n-gram of the words and ideographs of `text`, in order; one for all if there are fewer than n.

    >>> one, _, same = shingles("It rained. It rained!", 2).tolist()
    >>> [one] == [same] == shingles("it RAINED", 2).tolist() == shingles("It rained", 5).tolist()
    True
    """
    words = _word_hashes(_BETWEEN_WORDS.sub(" ", text.casefold()))
    return mixed(ngram_hashes(words, min(n, len(words))))


def _word_hashes(text: str) -> Hashes:
    """A hash for each word and ideograph of `text`, where nothing but single spaces stands between words.

    That of a word is the sum of hashes of its characters, each mixed with its place in the word.
    """
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    inside = points != ord(" ")
    begins = inside.copy()
    begins[1:] &= ~inside[:-1]
    if len(points) and points.max() >= _FIRST_IDEOGRAPH:
        alone = are_ideographs(points)
        begins |= alone
        begins[1:] |= alone[:-1] & inside[1:]
    firsts = np.flatnonzero(begins[inside])
    if not len(firsts):
        return np.zeros(0, dtype=np.uint64)
    characters = points[inside].astype(np.uint64)
    lengths = np.diff(firsts, append=len(characters))
    places = np.arange(len(characters), dtype=np.uint64) - np.repeat(firsts.astype(np.uint64), lengths)
    return np.add.reduceat(mixed(characters + (places << np.uint64(32))), firsts)
