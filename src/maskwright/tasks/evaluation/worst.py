"""What a model was most wrong about."""

from typing import NamedTuple


class Wrong(NamedTuple):
    """An answer.

    place      of its example
    loss       how wrong it is: nats, a difference, or the number of things that are wrong
    gold       what is right
    predicted  what was said
    share      the probability that the model gave to what is right, where it gave any
    """

    place: int
    loss: float
    gold: str
    predicted: str
    share: float | None
