"""How a file sets out its documents, found from its first bytes, its name and its first lines.

sentences    a sentence a line, an empty line between documents: the format of Google's BERT scripts
paragraphs   prose: lines wrapped or not, an empty line between paragraphs
jsonl        a JSON object a line, with the document in its "text"
csv, tsv     a table with a header, a document a row, in its column "text"
parquet      the same, in Parquet
arrow        the same, in Arrow's stream or file format: what `datasets` of Hugging Face saves to disk
wikipedia    an XML dump of MediaWiki, a document a page
warc         a web crawl (WARC), a document a page of HTML; and text taken from one (WET)

The first three are lines of text: they can be read from the middle on.
"""

import json
import re
from itertools import pairwise
from typing import Literal, get_args

from maskwright.errors import BadInput
from maskwright.text.sentences import split_sentences

LineShape = Literal["sentences", "paragraphs", "jsonl"]
Shape = Literal["sentences", "paragraphs", "jsonl", "csv", "tsv", "parquet", "arrow", "wikipedia", "warc"]
SHAPES: tuple[Shape, ...] = get_args(Shape)
LINE_SHAPES: tuple[LineShape, ...] = get_args(LineShape)

HEAD_BYTES = 4096  # looked at to tell formats that have a mark of their own

_PACKED = re.compile(r"\.(?:gz|zst|bz2|xz)$")
_MAGIC: tuple[tuple[bytes, Shape], ...] = (
    (b"PAR1", "parquet"),
    (b"ARROW1", "arrow"),
    (b"\xff\xff\xff\xff", "arrow"),  # the mark before each message of a stream
    (b"WARC/", "warc"),
)
_MEDIAWIKI = re.compile(rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<mediawiki[\s>]", re.DOTALL)

_ENDS = frozenset(".!?…。！？；:：\"'”’»)]）」』】-—")
_SENTENCES = 0.7  # a file is one-sentence-a-line when this share of its first lines looks like it


def shape_of_bytes(head: bytes, name: str) -> Shape | None:
    """The shape of a file that begins with `head`, where its bytes or its name tell; None for lines of text.

    >>> [shape_of_bytes(*file) for file in ((b"WARC/1.0", "crawl.gz"), (b"id,text", "a.csv.zst"), (b"It rained.", "a"))]
    ['warc', 'csv', None]
    """
    for magic, shape in _MAGIC:
        if head.startswith(magic):
            return shape
    if _MEDIAWIKI.match(head.removeprefix(b"\xef\xbb\xbf")):
        return "wikipedia"
    match bare_name(name).rpartition(".")[2]:
        case "csv":
            return "csv"
        case "tsv":
            return "tsv"
        case "parquet":
            raise BadInput(
                f"{name} is no Parquet file, whatever its name says: it begins with {head[:4]!r}, not b'PAR1'"
            )
        case "arrow":
            raise BadInput(f"{name} is no Arrow file, whatever its name says: it begins with {head[:6]!r}")
        case _:
            return None


def bare_name(name: str) -> str:
    """`name` in lower case, without the ending that says how it is packed.

    >>> bare_name("Wiki.JSONL.gz"), bare_name("a.txt")
    ('wiki.jsonl', 'a.txt')
    """
    return _PACKED.sub("", name.lower())


def shape_of_lines(lines: list[str], name: str) -> LineShape:
    """The shape of a text file that begins with `lines`; its name decides where it ends in .jsonl or .ndjson.

    >>> shape_of_lines(["Mr. Darcy bowed.", "She smiled.", "", "It rained."], "a.txt")
    'sentences'
    >>> shape_of_lines(["It is a truth universally acknowledged, that a single", "man must want a wife."], "a.txt")
    'paragraphs'
    >>> shape_of_lines(['{"text": "却说曹操败走。"}'], "a.txt")
    'jsonl'
    """
    filled = [line.strip() for line in lines if line.strip()]
    if bare_name(name).endswith((".jsonl", ".ndjson")) or (filled and _is_json_object(filled[0])):
        return "jsonl"
    one_each = sum(line[-1] in _ENDS and len(split_sentences(line, "en")) == 1 for line in filled)
    return "sentences" if filled and one_each >= _SENTENCES * len(filled) else "paragraphs"


def refuse_wrong_shape(lines: list[str], shape: LineShape, name: str) -> None:
    """Raises `BadInput` where `lines`, the first of the file `name`, plainly contradict the `shape` asked for.

    >>> refuse_wrong_shape(["It rained. She smiled. He bowed."] * 3, "sentences", "a.txt")
    Traceback (most recent call last):
        ...
    maskwright.errors.BadInput: a.txt is not of shape sentences: line 1 holds 3 of them; its shape may be paragraphs
    """
    filled = [(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()]
    if not filled:
        return
    number, line = filled[0]
    if shape == "jsonl":
        if not line.startswith("{"):
            likely = shape_of_lines([line for _, line in filled], "")
            raise BadInput(f"{name} is not of shape jsonl: line {number} is not JSON; its shape may be {likely}")
        return  # the reader itself names the first row that is no JSON
    if _is_json_object(line):
        raise BadInput(f"{name} is not of shape {shape}: line {number} is a JSON object; its shape may be jsonl")
    if shape == "paragraphs":
        return
    counts = [(number, len(split_sentences(line, "en"))) for number, line in filled]
    many = [(number, count) for number, count in counts if count >= 3]
    if 2 * len(many) > len(counts):
        number, count = many[0]
        raise BadInput(
            f"{name} is not of shape sentences: line {number} holds {count} of them; its shape may be paragraphs"
        )
    torn = [number for (_, before), (number, line) in pairwise(filled) if line[0].islower() and before[-1] not in _ENDS]
    if 2 * len(torn) > len(filled):
        raise BadInput(
            f"{name} is not of shape sentences: line {torn[0]} goes on with the sentence of the line before; "
            "its shape may be paragraphs"
        )


def _is_json_object(line: str) -> bool:
    """True for the beginning of an object too: a first line may be longer than what is looked at."""
    if not line.startswith("{"):
        return False
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return line[1:].lstrip().startswith('"') and ":" in line
