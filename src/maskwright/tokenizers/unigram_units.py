"""The units of Unigram: what stands between white space, and in Chinese the parts of it that no piece reaches over."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer, pre_tokenizers

from maskwright.tokenizers.cuts import UnigramCuts, cut_units
from maskwright.tokenizers.lookup import GOES_ON, Pieces, Units
from maskwright.tokenizers.space_words import SpaceWords
from maskwright.tokenizers.words_of_pieces import mark_pieces

Array = npt.NDArray[Any]


class UnigramUnits(Units):
    """What stands between white space, or parts of it, as units; see `lookup.Units`."""

    def __init__(self, words: SpaceWords, library: Tokenizer, pieces: Iterable[str]) -> None:
        self._words = words
        self._library = library
        self._going_on = Tokenizer.from_str(library.to_str())
        self._going_on.pre_tokenizer = pre_tokenizers.WhitespaceSplit()  # no ▁ in front
        assert library.normalizer is not None
        self._cuts = UnigramCuts(pieces, library.normalizer.normalize_str)

    def find(self, points: Array, borders: Array) -> tuple[Array, Array, Array | None]:
        """As `Units.find`; Chinese is cut wherever no piece reaches over the cut."""
        at, ends = self._words.find(points, borders)
        places = self._cuts.places(points)
        if not len(places):
            return at, ends, None
        clinging = self._words.clinging(points)
        if clinging.any():  # normalized with what is before, white space perhaps: such a unit stays whole
            whole = np.searchsorted(at, np.flatnonzero(clinging), side="right")
            places = places[~np.isin(np.searchsorted(at, places, side="right"), whole)]
        begins = np.zeros(len(points), dtype=np.bool_)
        begins[at] = True
        at, ends = cut_units(at, ends, places)
        return at, ends, ~begins[at]

    def pieces(self, units: list[str]) -> Pieces:
        """As `Units.pieces`."""
        going_on = [unit.startswith(GOES_ON) for unit in units]
        units = [unit.removeprefix(GOES_ON) for unit in units]
        first_parts = [unit for unit, goes_on in zip(units, going_on, strict=True) if not goes_on]
        later_parts = [unit for unit, goes_on in zip(units, going_on, strict=True) if goes_on]
        found = (
            iter(self._library.encode_batch(first_parts, add_special_tokens=False)),
            iter(self._going_on.encode_batch(later_parts, add_special_tokens=False)),
        )
        encodings = [next(found[goes_on]) for goes_on in going_on]
        counts = np.fromiter(map(len, encodings), dtype=np.int64, count=len(encodings))
        ids = np.array([piece for encoding in encodings for piece in encoding.ids], dtype=np.int64)
        spans = np.array([span for encoding in encodings for span in encoding.offsets], dtype=np.int64).reshape(-1, 2)
        points = np.frombuffer("".join(units).encode("utf-32-le"), dtype=np.uint32)
        ends = np.cumsum(np.fromiter(map(len, units), dtype=np.int64, count=len(units)))
        at = np.concatenate([[0], ends[:-1]])
        in_front = np.zeros(len(ids), dtype=np.bool_)
        in_front[(np.cumsum(counts) - counts)[counts > 0]] = True
        first, end = (spans + np.repeat(at, counts)[:, None]).T
        starts, inner = mark_pieces(first, np.maximum(end, first + 1), self._words.begin_words(points, at), in_front)
        return Pieces(counts, ids, starts, spans[:, 0], np.maximum(spans[:, 1], spans[:, 0] + 1), inner)
