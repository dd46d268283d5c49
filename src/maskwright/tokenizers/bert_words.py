"""The units of BERT's pre-tokenizer: runs of letters, and single characters that stand alone (punctuation, Chinese).

That a character ends the run beside it is asked of `tokenizers` (does it split `aca`?), once for each character seen.
It holds for a unit inside any text because nothing in BERT's normalizer looks across such a character: cleaning,
lower-casing and the spaces around Chinese work on single characters, and canonical decomposition reorders
combining marks only.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from maskwright.tokenizers.lookup import Pieces, Units

_UNSEEN, _SPACE, _ALONE, _INSIDE = 0, 1, 2, 3
_TOGETHER = 512
Array = npt.NDArray[Any]


class CharacterClasses:
    """What each character is to a tokenizer: white space, a unit by itself, or part of a run."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._class = np.zeros(0x110000, dtype=np.uint8)

    def of(self, points: Array) -> tuple[Array, Array]:
        """Which code points are inside a run, and which stand alone; the others are white space."""
        classes = self._class[points]
        if (unseen := classes == _UNSEEN).any():
            self._ask(np.unique(points[unseen]))
            classes = self._class[points]
        return classes == _INSIDE, classes == _ALONE

    def _ask(self, points: Array) -> None:
        normalizer, pre_tokenizer = self._tokenizer.normalizer, self._tokenizer.pre_tokenizer
        assert normalizer is not None and pre_tokenizer is not None
        for point in points.tolist():
            probe = normalizer.normalize_str(f"a{chr(point)}a")
            words = [word for word, _ in pre_tokenizer.pre_tokenize_str(probe)]
            if words == ["a", "a"]:
                kind = _SPACE
            else:
                kind = _ALONE if len(words) > 2 and words[0] == words[-1] == "a" else _INSIDE
            self._class[point] = kind


class BertWords(Units):
    """The units of a tokenizer with BERT's normalizer and pre-tokenizer; see `lookup.Units`."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._classes = CharacterClasses(tokenizer)

    def find(self, points: Array, borders: Array) -> tuple[Array, Array, None]:
        """As `Units.find`; a line feed between sentences is white space like any other."""
        inside, alone = self._classes.of(points)
        edges = np.diff(inside.view(np.int8), prepend=0, append=0)
        begins_run = edges[:-1] == 1
        at = np.flatnonzero(begins_run | alone)
        ends = at + 1
        ends[begins_run[at]] = np.flatnonzero(edges == -1)
        return at, ends, None

    def pieces(self, units: list[str]) -> Pieces:
        """As `Units.pieces`; the words are those of the pre-tokenizer, so that no piece has two.

        The library is given many units as one text, white space between them, which costs half of one text each.
        """
        sizes = np.fromiter(map(len, units), dtype=np.int64, count=len(units))
        at = np.cumsum(sizes + 1) - sizes - 1
        found = [np.zeros((0, 4), dtype=np.int64)]
        for first in range(0, len(units), _TOGETHER):
            encoding = self._tokenizer.encode(" ".join(units[first : first + _TOGETHER]), add_special_tokens=False)
            rows = np.empty((len(encoding.ids), 4), dtype=np.int64)
            rows[:, 0], rows[:, 1] = encoding.ids, np.array(encoding.word_ids, dtype=np.int64)
            rows[:, 2:] = np.array(encoding.offsets, dtype=np.int64).reshape(-1, 2) + at[first]
            found.append(rows)
        ids, words, begins, ends = np.concatenate(found).T
        unit = np.searchsorted(at, begins, side="right") - 1
        starts = np.ones(len(ids), dtype=np.uint8)
        starts[1:] = (words[1:] != words[:-1]) | (unit[1:] != unit[:-1])
        counts = np.bincount(unit, minlength=len(units))
        return Pieces(counts, ids, starts, begins - at[unit], ends - at[unit], np.zeros_like(begins))
