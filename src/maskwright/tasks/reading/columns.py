"""A word and its tag a line, an empty line between sentences: CoNLL's files, MSRA's, and one's own.

CoNLL-2003 (Tjong Kim Sang and De Meulder 2003, arXiv:cs/0306050) has four columns, of which the last is the entity's
tag, and a line `-DOCSTART-` before each document. Its own files are in IOB1, most copies in BIO.
"""

from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

from maskwright.errors import BadInput
from maskwright.tasks.examples import Tagged
from maskwright.tasks.reading.faults import Faults, kept
from maskwright.tasks.reading.rows import numbered_lines
from maskwright.tasks.schemes import (
    Scheme,
    converted,
    detected,
    is_legal,
    lenient_spans,
    likeliest,
    refuse_foreign,
    refuse_illegal,
    tags_of,
)

DOCUMENT = "-DOCSTART-"
_LOOKED_AT = 2000  # sentences by which the scheme is told


class _Sentence(NamedTuple):
    """The lines of one sentence, split, and where the first stands."""

    lines: list[list[str]]
    where: str


def tagged_lines(
    path: str | Path,
    faults: Faults,
    *,
    word: int = 0,
    tag: int | None = -1,
    scheme: Scheme | None = None,
    into: Scheme | None = None,
    mend: bool = False,
    joined: bool = False,
) -> Iterator[Tagged]:
    """The sentences of a file of columns, parted by white space.

    word, tag   which columns, from 0, or from the end by a negative number; no tag in a file to predict for
    scheme      what the tags are in, which is then held to; None: found by the first sentences
    into        the scheme that tags are turned into; None: left as they are
    mend        read tags in an order that their scheme does not allow as `lenient_spans` does, and count them, as fits
                a published file; else they are faults
    joined      words are characters, with nothing between them
    Raises `BadInput` for tags of no scheme where they are to be turned into another.
    """
    sentences = _sentences(path)
    if scheme is None and tag is not None:
        head = list(islice(sentences, _LOOKED_AT))
        sentences = chain(head, sentences)
        whole = [one.lines for one in head if min(map(len, one.lines)) >= _needed(word, tag)]
        tags = [[line[tag] for line in lines] for lines in whole]
        scheme = (likeliest if faults.skip or mend else detected)(tags, str(path))
    if into is not None and scheme is None and tag is not None:
        raise BadInput(f"{path} has tags of no scheme known: B, I and O, or B, M, E, S and O, with -TYPE behind them")

    def make(sentence: _Sentence) -> Tagged:
        found = _tagged(sentence, word, tag, joined)
        if scheme is None or found.tags is None:
            return found
        refuse_foreign(found.tags, scheme, found.where)
        if mend and not is_legal(found.tags, scheme):
            faults.quirks[f"sentences with tags in an order that {scheme} does not allow"] += 1
            return found._replace(tags=tags_of(lenient_spans(found.tags), len(found.words), into or scheme))
        refuse_illegal(found.tags, scheme, found.where)
        return found if into is None else found._replace(tags=converted(found.tags, scheme, into))

    return kept(sentences, make, faults)


def conll2003(path: str | Path, faults: Faults) -> Iterator[Tagged]:
    """CoNLL-2003's sentences and entities, in BIO, whatever its copy is in; without the lines of documents.

    In IOB1, some copies have a B where an I would do: it begins an entity all the same.
    """
    return tagged_lines(path, faults, into="BIO", mend=True)


def _tagged(sentence: _Sentence, word: int, tag: int | None, joined: bool) -> Tagged:
    needed = _needed(word, tag)
    for number, line in enumerate(sentence.lines, 1):
        if len(line) < needed:
            raise BadInput(
                f"{sentence.where}: word {number} of its sentence, {' '.join(line)!r}, has {len(line)} columns, "
                f"and {needed} are needed"
            )
    words = tuple(line[word] for line in sentence.lines)
    tags = None if tag is None else tuple(line[tag] for line in sentence.lines)
    return Tagged(words, tags, sentence.where, joined=joined)


def _needed(word: int, tag: int | None) -> int:
    """How many columns a line must have."""
    places = [word] if tag is None else [word, tag]
    return max(len(places), *(place + 1 if place >= 0 else -place for place in places))


def _sentences(path: str | Path) -> Iterator[_Sentence]:
    lines: list[list[str]] = []
    begun = ""
    for where, line in numbered_lines(path):
        fields = line.split()
        if fields and fields[0] != DOCUMENT:
            begun = begun if lines else where
            lines.append(fields)
        elif lines:
            yield _Sentence(lines, begun)
            lines = []
    if lines:
        yield _Sentence(lines, begun)
