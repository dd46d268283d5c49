"""N-grams of both languages: what they are made of, and hashes of all of them at once."""

import re

import numpy as np
import numpy.typing as npt

from maskwright.text.characters import IDEOGRAPH_CLASS

Hashes = npt.NDArray[np.uint64]

_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_UNIT = re.compile(rf"[^\W{IDEOGRAPH_CLASS}]+|[{IDEOGRAPH_CLASS}]|[^\w\s]")


def units(text: str) -> list[str]:
    """Words, ideographs and marks, in order.

    An English word tells about as much as a Chinese character (both near 10 bits by their frequencies alone), so
    five of either tell documents apart equally well. What is said again is another matter: see `repetition`.

    >>> units("Mask 15% of it.")
    ['Mask', '15', '%', 'of', 'it', '.']
    >>> units("预测下一个词的probability。")
    ['预', '测', '下', '一', '个', '词', '的', 'probability', '。']
    """
    return _UNIT.findall(text)


def ngram_hashes(words: Hashes, n: int) -> Hashes:
    """The hashes of all n-grams, (W - n + 1,), from the hashes of W words, which should be well mixed.

    >>> pairs = ngram_hashes(np.array([7, 8, 9, 7, 8], np.uint64), 2)
    >>> len(pairs), bool(pairs[0] == pairs[3]), bool(pairs[0] == pairs[1])
    (4, True, False)
    """
    grams = words
    for shift in range(1, n):
        grams = grams[:-1] * _FACTOR + words[shift:]
    return grams
