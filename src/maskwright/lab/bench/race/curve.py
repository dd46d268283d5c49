"""What a side has reached so far: points of held-out loss over time and tokens, on disk after each look."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from maskwright import durable
from maskwright.errors import BadInput


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """One look at the held-out text.

    step           updates of the weights before it
    tokens         seen in training so far, special ones included, padding not
    seconds        of training, see `racer.Clock`
    cpu_seconds    of processors, likewise
    losses         by kind of test: nats a hidden token
    accuracy       likewise: share of them that was right
    """

    step: int
    tokens: int
    seconds: float
    cpu_seconds: float
    losses: Mapping[str, float]
    accuracy: Mapping[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Curve:
    """A side's points, in order.

    terms       what it was told: a curve of other terms is another race's
    lead        seconds from the start of its process to where its clock begins: Python and what it imports
    begun       seconds on its clock before its first step: first weights, word vectors
    finished    whether its budget is spent
    peak_mib    the most memory it held, test and all
    """

    terms: Mapping[str, Any]
    lead: float = 0.0
    begun: float = 0.0
    points: Sequence[Point] = field(default=())
    finished: bool = False
    peak_mib: float = 0.0

    def write(self, path: Path) -> None:
        """The whole of it, or what was there before."""
        durable.write_file(path, json.dumps(asdict(self), indent=1).encode())

    def best(self, kind: str) -> float:
        """Its lowest loss."""
        return min(point.losses[kind] for point in self.points)


def curve_of(told: dict[str, Any]) -> Curve:
    """A curve from what `asdict` made of it."""
    points = [Point(**point) for point in told["points"]]
    return Curve(**{name: value for name, value in told.items() if name != "points"}, points=points)


def read_curve(path: Path) -> Curve | None:
    """The curve in a file; None where there is none."""
    if not path.exists():
        return None
    try:
        return curve_of(json.loads(path.read_text("utf-8")))
    except (ValueError, TypeError, KeyError) as error:
        raise BadInput(f"{path} is no curve of a race: remove it, or give another --out") from error


def check_terms(curve: Curve | None, terms: Mapping[str, Any], path: Path, way_out: str) -> None:
    """BadInput where a curve was run on other terms than these, naming the first that differs."""
    if curve is None:
        return
    for name in {**curve.terms, **terms}:
        if (was := curve.terms.get(name)) != (wanted := terms.get(name)):
            raise BadInput(f"{path} was run with {name} {was}, and this race has {wanted}: {way_out}")
