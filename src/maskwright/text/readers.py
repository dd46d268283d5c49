"""Documents of sentences, from files of any shape, in memory that does not grow with them.

Reading has three steps. `read_part` finds where documents begin and end, which has to go through a file in order;
`lines_of` unpacks the text of one (JSON, wikicode, HTML) into lines, and `sentences_of_lines` finds the sentences in
them. These two are most of the work, any process can do them, and cleaning stands between them.

The shapes are those of `text/shapes.py`; each is read in a file of `text/formats`. Cleaning is BERT's: white space is
stripped and collapsed. The rest is the tokenizer's matter.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Literal, NamedTuple

from maskwright.errors import BadInput
from maskwright.text.compression import peeked
from maskwright.text.documents import Document, Lines, RawDocument
from maskwright.text.formats import arrow, delimited, jsonl, parquet, plain, warc, wikicode, wikipedia
from maskwright.text.inputs import InputFile, find_inputs
from maskwright.text.lines import text_lines
from maskwright.text.opening import as_stream, open_input, open_range, seekable
from maskwright.text.sentences import LANGUAGES, split_sentences
from maskwright.text.shapes import (
    HEAD_BYTES,
    LINE_SHAPES,
    SHAPES,
    LineShape,
    Shape,
    refuse_wrong_shape,
    shape_of_bytes,
    shape_of_lines,
)

__all__ = [
    "Document",
    "InputFile",
    "Lines",
    "Part",
    "RawDocument",
    "Shape",
    "detect_shape",
    "find_inputs",
    "lines_of",
    "read_documents",
    "read_file",
    "read_part",
    "read_raw",
    "sentences_of",
    "sentences_of_lines",
]

HEAD_LINES = 200  # lines and characters looked at to find the shape
HEAD_CHARACTERS = 60_000

_UNITS: dict[str, str] = {"parquet": "row", "arrow": "row", "wikipedia": "page", "warc": "record"}  # the others: line

_Places = Iterator[tuple[int, str]] | Iterator[tuple[str, str]]


class Part(NamedTuple):
    """A file, or what lies between two places of it.

    begin   the first byte of lines of text, the first row group of Parquet
    end     the one behind the last; None: to the end of the file
    first   the number of the first line or row
    """

    file: InputFile
    shape: Shape | Literal["auto"] = "auto"
    begin: int = 0
    end: int | None = None
    first: int = 1


def read_documents(
    inputs: Sequence[str | Path],
    *,
    shape: Shape | Literal["auto"] = "auto",
    language: Literal["en", "zh"],
    column: str = "text",
) -> Iterator[Document]:
    """The documents of all `inputs` (see `find_inputs`), one after the other. Raises `BadInput` as `read_file`."""
    for file in find_inputs(inputs):
        yield from read_file(file, shape, language, column=column)


def read_file(
    file: InputFile, shape: Shape | Literal["auto"], language: str, *, column: str = "text"
) -> Iterator[Document]:
    """The documents of one file, in constant memory. Raises `BadInput` as `read_raw` and `lines_of`."""
    for raw in read_raw(file, shape, language, column=column):
        if sentences := sentences_of(raw, language):
            yield Document(sentences, raw.source)


def sentences_of(raw: RawDocument, language: str) -> tuple[str, ...]:
    """The sentences of a document; none for one whose text is white space. Raises `BadInput` as `lines_of`."""
    return sentences_of_lines(lines_of(raw, language), language)


def lines_of(raw: RawDocument, language: str) -> Lines:
    """The text of a document, unpacked; no lines for white space.

    Raises `BadInput`, naming file and place, for a row that is not JSON or has no text, and where the library that
    reads a format is not installed.
    """
    match raw.shape:
        case "sentences":
            return Lines(tuple(raw.text.split("\n")), True)
        case "paragraphs":
            return Lines(tuple(raw.text.split("\n")), False)
        case "jsonl":
            text = jsonl.text_of_row(raw.text, raw.column, raw.where)
        case "wikipedia":
            return Lines(tuple(wikicode.plain_text(raw.text, raw.where)), False)
        case "warc":
            return Lines(tuple(warc.text_of_record(raw.text, raw.where)), False)
        case "csv" | "tsv" | "parquet" | "arrow":
            text = raw.text
    rows = enumerate(text.split("\n"), 1)
    return Lines(tuple(paragraph for _, paragraph in plain.paragraphs(rows, language)), False)


def sentences_of_lines(lines: Lines, language: str) -> tuple[str, ...]:
    """The sentences of a document's lines.

    >>> sentences_of_lines(Lines(("It rained. She smiled.", "He bowed."), are_sentences=False), "en")
    ('It rained.', 'She smiled.', 'He bowed.')
    >>> sentences_of_lines(Lines(("却说曹操败走。云长大怒。",), are_sentences=True), "zh")
    ('却说曹操败走。云长大怒。',)
    """
    if lines.are_sentences:
        return lines.lines
    return tuple(sentence for line in lines.lines for sentence in split_sentences(line, language))


def read_raw(
    file: InputFile, shape: Shape | Literal["auto"], language: str, *, column: str = "text"
) -> Iterator[RawDocument]:
    """The documents of one file, in constant memory, their lines not yet found. Raises `BadInput` as `read_part`."""
    return read_part(Part(file, shape), language, column=column, name=file.name)


def read_part(part: Part, language: str, *, column: str = "text", name: str | None = None) -> Iterator[RawDocument]:
    """The documents of a part of a file, in constant memory, their lines not yet found.

    `name` is what they are named by in `source`, the file's label unless given. Raises `BadInput`, naming the file and
    the line, row or byte: a file that is empty (if it was named, not found in a folder), binary, not UTF-8, cut off or
    damaged, of another shape than the one asked for, or a table without the column of text.
    """
    file, shape = part.file, part.shape
    if language not in LANGUAGES:
        raise BadInput(f"language {language!r} is not known: text is read in {' and '.join(LANGUAGES)}")
    if shape not in (*SHAPES, "auto"):
        raise BadInput(f"shape {shape!r} is not known: there are auto, {', '.join(SHAPES)}")
    is_range = part.end is not None and shape in LINE_SHAPES
    pieces = open_range(file, part.begin, part.end or 0) if is_range else open_input(file)
    if shape == "auto":
        head, pieces = peeked(pieces, HEAD_BYTES)
        shape = shape_of_bytes(head, file.name) or "auto"
    places: _Places
    match shape:
        case "parquet" | "arrow":
            places = _table(part, shape, column, pieces)
        case "wikipedia":
            places = wikipedia.pages(pieces, file.name)
        case "warc":
            places = warc.records(as_stream(pieces), file.name)
        case "csv" | "tsv":
            places = delimited.rows(text_lines(pieces, file.name), shape, column, file.name)
        case _:
            shape, places = _lines(part, shape, pieces, language)
    unit, name = _UNITS.get(shape, "line"), name or file.label or file.name
    for place, text in places:
        yield RawDocument(text, shape, f"{name}:{place}", f"{file.name} {unit} {place}", column)


def _table(
    part: Part, shape: Literal["parquet", "arrow"], column: str, pieces: Iterator[bytes]
) -> Iterator[tuple[int, str]]:
    """The rows of a table that has to be read from its end."""
    with seekable(part.file, pieces) as stream:
        if shape == "arrow":
            yield from arrow.rows(stream, part.file.name, column, first=part.first)
        else:
            yield from parquet.rows(stream, part.file.name, column, begin=part.begin, end=part.end, first=part.first)


def _lines(
    part: Part, shape: LineShape | Literal["auto"], pieces: Iterator[bytes], language: str
) -> tuple[LineShape, Iterator[tuple[int, str]]]:
    """The documents in lines of text, and the shape that they have."""
    file = part.file
    lines = text_lines(pieces, file.name, number=part.first, offset=part.begin)
    head = _head(lines)
    if not any(line.strip() for _, line in head):  # white space, at least that far
        following = next(((number, line) for number, line in lines if line.strip()), None)
        if following is None:
            if file.named and part.begin == 0 and part.end in (None, file.size):
                raise BadInput(f"{file.name} is empty: it holds no character but white space")
            return "paragraphs", iter(())
        head = [following, *_head(lines)]
    texts = [line for _, line in head]
    if shape == "auto":
        shape = shape_of_lines(texts, file.name)
    elif part.end is None:  # whoever cut the file has looked at it
        refuse_wrong_shape(texts, shape, file.name)
    lines = chain(head, lines)
    if shape == "sentences":
        return shape, plain.sentence_documents(lines)
    if shape == "jsonl":
        return shape, ((number, line) for number, line in lines if line.strip())
    return shape, plain.prose_documents(lines, language)


def detect_shape(file: InputFile, asked: Shape | Literal["auto"] = "auto") -> Shape:
    """The shape of `file`, from its name, its first bytes and lines, which a pipe does not give a second time.

    Of a shape that is `asked` for, only whether the file plainly is of another one: then raises `BadInput`.
    """
    if asked not in (*LINE_SHAPES, "auto"):
        return asked
    head, pieces = peeked(open_input(file), HEAD_BYTES)
    if asked == "auto" and (shape := shape_of_bytes(head, file.name)):
        return shape
    lines = [line for _, line in _head(text_lines(pieces, file.name))]
    if asked == "auto":
        return shape_of_lines(lines, file.name)
    refuse_wrong_shape(lines, asked, file.name)
    return asked


def _head(lines: Iterator[tuple[int, str]]) -> list[tuple[int, str]]:
    head: list[tuple[int, str]] = []
    characters = 0
    for number, line in lines:
        head.append((number, line))
        characters += len(line)
        if len(head) >= HEAD_LINES or characters >= HEAD_CHARACTERS:
            break
    return head
