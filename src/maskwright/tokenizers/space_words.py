"""What stands between white space, as Unigram cuts text; and the words in it, which are BERT's.

Whether a character is white space is asked of the tokenizer (does it split `aca`?), once for each character seen: its
normalization decides. A combining mark clings to the space before it, so that no unit begins with one unless its
sentence does: normalization looks at both together.
"""

import unicodedata
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from maskwright.text.characters import are_ideographs
from maskwright.tokenizers.bert_words import CharacterClasses

_UNSEEN, _SPACE, _CLINGING, _OTHER = 0, 1, 2, 3
_MORE_CLINGING = range(0x200C, 0x200E), range(0xFF9E, 0xFFA0), range(0x1F3FB, 0x1F400), range(0xE0000, 0xE1000)
Array = npt.NDArray[Any]


class SpaceWords:
    """Knows the class of each character it has seen. Not to be shared between threads."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._class = np.zeros(0x110000, dtype=np.uint8)
        plain = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        plain.normalizer = normalizers.BertNormalizer(
            clean_text=False, handle_chinese_chars=True, strip_accents=False, lowercase=False
        )
        plain.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        self._marks = CharacterClasses(plain)

    def find(self, points: Array, borders: Array) -> tuple[Array, Array]:
        """Begin and end of each run without white space.

        borders  places that part sentences and belong to none
        """
        classes = self._classes(points)
        inside = classes != _SPACE
        inside[:-1] |= classes[1:] == _CLINGING
        inside[borders] = False
        edges = np.diff(inside.view(np.int8), prepend=0, append=0)
        return np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)

    def clinging(self, points: Array) -> Array:
        """Which characters may be one with the character before them."""
        return self._classes(points) == _CLINGING

    def _classes(self, points: Array) -> Array:
        classes = self._class[points]
        if (unseen := classes == _UNSEEN).any():
            self._ask(np.unique(points[unseen]))
            classes = self._class[points]
        return classes

    def begin_words(self, points: Array, at: Array) -> Array:
        """Where words begin: at units, at marks and Chinese characters, and behind these."""
        inside, alone = self._marks.of(points)
        begins = alone | are_ideographs(points)
        begins[1:] |= (begins | ~inside)[:-1] & inside[1:]
        begins[at] = True
        return begins

    def _ask(self, points: Array) -> None:
        normalizer, pre_tokenizer = self._tokenizer.normalizer, self._tokenizer.pre_tokenizer
        assert normalizer is not None and pre_tokenizer is not None

        def words(text: str) -> list[str]:
            return [word for word, _ in pre_tokenizer.pre_tokenize_str(normalizer.normalize_str(text))]

        split = words("a a")
        for point in points.tolist():
            if words(f"a{chr(point)}a") == split:
                self._class[point] = _SPACE
            else:
                self._class[point] = _CLINGING if _clings(point) else _OTHER


def _clings(point: int) -> bool:
    """Whether a character may be one with the space before it (a grapheme): marks, joiners, tags, skin colours."""
    return unicodedata.category(chr(point)).startswith("M") or any(point in some for some in _MORE_CLINGING)
