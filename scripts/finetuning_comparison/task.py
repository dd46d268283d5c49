"""What a task of the comparison is, and its rows on disk: the same files for both sides."""

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from maskwright.draws import generator
from maskwright.durable import staged_file

Row = dict[str, Any]
Rows = Iterator[tuple[bool, Row]]
"""Whether to judge by it, and a row."""
ASIDE = 1_000
"""Rows to judge by, at most."""
LEARNED = 16_000
"""And to learn from."""


class Task(NamedTuple):
    """A labelled data set.

    title     for people
    language  en or zh
    shape     one of `maskwright finetune`
    measure   what decides, of those in evaluation.json
    length    tokens of a sequence
    rows      reads them from their package
    pair      the column of a second text
    """

    title: str
    language: str
    shape: str
    measure: str
    length: int
    rows: Callable[[Path], Rows]
    pair: str | None = None


def put_aside(rows: Iterable[Row]) -> Rows:
    """Rows of a source that has no part to judge by: so many are drawn, a fifth at most.

    >>> sum(aside for aside, _ in put_aside([{"text": str(i)} for i in range(50)]))
    10
    """
    found = list(rows)
    drawn = set(generator(0, "aside").permutation(len(found))[: min(ASIDE, len(found) // 5)].tolist())
    yield from ((i in drawn, row) for i, row in enumerate(found))


def prepare(task: Task, folder: Path, packages: Path) -> None:
    """Write train.jsonl, all rows to learn from in an order that is drawn, and dev.jsonl, unless they are there.

    No two rows have the same text, and none of the one file has that of one of the other.
    """
    if (folder / "train.jsonl").is_file():
        return
    parts: dict[bool, dict[str, Row]] = {True: {}, False: {}}
    for aside, row in task.rows(packages):
        parts[aside].setdefault(_said(row), row)
    dev = _shuffled(list(parts[True].values()))[:ASIDE]
    train = _shuffled([row for said, row in parts[False].items() if said not in parts[True]])[:LEARNED]
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in (("dev", dev), ("train", train)):  # train last: with it all is there
        write_rows(folder / f"{name}.jsonl", rows)


def part(folder: Path, examples: int | None, seed: int) -> Path:
    """A file of so many rows to learn from, drawn by the seed; all of them for None, and where there are no more."""
    whole = folder / "train.jsonl"
    if examples is None:
        return whole
    rows = read_rows(whole)
    if len(rows) <= examples:
        return whole
    file = folder / f"train-{examples}-{seed}.jsonl"
    if not file.is_file():
        drawn = generator(seed, "part", examples).permutation(len(rows))[:examples].tolist()
        write_rows(file, [rows[i] for i in drawn])
    return file


def read_rows(file: Path) -> list[Row]:
    """The rows of a file."""
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def write_rows(file: Path, rows: Iterable[Row]) -> None:
    """A line for each row, at once."""
    with staged_file(file) as out:
        for row in rows:
            out.write((json.dumps(row, ensure_ascii=False) + "\n").encode())


def _said(row: Row) -> str:
    """All that a model reads of a row, options aside."""
    return " ".join(map(str, row.get("words") or [row.get("text", row.get("first")), row.get("pair", "")]))


def _shuffled(rows: list[Row]) -> list[Row]:
    return [rows[i] for i in generator(0, "shuffled").permutation(len(rows)).tolist()]
