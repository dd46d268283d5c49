"""GLUE's tables, as they are distributed (Wang et al. 2018, arXiv:1804.07461): tabs between columns, no quoting.

A quotation mark is a mark like any other: a reader of csv that takes it for more joins rows. Test files have an
`index` and no label. Two of the nine have ways of their own.

    CoLA    has no header, but in its test file: source, label, the source's mark, sentence
    MRPC    is Microsoft's corpus (`msr_paraphrase_train.txt`), of which `dev_ids.tsv` names the pairs to develop on;
            GLUE's script makes train.tsv, dev.tsv and test.tsv of it
    QQP     has questions with line ends in them, which tear rows; torn rows are passed over and counted, as BERT's
            run_classifier.py and GLUE's own baselines do
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from maskwright.errors import BadInput
from maskwright.tasks.examples import Labelled
from maskwright.tasks.reading import cells
from maskwright.tasks.reading.faults import Faults, kept
from maskwright.tasks.reading.rows import Row, numbered_lines, refuse_missing

_COLA = ["source", "label", "mark", "sentence"]
_MSR_TRAIN = "msr_paraphrase_train.txt"
DEV_IDS = "dev_ids.tsv"


def glue(
    path: str | Path,
    faults: Faults,
    *,
    text: str,
    pair: str | None = None,
    label: str = "label",
    id: str = "index",
    kind: Literal["class", "number"] = "class",
    torn: bool = False,
) -> Iterator[Labelled]:
    """The examples of a table with a header. One without the column `label` is a test file.

    torn    whether rows of another width than the header are a known defect
    """
    rows = _rows(path, [text] if pair is None else [text, pair], faults, torn)
    return kept(rows, _maker(text, pair, label, id, kind, faults), faults)


def cola(path: str | Path, faults: Faults) -> Iterator[Labelled]:
    """CoLA, with its header in the test file and without one in the others."""
    make = _maker("sentence", None, "label", "index", "class", faults)
    lines = numbered_lines(path)
    header: list[str] | None = None

    def make_of(row: tuple[str, str]) -> Labelled | None:
        nonlocal header
        where, line = row
        fields = line.split("\t")
        if header is None:
            header = fields if fields == ["index", "sentence"] else _COLA
            if header is fields:
                return None
        return make(_row(fields, header, where))

    return kept(lines, make_of, faults)


def mrpc(path: str | Path, faults: Faults) -> Iterator[Labelled]:
    """MRPC: a table that GLUE's script made, a file of Microsoft's, or `dev_ids.tsv` beside that, for its pairs.

    Where both are there, the pairs for development are left out of Microsoft's training file.
    """
    path = Path(path)
    ids = path.with_name(DEV_IDS)
    if path.name == DEV_IDS:
        yield from _msr_part(path.with_name(_MSR_TRAIN), ids, True, faults)
    elif path.name == _MSR_TRAIN and ids.exists():
        yield from _msr_part(path, ids, False, faults)
    else:
        yield from glue(path, faults, text="#1 String", pair="#2 String", label="Quality")


def _msr_part(path: Path, ids: Path, inside: bool, faults: Faults) -> Iterator[Labelled]:
    """The pairs of Microsoft's training file that are in the list, or those that are not."""
    listed = {tuple(line.strip().split("\t")) for _, line in numbered_lines(ids)}
    make = _maker("#1 String", "#2 String", "Quality", "index", "class", faults)

    def make_of(row: Row) -> Labelled | None:
        return make(row) if ((row.fields["#1 ID"], row.fields["#2 ID"]) in listed) == inside else None

    return kept(_rows(path, ["Quality", "#1 ID", "#2 ID", "#1 String", "#2 String"], faults, False), make_of, faults)


def _rows(path: str | Path, columns: list[str], faults: Faults, torn: bool) -> Iterator[Row]:
    lines = numbered_lines(path)
    for where, line in lines:
        header = line.split("\t")
        refuse_missing(header, columns, where)
        for where, line in lines:
            try:
                yield _row(line.split("\t"), header, where)
            except BadInput as error:
                if torn:
                    faults.quirks["rows torn by a line end in a question"] += 1
                else:
                    faults.found(error)


def _row(fields: list[str], header: list[str], where: str) -> Row:
    if len(fields) != len(header):
        raise BadInput(f"{where} has {len(fields)} columns, and its table {len(header)}: {', '.join(header)}")
    return Row(dict(zip(header, fields, strict=True)), where)


def _maker(
    text: str, pair: str | None, label: str, id: str, kind: Literal["class", "number"], faults: Faults
) -> Callable[[Row], Labelled]:
    """What makes an example of a row, taking the label and the id where the table has them."""

    def make(row: Row) -> Labelled:
        found: str | float | None = None
        if label in row.fields:
            found = cells.name(row, label) if kind == "class" else cells.number(row, label)
        other = None if pair is None else cells.published(row, pair, faults)
        return Labelled(cells.published(row, text, faults), other, found, row.where, row.fields.get(id))

    return make
