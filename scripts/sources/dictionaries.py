"""Entries of dictd's dictionaries as prose: no pronunciations, etymologies, labels, dates or references."""

import re
from collections.abc import Iterator

from sources.prose import is_prose, one_line

_REFERENCE = re.compile(r"\{\(?([^{}]*?)\)?\}", re.DOTALL)
_NUMBER = re.compile(r"^\s*(?:\d+\.|\([a-z]\))\s+(?:\([a-z]\)\s+)?")


def _entries(dictionary: str) -> Iterator[tuple[str, list[str]]]:
    """Headword lines and indented bodies; the first entries, about the dictionary itself, are left out."""
    head, body = "", []
    for line in dictionary.split("\n"):
        if line[:1].strip() and line[0] != "{" and not line.startswith("00-database"):
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

_ASIDE = re.compile(r"\s*\[[^\[\]]{0,1500}\]")
_FIELD = re.compile(r"^(?:\((?:[A-Z][\w.&, -]*|[a-z])\)\s*)+")
_AUTHOR = re.compile(r"\s*--\s?[A-Z][\w.'’&;() -]*?[\w.)](?=\s*$|\s+[\"A-Z(])")
_QUOTATION = " " * 8  # verses and quotations are set far to the right
_FORMS = re.compile(r"\s*--\s*\{.*", re.DOTALL)
_LOST = re.compile(r"\?[^\"\s]|\s\?|[\[\]\\{}]|\w`\w")  # a letter that the source could not write, half an aside
_POINTER = re.compile(r"(?:See|Same as|Cf\.|Syn:|Obs\.|pl\.|imp\.)\s")


def gcide(dictionary: str) -> Iterator[tuple[str, str]]:
    r"""Word and definitions of each entry.

    >>> entry = '''Dichotomist \\Di*chot"o*mist\\, n. [Gr. ? in two,
    ...    asunder.] (Bot.)
    ...    1. One who {dichotomizes} things. --Bacon.
    ...       [1913 Webster]
    ... '''
    >>> list(gcide(entry))
    [('Dichotomist', 'Dichotomist: one who dichotomizes things.')]
    """
    for head, body in _entries(dictionary):
        word = head.split("\\")[0].strip(" ,;")
        if not word or len(word) > 40 or _LOST.search(word):
            continue
        text = "\n".join([head, *(line for line in body if not line.startswith(_QUOTATION))])
        while (without := _ASIDE.sub("", text)) != text:  # asides stand in asides
            text = without
        _, _, text = text.partition("\n")
        senses = [_definition(sense) for sense in re.split(r"\n\s*\n|\n(?=\s*(?:\d+\.|\([a-z]\))\s)", text)]
        senses = [sense for sense in senses if is_prose(f"{word}: {sense}", "en") and not _LOST.search(sense)]
        senses = [sense for sense in senses if not _POINTER.match(sense)]
        if senses:
            yield word, f"{word}: {_lowered(senses[0])}" + "".join(f" {sense}" for sense in senses[1:])


def _definition(sense: str) -> str:
    text = one_line(_REFERENCE.sub(r"\1", _FORMS.sub("", sense)), "en")
    text = _FIELD.sub("", _NUMBER.sub("", _AUTHOR.sub("", text)))
    return text.strip(" -") if text.count('"') % 2 == 0 else ""


def _lowered(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:] if re.match(r"[A-Z](?:[a-z]| )", sentence) else sentence


# --- FOLDOC and the Jargon File ---

_LABELS = re.compile(r"^(?:\s*(?:<[^>]*>|\[[^\[\]]*\]|(?:n|v|vt|vi|adj|adv)\.(?=\s)))+\s*")
_BRACKETED = re.compile(r"\[[^\[\]]*\]\.?$")
_SPOKEN = re.compile(r"^\s*/.*/")
_ADDRESS = re.compile(r"\s*\(?(?:https?|ftp)://[^\s)]*\)?")


def computing(dictionary: str) -> Iterator[tuple[str, str]]:
    r"""Headword and paragraphs of each entry of FOLDOC and of the Jargon File.

    >>> entry = "chm\n\n   <filename extension> A {Microsoft} file format for\n   help (http://x.y/z).\n\n   (2003)"
    >>> list(computing(entry))
    [('chm', 'chm: A Microsoft file format for help.')]
    """
    for head, body in _entries(dictionary):
        paragraphs: list[str] = []
        for paragraph in re.split(r"\n\s*\n", "\n".join(body)):
            if _SPOKEN.match(paragraph):
                continue
            text = _ADDRESS.sub("", one_line(_REFERENCE.sub(r"\1", paragraph), "en"))
            text = _BRACKETED.sub("", _LABELS.sub("", _NUMBER.sub("", text)))
            if is_prose(text, "en") and not text.startswith(("See ", "Compare ")):
                paragraphs.append(text)
        if paragraphs:
            yield head, "\n".join([f"{head}: {paragraphs[0]}", *paragraphs[1:]])
