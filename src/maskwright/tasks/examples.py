"""The shapes of examples: what every reader gives, and all that heads, metrics and checks know of a data set.

Every example says where it stands in its file (`train.tsv line 7`), for messages, and may have an id of its own, for
submissions. What is asked is None where the file does not say, as in the test files of benchmarks.
"""

from typing import NamedTuple


class Labelled(NamedTuple):
    """A text, or a pair of texts, and what it is: classification, regression.

    label   a class's name; a number in regression; the names of all its classes where it may have several
    """

    text: str
    pair: str | None
    label: str | float | tuple[str, ...] | None
    where: str
    id: str | None = None


class Tagged(NamedTuple):
    """Words, each with a tag: entities, parts of speech; in Chinese characters, whose tags may be word boundaries.

    joined  nothing stands between two words of the text, as between Chinese characters; else a space does
    """

    words: tuple[str, ...]
    tags: tuple[str, ...] | None
    where: str
    id: str | None = None
    joined: bool = False


class Answer(NamedTuple):
    """A stretch of a context.

    start   of its first character; None for an answer that people gave and the context does not hold word for word,
            which counts in evaluation and cannot be learned from
    """

    text: str
    start: int | None


class Question(NamedTuple):
    """A question about a context, and the answers that people gave.

    impossible  the context holds no answer; where this is False and there are no answers, the file does not say
    """

    question: str
    context: str
    answers: tuple[Answer, ...]
    impossible: bool
    where: str
    id: str | None = None


class Choice(NamedTuple):
    """What can be said after a text, of which one is right.

    options  the texts that follow `first` in each: one (an ending, an answer), or several (the question, the answer)
    label    the place of the right one, from 0
    """

    first: str
    options: tuple[tuple[str, ...], ...]
    label: int | None
    where: str
    id: str | None = None


class Near(NamedTuple):
    """Two texts that belong together: similarity, retrieval.

    score   how near they are, in whatever measure its file has; None: they are a pair, and nothing more is known
    """

    first: str
    second: str
    score: float | None
    where: str
    id: str | None = None


Example = Labelled | Tagged | Question | Choice | Near


def texts_of(example: Example) -> tuple[str, ...]:
    """All that a model reads of an example, in order.

    >>> texts_of(Labelled("却说曹操败走。", None, "1", "a.tsv line 2"))
    ('却说曹操败走。',)
    >>> texts_of(Tagged(("曹", "操"), ("B", "E"), "a.txt line 1", joined=True))
    ('曹操',)
    """
    match example:
        case Labelled():
            return (example.text,) if example.pair is None else (example.text, example.pair)
        case Tagged():
            return (("" if example.joined else " ").join(example.words),)
        case Question():
            return example.question, example.context
        case Choice():
            return example.first, *(text for option in example.options for text in option)
        case Near():
            return example.first, example.second


def is_labelled(example: Example) -> bool:
    """Whether its file says what is asked of a model.

    >>> is_labelled(Question("谁败走？", "却说曹操败走。", (), False, "test.json question 1"))
    False
    """
    match example:
        case Labelled() | Choice():
            return example.label is not None
        case Tagged():
            return example.tags is not None
        case Question():
            return example.impossible or bool(example.answers)
        case Near():
            return True
