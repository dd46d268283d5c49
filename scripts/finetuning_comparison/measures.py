"""What answers for rows are worth: the measures of `maskwright finetune`, for answers that others gave."""

from collections.abc import Mapping, Sequence
from typing import Any

from finetuning_comparison.task import Row
from maskwright.tasks.metrics import choices, classes, entities, numbers, segmentation
from maskwright.tasks.schemes import words_of_tags


def measured(shape: str, rows: Sequence[Row], answers: Sequence[Any]) -> Mapping[str, float]:
    """By name. Answers are as `trainer.py` gives them: a class, a number, tags, the place of an option.

    >>> measured("segmentation", [{"words": ["却说", "曹操"]}], [["B", "E", "S", "S"]])["recall"]
    0.5
    """
    match shape:
        case "classification":
            right = [row["label"] for row in rows]
            return classes.scores(right, answers, sorted({*right, *answers}))
        case "regression":
            return numbers.scores([row["label"] for row in rows], answers)
        case "choice":
            return choices.scores([row["label"] for row in rows], answers)
        case "tagging":
            return entities.scores([row["tags"] for row in rows], answers)
        case _:
            words = [row["words"] for row in rows]
            return segmentation.scores(
                words, [words_of_tags("".join(its), tags) for its, tags in zip(words, answers, strict=True)]
            )
