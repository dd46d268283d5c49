"""What a corpus is made from: text, cut into units that can be read anywhere, each as often as needed."""

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict

from maskwright.corpus.manifest import Dropped
from maskwright.draws import key
from maskwright.errors import BadInput
from maskwright.manifest import sha256
from maskwright.text.documents import RawDocument
from maskwright.text.inputs import STANDARD_INPUT, InputFile, look_for_inputs
from maskwright.text.opening import packed, stamp
from maskwright.text.pieces import Piece, pieces, read_piece
from maskwright.text.readers import detect_shape
from maskwright.text.remote import is_url
from maskwright.text.samples import sample
from maskwright.text.shapes import Shape

SPOOLED = "input-"  # what is kept of an input that can be read only once, followed by its number
UNIT_BYTES = 1 << 20, 16 << 20  # as it lies there, at least and at most: up to a few seconds of work
UNITS = 16  # of a small corpus, so that it keeps several workers busy too
LOOKED_AT = 200  # files whose shapes are told


class Unit(BaseModel):
    """A part of the input for one task, with all that reading it takes. Plain JSON.

    key      of the files, what they looked like, and how they are read: equal units give equal documents
    size     bytes as they lie there
    piece    of files; None where the documents were kept, a line each, in the file `kept`
    column   where tables and rows of JSON have their text
    dropped  what was left out before the text was cut into units
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    size: int
    piece: Piece | None = None
    column: str = "text"
    kept: str | None = None
    dropped: dict[str, Dropped] = {}

    def documents(self, language: str) -> Iterator[RawDocument]:
        """The documents of the unit, in order."""
        if self.kept is not None:
            with open(self.kept, encoding="utf-8", errors="surrogatepass") as file:
                for line in file:
                    yield RawDocument(*json.loads(line))
        elif self.piece is not None:
            yield from read_piece(self.piece, language, column=self.column)


class Source(Protocol):
    """Where documents come from.

    languages   of a parallel corpus, sentences 2i and 2i + 1 of whose documents are translations: what the two are
                called; empty for any other
    """

    language: str
    languages: tuple[str, ...]

    @property
    def repeatable(self) -> bool:
        """Whether all of it can be read more than once. If not, `prepare` comes before everything else."""
        ...

    def prepare(self, folder: Path) -> None:
        """Keep a copy in `folder` of what can be read only once, or lies in no file."""
        ...

    def units(self, salt: str) -> list[Unit]:
        """All of the text, in order; the same units each time. `salt` goes into their keys."""
        ...

    def identity(self) -> dict[str, Any]:
        """What was asked for and how large it is, for the manifest; equal for equal inputs wherever they lie."""
        ...

    def state(self) -> list[Any]:
        """What changes when an input is changed: names, sizes and times. Plain JSON."""
        ...

    def describe(self) -> Iterator[str]:
        """Lines for the reader about what was found."""
        ...


class TextFiles:
    """Files, folders, archives, URLs, pipes, and "-" for the standard input (see `text/inputs.py`).

    column  where tables and rows of JSON have their text
    """

    languages = ()

    def __init__(
        self,
        inputs: Sequence[str | Path],
        *,
        language: str,
        shape: Shape | Literal["auto"] = "auto",
        column: str = "text",
    ) -> None:
        self.language = language
        self._shape: Shape | Literal["auto"] = shape
        self._column = column
        self._found = look_for_inputs(inputs)
        self._files = [_settled(file, number) for number, file in enumerate(self._found.files, 1)]
        self._kept: dict[int, str] = {}  # sha256 of what `prepare` kept, by the place of the file

    @property
    def files(self) -> list[InputFile]:
        """What is read, in order; after `prepare`, all of it as often as needed."""
        return self._files

    @property
    def repeatable(self) -> bool:
        """As `Source.repeatable`: pipes and devices are not."""
        return all(file.size is not None for file in self._files)

    def prepare(self, folder: Path) -> None:
        """As `Source.prepare`, in constant memory."""
        for place, file in enumerate(self._files):
            if file.size is not None:
                continue
            kept = folder / f"{SPOOLED}{place}"
            with kept.open("wb") as copy:
                for piece in packed(file):
                    copy.write(piece)
            if not (size := kept.stat().st_size):
                raise BadInput(f"{file.name} is empty")
            self._files[place] = InputFile(str(kept), size, True, shown=file.name, label=file.label)
            self._kept[place] = sha256(kept)

    def units(self, salt: str) -> list[Unit]:
        """As `Source.units`."""
        looks = {(file.path, file.member): look for file, look in zip(self._files, self.state(), strict=True)}
        units: list[Unit] = []
        total = sum(file.size or 0 for file in self._files)
        size, most = UNIT_BYTES
        while size < most and size * UNITS < total:
            size *= 2  # in steps, or a file that was mended would have all others cut anew
        for piece in pieces(self._files, size, shape=self._shape):
            parts = [
                [*looks[part.file.path, part.file.member], part.shape, part.begin, part.end, part.first]
                for part in piece.parts
            ]
            made = f"{key(0, salt, self._column, json.dumps(parts)):032x}"
            units.append(Unit(key=made, size=piece.size, piece=piece, column=self._column))
        return units

    def identity(self) -> dict[str, Any]:
        """As `Source.identity`."""
        sizes = [file.size for file in self._files]
        listed = [f"{file.label}:{file.size}" for file in self._files]
        kept = [f"{digest}:0" for digest in self._kept.values()]
        return {
            "files": len(listed),
            "names": f"{key(0, *(str(file.label) for file in self._files)):032x}",
            "bytes": sum(size or 0 for size in sizes),
            "names_and_sizes": f"{key(0, *listed, *kept):032x}",
            "shape": self._shape,
            "column": self._column,
        }

    def state(self) -> list[Any]:
        """As `Source.state`. A pipe is the same when it brings the same bytes again."""
        return [[file.label, file.size, self._kept.get(place) or stamp(file)] for place, file in enumerate(self._files)]

    def describe(self) -> Iterator[str]:
        """The shape of each file, or of how many files, and what was passed over."""
        if passed_over := self._found.described():
            yield passed_over
        if self._shape != "auto":
            return
        if len(self._files) <= 5:
            yield from (f"{file.label}: {detect_shape(file)}" for file in self._files)
        else:
            shapes = Counter(map(detect_shape, self._files[:LOOKED_AT]))
            first = f"{LOOKED_AT} of " if len(self._files) > LOOKED_AT else ""
            counted = ", ".join(f"{count} {shape}" for shape, count in shapes.most_common())
            yield f"{first}{len(self._files)} files: {counted}"


def _settled(file: InputFile, number: int) -> InputFile:
    """A file as any process finds it, named the same wherever and by whatever command it is given."""
    if file.path == STANDARD_INPUT or is_url(file.path):
        return file
    if file.size is None:
        return file._replace(label=f"pipe {number}")  # what the shell calls it, /dev/fd/63, is another name each time
    return file._replace(path=os.path.abspath(file.path), shown=file.name)


class Documents:
    """Text that lies in no file: documents that a program makes, one after the other, the same each time.

    identity  what they are, in plain JSON: equal ones are taken for the same documents
    """

    repeatable = False
    languages = ()

    def __init__(self, documents: Iterable[RawDocument], identity: dict[str, Any], *, language: str) -> None:
        self.language = language
        self._documents = documents
        self._identity = identity
        self._kept: Path | None = None

    def prepare(self, folder: Path) -> None:
        """As `Source.prepare`: all of them, a line each."""
        self._kept = folder / f"{SPOOLED}0"
        with self._kept.open("w", encoding="utf-8", errors="surrogatepass") as file:
            for document in self._documents:
                file.write(json.dumps(document, ensure_ascii=False) + "\n")

    def units(self, salt: str) -> list[Unit]:
        """As `Source.units`: one."""
        assert self._kept is not None
        made = f"{key(0, salt, sha256(self._kept)):032x}"
        return [Unit(key=made, size=self._kept.stat().st_size, kept=str(self._kept))]

    def identity(self) -> dict[str, Any]:
        """As `Source.identity`."""
        return self._identity

    def state(self) -> list[Any]:
        """As `Source.state`: there is nothing beside `identity`."""
        return []

    def describe(self) -> Iterator[str]:
        """Nothing that the caller would not know."""
        yield from ()


class SampleText(Documents):
    """One of the texts that travel with the package: a document is a chapter, named by its title."""

    repeatable = True  # its identity says all

    def __init__(self, language: str) -> None:
        chapters = sample(language)
        text = "\n".join(sentence for chapter in chapters for sentence in chapter.sentences)
        identity = {"sample": language, "documents": len(chapters), "text": f"{key(0, text):032x}"}
        made = [RawDocument("\n".join(c.sentences), "sentences", c.title, c.title) for c in chapters]
        super().__init__(made, identity, language=language)
        self._chapters = len(chapters)

    def describe(self) -> Iterator[str]:
        """One line."""
        yield f"sample text: {self._chapters} chapters"
