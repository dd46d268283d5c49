"""What a corpus is made from: documents that can be read as often as needed, always in the same order."""

import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal, Protocol

from maskwright.draws import key
from maskwright.errors import BadInput
from maskwright.manifest import sha256
from maskwright.text.inputs import STANDARD_INPUT
from maskwright.text.readers import InputFile, RawDocument, detect_shape, find_inputs, read_raw
from maskwright.text.samples import sample
from maskwright.text.shapes import Shape

SPOOLED = "input-"  # what is kept of an input that can be read only once, followed by its number


class Source(Protocol):
    """Where documents come from."""

    language: str

    @property
    def repeatable(self) -> bool:
        """Whether all of it can be read more than once. If not, `prepare` comes before everything else."""
        ...

    def prepare(self, folder: Path) -> None:
        """Keep a copy in `folder` of what can be read only once."""
        ...

    def documents(self) -> Iterator[RawDocument]:
        """All documents, from the first; the same each time."""
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
    """Files, folders, pipes, and "-" for the standard input."""

    def __init__(self, inputs: Sequence[str | Path], *, language: str, shape: Shape | Literal["auto"] = "auto") -> None:
        self.language = language
        self._shape: Shape | Literal["auto"] = shape
        self._given = [str(given) for given in inputs]
        self._files = find_inputs(inputs)
        self._names = [self._name(file, number) for number, file in enumerate(self._files, 1)]
        self._kept: dict[int, str] = {}  # sha256 of what `prepare` kept, by the place of the file

    def _name(self, file: InputFile, number: int) -> str:
        """What documents are named by: the file's path, relative to the input given."""
        if file.path == STANDARD_INPUT:
            return file.name
        if file.size is None:
            return f"pipe {number}"  # what the shell calls it, /dev/fd/63, is another name each time
        for given in self._given:
            if file.path != given and file.path.startswith(os.path.join(given, "")):
                return os.fsencode(os.path.relpath(file.path, given)).decode("utf-8", "replace")
        return os.path.basename(file.name)

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
            _copy(file, kept)
            if not (size := kept.stat().st_size):
                raise BadInput(f"{file.name} is empty")
            self._files[place] = InputFile(str(kept), size, True, shown=file.name)
            self._kept[place] = sha256(kept)

    def documents(self) -> Iterator[RawDocument]:
        """As `Source.documents`; a document is named by its file and its line."""
        for file, name in zip(self._files, self._names, strict=True):
            for raw in read_raw(file, self._shape, self.language):
                yield raw._replace(source=f"{name}:{raw.source.rpartition(':')[2]}")

    def identity(self) -> dict[str, Any]:
        """As `Source.identity`."""
        sizes = [file.size for file in self._files]
        listed = [f"{name}:{size}" for name, size in zip(self._names, sizes, strict=True)]
        kept = [f"{digest}:0" for digest in self._kept.values()]
        return {
            "files": len(listed),
            "bytes": sum(size or 0 for size in sizes),
            "names_and_sizes": f"{key(0, *listed, *kept):032x}",
            "shape": self._shape,
        }

    def state(self) -> list[Any]:
        """As `Source.state`. A pipe is the same when it brings the same bytes again."""
        states: list[Any] = []
        for place, (file, name) in enumerate(zip(self._files, self._names, strict=True)):
            status = os.stat(file.path)
            then = self._kept.get(place, status.st_mtime_ns)
            states.append([name, status.st_size, then])
        return states

    def describe(self) -> Iterator[str]:
        """The shape of each file, or of how many files."""
        if self._shape != "auto":
            return
        if len(self._files) <= 5:
            named = zip(self._names, self._files, strict=True)
            yield from (f"{name}: {detect_shape(file)}" for name, file in named)
        else:
            shapes = Counter(map(detect_shape, self._files))
            yield f"{len(self._files)} files: " + ", ".join(f"{count} {shape}" for shape, count in shapes.most_common())


def _copy(file: InputFile, path: Path) -> None:
    """What `file` still has to give, as it is, to `path`."""
    with ExitStack() as stack:
        standard = file.path == STANDARD_INPUT
        stream = sys.stdin.buffer if standard else stack.enter_context(open(file.path, "rb"))
        kept = stack.enter_context(path.open("wb"))
        while piece := stream.read(1 << 20):
            kept.write(piece)


class SampleText:
    """One of the texts that travel with the package: a document is a chapter, named by its title."""

    repeatable = True

    def __init__(self, language: str) -> None:
        self.language = language
        self._documents = sample(language)

    def prepare(self, folder: Path) -> None:
        """As `Source.prepare`: there is nothing to keep."""

    def documents(self) -> Iterator[RawDocument]:
        """As `Source.documents`."""
        for chapter in self._documents:
            yield RawDocument("\n".join(chapter.sentences), "sentences", chapter.title, chapter.title)

    def identity(self) -> dict[str, Any]:
        """As `Source.identity`."""
        text = "\n".join(sentence for chapter in self._documents for sentence in chapter.sentences)
        return {"sample": self.language, "documents": len(self._documents), "text": f"{key(0, text):032x}"}

    def state(self) -> list[Any]:
        """As `Source.state`: it comes with the package and is told by `identity`."""
        return []

    def describe(self) -> Iterator[str]:
        """One line."""
        yield f"sample text: {len(self._documents)} chapters"
