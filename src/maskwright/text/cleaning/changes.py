"""What cleaning did to a document: what is left, what was changed, why it went."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

STEPS = (
    "mojibake", "replacement characters", "controls", "width", "unicode", "script",
    "line length", "line language", "length", "language", "repetition",
    "exact duplicates", "near duplicates",
)  # fmt: skip
"""Every step, in the order in which they are taken. The first six rewrite text; the rest drop lines or documents."""

_BEFORE, _AFTER = 12, 40  # characters shown before and from the place of a change


@dataclass(frozen=True, slots=True)
class Change:
    """What a step did to a document.

    step            one of `STEPS`
    count           characters changed or removed
    example_before  a few characters around the first change, or the beginning of what was dropped
    example_after   the same place afterwards; empty where lines or the document were dropped
    """

    step: str
    count: int
    example_before: str
    example_after: str


class Cleaned(NamedTuple):
    """A document after cleaning.

    lines       what is left, none empty; () when the document is dropped
    dropped     why the whole document went, "step: detail"; the last change is then that step's
    changes     what the steps did, in their order; a step that found nothing to do is not among them
    given       characters of the lines that were given
    """

    lines: tuple[str, ...]
    dropped: str | None
    changes: tuple[Change, ...]
    given: int


def rewritten(step: str, before: str, after: str) -> Change:
    """The change from `before` to another text; lines are joined by line breaks.

    Characters are counted as a bag: those of `before` that are missing in `after`, at least one.

    >>> rewritten("width", "预测ＢＥＲＴ的词。", "预测BERT的词。")
    Change(step='width', count=4, example_before='预测ＢＥＲＴ的词。', example_after='预测BERT的词。')
    """
    count = (Counter(before) - Counter(after)).total()
    shortest = min(len(before), len(after))
    at = bisect_left(range(shortest + 1), True, key=lambda length: before[:length] != after[:length])
    place = at - 1 if at <= shortest else shortest
    return Change(step, max(1, count), _around(before, place), _around(after, place))


def removed(step: str, lines: Sequence[str]) -> Change:
    """The change that takes `lines`, one or more, away."""
    return Change(step, sum(map(len, lines)), lines[0][: _BEFORE + _AFTER], "")


def _around(text: str, place: int) -> str:
    """What stands around `place` in its line."""
    begin = text.rfind("\n", 0, place) + 1
    end = text.find("\n", place)
    return text[max(begin, place - _BEFORE) : min(len(text) if end < 0 else end, place + _AFTER)]
