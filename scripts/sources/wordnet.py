"""Glosses and examples of WordNet's database files (`data.noun` ...; their format is wndb(5WN))."""

import re
from collections.abc import Iterable, Iterator

from sources.source import is_test

_EXAMPLE = re.compile(r';\s*"')
_MARK = re.compile(r"\((?:a|p|ip)\)$")  # where an adjective may stand


def entries(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The first word and the text of every synset: its words, the gloss, the examples.

    >>> line = '00019046 29 v 02 fall_asleep 0 doze_off 0 000 00 | pass into sleep; "He fell asleep"; "Doze off!"'
    >>> list(entries([line]))
    [('fall asleep', 'Fall asleep, doze off: pass into sleep. He fell asleep. Doze off!')]
    """
    for line in lines:
        if line.startswith("  "):  # the licence
            continue
        data, _, gloss = line.partition(" | ")
        fields = data.split(" ")
        words = [_MARK.sub("", word).replace("_", " ") for word in fields[4 : 4 + 2 * int(fields[3], 16) : 2]]
        meaning, *examples = _EXAMPLE.split(gloss.strip())
        text = f"{', '.join(words)}: {meaning}"
        if not is_test(gloss):
            yield words[0], " ".join(map(_sentence, [text, *examples]))


def _sentence(text: str) -> str:
    text = text.strip().strip('"').strip()
    text = text[:1].upper() + text[1:]
    return text if text[-1:] in "!?." else f"{text}."
