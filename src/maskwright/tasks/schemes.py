"""How tags mark where something begins and ends: the schemes, which tags may follow which, spans to tags and back.

    BIO     Bob B-PER, Smith I-PER, left O: what begins has B, whatever stands before it (Ramshaw and Marcus 1995,
            as CoNLL-2002 changed it)
    IOB1    the same with B only where a thing begins right after another of its type: as CoNLL-2003 was published
    BMESO   begin, middle, end, single, outside: entities in Chinese
    BMES    the same without outside: every character is in a word

A tag is a letter, and behind a hyphen the type of the thing, if things have types: B-PER, B.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple, get_args

from maskwright.errors import BadInput

Scheme = Literal["BIO", "BMES", "BMESO", "IOB1"]
SCHEMES: tuple[Scheme, ...] = get_args(Scheme)
_LETTERS: dict[Scheme, str] = {"BIO": "BIO", "IOB1": "IOB", "BMES": "BMES", "BMESO": "BMESO"}
OUTSIDE = "O"
_BEGINS, _ENDS = ("B", "S"), ("E", "S")


class Span(NamedTuple):
    """The words `begin` to `end`, which is behind the last, and what they are."""

    begin: int
    end: int
    type: str


def parts(tag: str) -> tuple[str, str]:
    """The letter of a tag and its type, "" for none.

    >>> parts("B-PER"), parts("I-B-NP"), parts("O")
    (('B', 'PER'), ('I', 'B-NP'), ('O', ''))
    """
    letter, _, kind = tag.partition("-")
    return letter, kind


def mark_spans(tags: Iterable[str]) -> bool:
    """Whether tags mark stretches of words, by their letters; parts of speech, say, are of single words.

    >>> mark_spans(["O", "B-PER", "I-PER"]), mark_spans(["NOUN", "VERB"])
    (True, False)
    """
    return {parts(tag)[0] for tag in tags} <= set("BIMESO")


def may_follow(before: str | None, after: str | None, scheme: Scheme) -> bool:
    """Whether the tag `after` may stand behind `before`; None is the edge of the sentence.

    >>> [may_follow(*pair, "BIO") for pair in (("B-PER", "I-PER"), ("B-PER", "I-LOC"), ("O", "I-PER"), (None, "B-PER"))]
    [True, False, False, True]
    >>> may_follow("B", None, "BMES"), may_follow("E", None, "BMES")
    (False, True)
    """
    letter, kind = parts(after or OUTSIDE)
    last, last_kind = parts(before or OUTSIDE)
    same = last != OUTSIDE and kind == last_kind
    match scheme:
        case "BIO":
            return letter != "I" or same
        case "IOB1":
            return letter != "B" or same
        case "BMES" | "BMESO":
            inside = last in ("B", "M")
            return (letter in ("M", "E")) == inside and (same or not inside)


def refuse_illegal(tags: Sequence[str], scheme: Scheme, where: str) -> None:
    """Raises `BadInput`, naming the word, for a tag that is none of the scheme's or may not stand where it does.

    >>> refuse_illegal(("O", "I-PER"), "BIO", "train.txt line 3")
    Traceback (most recent call last):
        ...
    maskwright.errors.BadInput: train.txt line 3: tag 2, I-PER, may not follow O in BIO
    """
    refuse_foreign(tags, scheme, where)
    for number, (before, after) in enumerate(pairwise((None, *tags, None)), 1):
        if not may_follow(before, after, scheme):
            if after is None:
                raise BadInput(f"{where}: {before} may not be the last tag of a sentence in {scheme}")
            place = "be the first" if before is None else f"follow {before}"
            raise BadInput(f"{where}: tag {number}, {after}, may not {place} in {scheme}")


def refuse_foreign(tags: Iterable[str], scheme: Scheme, where: str) -> None:
    """Raises `BadInput`, naming the word, for a tag that is none of the scheme's."""
    for number, tag in enumerate(tags, 1):
        letter, kind = parts(tag)
        if letter not in _LETTERS[scheme] or not letter or (letter == OUTSIDE and kind):
            raise BadInput(f"{where}: tag {number}, {tag!r}, is none of {scheme}, whose tags are {_shown(scheme)}")


def is_legal(tags: Sequence[str], scheme: Scheme) -> bool:
    """Whether tags, all of them the scheme's, may stand in this order.

    >>> is_legal(("B", "E", "S"), "BMES"), is_legal(("B", "S"), "BMES")
    (True, False)
    """
    return all(may_follow(*pair, scheme) for pair in pairwise((None, *tags, None)))


def spans_of(tags: Sequence[str], scheme: Scheme) -> list[Span]:
    """What legal tags mark, in order.

    >>> spans_of(("B-PER", "I-PER", "O", "B-LOC"), "BIO")
    [Span(begin=0, end=2, type='PER'), Span(begin=3, end=4, type='LOC')]
    >>> spans_of(("I-PER", "I-PER", "B-PER"), "IOB1")
    [Span(begin=0, end=2, type='PER'), Span(begin=2, end=3, type='PER')]
    """
    found: list[Span] = []
    for at, (before, tag) in enumerate(pairwise((OUTSIDE, *tags))):
        letter, kind = parts(tag)
        if letter == OUTSIDE:
            continue
        last, last_kind = parts(before)
        begins = letter in ("B", "S") or (scheme == "IOB1" and (last == OUTSIDE or kind != last_kind))
        if begins:
            found.append(Span(at, at + 1, kind))
        else:
            found[-1] = found[-1]._replace(end=at + 1)
    return found


def lenient_spans(tags: Iterable[str]) -> list[Span]:
    """The spans of tags of any scheme and in any order, as conlleval finds them: one begins at B or S, behind E or S,
    behind what is outside, and where the type changes.

    >>> lenient_spans(["I-PER", "I-LOC", "O", "M-ORG", "E-ORG"])
    [Span(begin=0, end=1, type='PER'), Span(begin=1, end=2, type='LOC'), Span(begin=3, end=5, type='ORG')]
    """
    spans: list[Span] = []
    last, last_kind = OUTSIDE, ""
    for at, tag in enumerate(tags):
        letter, kind = parts(tag)
        if letter != OUTSIDE:
            if letter in _BEGINS or last == OUTSIDE or last in _ENDS or kind != last_kind:
                spans.append(Span(at, at + 1, kind))
            else:
                spans[-1] = spans[-1]._replace(end=at + 1)
        last, last_kind = letter, kind
    return spans


def tags_of(spans: Iterable[Span], length: int, scheme: Scheme) -> tuple[str, ...]:
    """The tags of a sentence of `length` words, from spans in order that do not overlap.

    Raises `BadInput` where they do, or point outside; and in BMES where a word is in none.

    >>> tags_of([Span(0, 2, "PER"), Span(2, 3, "PER")], 4, "BMESO")
    ('B-PER', 'E-PER', 'S-PER', 'O')
    >>> tags_of([Span(0, 2, "PER"), Span(2, 3, "PER")], 4, "IOB1")
    ('I-PER', 'I-PER', 'B-PER', 'O')
    """
    tags = [OUTSIDE] * length
    end, kind = 0, None
    for span in spans:
        if not end <= span.begin < span.end <= length:
            raise BadInput(f"span {span.begin}:{span.end} overlaps another or lies outside of its {length} words")
        after_its_like = span.begin == end and span.type == kind
        letters = _letters(span.end - span.begin, scheme, after_its_like)
        tags[span.begin : span.end] = [f"{letter}-{span.type}" if span.type else letter for letter in letters]
        end, kind = span.end, span.type
    if scheme == "BMES" and OUTSIDE in tags:
        raise BadInput(f"word {tags.index(OUTSIDE) + 1} is in no span: every word is in one in BMES")
    return tuple(tags)


def converted(tags: Sequence[str], before: Scheme, after: Scheme) -> tuple[str, ...]:
    """Legal tags of one scheme in another.

    >>> converted(("I-ORG", "O", "I-PER", "B-PER"), "IOB1", "BIO")
    ('B-ORG', 'O', 'B-PER', 'B-PER')
    """
    return tags_of(spans_of(tags, before), len(tags), after)


def detected(sentences: Iterable[Sequence[str]], where: str) -> Scheme | None:
    """The scheme of a file's tags; None where they mark no spans, as parts of speech do.

    B, I and O are BIO unless something begins with I and nothing forbids IOB1. Raises `BadInput` for tags that are
    nearly of a scheme: their letters are, and their order is that of none.

    >>> detected([("I-ORG", "O"), ("O", "I-PER", "B-PER")], "eng.train")
    'IOB1'
    >>> detected([("B", "E", "S")], "a.txt"), detected([("NOUN", "VERB")], "a.txt")
    ('BMES', None)
    """
    sentences = list(sentences)
    fitting = _fitting(sentences, where)
    pairs = dict.fromkeys(pair for tags in sentences for pair in pairwise((None, *tags, None)))
    for scheme in fitting:
        if all(may_follow(*pair, scheme) for pair in pairs):
            return scheme
    if not fitting:
        return None
    bad = next(pair for pair in pairs if not may_follow(*pair, fitting[0]))
    shown = " then ".join(tag or "the sentence's edge" for tag in bad)
    raise BadInput(f"{where} has tags of {fitting[0]} in an order that it does not allow: {shown}")


def likeliest(sentences: Iterable[Sequence[str]], where: str) -> Scheme | None:
    """As `detected`, of tags some of which may be in an order of no scheme: that in which most sentences are legal.

    >>> likeliest([("I-ORG", "O"), ("I-PER", "B-PER"), ("O", "B-PER")], "eng.train")
    'IOB1'
    """
    sentences = list(sentences)
    fitting = _fitting(sentences, where)
    return max(fitting, key=lambda scheme: sum(is_legal(tags, scheme) for tags in sentences), default=None)


def _fitting(sentences: Sequence[Sequence[str]], where: str) -> tuple[Scheme, ...]:
    """The schemes that have all letters of the tags; none where the tags mark no spans."""
    letters = {parts(tag)[0] for tags in sentences for tag in tags}
    if not letters or letters == {OUTSIDE} or not letters <= set("BIMESO"):
        return ()
    found: tuple[Scheme, ...] = ("BIO", "IOB1") if letters <= set("BIO") else ("BMES", "BMESO")
    found = tuple(scheme for scheme in found if letters <= set(_LETTERS[scheme]))
    if not found:
        raise BadInput(f"{where} has tags with {', '.join(sorted(letters))}, of no scheme known: {', '.join(SCHEMES)}")
    return found


def tags_of_words(words: Iterable[str]) -> tuple[str, ...]:
    """The BMES tags of the characters of segmented words.

    >>> tags_of_words(["却说", "曹操", "败", "走"])
    ('B', 'E', 'B', 'E', 'S', 'S')
    """
    return tuple(letter for word in words for letter in _letters(len(word), "BMES", False))


def words_of_tags(characters: Sequence[str], tags: Sequence[str]) -> list[str]:
    """The words that BMES tags make of characters; tags need not be legal: a word begins at B, S, and behind E, S.

    >>> words_of_tags("却说曹操败走", ("B", "E", "B", "E", "S", "S"))
    ['却说', '曹操', '败', '走']
    >>> words_of_tags("却说曹操", ("M", "M", "E", "M"))
    ['却说曹', '操']
    """
    words: list[str] = []
    open_ = False
    for character, tag in zip(characters, tags, strict=True):
        if open_ and tag in ("M", "E"):
            words[-1] += character
        else:
            words.append(character)
        open_ = tag in ("B", "M")
    return words


def _letters(length: int, scheme: Scheme, after_its_like: bool) -> Iterator[str]:
    """The letters of one span."""
    if scheme in ("BIO", "IOB1"):
        first, *rest = "B" if scheme == "BIO" or after_its_like else "I", *"I" * (length - 1)
    else:
        first, *rest = "S" if length == 1 else "B", *"M" * (length - 2), *"E" * (length > 1)
    yield first
    yield from rest


def _shown(scheme: Scheme) -> str:
    return ", ".join(letter if letter == OUTSIDE else f"{letter} or {letter}-TYPE" for letter in _LETTERS[scheme])
