"""When ours passes each of the rival's points.

Only points are compared, and nothing is guessed between them: ours has reached a loss where it was first measured at
no more than that, and so has the rival. Looks are finer than what is claimed.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from maskwright.lab.bench.race.curve import Curve, Point


class Passed(NamedTuple):
    """A loss of the rival's, when each side had it, and how many times sooner ours: training, and with its start.

    seconds, tokens    of the rival's first point at no more than the loss
    budget             of ours that was there first; None where none was, and so on
    """

    loss: float
    seconds: float
    tokens: int
    budget: str | None = None
    our_seconds: float | None = None
    our_tokens: int | None = None
    sooner: float | None = None
    sooner_with_start: float | None = None
    fewer_tokens: float | None = None


def reached(points: Sequence[Point], kind: str, loss: float) -> Point | None:
    """The first point with no more than that loss."""
    return next((point for point in points if point.losses[kind] <= loss), None)


def passing(rival: Curve, ours: Mapping[str, Curve], kind: str, losses: Sequence[float] | None = None) -> list[Passed]:
    """One entry for each of the rival's points, or for each of `losses`, which it must have reached."""
    wanted = [point.losses[kind] for point in rival.points] if losses is None else losses
    return [_passed(rival, ours, kind, loss) for loss in wanted]


def _passed(rival: Curve, ours: Mapping[str, Curve], kind: str, loss: float) -> Passed:
    theirs = reached(rival.points, kind, loss)
    assert theirs is not None
    found = {name: point for name, curve in ours.items() if (point := reached(curve.points, kind, loss))}
    if not found:
        return Passed(loss, theirs.seconds, theirs.tokens)
    budget = min(found, key=lambda name: found[name].seconds)
    point = found[budget]
    return Passed(
        loss,
        theirs.seconds,
        theirs.tokens,
        budget,
        point.seconds,
        point.tokens,
        theirs.seconds / point.seconds,
        (theirs.seconds + rival.lead) / (point.seconds + ours[budget].lead),
        theirs.tokens / point.tokens,
    )


def beaten(rival: Curve, ours: Mapping[str, Curve]) -> bool:
    """Whether some curve of ours has the rival's lowest loss on every kind of test."""
    kinds = rival.points[0].losses
    return all(
        any(reached(curve.points, kind, rival.best(kind)) is not None for curve in ours.values()) for kind in kinds
    )


def verdict(rival: Curve, ours: Mapping[str, Curve]) -> dict[str, dict[str, Any]]:
    """By kind of test: the rival's lowest loss, and who had it when."""
    return {kind: passing(rival, ours, kind, [rival.best(kind)])[0]._asdict() for kind in rival.points[0].losses}
