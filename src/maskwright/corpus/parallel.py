"""Text in two languages as the source of a parallel corpus: sentences 2i and 2i + 1 of a document are translations.

Pairs are read through twice, in the process that builds: once to know which stood before, once to keep the others, a
document a line, in files that are units of the build. Everything behind that (workers, going on after a stop, the
choice of what is held out, one vocabulary) is as with any text. What is kept, and nothing else, goes into the corpus:
both sides of a pair, or neither.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from maskwright.corpus.encode import EXAMPLES
from maskwright.corpus.manifest import Dropped
from maskwright.corpus.sources import SPOOLED, UNIT_BYTES, UNITS, TextFiles, Unit
from maskwright.draws import key
from maskwright.durable import staged_file
from maskwright.errors import BadInput
from maskwright.manifest import sha256
from maskwright.text.cleaning.duplicates import duplicates
from maskwright.text.documents import RawDocument
from maskwright.text.formats.plain import PROSE_DOCUMENT
from maskwright.text.parallel import PAIR_SHAPES, Names, Pair, PairShape, is_chinese, pair_files, read_pairs

EMPTY, AGAIN = "pairs with an empty side", "pairs that stood before"
_SHOWN = 60  # characters of a pair that is left out


class _Placed(NamedTuple):
    """A pair, and where it stands, as a corpus calls it."""

    pair: Pair
    source: str

    @property
    def characters(self) -> int:
        return sum(map(len, self.pair.sides))


class _Lost:
    """The account of pairs that are left out."""

    def __init__(self) -> None:
        self._total: dict[str, Dropped] = {}

    def add(self, reason: str, placed: _Placed) -> None:
        so_far = self._total.get(reason, Dropped())
        shown = f"{placed.source}: {' | '.join(side[:_SHOWN] for side in placed.pair.sides)}"
        examples = (*so_far.examples, shown) if so_far.count < EXAMPLES else so_far.examples
        characters = so_far.characters + placed.characters
        self._total[reason] = Dropped(count=so_far.count + 1, characters=characters, examples=examples)

    @property
    def total(self) -> dict[str, Dropped]:
        return dict(sorted(self._total.items()))


class ParallelText:
    """Pairs of sentences in files (see `text/parallel.py`), folders of such files, URLs and pipes.

    A pair with an empty side is left out, and one whose two sides both stood before together; each is counted. A
    document of more than 50,000 characters is cut, so that a file that tells of no documents has some to hold out.

    inputs      of shape aligned, each file and the one behind it belong together
    languages   what the two sides are called, the first side first. A name that is `zh`, or begins with `zh-`, has
                its words found by the segmenter; others by the tokenizer
    shape       tsv, jsonl or aligned; auto goes by the files' names

    Raises BadInput for names that are not two different ones, and as `pair_files`.
    """

    def __init__(
        self, inputs: Sequence[str | Path], *, languages: Names, shape: PairShape | Literal["auto"] = "auto"
    ) -> None:
        if len(set(languages)) != 2 or not all(name.strip() == name != "" for name in languages):
            raise BadInput(f"languages {','.join(languages)}: give two different names, as en,zh")
        if shape not in (*PAIR_SHAPES, "auto"):
            raise BadInput(f"pairs have no shape {shape}: there are auto, {', '.join(PAIR_SHAPES)}")
        self.languages = languages
        self.language = "zh" if any(map(is_chinese, languages)) else "en"
        self._shape: PairShape | Literal["auto"] = shape
        self._text = TextFiles(inputs, language=self.language, shape="sentences")
        pair_files(self._text.files, shape)  # what is amiss comes before any work
        self._kept: list[Path] = []
        self._lost = _Lost()

    @property
    def repeatable(self) -> bool:
        """As `Source.repeatable`."""
        return self._text.repeatable

    def prepare(self, folder: Path) -> None:
        """As `Source.prepare`: all pairs that stay, in files of like size. In memory, 16 bytes of each pair."""
        self._text.prepare(folder)
        self._kept, self._lost = [], _Lost()
        size, most = UNIT_BYTES
        while size < most and size * UNITS < sum(file.size or 0 for file in self._text.files):
            size *= 2
        documents = self._documents(self._again())
        for number, first in enumerate(documents, len(self._text.files)):
            kept = folder / f"{SPOOLED}{number}"
            with staged_file(kept) as file:
                written = file.write(_line(first))
                while written < size and (document := next(documents, None)):
                    written += file.write(_line(document))
            self._kept.append(kept)
        if not self._kept:
            raise BadInput("there is no pair with two sides in the inputs: give other text")

    def units(self, salt: str) -> list[Unit]:
        """As `Source.units`. What was left out is told with the first."""
        return [
            Unit(
                key=f"{key(0, salt, sha256(kept)):032x}",
                size=kept.stat().st_size,
                kept=str(kept),
                dropped={} if place else self._lost.total,
            )
            for place, kept in enumerate(self._kept)
        ]

    def identity(self) -> dict[str, Any]:
        """As `Source.identity`."""
        named = {name: value for name, value in self._text.identity().items() if name != "column"}
        return {**named, "shape": self._shape, "languages": list(self.languages)}

    def state(self) -> list[Any]:
        """As `Source.state`."""
        return self._text.state()

    def describe(self) -> Iterator[str]:
        """The shape of each file, and what was passed over."""
        yield from self._text.describe()
        for file in pair_files(self._text.files, self._shape)[:5]:
            yield f"{' and '.join(str(one.label) for one in file.files)}: {file.shape}, {' and '.join(self.languages)}"

    def _pairs(self) -> Iterator[_Placed]:
        for file in pair_files(self._text.files, self._shape):
            label = file.files[0].label or file.files[0].name
            for pair in read_pairs(file, self.languages):
                yield _Placed(pair, f"{label}:{pair.line}")

    def _again(self) -> npt.NDArray[np.bool_]:
        """Which pairs with two sides stood before, in order."""
        digests = bytearray()
        for pair, _ in self._pairs():
            if all(pair.sides):
                digests += hashlib.blake2b("\n".join(pair.sides).encode(), digest_size=16).digest()
        return duplicates(np.frombuffer(digests, np.uint8).reshape(-1, 16))

    def _documents(self, again: npt.NDArray[np.bool_]) -> Iterator[RawDocument]:
        """The documents of the pairs that stay; the others are accounted for in passing."""
        stood_before = iter(again.tolist())
        kept: list[_Placed] = []
        size = 0
        for placed in self._pairs():
            if kept and (placed.pair.begins or size >= PROSE_DOCUMENT):
                yield _document(kept)
                kept, size = [], 0
            if not all(placed.pair.sides):
                self._lost.add(EMPTY, placed)
            elif next(stood_before):
                self._lost.add(AGAIN, placed)
            else:
                kept.append(placed)
                size += placed.characters
        if kept:
            yield _document(kept)


def _document(pairs: Sequence[_Placed]) -> RawDocument:
    """Both sides of each pair, a line each."""
    text = "\n".join(side for placed in pairs for side in placed.pair.sides)
    return RawDocument(text, "sentences", pairs[0].source, pairs[0].source)


def _line(document: RawDocument) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode() + b"\n"
