"""Where a sentence ends, in English, in Chinese, and in text that mixes them.

One scan finds every run of stops; a few rules then say which of them end a sentence. Sentences are slices of
the text, stripped: no character is lost, changed or moved, except white space between two sentences.

What ends a sentence:

- `。！？；` always, unless a comma, a colon or a dash goes on behind them. `；` counts: its halves are whole
  clauses, and it stands first in the lists of the splitters that Chinese pretraining has used (LTP).
- `. ! ?` and dots `...` before white space and something that is not a lower-case letter. Behind an
  abbreviation, an initial or a list number only where the next word is one that usually opens a sentence.
- `. ! ?` between two Chinese characters.
- stops before a dash that is followed by a capital, as older books set it (`her own.--"Very little`).
- an empty line, always. A single line break is white space.

Closing quotes and brackets belong to the sentence they close. Nothing ends inside `《》`, since titles carry stops.

The rules follow the cases of "golden rules" lists such as pySBD's (github.com/nipunsadvilkar/pySBD), except that
lists written into running text ("a. first b. second") are left alone.
"""

import re

from maskwright.errors import BadInput
from maskwright.text.characters import is_wide

LANGUAGES = ("en", "zh")

_STOPS = ".!?…。！？；｡．"
_HARD = frozenset("。！？；｡")
_CLOSERS = r"\"'”’»›)\]}」』）】〕》〉＂＇*_"
_OPENERS = "\"'“‘«‹([{「『（【〔《〈＂＇*_¿¡•–—-"
_GOES_ON = frozenset("，、：,:;—–")

# The class in front is what the scanner runs on; the look-behinds tell its two branches apart. Possessive
# quantifiers, and a branch that matches whatever follows, keep the scan linear on any input.
_CANDIDATE = re.compile(
    rf"[{_STOPS}《](?:(?<=《)[^《》]{{0,60}}+》|"
    rf"(?<!《)([{_STOPS}]*+[{_CLOSERS}]*+(?:[{_STOPS}]++[{_CLOSERS}]*+)*+(?:--++|—++)?+)(\s*+))"
)
_EMPTY_LINE = re.compile(r"\n[^\S\n]*+\n\s*+")
_WORD_BEFORE = re.compile(r"(?<![^\W\d_])(?:[^\W\d_]{1,2}\.)*[^\W\d_]+\Z")
_PRONOUN = re.compile(r"I\b")
_WORD_AFTER = re.compile(r"[^\W\d_]+(?![\w.])")
_WINDOW = 24  # characters looked at before and behind a stop


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Always followed by what they introduce; in capitals too.
_NEVER_LAST = _words(
    """Mr Mrs Ms Messrs Mme Mlle Mmes Dr Drs Prof Rev Revd Hon Capt Col Cmdr Lt Maj Gen Sgt Cpl Pvt Adm Gov Pres Sen
    Rep Supt Insp Msgr Wm Edw Geo Chas Thos Jas e.g i.e E.g I.e eg ie viz cf ca vs approx"""
)
# Followed by a number, unless they are words.
_BEFORE_NUMBERS = _words("No Nos no nos p pp P Pp Art art Sec sec Ch ch Chap chap l ll n nn v vv")
# May end a sentence: the next word decides.
_MAYBE_LAST = _words(
    """St Mt Ft Co Inc Ltd Corp Bros Jr Sr Esq Bart Dept Univ Assn Ave Blvd Rd Vol Vols vol vols Fig Figs fig figs Eq
    Eqs eq eqs Ed ed Eds eds Jan Feb Mar Apr Jun Jul Aug Sep Sept Oct Nov Dec Mon Tue Tues Wed Thu Thur Thurs Fri Sat
    Ph.D"""
)
_LISTED = _NEVER_LAST | _BEFORE_NUMBERS | _MAYBE_LAST
_OPENING_WORDS = _words(
    """A After All Although An And Another Are As At Because Before Being Both But By Can Could Did Do Does Each Even
    Every Everybody Everyone For From Had Has Have He Her Here His How However I If In Indeed Instead Is It Its Later
    Let Many Meanwhile Moreover Most My Nevertheless No Nobody Not Nothing Now On Once Or Our Perhaps Several She Should
    Since So Some Somebody Someone Something Soon Still Such That The Their Then There Therefore These They This Those
    Though Thus Today Until Was We Were What When Where Which While Who Whose Why Will With Without Would Yes Yesterday
    Yet You Your"""
)


def split_sentences(text: str, language: str) -> list[str]:
    """The sentences of `text`, in order, stripped, none empty. `language` is "en" or "zh".

    Both languages go through the same rules, as real text mixes them; any other language is refused with
    `BadInput` instead of being split by rules that were not made for it. Time is linear in the text.

    >>> split_sentences('Mr. Darcy came at 5 p.m. with J. R. Smith. "Is it so?" said he. It was No. 5.', "en")
    ['Mr. Darcy came at 5 p.m. with J. R. Smith.', '"Is it so?" said he.', 'It was No. 5.']
    >>> split_sentences("Well ... perhaps. I never meant that... She paid $3.14 (in the U.S.) for it!", "en")
    ['Well ... perhaps.', 'I never meant that...', 'She paid $3.14 (in the U.S.) for it!']
    >>> split_sentences("玄德曰：“此张角也！可速战！”三人飞马引军而出。", "zh")
    ['玄德曰：“此张角也！', '可速战！”', '三人飞马引军而出。']
    >>> split_sentences("我……我们去看《摔跤吧！爸爸》好吗？用BERT v1.5吧；它约有3.3亿个词。", "zh")
    ['我……我们去看《摔跤吧！爸爸》好吗？', '用BERT v1.5吧；', '它约有3.3亿个词。']
    """
    if language not in LANGUAGES:
        raise BadInput(f"language {language!r} is not known: sentences are split in {' and '.join(LANGUAGES)}")
    if "\n" not in text:
        return _split_paragraph(text)
    return [sentence for paragraph in _EMPTY_LINE.split(text) for sentence in _split_paragraph(paragraph)]


def _split_paragraph(text: str) -> list[str]:
    text = text.strip()
    sentences: list[str] = []
    start = 0
    length = len(text)
    for match in _CANDIDATE.finditer(text):
        stop_end, following = match.span(2)
        if following == -1 or following == length:  # a title in 《》, or the end of the text
            continue
        if _ends_sentence(text, start, match.start(), stop_end, following):
            sentences.append(text[start:stop_end])
            start = following
    if start < length:
        sentences.append(text[start:])
    return sentences


def _ends_sentence(text: str, start: int, stop: int, stop_end: int, following: int) -> bool:
    """Whether the stops and closers `text[stop:stop_end]` end the sentence that began at `start`."""
    unit = text[stop:stop_end]
    if unit[0] in _HARD or (len(unit) > 1 and not _HARD.isdisjoint(unit)):
        return unit[-1] not in "-—" and text[following] not in _GOES_ON
    ahead = text[following : following + _WINDOW].lstrip(_OPENERS)
    if not ahead:
        return False
    dash = unit[-1] in "-—"
    if stop_end == following and not dash:  # 3.14, example.com, "great",
        return _ends_between_chinese(text, stop, unit, text[following])
    first = ahead[0]
    if first.islower() or not (first.isalnum() or first in "$£€¥#§&@%`~+<《「“‘"):
        return False
    if dash and not first.isalpha():
        return False
    before = text[stop - 1] if stop > start else ""
    if before in "[(" and unit[0] in ".…":  # "[...]"
        return False
    if (len(unit) > 1 and unit[-1] in ".…") or unit == "…" or text[max(start, stop - 2) : stop] == ". ":
        return _PRONOUN.match(ahead) is None  # "I... I cannot"
    if unit[0] == "." and (len(unit) == 1 or unit[1] in "-—)"):
        return not _is_abbreviation(text, start, stop, ahead)
    return True


def _ends_between_chinese(text: str, stop: int, unit: str, after: str) -> bool:
    """A half-width stop without white space behind it ends a sentence only between Chinese characters.

    >>> split_sentences("你去吗?我去!好.走吧", "zh")
    ['你去吗?', '我去!', '好.', '走吧']
    >>> split_sentences("第3.节，看example.中国的U.S.公司", "zh")
    ['第3.节，看example.中国的U.S.公司']
    """
    if after in _GOES_ON or not (is_wide(after) or after in "“‘"):
        return False
    if unit[0] == "…":
        return unit[-1] != "…"
    if after.isdigit() and text[stop - 1 : stop].isdigit():  # ３．１４
        return False
    return stop > 0 and (is_wide(text[stop - 1]) or text[stop - 1] in "”’")


def _is_abbreviation(text: str, start: int, stop: int, ahead: str) -> bool:
    """Whether the full stop at `stop`, before `ahead`, belongs to an abbreviation, initial or list number.

    >>> split_sentences("1. I live in the U.S. How about you, Albert I. Jones? Ask Pitt & Co. They know.", "en")
    ['1. I live in the U.S.', 'How about you, Albert I. Jones?', 'Ask Pitt & Co.', 'They know.']
    """
    window = max(start, stop - _WINDOW)
    space = text.rfind(" ", window, stop)
    word = text[space + 1 : stop]
    if space >= 0 and len(word) > 1 and word.isalpha() and word not in _LISTED and not word.isupper():
        return False  # nearly always; what follows would say the same, in three times the time
    found = _WORD_BEFORE.search(text, window, stop)
    if found is None:
        if text[stop - 1] in "°º" and ahead[0].isdigit():  # N°. 5
            return True
        return stop - start <= 3 and text[start:stop].isdecimal()
    word = found[0]
    if word in _NEVER_LAST or (word.isupper() and word.capitalize() in _NEVER_LAST):
        return True
    initial = len(word) == 1 and word.isascii() or "." in word
    if word in _BEFORE_NUMBERS or initial or word in _MAYBE_LAST:
        if ahead[0].isdigit():
            return True
        if word in _BEFORE_NUMBERS and not initial:
            return False
        opening = _WORD_AFTER.match(ahead)
        return opening is None or opening[0] not in _OPENING_WORDS or (initial and found.start() == start)
    return False
