"""From which score on no answer is given: chosen on the examples that a model is judged by, once it has answered them.

As evaluate-v2.0.py of SQuAD finds the threshold with the best F1. Nothing else is learned from these examples, and the
measures with it are the best that any threshold reaches on them, as the script's `best_f1` is.
"""

import math
from collections.abc import Sequence
from typing import Any, cast

from maskwright.checkpoints.task_part import TaskPart
from maskwright.tasks.data import SplitData
from maskwright.tasks.examples import Question
from maskwright.tasks.metrics.questions import best_threshold
from maskwright.tasks.span_answers import Reply
from maskwright.tasks.spans import values


def settled(dev: SplitData, answers: Sequence[Any]) -> tuple[TaskPart, Sequence[Any]]:
    """What the model answers, with its threshold where it has one, and what the answers then are."""
    part = dev.part
    if part.span is None or part.span.threshold is None:
        return part, answers
    threshold = best(dev.examples, cast("Sequence[Reply]", answers))
    part = part._replace(span=part.span._replace(threshold=threshold))
    return part, [one.decided(threshold) for one in answers]


def best(examples: Sequence[Question], replies: Sequence[Reply]) -> float:
    """The threshold of the best mean F1; one below all scores where never to answer is best.

    It lies in the middle between the last score that is answered and the next: on one of them, the last bit of another
    way to compute the same would decide.
    """
    said = [one.best for one in replies]
    given = [[answer.text for answer in one.answers] for one in examples]
    f1 = [one.f1 for one in values(examples, said)]
    lowest = min((one.null for one in replies if one.best), default=0.0)
    # the script begins with no answer given and a threshold of 0, which all scores have to be above
    above = [one.null - lowest + 1 for one in replies]
    _, chosen = best_threshold(f1, above, given, said)
    if chosen not in above:
        return lowest - 1
    last = replies[above.index(chosen)].null
    following = min((one.null for one in replies if one.null > last), default=math.inf)
    return (last + following) / 2 if math.isfinite(following) else last + 1
