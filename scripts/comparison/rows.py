"""The rows of the bake-off: what each run changes in its recipe, and which runs stand beside each other."""

from typing import Any, NamedTuple

from comparison.measures import IN_CONTEXT, MASKED, OTHER_KINDS, PROBE, Measure
from maskwright.models.albert import SIZES as ALBERT_SIZES

Changes = dict[str, Any]
SINGLE: Changes = {"layout.kind": "doc_sentences", "layout.task": "none"}
PAIR: Changes = {"layout.kind": "segment_pairs"}
SENTENCES: Changes = {"layout.kind": "sentence_pairs"}
SPAN: Changes = {
    **SINGLE, "masks.unit": "span", "masks.fate": "unit", "masks.rounding": "up", "masks.count_specials": False,
}  # fmt: skip
ALBERT: Changes = {
    **SINGLE,
    **{f"model.{name}": value for name, value in ALBERT_SIZES["tiny"].items() if "dropout" not in name},
    "model.model_type": "albert",
    "model.num_hidden_layers": 4,
}


class Run(NamedTuple):
    """A recipe, what is changed in it, and how long it learns.

    by_time   False: for the budget of tokens; True: for as long as BERT takes for these
    """

    changes: Changes
    recipe: str = "quick"
    by_time: bool = False


_CHOICES: dict[str, Changes] = {
    "token": SINGLE,
    "word": {**SINGLE, "masks.unit": "word"},
    "ngram": {**SINGLE, "masks.unit": "ngram"},
    "span": SPAN,
    "span-boundary": {**SPAN, "masks.boundary": True},
    "segments-next": {**PAIR, "layout.task": "next_sentence"},
    "segments-order": {**PAIR, "layout.task": "sentence_order"},
    "segments": {**PAIR, "layout.task": "none"},
    "sentences-next": {**SENTENCES, "layout.task": "next_sentence"},
    "sentences-order": {**SENTENCES, "layout.task": "sentence_order"},
    "sentences": {**SENTENCES, "layout.task": "none"},
    "full-sentences": {"layout.kind": "full_sentences", "layout.task": "none"},
    "rate-25": {**SINGLE, "masks.rate": 0.25},
    "rate-40": {**SINGLE, "masks.rate": 0.40},
    "rate-40-to-15": {**SINGLE, "masks.rate": 0.40, "masks.final_rate": 0.15},
    "part-dynamic": SINGLE,
    "part-static-10": {**SINGLE, "masks.dupe_factor": 10},
    "part-static-3": {**SINGLE, "masks.dupe_factor": 3},
    "part-static-1": {**SINGLE, "masks.dupe_factor": 1},
    "albert-all": {**ALBERT, "model.shared": "all"},
    "albert-attention": {**ALBERT, "model.shared": "attention"},
    "albert-feed-forward": {**ALBERT, "model.shared": "feed_forward"},
    "albert-none": {**ALBERT, "model.shared": "none"},
    **{f"batch-{size}": {**SINGLE, "training.batch_sequences": size} for size in (256, 1024, 2048, 8192)},
}  # fmt: skip
OTHERS = {"elmo": "elmo", "gpt": "gpt", "xlnet": "xlnet", "word2vec": "word2vec", "bags": "bag_of_words"}
"""The recipes of other kinds, by the name of the run that has its budget of tokens; NAME-time has BERT's time."""
SINUSOIDS: dict[str, Changes] = {"gpt": {"start.positions": "sinusoids"}}
"""Where positions are learned they begin as sinusoids; XLNet's distances are these."""
RUNS: dict[str, Run] = {
    **{name: Run(changes) for name, changes in _CHOICES.items()},
    "bert": Run({**SINGLE, "start.tokens": "random"}),
    "bert-started": Run(SINGLE),
    **{name: Run(SINUSOIDS.get(name, {}), recipe) for name, recipe in OTHERS.items()},
    **{f"{name}-time": Run(SINUSOIDS.get(name, {}), recipe, by_time=True) for name, recipe in OTHERS.items()},
}
"""All runs by name. Those called part-... learn from a small part of the corpus, again and again."""


class Group(NamedTuple):
    """Runs to compare."""

    title: str
    """What differs."""
    rows: dict[str, str]
    """The run of each label, the one to compare with first."""
    measures: tuple[Measure, ...] = MASKED
    """What the table tells of each, the difference too where a measure says so; the picture has two of them."""
    pictured: tuple[Measure, Measure] = (MASKED[0], PROBE)
    """Those two."""


GROUPS: dict[str, Group] = {
    "units": Group(
        "What is hidden together",
        {
            "tokens": "token",
            "whole words": "word",
            "n-grams": "ngram",
            "spans": "span",
            "spans, boundary objective": "span-boundary",
        },
    ),
    "layouts": Group(
        "Layouts and sentence tasks",
        {
            "segment pairs, next sentence": "segments-next",
            "segment pairs, sentence order": "segments-order",
            "segment pairs, no task": "segments",
            "sentence pairs, next sentence": "sentences-next",
            "sentence pairs, sentence order": "sentences-order",
            "sentence pairs, no task": "sentences",
            "full sentences": "full-sentences",
            "doc sentences": "token",
        },
    ),
    "masks": Group(
        "Static and dynamic masks",
        {
            "dynamic": "part-dynamic",
            "static, 10 versions": "part-static-10",
            "static, 3 versions": "part-static-3",
            "static, 1 version": "part-static-1",
        },
    ),
    "rates": Group(
        "Mask rates", {"15 %": "token", "25 %": "rate-25", "40 %": "rate-40", "40 % falling to 15 %": "rate-40-to-15"}
    ),
    "batch": Group(
        "The size of a batch",
        {
            "32": "token",
            "256": "batch-256",
            "1,024": "batch-1024",
            "2,048": "batch-2048",
            "8,192": "batch-8192",
        },
    ),
    "sharing": Group(
        "What ALBERT's layers share",
        {
            "nothing": "albert-none",
            "attention": "albert-attention",
            "feed-forward": "albert-feed-forward",
            "all": "albert-all",
        },
    ),
    "tokens": Group(
        "BERT and what it is compared with, as many tokens each",
        {
            "BERT": "bert",
            "XLNet": "xlnet",
            "GPT": "gpt",
            "ELMo": "elmo",
            "word2vec": "word2vec",
            "bag of words": "bags",
            "BERT, started from word2vec": "bert-started",
        },
        OTHER_KINDS,
        (PROBE, IN_CONTEXT),
    ),
    "time": Group(
        "BERT and what it is compared with, as much time each",
        {
            "BERT": "bert",
            "XLNet": "xlnet-time",
            "GPT": "gpt-time",
            "ELMo": "elmo-time",
            "word2vec": "word2vec-time",
            "bag of words, all text": "bags-time",
        },
        OTHER_KINDS,
        (PROBE, IN_CONTEXT),
    ),
}


def runs_of(groups: list[str]) -> list[str]:
    """The runs of some groups, each once.

    >>> runs_of(["rates", "batch"])[:5]
    ['token', 'rate-25', 'rate-40', 'rate-40-to-15', 'batch-256']
    """
    return list(dict.fromkeys(name for group in groups for name in GROUPS[group].rows.values()))
