"""The jobs of the comparison: which sides and models, which tasks, how many examples, how they learn."""

from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

from finetuning_comparison.tasks import TASKS
from finetuning_comparison.terms import Job

Changes = dict[str, Any]
OURS, THEIRS = "maskwright", "transformers"
SIDES = (OURS, THEIRS)
GROUPS = ("parity", "order")
BATCH, WARMUP, DECAY, EPSILON, DROPOUT, CLIP = 32, 0.1, 0.01, 1e-6, 0.1, 1.0
RATES = {"en": 1e-4, "zh": 5e-4}
"""Of both sides: MiniLM's, and of a small encoder that was pretrained here."""
SMALL_EPOCHS = 2
"""The small encoder learns for so many times the epochs."""
ORDER_TASKS = ("topic", "sentiment", "parts-of-speech", "zh-sentiment")
ORDER_EXAMPLES: dict[int, float] = {100: 20, 1_000: 6, 0: 3}
"""How many examples, 0 being all, and for how many epochs: few examples want many passes."""

FROZEN: Changes = {"features.frozen": True}
ELMOS_WAY: Changes = {"features.frozen": True, "features.layers": "mix", "features.top": "bilstm"}


class Model(NamedTuple):
    """A row of the second group.

    run        of the bake-off whose model it starts from; each seed takes that of its own number, or else the first
    rate       the peak one: of three or four tried once on 1,000 examples of three tasks, the best over all
    changes    of the recipe, by dotted key
    random     the same network, its weights drawn anew
    sequences  whether it learns by steps; a bag of words is fitted in one go, and has no settings
    """

    run: str
    rate: float = 1e-3
    changes: Changes | None = None
    random: bool = False
    sequences: bool = True


MODELS: dict[str, Model] = {
    "BERT": Model("bert"),
    "BERT, random weights": Model("bert", random=True),
    "BERT, frozen": Model("bert", 2e-2, FROZEN),
    "BERT, frozen, layers mixed, BiLSTM": Model("bert", 5e-3, ELMOS_WAY),
    "BERT, started from word2vec": Model("bert-started"),
    "XLNet": Model("xlnet"),
    "GPT": Model("gpt"),
    "ELMo": Model("elmo", 5e-3),
    "ELMo, frozen, layers mixed, BiLSTM": Model("elmo", 5e-3, ELMOS_WAY),
    "word2vec": Model("word2vec", 5e-3),
    "bag of words": Model("bags", sequences=False),
}


def jobs_of(groups: Collection[str], tasks: Collection[str], seeds: int, order_seeds: int, examples: int) -> list[Job]:
    """All jobs, seeds outermost: what is stopped early has all rows, with fewer runs.

    >>> [str(job) for job in jobs_of(["parity"], ["topic"], 1, 0, 1_000)]
    ['parity: topic, maskwright, 1,000 examples, seed 0', 'parity: topic, transformers, 1,000 examples, seed 0']
    """
    return [
        job
        for seed in range(max(seeds, order_seeds))
        for job in _of_seed(seed, examples)
        if job.group in groups and job.task in tasks and seed < (seeds if job.group == "parity" else order_seeds)
    ]


def _of_seed(seed: int, examples: int) -> Iterator[Job]:
    for task in TASKS:
        for side in SIDES:
            yield Job("parity", task, side, examples, seed)
    for count in ORDER_EXAMPLES:
        for task in ORDER_TASKS:
            for name in MODELS:
                yield Job("order", task, name, count, seed)


def epochs_of(job: Job, epochs: float) -> float:
    """Passes of a job over its examples.

    >>> epochs_of(Job("parity", "topic", OURS, 1_000, 0), 3), epochs_of(Job("order", "topic", "BERT", 100, 0), 3)
    (3, 20)
    """
    if job.group == "order":
        return ORDER_EXAMPLES[job.examples]
    return epochs * (SMALL_EPOCHS if TASKS[job.task].language == "zh" else 1)
