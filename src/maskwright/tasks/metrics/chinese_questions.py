"""CMRC 2018's exact match and F1, as its evaluation script has them (cmrc2018_evaluate.py, version 5).

Chinese characters are compared one by one, the rest by words. Marks of a list of its own go. F1 is that of the longest
stretch that both have in common. The script leaves what is not Chinese to NLTK's `word_tokenize`; of that, the rules
of the Penn Treebank are followed here, and a period ends a word only at the end.
"""

import re
from collections.abc import Mapping, Sequence

from maskwright.tasks.metrics.classes import refuse_unequal
from maskwright.tasks.metrics.questions import best_over

_MARKS = frozenset("-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』")
_PIECE = re.compile(r"[\u4e00-\u9fa5]|[^\u4e00-\u9fa5]+")
_ALONE = re.compile(r"[;@#$%&?!—–\[\](){}<>\"]|\.{2,}|[:,](?!\d)")
_ENDING = re.compile(r"(?<=[^' ])(?:'(?:ll|re|ve|s|m|d)|n't|')(?=\s|$)|(?<=[^.])\.(?=[\])}>\"' ]*$)")


def scores(answers: Sequence[Sequence[str]], predicted: Sequence[str]) -> Mapping[str, float]:
    """exact and f1 over all questions.

    answers     of each question, those that people gave
    Raises `BadInput` where there is no question, and for sequences of different lengths.

    >>> scores([["诸葛亮（孔明）", "孔明"]], ["诸葛亮，孔明"])
    {'exact': 1.0, 'f1': 1.0}
    """
    refuse_unequal(len(answers), len(predicted))
    exact = f1 = 0.0
    for given, said in zip(answers, predicted, strict=True):
        exact += best_over(given, said, lambda answer, said: float(without_marks(answer) == without_marks(said)))
        f1 += best_over(given, said, _f1)
    return {"exact": exact / len(answers), "f1": f1 / len(answers)}


def without_marks(text: str) -> str:
    """A text in lower case without white space around it and without the script's marks.

    >>> without_marks("《三国演义》，Vol. 1 ")
    '三国演义vol. 1'
    """
    return "".join(character for character in text.lower().strip() if character not in _MARKS)


def units(text: str) -> list[str]:
    """Characters and words.

    >>> units("1998年，NBA总决赛（第6场）")
    ['1998', '年', 'nba', '总', '决', '赛', '第', '6', '场']
    """
    found: list[str] = []
    for piece in _PIECE.findall(without_marks(text)):
        found += (
            [piece] if "\u4e00" <= piece <= "\u9fa5" else _ENDING.sub(r" \g<0> ", _ALONE.sub(r" \g<0> ", piece)).split()
        )
    return found


def _f1(answer: str, predicted: str) -> float:
    its, said = units(answer), units(predicted)
    common = _longest_common(its, said)
    if not common:
        return 0.0
    precision, recall = common / len(said), common / len(its)
    return 2 * precision * recall / (precision + recall)


def _longest_common(one: Sequence[str], other: Sequence[str]) -> int:
    """The length of the longest stretch that both have.

    >>> _longest_common("诸葛亮字孔明", "诸葛孔明")
    2
    """
    best = 0
    before = [0] * (len(other) + 1)
    for unit in one:
        row = [0, *(before[at] + 1 if unit == its else 0 for at, its in enumerate(other))]
        best = max(best, *row)
        before = row
    return best
