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


def of_outcome(different: int, last: Mapping[str, Any]) -> Iterator[str]:
    """One answer for all, and answers that are much better where they were learned.

    different   how many different answers were given
    last        the run's last line of metrics
    """
    if different == 1:
        yield "it gives one answer for all examples: it has learned nothing; try another rate, or more epochs"
        return
    learned, judged_by = last["accuracy"].get(TASK), last.get("held_out", {}).get("accuracy", {}).get(TASK)
    if learned and judged_by and learned - judged_by > GAP:
        yield (
            f"{learned:.0%} of the last training examples are answered right and {judged_by:.0%} of the others: it has "
            "learned some by heart; fewer epochs, more dropout or more examples would help"
        )
