"""Words in Chinese text: where one character is a token, a word is what a segmenter says it is.

English words come with the tokenizer, which splits at white space and punctuation. A segmenter's spans are laid over
the tokens when a corpus is built, so that whole words can be masked; its name and version belong in the manifest.
"""

import re
from importlib import metadata
from typing import Literal, Protocol

from maskwright.errors import BadInput
from maskwright.text.characters import IDEOGRAPH_CLASS

SEGMENTERS = ("auto", "characters", "rjieba")

# Each ideograph; other letters and digits in runs; anything else alone.
_WORD = re.compile(rf"[{IDEOGRAPH_CLASS}]|[^\W_{IDEOGRAPH_CLASS}]+|[^\w\s]|_")


class Segmenter(Protocol):
    """Finds words.

    name       as given to `find_segmenter`
    version    of the library behind it; "" where there is none
    """

    name: str
    version: str

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Begin and end of each word, in characters of `text`, in order, without overlap, white space left out."""
        ...


class CharacterSegmenter:
    """Each ideograph a word by itself: needs no library, and masks no whole words in Chinese.

    >>> text = "使用语言模型来预测下一个词的probability。"
    >>> [text[begin:end] for begin, end in CharacterSegmenter().spans(text)][-5:]
    ['个', '词', '的', 'probability', '。']
    """

    name = "characters"
    version = ""

    def spans(self, text: str) -> list[tuple[int, int]]:
        """As `Segmenter.spans`."""
        return [match.span() for match in _WORD.finditer(text)]


class RjiebaSegmenter:
    """jieba's words, by the library rjieba (the extra `zh`).

    Raises `BadInput` if it is not installed.

    >>> text = "使用语言模型来预测下一个词的probability。"
    >>> [text[begin:end] for begin, end in RjiebaSegmenter().spans(text)]
    ['使用', '语言', '模型', '来', '预测', '下', '一个', '词', '的', 'probability', '。']
    """

    name = "rjieba"

    def __init__(self) -> None:
        try:
            import rjieba
        except ImportError:
            raise BadInput("rjieba is not installed: run `pip install 'maskwright[zh]'`, or use characters") from None
        self._cut = rjieba.cut
        self.version = metadata.version("rjieba")

    def spans(self, text: str) -> list[tuple[int, int]]:
        """As `Segmenter.spans`: the words of jieba's dictionary and its hidden Markov model."""
        found: list[tuple[int, int]] = []
        begin = 0
        for word in self._cut(text):
            end = begin + len(word)
            if not word.isspace():
                found.append((begin, end))
            begin = end
        return found


def find_segmenter(name: Literal["auto", "characters", "rjieba"] | str = "auto") -> Segmenter:
    """The segmenter of that name; "auto" is rjieba where it is installed, else characters."""
    if name == "rjieba":
        return RjiebaSegmenter()
    if name == "characters":
        return CharacterSegmenter()
    if name != "auto":
        raise BadInput(f"segmenter {name!r} is not known: there are {', '.join(SEGMENTERS)}")
    try:
        return RjiebaSegmenter()
    except BadInput:
        return CharacterSegmenter()
