"""Words in Chinese text: where one character is a token, a word is what a segmenter says it is.

English words come with the tokenizer, which splits at white space and punctuation. A segmenter's spans are laid over
the tokens when a corpus is built, so that whole words can be masked; its name, version and dictionary belong in the
manifest.

A segmenter is anything that maps a string to spans. Besides those here it may be the user's own: an object, or on a
command line `module:attribute`. That is code the user names; no file that is read ever names one.
"""

import hashlib
import importlib
import re
from collections.abc import Callable, Iterable
from importlib import metadata
from pathlib import Path
from typing import Literal, Protocol, cast

from maskwright.errors import BadInput
from maskwright.text.characters import IDEOGRAPH_CLASS

SEGMENTERS = ("auto", "characters", "rjieba")
Span = tuple[int, int]

# Each ideograph; other letters and digits in runs; anything else alone.
_WORD = re.compile(rf"[{IDEOGRAPH_CLASS}]|[^\W_{IDEOGRAPH_CLASS}]+|[^\w\s]|_")


class Segmenter(Protocol):
    """Finds words.

    name        as given to `find_segmenter`
    version     of the library behind it; "" where there is none
    dictionary  sha256 of the user's dictionary; "" where there is none
    """

    name: str
    version: str
    dictionary: str

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
    dictionary = ""

    def spans(self, text: str) -> list[tuple[int, int]]:
        """As `Segmenter.spans`."""
        return [match.span() for match in _WORD.finditer(text)]


class RjiebaSegmenter:
    """jieba's words, by the library rjieba (the extra `zh`).

    Raises `BadInput` if it is not installed, and for a dictionary with malformed lines.

    >>> text = "使用语言模型来预测下一个词的probability。"
    >>> [text[begin:end] for begin, end in RjiebaSegmenter().spans(text)]
    ['使用', '语言', '模型', '来', '预测', '下', '一个', '词', '的', 'probability', '。']
    """

    name = "rjieba"

    def __init__(self, dictionary: str | Path | None = None) -> None:
        """dictionary  more words, as jieba has them: a line each, `word`, `word frequency` or `word frequency tag`"""
        try:
            import rjieba
        except ImportError:
            raise BadInput("rjieba is not installed: run `pip install 'maskwright[zh]'`, or use characters") from None
        self.version = metadata.version("rjieba")
        self.dictionary = ""
        if dictionary is None:
            self._cut = rjieba.cut
            return
        path = Path(dictionary)
        words = read_dictionary(path)
        jieba = rjieba.Jieba()  # of our own: the one that others use stays as it is
        for word, frequency, tag in words:
            jieba.add_word(word, frequency, tag)
        self._cut = jieba.cut
        self.dictionary = hashlib.sha256(path.read_bytes()).hexdigest()

    def spans(self, text: str) -> list[Span]:
        """As `Segmenter.spans`: the words of jieba's dictionary, the user's, and its hidden Markov model."""
        found: list[Span] = []
        begin = 0
        for word in self._cut(text):
            end = begin + len(word)
            if not word.isspace():
                found.append((begin, end))
            begin = end
        return found


class OwnSegmenter:
    """A segmenter of the user's own, held to what a segmenter promises.

    >>> def halves(text):
    ...     return [(0, len(text) // 2), (len(text) // 2, len(text))]
    >>> OwnSegmenter(halves, "halves").spans("语言模型")
    [(0, 2), (2, 4)]
    """

    def __init__(
        self, spans: Callable[[str], Iterable[Span]], name: str, version: str = "", dictionary: str = ""
    ) -> None:
        self._spans = spans
        self.name, self.version, self.dictionary = name, version, dictionary

    def spans(self, text: str) -> list[Span]:
        """As `Segmenter.spans`. BadInput for spans that are out of order, overlap or leave the text."""
        found: list[Span] = []
        reached = 0
        for span in self._spans(text):
            begin, end = _integers(span, self.name)
            if not reached <= begin < end <= len(text):
                raise BadInput(
                    f"segmenter {self.name}: span ({begin}, {end}) of {text[:20]!r} is behind {reached} or beyond "
                    f"{len(text)}; spans are begin and end of each word, in order"
                )
            if not text[begin:end].isspace():
                found.append((begin, end))
            reached = end
        return found


def _integers(span: object, name: str) -> Span:
    try:
        begin, end = cast("Iterable[int]", span)
        return int(begin), int(end)
    except (TypeError, ValueError):
        raise BadInput(f"segmenter {name} gave {span!r:.60}; a span is (begin, end)") from None


def read_dictionary(path: str | Path) -> list[tuple[str, int | None, str | None]]:
    """(word, frequency, tag) of each line of a dictionary as jieba has it. BadInput names file and line."""
    path = Path(path)
    try:
        lines = path.read_bytes().decode("utf-8-sig").splitlines()
    except OSError as error:
        raise BadInput(f"dictionary {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise BadInput(f"dictionary {path}: byte {error.start} is not UTF-8; a dictionary is UTF-8 text") from None
    words: list[tuple[str, int | None, str | None]] = []
    for number, line in enumerate(lines, start=1):
        word, *rest = line.split() or [""]
        if not word:
            continue
        counted = bool(rest) and rest[0].isdecimal()
        tags = rest[1:] if counted else rest
        if (
            len(tags) > 1
            or (counted and not 0 < int(rest[0]) < 2**31)
            or (rest and not counted and not rest[0].isalpha())
        ):
            raise BadInput(
                f"dictionary {path}: line {number} is {line[:30]!r}; a line is a word, perhaps a frequency and a tag"
            )
        words.append((word, int(rest[0]) if counted else None, tags[0] if tags else None))
    if not words:
        raise BadInput(f"dictionary {path} has no words: give one with a word a line, or none")
    return words


def find_segmenter(
    name: Literal["auto", "characters", "rjieba"] | str = "auto", dictionary: str | Path | None = None
) -> Segmenter:
    """The segmenter of that name; "auto" is rjieba where it is installed, else characters.

    name        may also be "module:attribute": a function from a string to spans, a segmenter, or a class of one
    dictionary  more words for rjieba
    """
    if ":" in name:
        return _imported(name, dictionary)
    if name == "rjieba":
        return RjiebaSegmenter(dictionary)
    if name == "characters" and dictionary is None:
        return CharacterSegmenter()
    if name == "characters":
        raise BadInput(f"characters as words take no dictionary: leave {dictionary} off, or use rjieba")
    if name != "auto":
        raise BadInput(f"segmenter {name!r} is not known: there are {', '.join(SEGMENTERS)}, and module:attribute")
    try:
        return RjiebaSegmenter(dictionary)
    except BadInput:
        if dictionary is not None:
            raise
        return CharacterSegmenter()


def as_segmenter(given: Segmenter | Callable[[str], Iterable[Span]], name: str = "") -> Segmenter:
    """A segmenter, or a function from a string to spans, as a segmenter that keeps its promises."""
    if isinstance(given, CharacterSegmenter | RjiebaSegmenter | OwnSegmenter):
        return given
    spans: object = getattr(given, "spans", given)
    name = name or str(getattr(given, "name", "") or getattr(given, "__qualname__", type(given).__name__))
    if not callable(spans):
        raise BadInput(f"segmenter {name} maps no string to spans: give a function, or an object with a method spans")
    version, dictionary = (str(getattr(given, key, "")) for key in ("version", "dictionary"))
    return OwnSegmenter(cast("Callable[[str], Iterable[Span]]", spans), name, version, dictionary)


def _imported(name: str, dictionary: str | Path | None) -> Segmenter:
    module_name, _, attribute = name.partition(":")
    if dictionary is not None:
        raise BadInput(f"segmenter {name} takes no dictionary from here: leave {dictionary} off")
    try:
        given: object = getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise BadInput(f"segmenter {name} cannot be imported: {error}") from None
    made = given() if isinstance(given, type) else given
    return as_segmenter(cast("Segmenter", made), name)
