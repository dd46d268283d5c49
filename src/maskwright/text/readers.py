"""Documents of sentences, from files of three shapes, in memory that does not grow with them.

A document is what its file says it is: the lines up to an empty one ("sentences"), a row ("jsonl"), or the file
("paragraphs"). Two limits keep memory constant: prose is cut, at the end of a paragraph, into documents of about
`PROSE_DOCUMENT` characters, so that a book or a dump is many documents and not one; and so is a file of sentences
that goes on for `LONGEST_DOCUMENT` characters without an empty line.

Reading has two halves: `read_raw` finds where documents begin and end, which has to go through a file in order, and
`sentences_of` finds the sentences of one, which is most of the work and which any process can do.

Cleaning is BERT's: white space is stripped and collapsed. The rest is the tokenizer's matter.
"""

import json
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

from maskwright.errors import BadInput
from maskwright.text.characters import is_wide
from maskwright.text.inputs import InputFile, find_inputs, open_input
from maskwright.text.lines import text_lines
from maskwright.text.sentences import LANGUAGES, split_sentences
from maskwright.text.shapes import SHAPES, Shape, refuse_wrong_shape, shape_of_lines

__all__ = [
    "Document",
    "InputFile",
    "RawDocument",
    "Shape",
    "detect_shape",
    "find_inputs",
    "read_documents",
    "read_file",
    "read_raw",
    "sentences_of",
]

PROSE_DOCUMENT = 50_000  # characters: a long chapter
LONGEST_DOCUMENT = 8_000_000  # characters
HEAD_LINES = 200  # lines and characters looked at to find the shape
HEAD_CHARACTERS = 60_000
WRAPPED_LINE = {"en": (40, 100), "zh": (20, 50)}  # characters of a line that was wrapped: at least, at most

_Lines = Iterator[tuple[int, str]]


class Document(NamedTuple):
    """Sentences in order, none empty, and where they stand: `path:line` of the first one."""

    sentences: tuple[str, ...]
    source: str


class RawDocument(NamedTuple):
    """A document whose sentences are still to be found.

    text    lines that are sentences, lines that are paragraphs, or a row of JSON, as `shape` says
    source  as that of `Document`
    where   the same for messages: `path line 12`
    """

    text: str
    shape: Shape
    source: str
    where: str


def read_documents(
    inputs: Sequence[str | Path], *, shape: Shape | Literal["auto"] = "auto", language: Literal["en", "zh"]
) -> Iterator[Document]:
    """The documents of all `inputs` (see `find_inputs`), one after the other. Raises `BadInput` as `read_file`."""
    for file in find_inputs(inputs):
        yield from read_file(file, shape, language)


def read_file(file: InputFile, shape: Shape | Literal["auto"], language: str) -> Iterator[Document]:
    """The documents of one file, in constant memory. Raises `BadInput` as `read_raw` and `sentences_of`."""
    for raw in read_raw(file, shape, language):
        if sentences := sentences_of(raw, language):
            yield Document(sentences, raw.source)


def sentences_of(raw: RawDocument, language: str) -> tuple[str, ...]:
    """The sentences of a document; none for a row of JSON whose text is white space.

    Raises `BadInput`, naming file and line, for a row that is not JSON or has no "text".
    """
    if raw.shape == "sentences":
        return tuple(raw.text.split("\n"))
    paragraphs = raw.text.split("\n")
    if raw.shape == "jsonl":
        rows = _text_of_row(raw.text, raw.where).split("\n")
        paragraphs = [paragraph for _, paragraph in _paragraphs(enumerate(rows, 1), language)]
    return tuple(sentence for paragraph in paragraphs for sentence in split_sentences(paragraph, language))


def read_raw(file: InputFile, shape: Shape | Literal["auto"], language: str) -> Iterator[RawDocument]:
    """The documents of one file, in constant memory, their sentences not yet found.

    Raises `BadInput`, naming the file and the line or byte: a file that is empty (if it was named, not found in a
    folder), binary, not UTF-8, cut off or damaged, of another shape than the one asked for.
    """
    if language not in LANGUAGES:
        raise BadInput(f"language {language!r} is not known: text is read in {' and '.join(LANGUAGES)}")
    if shape not in (*SHAPES, "auto"):
        raise BadInput(f"shape {shape!r} is not known: there are auto, {', '.join(SHAPES)}")
    lines = text_lines(open_input(file), file.name)
    head = _head(lines)
    if not any(line.strip() for _, line in head):  # white space, at least that far
        following = next(((number, line) for number, line in lines if line.strip()), None)
        if following is None:
            if file.named:
                raise BadInput(f"{file.name} is empty: it holds no character but white space")
            return
        head = [following, *_head(lines)]
    texts = [line for _, line in head]
    if shape == "auto":
        shape = shape_of_lines(texts, file.name)
    else:
        refuse_wrong_shape(texts, shape, file.name)
    lines = chain(head, lines)
    if shape == "sentences":
        found: _Lines = _sentence_documents(lines)
    elif shape == "jsonl":
        found = ((number, line) for number, line in lines if line.strip())
    else:
        found = _prose_documents(lines, language)
    for number, text in found:
        yield RawDocument(text, shape, f"{file.name}:{number}", f"{file.name} line {number}")


def detect_shape(file: InputFile) -> Shape:
    """The shape of `file`, from its first lines, which a pipe does not give a second time."""
    lines = text_lines(open_input(file), file.name)
    return shape_of_lines([line for _, line in _head(lines)], file.name)


def _head(lines: _Lines) -> list[tuple[int, str]]:
    head: list[tuple[int, str]] = []
    characters = 0
    for number, line in lines:
        head.append((number, line))
        characters += len(line)
        if len(head) >= HEAD_LINES or characters >= HEAD_CHARACTERS:
            break
    return head


def _sentence_documents(lines: _Lines) -> _Lines:
    """The sentences of each document, cleaned, a line each, with the number of their first line."""
    sentences: list[str] = []
    begun = size = 0
    for number, line in lines:
        sentence = " ".join(line.split())
        if sentence:
            if not sentences:
                begun = number
            sentences.append(sentence)
            size += len(sentence)
        if sentences and (not sentence or size >= LONGEST_DOCUMENT):
            yield begun, "\n".join(sentences)
            sentences, size = [], 0
    if sentences:
        yield begun, "\n".join(sentences)


def _prose_documents(lines: _Lines, language: str) -> _Lines:
    """The paragraphs of each document, a line each, with the number of their first line."""
    paragraphs: list[str] = []
    begun = size = 0
    for number, paragraph in _paragraphs(lines, language):
        if not paragraphs:
            begun = number
        paragraphs.append(paragraph)
        size += len(paragraph)
        if size >= PROSE_DOCUMENT:
            yield begun, "\n".join(paragraphs)
            paragraphs, size = [], 0
    if paragraphs:
        yield begun, "\n".join(paragraphs)


def _text_of_row(line: str, where: str) -> str:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise BadInput(f"{where} is not JSON: {error.msg} at character {error.colno}") from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, brackets thousands deep
        raise BadInput(f"{where} cannot be read as JSON: {str(error).splitlines()[0]}") from None
    if not isinstance(row, dict):
        raise BadInput(f'{where} is not a JSON object: each line should be {{"text": "..."}}')
    fields = cast(dict[str, Any], row)
    text = fields.get("text")
    if not isinstance(text, str):
        held = ", ".join(list(fields)[:5]) or "nothing"
        missing = 'has no "text"' if "text" not in fields else 'has a "text" that is not a string'
        raise BadInput(f'{where} {missing} (it has {held}): each line should be {{"text": "..."}}')
    if "\\u" in line:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            code = ord(text[error.start])
            raise BadInput(f"{where} holds half of a surrogate pair (\\u{code:04x}), which is no character") from None
    return text


def _paragraphs(lines: _Lines, language: str) -> _Lines:
    """Paragraphs, cleaned, with the number of their first line.

    An empty line ends one, and so does a line's end where lines were not wrapped there: behind a line that is short
    (unless a lower-case letter follows), and around one that is long. Chinese lines are joined without a space.

    >>> wrapped = ["It is a truth universally acknowledged, that a", "man must want a wife.", "Chapter 2", "Mr. Bennet"]
    >>> [text for _, text in _paragraphs(enumerate(wrapped), "en")]
    ['It is a truth universally acknowledged, that a man must want a wife.', 'Chapter 2', 'Mr. Bennet']
    >>> wrapped = ["话说天下大势，分久必合，合久必分：周末七国", "分争，并入于秦。"]
    >>> [text for _, text in _paragraphs(enumerate(wrapped), "zh")]
    ['话说天下大势，分久必合，合久必分：周末七国分争，并入于秦。']
    """
    shortest, longest = WRAPPED_LINE[language]
    pending: list[str] = []
    begun = size = 0
    for number, line in lines:
        line = " ".join(line.split())
        if pending:
            before = pending[-1]
            wrapped = line and len(line) <= longest and len(before) <= longest and size < PROSE_DOCUMENT
            if wrapped and (len(before) >= shortest or line[0].islower()):
                if _are_apart(before[-1], line[0], language):
                    pending.append(" ")
                pending.append(line)
                size += len(line)
                continue
            yield begun, "".join(pending)
            pending = []
        if line:
            pending, begun, size = [line], number, len(line)
    if pending:
        yield begun, "".join(pending)


def _are_apart(last: str, first: str, language: str) -> bool:
    """Whether a blank goes between two lines that are joined, by the characters that meet."""
    if last == "-":
        return False
    if last.isascii() and first.isascii():
        return True
    wide = is_wide(last) + is_wide(first)
    return wide == 0 or (wide == 1 and language != "zh")
