"""Several runs of one recipe, each in a folder of its own, and what they come to together.

One number of one run says little: on small data sets seeds alone make accuracy differ by several per cent (Dodge et
al., arXiv 2002.06305; Mosbach et al., arXiv 2006.04884). So a recipe is run with several seeds, which move the order of
the examples, dropout and the first weights of the head, and never what is put aside to judge by.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from signal import Signals
from statistics import mean, stdev
from typing import Any, NamedTuple

from maskwright.durable import write_file
from maskwright.errors import BadInput
from maskwright.progress import Progress, silent
from maskwright.tasks.finetune import evaluation, kept, learn
from maskwright.tasks.preparing import Prepared, varied
from maskwright.training.run_folder import is_run

SUMMARY = "summary.json"
OPTIMISTIC = (
    "the best of several is chosen by the examples put aside, so its value on them is too good: judge it by others"
)


class Variant(NamedTuple):
    """A run: its folder's name, and what is changed in the recipe, by dotted key."""

    name: str
    changes: Mapping[str, Any]


class Outcome(NamedTuple):
    """A finished run.

    measures   the one that decides first
    """

    name: str
    changes: Mapping[str, Any]
    measures: dict[str, float]
    epoch: float

    @property
    def value(self) -> float:
        """The measure that decides."""
        return next(iter(self.measures.values()))


def seeds(first: int, count: int) -> list[Variant]:
    """So many runs with seeds from `first` on.

    >>> [run.name for run in seeds(7, 2)], seeds(7, 2)[1].changes
    (['seed-0', 'seed-1'], {'training.seed': 8})
    """
    return [Variant(f"seed-{k}", {"training.seed": first + k}) for k in range(count)]


def run_each(
    made: Prepared,
    variants: Sequence[Variant],
    out: Path,
    *,
    allocator: str = "default",
    progress: Progress = silent,
) -> list[Outcome] | Signals:
    """Run them one after another, each from where it was stopped; the signal that ended one before its end, if any."""
    refuse_run(out)
    found: list[Outcome] = []
    for variant in variants:
        one = run_one(made, variant, out, allocator=allocator, progress=progress)
        if isinstance(one, Signals):
            return one
        found.append(one)
    return found


def run_one(
    made: Prepared, variant: Variant, out: Path, *, allocator: str = "default", progress: Progress = silent
) -> Outcome | Signals:
    """Run one, from where it was stopped; the signal that ended it before its end, if any."""
    folder = out / variant.name
    told = ", ".join(f"{key} = {value}" for key, value in variant.changes.items())
    progress.say(f"{folder}: {told}")
    if stopped := learn(varied(made, variant.changes), folder, allocator=allocator, progress=progress):
        return stopped
    return Outcome(variant.name, variant.changes, evaluation(folder), kept(folder)["epoch"])


def refuse_run(out: Path) -> None:
    """BadInput where the folder is that of a single run."""
    if is_run(out):
        raise BadInput(f"{out} holds a single run: choose another folder for several (--out)")


def summary(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Of each measure the mean, the standard deviation (n - 1), the least and the greatest; the best run; all runs.

    >>> runs = [Outcome(f"seed-{k}", {}, {"f1": value}, 1.0) for k, value in enumerate((0.5, 0.7, 0.6))]
    >>> {name: round(value, 3) for name, value in summary(runs)["measures"]["f1"].items()}
    {'mean': 0.6, 'deviation': 0.1, 'min': 0.5, 'max': 0.7}
    >>> summary(runs)["best"]
    {'run': 'seed-1', 'f1': 0.7}
    """
    names = list(outcomes[0].measures)
    best = max(outcomes, key=_value)
    columns = {name: [one.measures[name] for one in outcomes] for name in names}
    return {
        "measures": {name: dict(_spread(values)) for name, values in columns.items()},
        "best": {"run": best.name, names[0]: best.value},
        "note": OPTIMISTIC,
        "runs": [{"run": one.name, **one.changes, **one.measures, "epoch": one.epoch} for one in outcomes],
    }


def write_summary(path: Path, said: Mapping[str, Any]) -> None:
    """Write it as JSON, durably."""
    write_file(path, (json.dumps(said, indent=2, ensure_ascii=False) + "\n").encode())


def _value(outcome: Outcome) -> float:
    return outcome.value if outcome.value == outcome.value else float("-inf")


def _spread(values: Sequence[float]) -> Iterator[tuple[str, float | None]]:
    yield "mean", mean(values)
    yield "deviation", stdev(values) if len(values) > 1 else None
    yield "min", min(values)
    yield "max", max(values)
