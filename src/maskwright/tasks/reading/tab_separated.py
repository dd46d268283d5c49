"""Chinese sets of classification whose tables have tabs, no quoting, and a header in some copies only.

ChnSentiCorp    label, text_a; in one copy qid, label, text_a, and a test file without labels
LCQMC           text_a, text_b, label (Liu et al. 2018): published without a header
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from maskwright.errors import BadInput
from maskwright.tasks.examples import Labelled
from maskwright.tasks.reading import cells
from maskwright.tasks.reading.faults import Faults, kept
from maskwright.tasks.reading.rows import Row, numbered_lines


def tab_separated(
    path: str | Path, faults: Faults, *, columns: Sequence[str], text: str = "text_a", pair: str | None = None
) -> Iterator[Labelled]:
    """The examples of a table with a header that names `text`, or without one, and then of these `columns`."""

    def make(row: Row) -> Labelled:
        label = cells.name(row, "label") if "label" in row.fields else None
        other = None if pair is None else cells.published(row, pair, faults)
        return Labelled(cells.published(row, text, faults), other, label, row.where, row.fields.get("qid"))

    return kept(_rows(path, columns, text, faults), make, faults)


def chnsenticorp(path: str | Path, faults: Faults) -> Iterator[Labelled]:
    """ChnSentiCorp's reviews."""
    return tab_separated(path, faults, columns=("label", "text_a"))


def lcqmc(path: str | Path, faults: Faults) -> Iterator[Labelled]:
    """LCQMC's pairs of questions."""
    return tab_separated(path, faults, columns=("text_a", "text_b", "label"), pair="text_b")


def _rows(path: str | Path, columns: Sequence[str], text: str, faults: Faults) -> Iterator[Row]:
    header: Sequence[str] | None = None
    for where, line in numbered_lines(path):
        fields = line.split("\t")
        if header is None:
            header = fields if text in fields else columns
            if header is fields:
                continue
        if len(fields) != len(header):
            faults.found(
                BadInput(f"{where} has {len(fields)} columns, and its table {len(header)}: {', '.join(header)}")
            )
        else:
            yield Row(dict(zip(header, fields, strict=True)), where)
