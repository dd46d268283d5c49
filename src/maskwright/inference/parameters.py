"""How many weights a BERT has, by component: counted from the network itself, the formula beside each number.

Papers count in two ways, so both sums are kept: the matrices, tables and norms of the encoder alone
(108,808,704 for BERT base), and everything it has, with biases and pooler (109,482,240, which the paper
rounds to 110M) and with the two pretraining heads (110,106,428). The decoder of the head for masked
tokens is the token table and is counted once.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from maskwright.inference.encoder import network
from maskwright.models.bert import SIZES, BertConfig


class Row(NamedTuple):
    """One component of a network.

    component, part   "embeddings", "token"; part is "" where a component has one
    formula           in the letters of `batch.py`, and I the inner width, P the positions, G the segments
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


# Component, part, formula, and the names of the parameters that are counted under it: the first match counts.
_COMPONENTS: list[tuple[str, str, str, str]] = [
    ("head", "masked tokens", "H² + 3 H + V", r"heads\.mlm\..*"),
    ("head", "next sentence", "2 H + 2", r"heads\.nsp\..*"),
    ("pooler", "", "H² + H", r"encoder\.pooler\..*"),
    ("norms", "", "2 (2 L + 1) H", r".*norm\.(weight|bias)"),
    ("embeddings", "token", "V H", r"encoder\.embeddings\.token"),
    ("embeddings", "position", "P H", r"encoder\.embeddings\.position\.weight"),
    ("embeddings", "segment", "G H", r"encoder\.embeddings\.token_type"),
    ("attention", "", "4 L H²", r".*\.(query_key_value|attention_output)\.weight"),
    ("feed-forward", "", "2 L H I", r".*\.(intermediate|output)\.weight"),
    ("biases", "", "L (5 H + I)", r".*\.bias"),
]
_ORDER = ("embeddings", "attention", "feed-forward", "norms", "biases", "pooler", "head")
_WEIGHTS = ("embeddings", "attention", "feed-forward", "norms")


def count(config: BertConfig, heads: Sequence[str] = ("mlm", "nsp"), *, pooler: bool = True) -> Counted:
    """The parameters of a network of this shape, built without memory for its values (torch's meta device).

    heads     "mlm", "nsp": which pretraining heads it has
    pooler    False: it has none, as BertForMaskedLM
    """
    counts: dict[tuple[str, str, str], int] = {}
    for name, parameter in network(config, heads, "meta").named_parameters():
        row = next(row for row in _COMPONENTS if re.fullmatch(row[3], name))
        counts[row[:3]] = counts.get(row[:3], 0) + parameter.numel()
    rows = [Row(*row, counts[row]) for row in sorted(counts, key=_place) if pooler or row[0] != "pooler"]
    weights = sum(row.parameters for row in rows if row.component in _WEIGHTS)
    encoder = sum(row.parameters for row in rows if row.component != "head")
    return Counted(rows, weights, encoder, sum(row.parameters for row in rows))


def letters(config: BertConfig) -> dict[str, int]:
    """What the letters of the formulas stand for."""
    return {
        "V": config.vocab_size,
        "H": config.hidden_size,
        "L": config.num_hidden_layers,
        "I": config.intermediate_size,
        "P": config.max_position_embeddings,
        "G": config.type_vocab_size,
    }


def published(name: str, vocab_size: int = 30522) -> BertConfig | None:
    """The shape of a size by its name, None when there is none.

    >>> published("bert-base") == published("base") == published("bert:base") == BertConfig()
    True
    """
    size = SIZES.get(re.sub(r"^bert[-:]", "", name))
    return None if size is None else BertConfig(vocab_size=vocab_size, **size)


def _place(row: tuple[str, str, str]) -> tuple[int, int]:
    return _ORDER.index(row[0]), [known[:3] for known in _COMPONENTS].index(row)
