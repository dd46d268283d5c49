"""Entries of dictd's dictionaries as prose: no pronunciations, etymologies, labels, dates or references."""

import re
from collections.abc import Iterator

from sources.prose import is_prose, one_line
from sources.source import Documents

_REFERENCE = re.compile(r"\{\(?([^{}]*?)\)?\}", re.DOTALL)
_NUMBER = re.compile(r"^\s*(?:\d+\.|\([a-z]\))\s+(?:\([a-z]\)\s+)?")


def _entries(dictionary: str) -> Iterator[tuple[str, list[str]]]:
    """Headword lines and indented bodies; the first entries, about the dictionary itself, are left out."""
    head, body = "", []
    for line in dictionary.split("\n"):
        if line[:1].strip() and line[0] not in "{" and not line.startswith("00-database"):
            if body and head:
                yield head, body
                head, body = "", []
            head = head or line.strip()  # further spellings follow the first
        elif line.startswith("00-database"):
            head, body = "", []
        elif head:
            body.append(line)
    if body and head:
        yield head, body


# --- GCIDE: Webster's of 1913 ---

_LABEL = re.compile(r"\[(?:1913 Webster|Webster 1913 Suppl\.|PJC|WordNet [\d.]+|Century Dict\.[^\]]*|[A-Z]{1,3}|[^\]]*\d{4}[^\]]*)\]")
_ASIDE = re.compile(r"\s*\[[^\[\]]*\]")
_FIELD = re.compile(r"^(\d+\.\s*)?(?:\((?:[A-Z][\w.&, -]*|[a-z])\)\s*)+")
_AUTHOR = re.compile(r"\s+--\s?[A-Z][\w.'’&;() -]*(?:\n\s*[\w.'’()-]+)*\s*$")
_QUOTATION = " " * 8  # verses and quotations are set far to the right
_FORMS = re.compile(r"\s*--\s*\{.*", re.DOTALL)
_ACCENTS = re.compile(r"""["`*](?=\w)|(?<=\w)["`*]+""")
_LOST = re.compile(r"\?|\[[=^'~`.,:\"]|[a-z]`\w|\(\?\)|\[root\]|\\")  # a letter that the source could not write


def gcide(dictionary: str) -> Iterator[tuple[str, str]]:
    """Word and definitions of each entry.

    >>> entry = "Dichotomist \\\\Di*chot\\"o*mist\\\\, n.\\n   1. One who dichotomizes. --Bacon.\\n      [1913 Webster]\\n"
    >>> list(gcide(entry))
    [('Dichotomist', 'Dichotomist: one who dichotomizes.')]
    """
    for head, body in _entries(dictionary):
        word = head.split("\\")[0].strip(" ,;")
        if not word or len(word) > 40 or _LOST.search(word):
            continue
        start = next((number for number, line in enumerate(body) if line.rstrip().endswith("]")), -1)
        text = "\n".join(line for line in body if not line.startswith(_QUOTATION))
        found: list[str] = []
        if head.count("[") > head.count("]"):  # an etymology that goes on
            text = text.split("]", 1)[-1]
        for sense in re.split(r"\n\s*\n|\n(?=\s*\d+\.\s)", text):
            sense = _definition(sense)
            if sense and is_prose(f"{word}: {sense}", "en") and not _LOST.search(sense):
                found.append(sense)
        del start
        if found:
            first = found[0][0].lower() + found[0][1:] if found[0][1:2].islower() or found[0][1:2] == " " else found[0]
            yield word, f"{word}: {first}" + "".join(f" {sense}" for sense in found[1:])


def _definition(sense: str) -> str:
    sense = _ASIDE.sub("", _LABEL.sub("", sense))
    sense = _AUTHOR.sub("", _FORMS.sub("", sense.rstrip()))
    sense = one_line(_REFERENCE.sub(r"\1", sense), "en")
    sense = _FIELD.sub("", _NUMBER.sub("", sense))
    sense = re.sub(r"\s*--[A-Z][\w.' ]*?(?:\.|$)(?=\s|$)", "", sense)
    return sense.strip(" -") if sense.count('"') % 2 == 0 else ""


# --- FOLDOC and the Jargon File ---

_TOPIC = re.compile(r"^\s*<[^>]*>\s*")
_BRACKETED = re.compile(r"\[[^\[\]]*\]\.?$")
_SPOKEN = re.compile(r"^\s*/.*/")


def foldoc(dictionary: str) -> Documents:
    """Headword and paragraphs of each entry of the Free On-line Dictionary of Computing."""
    yield from _computing(dictionary)


def jargon(dictionary: str) -> Documents:
    """Headword and paragraphs of each entry of the Jargon File."""
    yield from _computing(dictionary)


def _computing(dictionary: str) -> Documents:
    for head, body in _entries(dictionary):
        paragraphs: list[str] = []
        for paragraph in re.split(r"\n\s*\n", "\n".join(body)):
            if _SPOKEN.match(paragraph):
                continue
            text = one_line(_REFERENCE.sub(r"\1", paragraph), "en")
            text = _BRACKETED.sub("", _TOPIC.sub("", _NUMBER.sub("", text)))
            if is_prose(text, "en") and not text.startswith(("See ", "Compare ", "See also", "http")):
                paragraphs.append(text)
        if paragraphs:
            yield head, "\n".join([f"{head}: {paragraphs[0]}", *paragraphs[1:]])
