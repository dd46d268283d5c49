r"""Pairs of sentences that are translations of each other, from files of three shapes.

tsv      two columns, tabs between, nothing quoted. A first line that names both languages is a header: then other
         columns may stand there too, and one named `document` says which document a pair is of
jsonl    an object a line, with the two sentences in fields named by the languages, and perhaps a `document`
aligned  two files of text: a line of one and the same line of the other are a pair

A document ends at an empty line (of both files), or where `document` changes. White space is stripped and collapsed;
a sentence is what its row or line holds, whatever marks are in it. Nothing is left out here: a pair may lack a side.

>>> rows = ["It rained.\t下雨了。", "", "She smiled.\t"]
>>> [(pair.sides, pair.begins) for pair in tsv_pairs(enumerate(rows, 1), ("en", "zh"), "a.tsv")]
[(('It rained.', '下雨了。'), True), (('She smiled.', ''), True)]
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import Any, Literal, NamedTuple, get_args

from maskwright.errors import BadInput
from maskwright.text.formats.jsonl import fields_of_row, text_of_field
from maskwright.text.lines import text_lines
from maskwright.text.opening import InputFile, open_input
from maskwright.text.shapes import bare_name

PairShape = Literal["tsv", "jsonl", "aligned"]
PAIR_SHAPES: tuple[PairShape, ...] = get_args(PairShape)
DOCUMENT = "document"
_CHINESE = frozenset(("zh", "cmn"))

Names = tuple[str, str]
NumberedLines = Iterable[tuple[int, str]]


class Pair(NamedTuple):
    """Two sentences, of which either may be empty.

    line    where the pair stands in its file
    begins  whether a document begins here
    """

    sides: tuple[str, str]
    line: int
    begins: bool


class PairFile(NamedTuple):
    """What pairs are read from: one file, or two of shape aligned."""

    files: tuple[InputFile, ...]
    shape: PairShape


def is_chinese(language: str) -> bool:
    """Whether the words of this language are found as those of Chinese, by its name.

    >>> [is_chinese(name) for name in ("zh", "zh-Hant", "zh_CN", "en", "kjv")]
    [True, True, True, False, False]
    """
    return language.lower().replace("_", "-").partition("-")[0] in _CHINESE


def pair_files(files: Sequence[InputFile], shape: PairShape | Literal["auto"] = "auto") -> list[PairFile]:
    """Which files stand alone and which two belong together: of those that are aligned, each one and the next.

    Raises `BadInput` for one of two that is missing, and for aligned files that were found in a folder or archive,
    where nothing says what belongs together.
    """
    found: list[PairFile] = []
    waiting: list[InputFile] = []
    for file in files:
        its = _shape_of_name(file) if shape == "auto" else shape
        if its != "aligned":
            found.append(PairFile((file,), its))
            continue
        if not file.named or file.member is not None:
            raise BadInput(f"{file.name} has one side of pairs: name it and its other side, not their folder")
        waiting.append(file)
        if len(waiting) == 2:
            found.append(PairFile(tuple(waiting), "aligned"))
            waiting = []
    if waiting:
        raise BadInput(
            f"{waiting[0].name} has no other side: give two files of text line by line, "
            "or one with two columns as .tsv or .jsonl (--shape tsv, --shape jsonl)"
        )
    return found


def _shape_of_name(file: InputFile) -> PairShape:
    match bare_name(file.name).rpartition(".")[2]:
        case "tsv":
            return "tsv"
        case "jsonl" | "ndjson":
            return "jsonl"
        case "csv" | "parquet" | "arrow" | "warc" | "wet" | "xml":
            raise BadInput(
                f"{file.name} is no file of pairs: those are .tsv, .jsonl, or two files of text line by line"
            )
        case _:
            return "aligned"


def read_pairs(file: PairFile, languages: Names) -> Iterator[Pair]:
    """The pairs of a file or of two, in order, in constant memory.

    Raises `BadInput`, naming file and line, for a column that is missing, for files that do not align, and as
    `text_lines`.
    """
    name = file.files[0].name
    lines = [text_lines(open_input(one), one.name) for one in file.files]
    match file.shape:
        case "tsv":
            return tsv_pairs(lines[0], languages, name)
        case "jsonl":
            return jsonl_pairs(lines[0], languages, name)
        case "aligned":
            return aligned_pairs(lines[0], lines[1], (name, file.files[1].name))


def tsv_pairs(lines: NumberedLines, languages: Names, name: str) -> Iterator[Pair]:
    """Pairs in two columns, see above."""
    places: list[int] | None = None
    width, at_document = 2, -1
    cut = _Cut()
    for number, line in lines:
        if not line.strip():
            cut.after_blank()
            continue
        fields = line.split("\t")
        if places is None:
            header = [field.strip() for field in fields]
            if set(languages) <= set(header):
                places, width = [header.index(language) for language in languages], len(header)
                at_document = header.index(DOCUMENT) if DOCUMENT in header else -1
                continue
            places = [0, 1]
            if len(fields) > 2:
                missing = next(language for language in languages if language not in header)
                raise BadInput(
                    f"{name} line {number} has {len(fields)} columns, none of them named {missing}: "
                    f"give two, or name {' and '.join(languages)} in a header"
                )
        if len(fields) == 1:
            raise BadInput(f"{name} line {number} has no tab: a pair is a sentence, a tab, and its translation")
        if len(fields) != width:
            raise BadInput(f"{name} line {number} has {len(fields)} columns, and the rows before it {width}")
        first, second = (_collapsed(fields[place]) for place in places)
        yield Pair((first, second), number, cut.begins(fields[at_document] if at_document >= 0 else None))


def jsonl_pairs(lines: NumberedLines, languages: Names, name: str) -> Iterator[Pair]:
    """Pairs in two fields, see above."""
    cut = _Cut()
    for number, line in lines:
        if not line.strip():
            cut.after_blank()
            continue
        where = f"{name} line {number}"
        fields = fields_of_row(line, languages[0], where)
        first, second = (_collapsed(text_of_field(fields, language, where)) for language in languages)
        yield Pair((first, second), number, cut.begins(fields.get(DOCUMENT)))


def aligned_pairs(lines: NumberedLines, others: NumberedLines, names: Names) -> Iterator[Pair]:
    """Pairs in two files, line by line, see above. Empty lines at the end of one are no fault."""
    cut = _Cut()
    ends = [0, 0]
    for both in zip_longest(lines, others):
        ends = [line[0] if line else end for line, end in zip(both, ends, strict=True)]
        first, second = (_collapsed(line[1]) if line else "" for line in both)
        if not first and not second:
            cut.after_blank()
            continue
        if None in both:
            short = both.index(None)
            raise BadInput(
                f"{names[short]} ends with line {ends[short]}, where {names[1 - short]} goes on with line "
                f"{ends[1 - short]}: aligned files have a line for each line of the other"
            )
        yield Pair((first, second), max(ends), cut.begins(None))


class _Cut:
    """Where documents begin: at the first pair, behind an empty line, and where the name of the document changes."""

    def __init__(self) -> None:
        self._ended = True
        self._document: Any = None

    def after_blank(self) -> None:
        self._ended = True

    def begins(self, document: Any) -> bool:
        begins = self._ended or document != self._document
        self._ended, self._document = False, document
        return begins


def _collapsed(text: str) -> str:
    return " ".join(text.split())
