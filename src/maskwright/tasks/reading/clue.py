"""CLUE's files (Xu et al. 2020, arXiv:2004.05986): classification, a JSON object a line. Test files have no label.

    AFQMC, CMNLI    sentence1, sentence2
    TNEWS, IFLYTEK  sentence
    CLUEWSC2020     a text and two stretches of it, by their first character: does the second mean the first?
    CSL             an abstract and keywords: are all of them its own?

Of CMNLI some rows have the label "-", as in SNLI: the people who labelled them did not agree. They are passed over and
counted. CMRC2018 is in `squad.py`, ChID in `chid.py`, C3 in `c3.py`.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

from maskwright.errors import BadInput
from maskwright.tasks.examples import Labelled
from maskwright.tasks.reading import cells
from maskwright.tasks.reading.faults import Faults, kept
from maskwright.tasks.reading.rows import Row, json_rows

_UNDECIDED = "-"


def clue(path: str | Path, faults: Faults, *, text: str = "sentence", pair: str | None = None) -> Iterator[Labelled]:
    """The examples of AFQMC, CMNLI, TNEWS or IFLYTEK."""

    def texts(row: Row) -> tuple[str, str | None]:
        other = None if pair is None else cells.published(row, pair, faults)
        return cells.published(row, text, faults), other

    return _examples(path, [text, *([pair] if pair else [])], texts, faults)


def cluewsc(path: str | Path, faults: Faults) -> Iterator[Labelled]:
    """CLUEWSC2020's texts, with the first stretch between low lines and the second between brackets, as CLUE has it."""
    return _examples(path, ["text", "target"], lambda row: (_with_marks(row), None), faults)


def csl(path: str | Path, faults: Faults) -> Iterator[Labelled]:
    """CSL's keywords, a space between them, and their abstract."""

    def texts(row: Row) -> tuple[str, str | None]:
        return " ".join(cells.sequence(row, "keyword")), cells.published(row, "abst", faults)

    return _examples(path, ["keyword", "abst"], texts, faults)


def _examples(
    path: str | Path, columns: list[str], texts: Callable[[Row], tuple[str, str | None]], faults: Faults
) -> Iterator[Labelled]:
    def make(row: Row) -> Labelled | None:
        if row.fault is not None:
            raise row.fault
        label = cells.name(row, "label") if "label" in row.fields else None
        if label == _UNDECIDED:
            faults.quirks["rows whose label nobody agreed on"] += 1
            return None
        ids = [row.fields[name] for name in ("id", "idx") if name in row.fields]
        return Labelled(*texts(row), label, row.where, str(ids[0]) if ids else None)

    return kept(json_rows(path, columns), make, faults)


def _with_marks(row: Row) -> str:
    text = cells.text(row, "text")
    target: Any = row.fields["target"]
    if not isinstance(target, dict):
        raise BadInput(f"{row.where} has a `target` that is no object")
    fields = cast("dict[str, Any]", target)
    marked: list[tuple[int, int, str, str]] = []
    for name, before, behind in (("span1", "_", "_"), ("span2", "[", "]")):
        begin, stretch = fields.get(f"{name}_index"), fields.get(f"{name}_text")
        if not isinstance(begin, int) or not isinstance(stretch, str):
            raise BadInput(f"{row.where} has no {name}_index and {name}_text in its `target`")
        if begin < 0 or text[begin : begin + len(stretch)] != stretch:
            held = text[max(begin, 0) : max(begin, 0) + len(stretch)]
            raise BadInput(
                f"{row.where}: {name} should be {stretch!r} at character {begin}, where its text has {held!r}"
            )
        marked.append((begin, begin + len(stretch), before, behind))
    for begin, end, before, behind in sorted(marked, reverse=True):  # from the end: what is before keeps its place
        text = text[:begin] + before + text[begin:end] + behind + text[end:]
    return text
