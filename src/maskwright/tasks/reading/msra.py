"""MSRA's named entities, of SIGHAN's third bakeoff (Levow 2006), in the three forms that it is passed on in.

    a character and its tag a line, an empty line between sentences
    a table with the header text_a, label, in whose cells characters and tags are parted by the control character 2
    words with their kind, as published: 当/o 希望/o 工程/o 王/nr; ns, nr and nt are LOC, PER and ORG

All become characters with tags of BIO. Copies that cut long sentences cut some names.
"""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from maskwright.errors import BadInput
from maskwright.tasks.examples import Tagged
from maskwright.tasks.reading.columns import tagged_lines
from maskwright.tasks.reading.faults import Faults, kept
from maskwright.tasks.reading.rows import input_file, numbered_lines
from maskwright.tasks.reading.tables import refuse_uneven
from maskwright.tasks.schemes import Span, refuse_illegal, tags_of
from maskwright.text.lines import text_lines
from maskwright.text.opening import open_input

_KINDS = {"nr": "PER", "ns": "LOC", "nt": "ORG", "o": None}
_BETWEEN = "\v"


def msra(path: str | Path, faults: Faults) -> Iterator[Tagged]:
    """The sentences of a file, in whichever form it is."""
    head = [line for _, line in islice(_lines(path), 1)]
    if head[:1] and head[0].split("\t")[:2] == ["text_a", "label"]:
        return kept(islice(_lines(path), 1, None), _of_table, faults)
    if head[:1] and all(word.rpartition("/")[2] in _KINDS for word in head[0].split()):
        return kept(numbered_lines(path), _of_words, faults)
    return tagged_lines(path, faults, into="BIO", mend=True, joined=True)


def _lines(path: str | Path) -> Iterator[tuple[str, str]]:
    """The lines, with vertical tabs for the control characters 2, of which no text may have so many."""
    file = input_file(path)
    for number, line in text_lines((piece.replace(b"\2", b"\v") for piece in open_input(file)), file.name):
        yield f"{file.name} line {number}", line


def _of_table(numbered: tuple[str, str]) -> Tagged:
    where, line = numbered
    text, _, tags = line.partition("\t")
    words, its = tuple(text.split(_BETWEEN)), tuple(tags.split(_BETWEEN))
    refuse_uneven(words, its, where)
    refuse_illegal(its, "BIO", where)
    return Tagged(words, its, where, joined=True)


def _of_words(numbered: tuple[str, str]) -> Tagged | None:
    where, line = numbered
    characters: list[str] = []
    spans: list[Span] = []
    for number, item in enumerate(line.split(), 1):
        word, _, kind = item.rpartition("/")
        if not word or kind not in _KINDS:
            raise BadInput(f"{where}: word {number}, {item!r}, is not a word, a bar, and one of {', '.join(_KINDS)}")
        if (name := _KINDS[kind]) is not None:
            spans.append(Span(len(characters), len(characters) + len(word), name))
        characters += word
    if not characters:
        return None
    return Tagged(tuple(characters), tags_of(spans, len(characters), "BIO"), where, joined=True)
