"""Passages of a book: consecutive whole sentences, each knowing the chapter and the part it is from."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from maskwright.tokenizers.tokenizer import Tokenizer


class Chapter(NamedTuple):
    """A chapter of a sample text: its title, the part of the book (or the novel) it belongs to, its sentences."""

    title: str
    part: str
    sentences: Sequence[str]


class Passage(NamedTuple):
    """Some sentences in a row."""

    text: str
    chapter: str
    part: str


class Cut(NamedTuple):
    """What `cut_passages` made, and how many sentences were left out because one alone was too long."""

    passages: list[Passage]
    left_out: int


def cut_passages(chapters: Iterable[Chapter], tokenizer: Tokenizer, max_tokens: int, joint: str = " ") -> Cut:
    """The chapters as passages of at most `max_tokens` tokens, [CLS] and [SEP] included.

    A passage takes sentences as long as they fit; no sentence is cut, and none reaches over two chapters.

    joint    what stands between sentences: a space, in Chinese nothing
    """
    passages: list[Passage] = []
    left_out = 0
    for chapter in chapters:
        lengths = tokenizer.encode_sentences(list(chapter.sentences)).lengths.tolist()
        waiting: list[str] = []
        tokens = 2
        for sentence, length in zip(chapter.sentences, lengths, strict=True):
            if waiting and tokens + length > max_tokens:
                passages.append(Passage(joint.join(waiting), chapter.title, chapter.part))
                waiting, tokens = [], 2
            if length + 2 > max_tokens:
                left_out += 1
                continue
            waiting.append(sentence)
            tokens += length
        if waiting:
            passages.append(Passage(joint.join(waiting), chapter.title, chapter.part))
    return Cut(passages, left_out)
