"""The other side of `bench batches`: `DataCollatorForLanguageModeling` of transformers.

It pads 256 sequences to the longest and hides 15 %, on one processor. Its sequences are those of recipe `roberta`,
whole sentences up to 128 tokens, ready-made as lists of numbers, as a tokenised data set has them: planning, reading
and laying out are in our time and not in its. Of what it takes, bare lists are the fastest; it then makes no attention
mask, which costs as much again.
"""

from itertools import pairwise
from typing import Any

from maskwright.lab.bench.batches import SEQUENCES, data_for, timed
from maskwright.lab.bench.clock import told
from maskwright.lab.bench.shapes import MASK_RATE

MADE = 64
"""Steps that are shown in turn, or an epoch's where that is shorter."""


def ready(corpus: str, *, sequences: int, length: int) -> list[list[list[int]]]:
    """The tokens of each sequence of each step."""
    data = data_for(corpus, "roberta", sequences=sequences, length=length).main
    steps = min(MADE, max(1, data.epoch_sequences(0) // sequences))
    made = [data.streams[0].sequences(step, sequences) for step in range(steps)]
    return [[one.token_ids[a:b].tolist() for a, b in pairwise(one.cu_seqlens.tolist())] for one in made]


def measure(*, corpus: str, seconds: float, sequences: int = SEQUENCES, length: int = 128) -> dict[str, Any]:
    """Tokens of text a second, for each second of a processor too; padding does not count."""
    from transformers import AutoTokenizer, DataCollatorForLanguageModeling

    collate: Any = DataCollatorForLanguageModeling(
        AutoTokenizer.from_pretrained(f"{corpus}/tokenizer"), mlm_probability=MASK_RATE
    )
    made = ready(corpus, sequences=sequences, length=length)
    counts = [sum(map(len, step)) for step in made]

    def make(step: int) -> int:
        collate(made[step % len(made)])
        return counts[step % len(made)]

    return timed(make, seconds, len(made))


if __name__ == "__main__":
    told(measure)
