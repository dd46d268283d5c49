"""Where answers stand in their contexts: checked, found, or set right."""

from collections.abc import Iterable

from maskwright.errors import BadInput
from maskwright.tasks.examples import Answer


def checked_answers(answers: Iterable[Answer], context: str, where: str) -> tuple[Answer, ...]:
    """The answers, each with its start, found where it is not given.

    Raises `BadInput` for an answer that is empty, does not stand where it is said to, or stands nowhere or in more
    places than one while nothing says in which.

    >>> checked_answers([Answer("曹操", None)], "却说曹操败走。", "a.csv line 2")
    (Answer(text='曹操', start=2),)
    >>> checked_answers([Answer("曹操", 3)], "却说曹操败走。", "a.csv line 2")
    Traceback (most recent call last):
        ...
    maskwright.errors.BadInput: a.csv line 2: the answer '曹操' should begin at character 3; '操败' does
    """
    return tuple(_checked(answer, context, where) for answer in answers)


def realigned(answer: Answer, context: str) -> Answer:
    """The answer where the context holds it nearest to where it is said to begin; without a start if nowhere.

    >>> realigned(Answer("败走", 5), "却说曹操败走。曹操败走。"), realigned(Answer("刘备", 2), "却说曹操败走。")
    (Answer(text='败走', start=4), Answer(text='刘备', start=None))
    """
    places: list[int] = []
    at = context.find(answer.text)
    while answer.text and at >= 0:
        places.append(at)
        at = context.find(answer.text, at + 1)
    said = answer.start or 0
    return answer._replace(start=min(places, key=lambda place: abs(place - said), default=None))


def _checked(answer: Answer, context: str, where: str) -> Answer:
    text, start = answer
    shown = repr(text if len(text) <= 60 else text[:57] + "...")
    if not text.strip():
        raise BadInput(f"{where}: an answer is empty")
    if start is None:
        start = context.find(text)
        if start < 0:
            raise BadInput(f"{where}: the context does not hold the answer {shown}")
        if context.find(text, start + 1) >= 0:
            raise BadInput(f"{where}: the context holds the answer {shown} more than once: say where it begins")
    elif start < 0 or context[start : start + len(text)] != text:
        held = repr(context[max(start, 0) : max(start, 0) + min(len(text), 60)])
        raise BadInput(f"{where}: the answer {shown} should begin at character {start}; {held} does")
    return Answer(text, start)
