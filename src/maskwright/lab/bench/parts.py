"""`bench parts`: where the time of our training step goes, by torch's profiler.

Every operation's own time (what it calls taken off) is put under the part of the step that it belongs to:
the head's matrix products are "head: products", not "products". What Python does between operations, and
what the profiler itself costs, is "between".
"""

import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import Any, Protocol

from maskwright.lab.bench.clock import told
from maskwright.lab.bench.shapes import Shape
from maskwright.lab.bench.turns import Result, Side, in_turn
from maskwright.progress import Progress, silent


class Event(Protocol):
    """An operation as torch's profiler tells it; times in microseconds."""

    name: str
    self_cpu_time_total: float
    cpu_parent: "Event | None"


# The first part whose word an operation's name begins with takes it. Parts of a parent go before those of its children.
WITHIN = {
    "_Projected": "head",
    "_Products": "attention",
    "_Dropout": "dropout",
    "_Lookup": "embeddings",
}
BY_NAME = {
    "products": ("aten::mm", "aten::addmm", "aten::bmm", "aten::linear", "aten::baddbmm", "mkldnn::_linear"),
    "softmax": ("aten::_softmax", "aten::softmax"),
    "gelu": ("aten::gelu",),
    "norm": ("aten::native_layer_norm", "aten::layer_norm"),
    "optimizer": ("aten::_fused_adam", "aten::linalg_vector_norm"),
    "copies": ("aten::copy_", "aten::clone", "aten::zero_", "aten::fill_", "aten::_to_copy", "aten::contiguous"),
}


def part_of(names: Sequence[str]) -> str:
    """The part of an operation, from its name and those of what called it, the innermost first.

    >>> part_of(["aten::mm", "AddmmBackward0"]), part_of(["aten::mm", "_Projected"]), part_of(["aten::sum"])
    ('products', 'head: products', 'the rest')
    """
    kind = next((part for part, words in BY_NAME.items() if names[0].startswith(words)), "the rest")
    within = next((part for name in names for word, part in WITHIN.items() if name.startswith(word)), None)
    if within is None:
        return kind
    return f"{within}: products" if kind == "products" else within


def sort_out(events: Iterable[Event]) -> dict[str, float]:
    """Microseconds by part."""
    parts: dict[str, float] = {}
    for event in events:
        names, at = [event.name], event.cpu_parent
        while at is not None:
            names.append(at.name)
            at = at.cpu_parent
        part = part_of(names)
        parts[part] = parts.get(part, 0.0) + event.self_cpu_time_total
    return parts


def compare(shapes: Sequence[Shape], *, threads: int, seconds: float, progress: Progress = silent) -> list[Result]:
    """Shares of a step by part, one result for each shape."""
    sides = [Side(shape.name, "parts", {"shape": asdict(shape), "seconds": seconds}) for shape in shapes]
    made = in_turn(sides, 1, threads, name="parts", progress=progress)
    return [{"shape": f"{shape.layers}x{shape.hidden}", "threads": threads, **made[shape.name][0]} for shape in shapes]


def measure(*, shape: dict[str, Any], seconds: float) -> dict[str, Any]:
    """{"milliseconds": of a step without the profiler, "shares": {part: of a step with it}, "batch_share": ...}.

    Batches are made beside the step, in a thread of their own: their time is not in it, and is told as if it were.
    """
    from torch.profiler import ProfilerActivity, profile

    from maskwright.lab.bench.ours import trainer

    share, step = trainer(Shape(**shape))
    made = [share(number) for number in range(4)]
    count = itertools.count()

    def train() -> None:
        number = next(count)
        step(number, made[number % len(made)])

    for _ in range(3):
        train()
    plain = _repeat(train, seconds)
    making = _repeat(lambda: share(next(count)), 0.2)
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        profiled = _repeat(train, seconds)
    events: Any = profiler.events()
    parts = sort_out(events)
    total = profiled[0] * profiled[1] * 1e6
    parts["between"] = max(0.0, total - sum(parts.values()))
    ordered = sorted(parts.items(), key=lambda item: -item[1])
    return {
        "milliseconds": plain[0] * 1e3,
        "batch_share": making[0] / plain[0],
        "shares": {part: taken / sum(parts.values()) for part, taken in ordered},
    }


def _repeat(work: Callable[[], object], seconds: float) -> tuple[float, int]:
    """Mean seconds, and how often."""
    begin, times = time.perf_counter(), 0
    while times < 2 or time.perf_counter() - begin < seconds:
        work()
        times += 1
    return (time.perf_counter() - begin) / times, times


if __name__ == "__main__":
    told(measure)
