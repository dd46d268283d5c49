"""How many weights a network has, by component: counted from the network itself, the formula beside each number.

Papers count in two ways, so both sums are kept: the matrices, tables and norms of the encoder alone
(108,808,704 for BERT base), and everything it has, with biases and pooler (109,482,240, which the paper
rounds to 110M) and with the two pretraining heads (110,106,428). The decoder of the head for masked
tokens is the token table and is counted once, and so is what layers share.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple, cast

from maskwright.models import OTHER_NAMES, ModelConfig, module_of, names, segments_of
from maskwright.models import published as published_network
from maskwright.models.albert import AlbertConfig
from maskwright.models.gpt2 import Gpt2Config
from maskwright.models.openai_gpt import OpenAIGptConfig
from maskwright.models.roberta import XLM_ROBERTA_VOCABULARY
from maskwright.models.xlm import XlmConfig
from maskwright.models.xlnet import XlnetConfig
from maskwright.training.pretraining import network


class Row(NamedTuple):
    """One component of a network.

    component, part   "embeddings", "token"; part is "" where a component has one
    formula           in the letters of `letters`
    parameters        counted in the network itself
    """

    component: str
    part: str
    formula: str
    parameters: int


class Counted(NamedTuple):
    """Rows in the order of the network, and three sums.

    weights      of the encoder alone: embeddings, attention, feed-forward, norms
    encoder      and its biases and pooler
    everything   and its pretraining heads
    """

    rows: list[Row]
    weights: int
    encoder: int
    everything: int

    def components(self) -> dict[str, int]:
        """The sum of each component."""
        names = dict.fromkeys(row.component for row in self.rows)
        return {name: sum(row.parameters for row in self.rows if row.component == name) for name in names}


# Component, part, and the names of the parameters that are counted under it: the first match counts.
_COMPONENTS: list[tuple[str, str, str]] = [
    ("head", "masked tokens", r"heads\.mlm\..*"),
    ("head", "tokens in an order", r"heads\.plm\..*"),
    ("head", "next sentence", r"heads\.nsp\..*"),
    ("head", "sentence order", r"heads\.sop\..*"),
    ("pooler", "", r"encoder\.pooler\..*"),
    ("norms", "", r".*norm\.(weight|bias)|encoder\.final\..*"),
    ("embeddings", "token", r"encoder\.(embeddings\.)?token"),
    ("embeddings", "position", r"encoder\.embeddings\.position\.weight"),
    ("embeddings", "segment", r"encoder\.embeddings\.token_type"),
    ("embeddings", "language", r"encoder\.embeddings\.language"),
    ("embeddings", "projection", r"encoder\.projection\.weight"),
    ("embeddings", "of a prediction", r"encoder\.mask"),
    ("attention", "", r".*\.(query_key_value|attention_output)\.weight"),
    ("attention", "", r".*\.attention\.(query|key|value|position|output|segments)"),
    ("feed-forward", "", r".*\.(intermediate|output)\.weight"),
    ("biases", "", r".*\.(bias|attention\.biases\.\w+)"),
]
_ORDER = ("embeddings", "attention", "feed-forward", "norms", "biases", "pooler", "head")
_WEIGHTS = ("embeddings", "attention", "feed-forward", "norms")

# By component or its part. ALBERT's differ where the width is E, and where layers share: B and F are counted there.
_FORMULAS = {
    "masked tokens": "H² + 3 H + V",
    "next sentence": "2 H + 2",
    "sentence order": "2 H + 2",
    "pooler": "H² + H",
    "norms": "2 (2 L + 1) H",
    "embeddings": "(V + P + G) H",
    "token": "V H",
    "position": "P H",
    "segment": "G H",
    "attention": "4 L H²",
    "feed-forward": "2 L H I",
    "biases": "L (5 H + I)",
}
_ALBERT = {
    "masked tokens": "E H + 3 E + V",
    "norms": "2 (B + F) H + 2 E",
    "embeddings": "(V + P + G + H) E",
    "token": "V E",
    "position": "P E",
    "segment": "G E",
    "projection": "E H",
    "attention": "4 B H²",
    "feed-forward": "2 F H I",
    "biases": "4 B H + F (H + I) + H",
}
_GPT = {"embeddings": "(V + P) H", "norms": "4 L H"}
_GPT2 = {"embeddings": "(V + P) H", "norms": "2 (2 L + 1) H"}
_XLNET = {
    "tokens in an order": "V",
    "embeddings": "(V + 1) H",
    "of a prediction": "H",
    "attention": "L (5 H² + 2 H)",
    "norms": "4 L H",
    "biases": "3 B H + L (H + I)",
}
_XLM = {"masked tokens": "V", "embeddings": "(V + P + N) H", "language": "N H"}


def formulas(config: ModelConfig) -> dict[str, str]:
    """The formula of each component, or of its part, in the letters of `letters`."""
    if isinstance(config, AlbertConfig):
        return {**_FORMULAS, **_ALBERT}
    if isinstance(config, XlmConfig):
        return {**_FORMULAS, **_XLM} if config.knows_languages else {**_FORMULAS, **_XLM, "embeddings": "(V + P) H"}
    if isinstance(config, OpenAIGptConfig):
        return {**_FORMULAS, **_GPT}
    if isinstance(config, XlnetConfig):
        return {**_FORMULAS, **_XLNET}
    return {**_FORMULAS, **_GPT2} if isinstance(config, Gpt2Config) else _FORMULAS


def count(config: ModelConfig, heads: Sequence[str] | None = None, *, pooler: bool = True) -> Counted:
    """The parameters of a network of this shape, built without memory for its values (torch's meta device).

    heads     which pretraining heads it has; those it was published with when left out
    pooler    False: it has none, as BertForMaskedLM
    """
    formula = formulas(config)
    counts: dict[tuple[str, str], int] = {}
    heads = usual_heads(config) if heads is None else heads
    for name, parameter in network(config, heads, "meta").named_parameters():
        row = next(row for row in _COMPONENTS if re.fullmatch(row[2], name))
        counts[row[:2]] = counts.get(row[:2], 0) + parameter.numel()
    rows = [
        Row(*row, formula[row[1] or row[0]], counts[row])
        for row in sorted(counts, key=_place)
        if pooler or row[0] != "pooler"
    ]
    weights = sum(row.parameters for row in rows if row.component in _WEIGHTS)
    encoder = sum(row.parameters for row in rows if row.component != "head")
    return Counted(rows, weights, encoder, sum(row.parameters for row in rows))


def usual_heads(config: ModelConfig) -> tuple[str, ...]:
    """The pretraining heads that a network was published with: the first of its classes."""
    return next(iter(published_network(config.model_type).classes))


def letters(config: ModelConfig) -> dict[str, int]:
    """What the letters of the formulas stand for: those of `batch.py`, and others of these networks.

    I   inner width       P   positions    G   segments     N   languages
    E   width of tables   B   different attentions          F   different feed-forward networks
    """
    found = {
        "V": config.vocab_size,
        "H": config.hidden_size,
        "L": config.num_hidden_layers,
        "I": config.intermediate_size,
    }
    if isinstance(config, XlnetConfig):
        return {**found, "B": config.n_layer if config.untie_r else min(1, config.n_layer)}
    found["P"] = config.max_position_embeddings
    if isinstance(config, XlmConfig):
        return {**found, "N": config.n_langs} if config.knows_languages else found
    if segments := segments_of(config):
        found["G"] = segments
    if isinstance(config, AlbertConfig):
        attentions, feed_forwards = config.different
        found |= {"E": config.embedding_size, "B": attentions, "F": feed_forwards}
    return found


def published(name: str, vocab_size: int | None = None) -> ModelConfig | None:
    """The shape of a size by its name, None when there is none; a size alone is BERT's.

    vocab_size   V; as published when left out

    >>> from maskwright.models.bert import BertConfig
    >>> published("bert-base") == published("base") == published("bert:base") == BertConfig()
    True
    >>> published("roberta-large").hidden_size, published("gpt-base")
    (1024, None)
    >>> published("gpt2-xl").num_hidden_layers
    48
    """
    found = re.fullmatch(r"(?:([\w-]+)[-:])?(\w+)", name)
    model_type, size = (found.group(1) or "bert", found.group(2)) if found else ("", "")
    if model_type not in (*names(), *OTHER_NAMES) or size not in getattr(module_of(model_type), "SIZES", {}):
        return None
    module = module_of(model_type)
    usual = XLM_ROBERTA_VOCABULARY if model_type == "xlm-roberta" else module.DEFAULT_VOCABULARY
    shape = {"model_type": model_type, "vocab_size": usual if vocab_size is None else vocab_size}
    return cast("ModelConfig", module.Config(**shape, **module.SIZES[size]))


def sizes() -> list[str]:
    """The names that `published` knows, but for other spellings."""
    return [f"{name}-{size}" for name in (*names(), *OTHER_NAMES) for size in getattr(module_of(name), "SIZES", {})]


def _place(row: tuple[str, str]) -> tuple[int, int]:
    return _ORDER.index(row[0]), [known[:2] for known in _COMPONENTS].index(row)
