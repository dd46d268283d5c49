"""What reading gives: documents whose text is still packed in their file's format, then their lines, then sentences."""

from typing import NamedTuple

from maskwright.text.shapes import Shape


class RawDocument(NamedTuple):
    """A document whose lines are still to be found: small, picklable, cheap to make in the process that reads.

    text    what its file holds of it, by `shape`: lines that are sentences, lines that are paragraphs, a row of JSON,
            the text of a table's row, a page's wikicode, or a WARC record (a character a byte)
    source  where it stands, by its file and its line, row, page or record: `path:12`
    where   the same for messages: `path line 12`
    column  where a row of JSON has its text
    """

    text: str
    shape: Shape
    source: str
    where: str
    column: str = "text"


class Lines(NamedTuple):
    """The text of a document, unpacked: lines, none empty, white space collapsed.

    are_sentences   each line is a sentence; otherwise a paragraph
    """

    lines: tuple[str, ...]
    are_sentences: bool


class Document(NamedTuple):
    """Sentences in order, none empty, and where they stand (as `RawDocument.source`)."""

    sentences: tuple[str, ...]
    source: str
