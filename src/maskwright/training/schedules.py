"""How the learning rate goes over a run: a factor for each step, as arithmetic.

Steps count from 0: the first update uses `rate(0)`, the last `rate(total_steps - 1)`. All begin with
a linear warm-up from 0 (so the very first update of the originals changes nothing, here too).

    linear     to 0 in a straight line from the end of the warm-up (transformers,
               `get_linear_schedule_with_warmup`)
    google     as BERT was trained (google-research/bert `optimization.py`): the line to 0 begins at
               step 0 and the warm-up hides its start, so after the warm-up the rate jumps from
               almost 1 to 1 - warmup_steps / total_steps
    cosine     half a cosine to 0 from the end of the warm-up (`get_cosine_schedule_with_warmup`)
    constant   stays 1 after the warm-up
"""

import math
from collections.abc import Callable
from typing import Literal

from maskwright.errors import BadInput

Schedule = Literal["linear", "google", "cosine", "constant"]
Rate = Callable[[int], float]


def schedule(name: Schedule, *, warmup_steps: int, total_steps: int) -> Rate:
    """The schedule called `name`, as a function from step to factor.

    >>> rate = schedule("linear", warmup_steps=10, total_steps=110)
    >>> [rate(step) for step in (0, 5, 10, 60, 110)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    if not 0 <= warmup_steps <= total_steps:
        raise BadInput(f"warm-up of {warmup_steps} steps: must be between 0 and the run's {total_steps} steps")
    shapes: dict[str, Callable[[int, int, int], float]] = {
        "linear": _linear,
        "google": _google,
        "cosine": _cosine,
        "constant": _constant,
    }
    if name not in shapes:
        raise BadInput(f"schedule {name!r}: must be one of {', '.join(shapes)}")
    shape = shapes[name]

    def rate(step: int) -> float:
        return step / warmup_steps if step < warmup_steps else shape(step, warmup_steps, total_steps)

    return rate


def _linear(step: int, warmup: int, total: int) -> float:
    return max(0.0, (total - step) / max(1, total - warmup))


def _google(step: int, warmup: int, total: int) -> float:
    return 1.0 - min(step, total) / max(1, total)


def _cosine(step: int, warmup: int, total: int) -> float:
    progress = min(1.0, (step - warmup) / max(1, total - warmup))
    return 0.5 * (1.0 + math.cos(math.pi * progress))


def _constant(step: int, warmup: int, total: int) -> float:
    return 1.0
