"""Some examples put aside to judge by, where no file for that is named."""

from collections.abc import Sequence
from typing import Any

from maskwright.draws import generator
from maskwright.errors import BadInput
from maskwright.tasks.examples import Choice, Question


def put_aside(examples: Sequence[Any], count: int, seed: int, where: str) -> tuple[list[Any], list[Any]]:
    """Those to learn from and `count` drawn to judge by, both in their order.

    Questions about one context stay together, and choices that begin with the same text: what is learned of it would
    be known when the others are asked. So it may be some more than `count`. BadInput where nothing would be left.
    """
    order = generator(seed, "put aside").permutation(len(examples)).tolist()
    kin: dict[object, list[int]] = {}
    for place in order:
        kin.setdefault(_shared(examples[place], place), []).append(place)
    aside: list[int] = []
    for together in kin.values():
        if len(aside) >= count:
            break
        aside += together
    if len(aside) == len(examples):
        raise BadInput(f"all examples of {where} are about one text: name a file to judge by with --dev")
    chosen = set(aside)
    return [one for i, one in enumerate(examples) if i not in chosen], [examples[i] for i in sorted(aside)]


def _shared(example: Any, place: int) -> object:
    """What an example has in common with others, or its place where it has nothing."""
    match example:
        case Question():
            return example.context
        case Choice():
            return example.first
        case _:
            return place
