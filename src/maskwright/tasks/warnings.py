"""What a person should know of a fine-tuning before they trust its number, as sentences."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from maskwright.tasks.checks import leaks
from maskwright.tasks.examples import Example
from maskwright.training.finetuning import TASK

MANY_CUT = 0.05
"""From this share of cut texts on, it is worth a word."""
GAP = 0.1
"""How much better training examples may be answered before it is called learning by heart."""

FALL = 0.01
"""By how much the measure that decides may end below its best before it is said."""


def of_data(train: Sequence[Example], dev: Sequence[Example], cut: int, length: int) -> Iterator[str]:
    """Examples that are on both sides, and texts that lost their end."""
    if found := leaks(train, dev):
        near = sum(leak.near for leak in found)
        yield (
            f"{len(found):,} of the {len(dev):,} examples to judge by are in training too ({near:,} of them nearly), "
            f"such as {found[0].where} and {found[0].there}: what is measured is too good by that much"
        )
    if cut > MANY_CUT * (len(train) + len(dev)):
        yield (
            f"{cut:,} of {len(train) + len(dev):,} texts were cut at {length} tokens: what stands behind is never read"
        )


def of_outcome(different: int, lines: Sequence[Mapping[str, Any]], steps: int) -> Iterator[str]:
    """One answer for all; answers that are much better where they were learned; a measure that has its best behind it.

    different   how many different answers were given
    lines       the run's lines of metrics, the last one included
    steps       of an epoch
    """
    if different == 1:
        yield "it gives one answer for all examples: it has learned nothing; try another rate, or more epochs"
        return
    last = lines[-1]
    learned, judged_by = last["accuracy"].get(TASK), last.get("held_out", {}).get("accuracy", {}).get(TASK)
    if learned and judged_by and learned - judged_by > GAP:
        yield (
            f"{learned:.0%} of the last training examples are answered right and {judged_by:.0%} of the others: it has "
            "learned some by heart; fewer epochs, more dropout or more examples would help"
        )
    if turned := turning_point(lines):
        best, end = turned
        (name, value), now = next(iter(best["held_out"]["measures"].items())), _chief(end)
        yield (
            f"{name} was best after {best['step'] / steps:.2g} epochs, {value:.3f}, and is {now:.3f} after "
            f"{end['step'] / steps:.2g}, while the loss on training examples went on falling, from {best['loss']:.3f} "
            f"to {end['loss']:.3f}: from there on it learned by heart; fewer epochs, or more examples, would do"
        )


def turning_point(lines: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], Mapping[str, Any]] | None:
    """The best look and the last one, where training got better between them and what is judged by got worse."""
    looks = [line for line in lines if _chief(line) is not None]
    if not looks:
        return None
    best, end = max(looks, key=lambda line: (_chief(line), -line["held_out"]["loss"])), looks[-1]
    fallen = float(_chief(best) or 0) - float(_chief(end) or 0)
    return (best, end) if fallen > FALL and end["loss"] < best["loss"] else None


def _chief(line: Mapping[str, Any]) -> float | None:
    """The measure that decides, of a line that has one and where it is a number."""
    return next(iter(line.get("held_out", {}).get("measures", {}).values()), None)
